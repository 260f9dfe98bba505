//! The gaps by name, each with calls that show it.

use super::probe::{Gap, form, json};
use super::steps::{DATABASE, DOMAIN, IMAGE, MOVE, NAT, NO_NAT, REPLICA, SERVICE, SUBNET, TARGETS, TASK, VPC};
use crate::answer::Answer;
use crate::upstream::Emulator;

use Emulator::{Ministack, Moto};

fn xml_is(answer: Option<&Answer>, name: &str, text: &str) -> bool {
    answer.and_then(|answer| answer.xml_text(name)) == Some(text)
}

fn no_targets(answers: &[Answer]) -> bool {
    let made = answers[answers.len() - 2].ok();
    made && answers.last().is_some_and(|a| a.ok() && a.xml_body().is_some_and(|root| root.find("TargetHealth").is_none()))
}

fn forgets_settings(answers: &[Answer]) -> bool {
    let service = answers[2].json_body().and_then(|body| body.get("service"));
    service
        .is_some_and(|service| service["healthCheckGracePeriodSeconds"].is_null() && service["deploymentConfiguration"].is_null())
}

fn two_gateways(answers: &[Answer]) -> bool {
    let id = |n: usize| answers.get(n).and_then(|answer| answer.xml_text("natGatewayId"));
    id(2).is_some() && id(3).is_some() && id(2) != id(3)
}

fn empty_list(answers: &[Answer]) -> bool {
    answers.last().is_some_and(Answer::ok)
}

fn protected(answers: &[Answer]) -> bool {
    xml_is(answers.last(), "DeletionProtection", "true")
}

fn replaced_by_dry_run(answers: &[Answer]) -> bool {
    answers.last().and_then(|answer| answer.json_body()?.pointer("/DomainStatus/ClusterConfig").cloned())
        == Some(serde_json::json!({"InstanceCount": 4}))
}

fn refused(answers: &[Answer]) -> bool {
    answers.last().is_some_and(|answer| !answer.ok())
}

/// Whether a task ran at once. AWS has to find a network interface first.
fn runs_at_once(answers: &[Answer]) -> bool {
    answers.last().and_then(|answer| answer.json_text("/tasks/0/lastStatus")) == Some("RUNNING")
}

/// All gaps that this crate repairs or works around.
pub const GAPS: &[Gap] = &[
    Gap {
        emulator: Moto,
        name: "target-health",
        why: "no targets, ever: the gateway shows the tasks of its own services",
        steps: TARGETS,
        still: no_targets,
    },
    Gap {
        emulator: Ministack,
        name: "target-health",
        why: "no targets, ever: the gateway shows the tasks of its own services",
        steps: TARGETS,
        still: no_targets,
    },
    Gap {
        emulator: Moto,
        name: "service-settings",
        why: "ECS services lose settings and start nothing: the gateway keeps services itself",
        steps: SERVICE,
        still: forgets_settings,
    },
    Gap {
        emulator: Moto,
        name: "client-token",
        why: "a repeated token makes a second NAT gateway",
        steps: &[VPC, SUBNET, NAT, NAT],
        still: two_gateways,
    },
    Gap {
        emulator: Ministack,
        name: "client-token",
        why: "a repeated token makes a second NAT gateway",
        steps: &[VPC, SUBNET, NAT, NAT],
        still: two_gateways,
    },
    Gap { emulator: Moto, name: "nat-not-found", why: "an unknown id gives an empty list", steps: &[NO_NAT], still: empty_list },
    Gap {
        emulator: Ministack,
        name: "nat-not-found",
        why: "an unknown id gives an empty list",
        steps: &[NO_NAT],
        still: empty_list,
    },
    Gap {
        emulator: Moto,
        name: "replica-protection",
        why: "a replica inherits deletion protection",
        steps: &[DATABASE, REPLICA],
        still: protected,
    },
    Gap {
        emulator: Ministack,
        name: "replica-protection",
        why: "a replica inherits deletion protection",
        steps: &[DATABASE, REPLICA],
        still: protected,
    },
    Gap {
        emulator: Ministack,
        name: "replica-settings",
        why: "a replica has its source's class and security groups, whatever the call says",
        steps: &[DATABASE, REPLICA],
        still: |answers| xml_is(answers.last(), "DBInstanceClass", "db.t4g.micro"),
    },
    Gap {
        emulator: Ministack,
        name: "database-name",
        why: "a database nobody asked for",
        steps: &[DATABASE],
        still: |answers| xml_is(answers.last(), "DBName", "mydb"),
    },
    Gap {
        emulator: Moto,
        name: "dry-run",
        why: "a dry run changes the domain, and a part replaces the whole",
        steps: DOMAIN,
        still: replaced_by_dry_run,
    },
    Gap {
        emulator: Ministack,
        name: "dry-run",
        why: "a dry run changes the domain, and a part replaces the whole",
        steps: DOMAIN,
        still: replaced_by_dry_run,
    },
    Gap {
        emulator: Moto,
        name: "image-digest",
        why: "not sha256 of the manifest",
        steps: IMAGE,
        still: |answers| {
            answers
                .last()
                .and_then(|a| a.json_text("/image/imageId/imageDigest"))
                .is_some_and(|digest| !digest.ends_with("c8bda4967268"))
        },
    },
    Gap {
        emulator: Ministack,
        name: "last-byte-received",
        why: "0, whatever was uploaded",
        steps: IMAGE,
        still: |answers| answers[2].json_body().is_some_and(|body| body["lastByteReceived"] == 0),
    },
    Gap {
        emulator: Ministack,
        name: "layer-availability",
        why: "an uploaded layer is UNAVAILABLE",
        steps: IMAGE,
        still: |answers| answers[4].json_text("/layers/0/layerAvailability") == Some("UNAVAILABLE"),
    },
    Gap {
        emulator: Moto,
        name: "scaling-tags",
        why: "Application Auto Scaling has no ListTagsForResource",
        steps: &[json(
            "application-autoscaling",
            "AnyScaleFrontendService.ListTagsForResource",
            r#"{"ResourceARN":"arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/x"}"#,
        )],
        still: |answers| answers[0].status == 500,
    },
    Gap {
        emulator: Ministack,
        name: "no-application-autoscaling",
        why: "the service is absent: routed to moto",
        steps: &[json(
            "application-autoscaling",
            "AnyScaleFrontendService.DescribeScalableTargets",
            r#"{"ServiceNamespace":"ecs"}"#,
        )],
        still: |answers| !answers[0].ok(),
    },
    Gap {
        emulator: Moto,
        name: "no-cbor",
        why: "CloudWatch of the Rust SDK is rpc-v2-cbor: routed to ministack",
        steps: &[json("monitoring", "POST /service/GraniteServiceVersion20100801/operation/DescribeAlarms", "")],
        still: |answers| answers[0].status == 404,
    },
    Gap {
        emulator: Moto,
        name: "cache-parameter-groups",
        why: "ElastiCache lacks them, members and reader endpoints: routed to ministack",
        steps: &[form(
            "elasticache",
            "Action=CreateCacheParameterGroup&Version=2015-02-02&CacheParameterGroupName=gap&CacheParameterGroupFamily=valkey8&Description=d",
        )],
        still: |answers| !answers[0].ok(),
    },
    Gap {
        emulator: Moto,
        name: "association-outlives-subnet",
        why: "a route table cannot be deleted after its subnet",
        steps: &[
            VPC,
            SUBNET,
            form("ec2", "Action=CreateRouteTable&Version=2016-11-15&VpcId={0:vpcId}"),
            form("ec2", "Action=AssociateRouteTable&Version=2016-11-15&RouteTableId={2:routeTableId}&SubnetId={1:subnetId}"),
            form("ec2", "Action=DeleteSubnet&Version=2016-11-15&SubnetId={1:subnetId}"),
            form("ec2", "Action=DeleteRouteTable&Version=2016-11-15&RouteTableId={2:routeTableId}"),
        ],
        still: |answers| answers[5].code().as_deref() == Some("DependencyViolation"),
    },
    Gap {
        emulator: Moto,
        name: "dry-run-ec2",
        why: "DryRun is executed",
        steps: &[form("ec2", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/16&DryRun=true")],
        still: |answers| answers[0].ok(),
    },
    Gap {
        emulator: Ministack,
        name: "dry-run-ec2",
        why: "DryRun is executed",
        steps: &[form("ec2", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/16&DryRun=true")],
        still: |answers| answers[0].ok(),
    },
    Gap {
        emulator: Ministack,
        name: "security-group-code",
        why: "an unknown group is Malformed instead of NotFound",
        steps: &[form("ec2", "Action=DescribeSecurityGroups&Version=2016-11-15&GroupId.1=sg-0123456789abcdef0")],
        still: |answers| answers[0].code().as_deref() == Some("InvalidGroupId.Malformed"),
    },
    Gap {
        emulator: Ministack,
        name: "balancer-network",
        why: "load balancers say vpc-00000001",
        steps: &[
            VPC,
            SUBNET,
            form("elasticloadbalancing", "Action=CreateLoadBalancer&Version=2015-12-01&Name=gap&Subnets.member.1={1:subnetId}"),
        ],
        still: |answers| xml_is(answers.last(), "VpcId", "vpc-00000001"),
    },
    Gap {
        emulator: Ministack,
        name: "nat-address",
        why: "a NAT gateway does not say its address",
        steps: &[
            VPC,
            SUBNET,
            form("ec2", "Action=AllocateAddress&Version=2016-11-15&Domain=vpc"),
            form("ec2", "Action=CreateNatGateway&Version=2016-11-15&SubnetId={1:subnetId}&AllocationId={2:allocationId}"),
        ],
        still: |answers| answers.last().is_some_and(|answer| answer.ok() && answer.xml_text("allocationId").is_none()),
    },
    Gap {
        emulator: Ministack,
        name: "image-exists-code",
        why: "the same image under the same tag is called another",
        steps: &[
            IMAGE[0],
            json(
                "ecr",
                "AmazonEC2ContainerRegistry_V20150921.PutImageTagMutability",
                r#"{"repositoryName":"gap","imageTagMutability":"IMMUTABLE"}"#,
            ),
            IMAGE[5],
            IMAGE[5],
        ],
        still: |answers| answers[3].code().as_deref() == Some("ImageTagAlreadyExistsException"),
    },
    Gap {
        emulator: Moto,
        name: "logging-config",
        why: "a function forgets where it logs",
        steps: &[
            form(
                "iam",
                "Action=CreateRole&Version=2010-05-08&RoleName=gap&AssumeRolePolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D",
            ),
            json(
                "lambda",
                "POST /2015-03-31/functions",
                r#"{"FunctionName":"gap","Role":"arn:aws:iam::123456789012:role/gap","Runtime":"provided.al2023","Handler":"bootstrap","Code":{"ZipFile":"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="},"LoggingConfig":{"LogGroup":"/gap","LogFormat":"JSON"}}"#,
            ),
        ],
        still: |answers| {
            answers[1].json_body().is_some_and(|body| body["FunctionName"] == "gap" && body["LoggingConfig"].is_null())
        },
    },
    Gap {
        emulator: Ministack,
        name: "endpoint-policy",
        why: "endpoints forget their policy, groups and private names",
        steps: &[
            VPC,
            form(
                "ec2",
                "Action=CreateVpcEndpoint&Version=2016-11-15&VpcId={0:vpcId}&ServiceName=com.amazonaws.eu-west-1.s3&VpcEndpointType=Gateway",
            ),
        ],
        still: |answers| answers[1].xml_text("vpcEndpointId").is_some() && answers[1].xml_text("policyDocument").is_none(),
    },
    Gap {
        emulator: Ministack,
        name: "flow-log-group",
        why: "flow logs forget their log group and role",
        steps: &[
            VPC,
            form(
                "ec2",
                "Action=CreateFlowLogs&Version=2016-11-15&ResourceId.1={0:vpcId}&ResourceType=VPC&TrafficType=REJECT&LogGroupName=gap&DeliverLogsPermissionArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fgap",
            ),
            form("ec2", "Action=DescribeFlowLogs&Version=2016-11-15"),
        ],
        still: |answers| answers[2].xml_text("flowLogId").is_some() && answers[2].xml_text("logGroupName").is_none(),
    },
    Gap {
        emulator: Ministack,
        name: "flow-log-tags",
        why: "flow logs lose the tags of their own type, vpc-flow-log",
        steps: &[
            VPC,
            form(
                "ec2",
                "Action=CreateFlowLogs&Version=2016-11-15&ResourceId.1={0:vpcId}&ResourceType=VPC&TrafficType=REJECT&LogGroupName=gap&DeliverLogsPermissionArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fgap&TagSpecification.1.ResourceType=vpc-flow-log&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v",
            ),
            form("ec2", "Action=DescribeFlowLogs&Version=2016-11-15"),
        ],
        still: |answers| answers[2].xml_text("flowLogId").is_some() && answers[2].xml_text("key").is_none(),
    },
    Gap {
        emulator: Ministack,
        name: "cache-member-names",
        why: "members are called id-0001-001 where AWS says id-001",
        steps: &[form(
            "elasticache",
            "Action=CreateReplicationGroup&Version=2015-02-02&ReplicationGroupId=gap&ReplicationGroupDescription=d&Engine=valkey&CacheNodeType=cache.t4g.small&NumCacheClusters=2",
        )],
        still: |answers| answers[0].xml_text("ClusterId") == Some("gap-0001-001"),
    },
    Gap {
        emulator: Ministack,
        name: "auth-token-date",
        why: "caches do not tell when their AUTH token was set",
        steps: &[form(
            "elasticache",
            "Action=CreateReplicationGroup&Version=2015-02-02&ReplicationGroupId=gap&ReplicationGroupDescription=d&Engine=valkey&CacheNodeType=cache.t4g.small&NumCacheClusters=1&TransitEncryptionEnabled=true&AuthToken=0123456789abcdef",
        )],
        still: |answers| answers[0].ok() && answers[0].xml_text("AuthTokenLastModifiedDate").is_none(),
    },
    Gap {
        emulator: Ministack,
        name: "foreign-subnets",
        why: "caches refuse subnets that moto made: they get twins",
        steps: &[form(
            "elasticache",
            "Action=CreateCacheSubnetGroup&Version=2015-02-02&CacheSubnetGroupName=gap&CacheSubnetGroupDescription=d&SubnetIds.SubnetIdentifier.1=subnet-0123456789abcdef0",
        )],
        still: |answers| answers[0].code().as_deref() == Some("InvalidSubnet"),
    },
    Gap {
        emulator: Moto,
        name: "message-moves",
        why: "SQS has no StartMessageMoveTask: the gateway moves the messages of dead-letter queues itself",
        steps: &[MOVE],
        still: refused,
    },
    Gap {
        emulator: Moto,
        name: "one-off-tasks",
        why: "what RunTask starts runs at once and for ever, and has no log: the gateway plays such tasks itself",
        steps: TASK,
        still: runs_at_once,
    },
    Gap {
        emulator: Ministack,
        name: "message-moves",
        why: "SQS has no StartMessageMoveTask: the gateway moves the messages of dead-letter queues itself",
        steps: &[MOVE],
        still: refused,
    },
    Gap {
        emulator: Ministack,
        name: "one-off-tasks",
        why: "what RunTask starts runs at once and for ever, and has no log: the gateway plays such tasks itself",
        steps: TASK,
        still: runs_at_once,
    },
];
