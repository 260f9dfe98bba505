//! Questions to which emulators have no answer, or one for another account. The gateway answers them itself, from
//! `beside`, `denial`, `events` and `offers`.

use super::probe::{Gap, form, json};
use crate::answer::Answer;
use crate::upstream::Emulator::{Ministack, Moto};

fn refused(answers: &[Answer]) -> bool {
    answers.last().is_some_and(|answer| !answer.ok())
}

fn sells_none(answers: &[Answer]) -> bool {
    let sold = answers.last().and_then(Answer::xml_body).is_some_and(|root| root.find("OrderableDBInstanceOption").is_some());
    !sold
}

fn knows_no_8_4(answers: &[Answer]) -> bool {
    let known = answers.last().and_then(Answer::xml_body).map(|root| root.all("EngineVersion"));
    !known.is_some_and(|all| all.iter().any(|version| version.text.starts_with("8.4")))
}

const DECODE: &[super::Step] = &[form("sts", "Action=DecodeAuthorizationMessage&Version=2011-06-15&EncodedMessage=gap")];
const URLS: &[super::Step] = &[json("lambda", "GET /2021-10-31/functions/gap/urls", "")];
const CERTIFICATES: &[super::Step] = &[form(
    "elasticloadbalancing",
    "Action=DescribeListenerCertificates&Version=2015-12-01&ListenerArn=arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/gap/1/2",
)];
const BOUNDED: &[super::Step] = &[
    form(
        "iam",
        "Action=CreateRole&Version=2010-05-08&RoleName=gap-bounded&AssumeRolePolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D&PermissionsBoundary=arn%3Aaws%3Aiam%3A%3A123456789012%3Apolicy%2Fgap",
    ),
    form("iam", "Action=GetAccountAuthorizationDetails&Version=2010-05-08&Filter.member.1=Role"),
];
const QUOTA: &[super::Step] =
    &[json("servicequotas", "ServiceQuotasV20190624.GetServiceQuota", r#"{"ServiceCode":"fargate","QuotaCode":"L-3032A538"}"#)];
const SOLD: &[super::Step] = &[form(
    "rds",
    "Action=DescribeOrderableDBInstanceOptions&Version=2014-10-31&Engine=mysql&EngineVersion=8.4.7&DBInstanceClass=db.t4g.micro",
)];
const VERSIONS: &[super::Step] =
    &[form("rds", "Action=DescribeDBEngineVersions&Version=2014-10-31&Engine=mysql&EngineVersion=8.4")];
const TYPES: &[super::Step] = &[json("es", "GET /2021-01-01/opensearch/instanceTypeDetails/OpenSearch_2.19", "")];
const OFFERS: &[super::Step] =
    &[form("elasticache", "Action=DescribeReservedCacheNodesOfferings&Version=2015-02-02&CacheNodeType=cache.t4g.micro")];

pub const QUESTIONS: &[Gap] = &[
    Gap { emulator: Moto, name: "decoding", why: "no DecodeAuthorizationMessage", steps: DECODE, still: refused },
    Gap { emulator: Ministack, name: "decoding", why: "no DecodeAuthorizationMessage", steps: DECODE, still: refused },
    Gap {
        emulator: Moto,
        name: "simulation",
        why: "no SimulatePrincipalPolicy; ministack's knows nothing of what the gateway denies",
        steps: &[form(
            "iam",
            "Action=SimulatePrincipalPolicy&Version=2010-05-08&PolicySourceArn=arn:aws:iam::123456789012:user/gap&ActionNames.member.1=sqs:CreateQueue",
        )],
        still: refused,
    },
    Gap { emulator: Moto, name: "function-urls", why: "no ListFunctionUrlConfigs", steps: URLS, still: refused },
    Gap {
        emulator: Ministack,
        name: "certificates",
        why: "no DescribeListenerCertificates",
        steps: CERTIFICATES,
        still: refused,
    },
    Gap {
        emulator: Ministack,
        name: "role-boundaries",
        why: "GetAccountAuthorizationDetails shows no boundary of a role",
        steps: BOUNDED,
        still: |answers| {
            let (made, listed) = (answers[0].xml_text("RoleName"), answers[1].xml_body());
            made.is_some() && listed.is_some_and(|root| root.find("PermissionsBoundary").is_none())
        },
    },
    Gap { emulator: Moto, name: "quotas", why: "no quota of Fargate", steps: QUOTA, still: refused },
    Gap { emulator: Ministack, name: "quotas", why: "no Service Quotas", steps: QUOTA, still: refused },
    Gap { emulator: Moto, name: "classes", why: "no class of MySQL is sold", steps: SOLD, still: sells_none },
    Gap { emulator: Moto, name: "versions", why: "no DescribeDBEngineVersions", steps: VERSIONS, still: refused },
    Gap { emulator: Ministack, name: "versions", why: "no MySQL 8.4", steps: VERSIONS, still: knows_no_8_4 },
    Gap { emulator: Moto, name: "instance-types", why: "no ListInstanceTypeDetails", steps: TYPES, still: refused },
    Gap { emulator: Ministack, name: "instance-types", why: "no ListInstanceTypeDetails", steps: TYPES, still: refused },
    Gap { emulator: Ministack, name: "offers", why: "no DescribeReservedCacheNodesOfferings", steps: OFFERS, still: refused },
    Gap {
        emulator: Moto,
        name: "caller",
        why: "STS calls a user one of its own, not of IAM",
        steps: &[form("sts", "Action=GetCallerIdentity&Version=2011-06-15")],
        still: |answers| answers[0].xml_text("Arn").is_some_and(|arn| arn.starts_with("arn:aws:sts::")),
    },
];
