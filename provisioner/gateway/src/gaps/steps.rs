//! Calls that several probes share.

use super::probe::{Step, form, json};

pub(super) const VPC: Step = form("ec2", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/16");
pub(super) const SUBNET: Step = form("ec2", "Action=CreateSubnet&Version=2016-11-15&VpcId={0:vpcId}&CidrBlock=10.0.0.0/24");
pub(super) const NAT: Step =
    form("ec2", "Action=CreateNatGateway&Version=2016-11-15&SubnetId={1:subnetId}&ConnectivityType=private&ClientToken=token");
pub(super) const NO_NAT: Step = form("ec2", "Action=DescribeNatGateways&Version=2016-11-15&NatGatewayId.1=nat-0123456789abcdef0");
pub(super) const SERVICE: &[Step] = &[
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
pub(super) const TASK: &[Step] = &[
    SERVICE[0],
    SERVICE[1],
    json(
        "ecs",
        "AmazonEC2ContainerServiceV20141113.RunTask",
        r#"{"cluster":"gap","taskDefinition":"gap","launchType":"FARGATE"}"#,
    ),
];
pub(super) const MOVE: Step = json(
    "sqs",
    "AmazonSQS.StartMessageMoveTask",
    r#"{"SourceArn":"arn:aws:sqs:eu-west-1:123456789012:gap-dead","DestinationArn":"arn:aws:sqs:eu-west-1:123456789012:gap"}"#,
);
pub(super) const TARGETS: &[Step] = &[
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
pub(super) const DATABASE: Step = form(
    "rds",
    "Action=CreateDBInstance&Version=2014-10-31&DBInstanceIdentifier=gap&Engine=mysql&DBInstanceClass=db.t4g.micro&AllocatedStorage=20&MasterUsername=u&MasterUserPassword=password&DeletionProtection=true&BackupRetentionPeriod=1",
);
pub(super) const REPLICA: Step = form(
    "rds",
    "Action=CreateDBInstanceReadReplica&Version=2014-10-31&DBInstanceIdentifier=gap-replica&SourceDBInstanceIdentifier=gap&DBInstanceClass=db.t4g.small",
);
pub(super) const DOMAIN: &[Step] = &[
    json(
        "es",
        "POST /2021-01-01/opensearch/domain",
        r#"{"DomainName":"gap","ClusterConfig":{"InstanceType":"t3.small.search","InstanceCount":2}}"#,
    ),
    json("es", "POST /2021-01-01/opensearch/domain/gap/config", r#"{"ClusterConfig":{"InstanceCount":4},"DryRun":true}"#),
    json("es", "GET /2021-01-01/opensearch/domain/gap", ""),
];
pub(super) const IMAGE: &[Step] = &[
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
