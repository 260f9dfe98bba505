//! The gaps by name, each with calls that show it.

use crate::answer::Answer;
use crate::request::Request;
use crate::upstream::{Emulator, Upstreams};
use anyhow::Result;

/// One call of a probe. `{0:vpcId}` in the body stands for that element of the first call's answer, `{0:/a/b}` for a JSON field.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The signing name.
    pub service: &'static str,
    /// `X-Amz-Target`, or `METHOD /path` for rest-json, or nothing for a form.
    pub target: &'static str,
    pub body: &'static str,
}

/// Something an emulator gets wrong.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    pub emulator: Emulator,
    pub name: &'static str,
    pub why: &'static str,
    pub steps: &'static [Step],
    /// Whether the answers still show it.
    pub still: fn(&[Answer]) -> bool,
}

const fn form(service: &'static str, body: &'static str) -> Step {
    Step { service, target: "", body }
}

const fn json(service: &'static str, target: &'static str, body: &'static str) -> Step {
    Step { service, target, body }
}

use Emulator::{Ministack, Moto};

const VPC: Step = form("ec2", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/16");
const SUBNET: Step = form("ec2", "Action=CreateSubnet&Version=2016-11-15&VpcId={0:vpcId}&CidrBlock=10.0.0.0/24");
const NAT: Step =
    form("ec2", "Action=CreateNatGateway&Version=2016-11-15&SubnetId={1:subnetId}&ConnectivityType=private&ClientToken=token");
const NO_NAT: Step = form("ec2", "Action=DescribeNatGateways&Version=2016-11-15&NatGatewayId.1=nat-0123456789abcdef0");
const SERVICE: &[Step] = &[
    json("ecs", "AmazonEC2ContainerServiceV20141113.CreateCluster", r#"{"clusterName":"gap"}"#),
    json(
        "ecs",
        "AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition",
        r#"{"family":"gap","containerDefinitions":[{"name":"a","image":"a","memory":64}]}"#,
    ),
    json(
        "ecs",
        "AmazonEC2ContainerServiceV20141113.CreateService",
        r#"{"cluster":"gap","serviceName":"gap","taskDefinition":"gap","desiredCount":1,"healthCheckGracePeriodSeconds":7}"#,
    ),
];
const TARGETS: &[Step] = &[
    VPC,
    SUBNET,
    form(
        "elasticloadbalancing",
        "Action=CreateTargetGroup&Version=2015-12-01&Name=gap&Protocol=HTTP&Port=80&VpcId={0:vpcId}&TargetType=ip",
    ),
    form("elasticloadbalancing", "Action=CreateLoadBalancer&Version=2015-12-01&Name=gap&Subnets.member.1={1:subnetId}"),
    form(
        "elasticloadbalancing",
        "Action=CreateListener&Version=2015-12-01&Protocol=HTTP&Port=80&LoadBalancerArn={3:LoadBalancerArn}&DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={2:TargetGroupArn}",
    ),
    SERVICE[0],
    json(
        "ecs",
        "AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition",
        r#"{"family":"gap","containerDefinitions":[{"name":"a","image":"a","memory":64,"portMappings":[{"containerPort":80}]}]}"#,
    ),
    json(
        "ecs",
        "AmazonEC2ContainerServiceV20141113.CreateService",
        r#"{"cluster":"gap","serviceName":"gap","taskDefinition":"gap","desiredCount":1,"loadBalancers":[{"targetGroupArn":"{2:TargetGroupArn}","containerName":"a","containerPort":80}]}"#,
    ),
    form("elasticloadbalancing", "Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn={2:TargetGroupArn}"),
];
const DATABASE: Step = form(
    "rds",
    "Action=CreateDBInstance&Version=2014-10-31&DBInstanceIdentifier=gap&Engine=mysql&DBInstanceClass=db.t4g.micro&AllocatedStorage=20&MasterUsername=u&MasterUserPassword=password&DeletionProtection=true&BackupRetentionPeriod=1",
);
const REPLICA: Step = form(
    "rds",
    "Action=CreateDBInstanceReadReplica&Version=2014-10-31&DBInstanceIdentifier=gap-replica&SourceDBInstanceIdentifier=gap",
);
const DOMAIN: &[Step] = &[
    json(
        "es",
        "POST /2021-01-01/opensearch/domain",
        r#"{"DomainName":"gap","ClusterConfig":{"InstanceType":"t3.small.search","InstanceCount":2}}"#,
    ),
    json("es", "POST /2021-01-01/opensearch/domain/gap/config", r#"{"ClusterConfig":{"InstanceCount":4},"DryRun":true}"#),
    json("es", "GET /2021-01-01/opensearch/domain/gap", ""),
];
const IMAGE: &[Step] = &[
    json("ecr", "AmazonEC2ContainerRegistry_V20150921.CreateRepository", r#"{"repositoryName":"gap"}"#),
    json("ecr", "AmazonEC2ContainerRegistry_V20150921.InitiateLayerUpload", r#"{"repositoryName":"gap"}"#),
    json(
        "ecr",
        "AmazonEC2ContainerRegistry_V20150921.UploadLayerPart",
        r#"{"repositoryName":"gap","uploadId":"{1:/uploadId}","partFirstByte":0,"partLastByte":1,"layerPartBlob":"e30="}"#,
    ),
    json(
        "ecr",
        "AmazonEC2ContainerRegistry_V20150921.CompleteLayerUpload",
        r#"{"repositoryName":"gap","uploadId":"{1:/uploadId}","layerDigests":["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]}"#,
    ),
    json(
        "ecr",
        "AmazonEC2ContainerRegistry_V20150921.BatchCheckLayerAvailability",
        r#"{"repositoryName":"gap","layerDigests":["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]}"#,
    ),
    json(
        "ecr",
        "AmazonEC2ContainerRegistry_V20150921.PutImage",
        r#"{"repositoryName":"gap","imageTag":"a","imageManifestMediaType":"application/vnd.oci.image.manifest.v1+json","imageManifest":"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2},\"layers\":[]}"}"#,
    ),
];

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
];

impl Gap {
    /// Whether the emulator still has the gap, and what it answered to each step.
    pub async fn ask(&self, upstreams: &Upstreams) -> Result<(bool, Vec<String>)> {
        let mut answers: Vec<Answer> = Vec::new();
        for step in self.steps {
            let mut body = step.body.to_owned();
            for (n, answer) in answers.iter().enumerate() {
                while let Some((start, rest)) = body.split_once(&format!("{{{n}:")) {
                    let (field, end) = rest.split_once('}').unwrap_or((rest, ""));
                    let text = if field.starts_with('/') { answer.json_text(field) } else { answer.xml_text(field) };
                    body = format!("{start}{}{end}", text.unwrap_or("MISSING"));
                }
            }
            let request = Request::probe(step.service, step.target, &body);
            answers.push(upstreams.ask(self.emulator, &request).await?);
        }
        let told =
            answers.iter().map(|answer| format!("{} {}", answer.status, String::from_utf8_lossy(&answer.bytes()))).collect();
        Ok(((self.still)(&answers), told))
    }
}
