//! Tables of the calls that create, modify and delete things, with their kinds, and the place of the id in each.

use crate::answer::{Answer, Body};
use crate::request::Request;

/// The place in a call that says which thing it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Id {
    /// The first element of that name in the answer.
    Xml(&'static str),
    /// A JSON pointer into the answer.
    Json(&'static str),
    /// A parameter, as it is.
    Param(&'static str),
    /// A parameter that names a thing: lower-cased, the last part of an ARN or URL.
    Name(&'static str),
    /// A list of ids among the parameters.
    List(&'static str),
    /// `cluster/service` of ECS.
    Service,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    Create(&'static str, Id),
    /// Makes or replaces the thing, so that no second one can arise.
    Put(&'static str, Id),
    Modify(&'static str, Id),
    Delete(&'static str, Id),
}

/// Parameters that refer to a thing by its name.
pub(crate) const NAMED: &[(&str, &str)] = &[
    ("DBSubnetGroupName", "rds.subnet_group"),
    ("DBParameterGroupName", "rds.parameter_group"),
    ("SourceDBInstanceIdentifier", "rds.instance"),
    ("CacheSubnetGroupName", "elasticache.subnet_group"),
    ("CacheParameterGroupName", "elasticache.parameter_group"),
    ("cluster", "ecs.cluster"),
];

use Id::{Json, List, Name, Param, Service, Xml};
use Known::{Create, Delete, Modify, Put};

const TABLE: &[(&str, &str, Known)] = &[
    ("ec2", "CreateVpc", Create("ec2.vpc", Xml("vpcId"))),
    ("ec2", "DeleteVpc", Delete("ec2.vpc", Param("VpcId"))),
    ("ec2", "CreateSubnet", Create("ec2.subnet", Xml("subnetId"))),
    ("ec2", "DeleteSubnet", Delete("ec2.subnet", Param("SubnetId"))),
    ("ec2", "CreateInternetGateway", Create("ec2.internet_gateway", Xml("internetGatewayId"))),
    ("ec2", "AttachInternetGateway", Modify("ec2.internet_gateway", Param("InternetGatewayId"))),
    ("ec2", "DeleteInternetGateway", Delete("ec2.internet_gateway", Param("InternetGatewayId"))),
    ("ec2", "AllocateAddress", Create("ec2.address", Xml("allocationId"))),
    ("ec2", "ReleaseAddress", Delete("ec2.address", Param("AllocationId"))),
    ("ec2", "CreateNatGateway", Create("ec2.nat_gateway", Xml("natGatewayId"))),
    ("ec2", "DeleteNatGateway", Delete("ec2.nat_gateway", Param("NatGatewayId"))),
    ("ec2", "CreateRouteTable", Create("ec2.route_table", Xml("routeTableId"))),
    ("ec2", "DeleteRouteTable", Delete("ec2.route_table", Param("RouteTableId"))),
    ("ec2", "CreateSecurityGroup", Create("ec2.security_group", Xml("groupId"))),
    ("ec2", "DeleteSecurityGroup", Delete("ec2.security_group", Param("GroupId"))),
    ("ec2", "CreateVpcEndpoint", Create("ec2.endpoint", Xml("vpcEndpointId"))),
    ("ec2", "ModifyVpcEndpoint", Modify("ec2.endpoint", Param("VpcEndpointId"))),
    ("ec2", "DeleteVpcEndpoints", Delete("ec2.endpoint", List("VpcEndpointId"))),
    ("ec2", "CreateFlowLogs", Create("ec2.flow_log", Xml("flowLogIdSet"))),
    ("ec2", "DeleteFlowLogs", Delete("ec2.flow_log", List("FlowLogId"))),
    ("ec2", "CreateNetworkInterface", Create("ec2.network_interface", Xml("networkInterfaceId"))),
    ("ec2", "DeleteNetworkInterface", Delete("ec2.network_interface", Param("NetworkInterfaceId"))),
    ("kms", "CreateKey", Create("kms.key", Json("/KeyMetadata/KeyId"))),
    ("kms", "ScheduleKeyDeletion", Delete("kms.key", Name("KeyId"))),
    ("kms", "CreateAlias", Create("kms.alias", Param("AliasName"))),
    ("kms", "UpdateAlias", Modify("kms.alias", Param("AliasName"))),
    ("kms", "DeleteAlias", Delete("kms.alias", Param("AliasName"))),
    ("secretsmanager", "CreateSecret", Create("secretsmanager.secret", Param("Name"))),
    ("rds", "CreateDBInstance", Create("rds.instance", Name("DBInstanceIdentifier"))),
    ("rds", "CreateDBInstanceReadReplica", Create("rds.instance", Name("DBInstanceIdentifier"))),
    ("rds", "ModifyDBInstance", Modify("rds.instance", Name("DBInstanceIdentifier"))),
    ("rds", "RebootDBInstance", Modify("rds.instance", Name("DBInstanceIdentifier"))),
    ("rds", "PromoteReadReplica", Modify("rds.instance", Name("DBInstanceIdentifier"))),
    ("rds", "DeleteDBInstance", Delete("rds.instance", Name("DBInstanceIdentifier"))),
    ("rds", "CreateDBSubnetGroup", Create("rds.subnet_group", Name("DBSubnetGroupName"))),
    ("rds", "ModifyDBSubnetGroup", Modify("rds.subnet_group", Name("DBSubnetGroupName"))),
    ("rds", "DeleteDBSubnetGroup", Delete("rds.subnet_group", Name("DBSubnetGroupName"))),
    ("rds", "CreateDBParameterGroup", Create("rds.parameter_group", Name("DBParameterGroupName"))),
    ("rds", "DeleteDBParameterGroup", Delete("rds.parameter_group", Name("DBParameterGroupName"))),
    ("elasticache", "CreateReplicationGroup", Create("elasticache.replication_group", Name("ReplicationGroupId"))),
    ("elasticache", "ModifyReplicationGroup", Modify("elasticache.replication_group", Name("ReplicationGroupId"))),
    ("elasticache", "IncreaseReplicaCount", Modify("elasticache.replication_group", Name("ReplicationGroupId"))),
    ("elasticache", "DecreaseReplicaCount", Modify("elasticache.replication_group", Name("ReplicationGroupId"))),
    ("elasticache", "DeleteReplicationGroup", Delete("elasticache.replication_group", Name("ReplicationGroupId"))),
    ("elasticache", "CreateCacheSubnetGroup", Create("elasticache.subnet_group", Name("CacheSubnetGroupName"))),
    ("elasticache", "ModifyCacheSubnetGroup", Modify("elasticache.subnet_group", Name("CacheSubnetGroupName"))),
    ("elasticache", "DeleteCacheSubnetGroup", Delete("elasticache.subnet_group", Name("CacheSubnetGroupName"))),
    ("elasticache", "CreateCacheParameterGroup", Create("elasticache.parameter_group", Name("CacheParameterGroupName"))),
    ("elasticache", "DeleteCacheParameterGroup", Delete("elasticache.parameter_group", Name("CacheParameterGroupName"))),
    ("opensearch", "CreateDomain", Create("opensearch.domain", Name("DomainName"))),
    ("opensearch", "UpdateDomainConfig", Modify("opensearch.domain", Name("DomainName"))),
    ("opensearch", "UpgradeDomain", Modify("opensearch.domain", Name("DomainName"))),
    ("opensearch", "DeleteDomain", Delete("opensearch.domain", Name("DomainName"))),
    ("iam", "CreateRole", Create("iam.role", Param("RoleName"))),
    ("iam", "UpdateAssumeRolePolicy", Modify("iam.role", Param("RoleName"))),
    ("iam", "DeleteRole", Delete("iam.role", Param("RoleName"))),
    ("iam", "CreatePolicy", Create("iam.policy", Xml("Arn"))),
    ("iam", "DeletePolicy", Delete("iam.policy", Param("PolicyArn"))),
    ("logs", "CreateLogGroup", Create("logs.group", Param("logGroupName"))),
    ("logs", "DeleteLogGroup", Delete("logs.group", Param("logGroupName"))),
    ("elbv2", "CreateLoadBalancer", Create("elbv2.load_balancer", Xml("LoadBalancerArn"))),
    ("elbv2", "SetSubnets", Modify("elbv2.load_balancer", Param("LoadBalancerArn"))),
    ("elbv2", "SetSecurityGroups", Modify("elbv2.load_balancer", Param("LoadBalancerArn"))),
    ("elbv2", "DeleteLoadBalancer", Delete("elbv2.load_balancer", Param("LoadBalancerArn"))),
    ("elbv2", "CreateTargetGroup", Create("elbv2.target_group", Xml("TargetGroupArn"))),
    ("elbv2", "DeleteTargetGroup", Delete("elbv2.target_group", Param("TargetGroupArn"))),
    ("elbv2", "CreateListener", Create("elbv2.listener", Xml("ListenerArn"))),
    ("elbv2", "ModifyListener", Modify("elbv2.listener", Param("ListenerArn"))),
    ("elbv2", "DeleteListener", Delete("elbv2.listener", Param("ListenerArn"))),
    ("elbv2", "CreateRule", Create("elbv2.rule", Xml("RuleArn"))),
    ("elbv2", "ModifyRule", Modify("elbv2.rule", Param("RuleArn"))),
    ("elbv2", "DeleteRule", Delete("elbv2.rule", Param("RuleArn"))),
    ("ecs", "CreateCluster", Create("ecs.cluster", Name("clusterName"))),
    ("ecs", "DeleteCluster", Delete("ecs.cluster", Name("cluster"))),
    ("ecs", "CreateService", Create("ecs.service", Service)),
    ("ecs", "UpdateService", Modify("ecs.service", Service)),
    ("ecs", "DeleteService", Delete("ecs.service", Service)),
    ("ecr", "CreateRepository", Create("ecr.repository", Param("repositoryName"))),
    ("ecr", "DeleteRepository", Delete("ecr.repository", Param("repositoryName"))),
    ("lambda", "CreateFunction", Create("lambda.function", Name("FunctionName"))),
    ("lambda", "UpdateFunctionConfiguration", Modify("lambda.function", Name("FunctionName"))),
    ("lambda", "UpdateFunctionCode", Modify("lambda.function", Name("FunctionName"))),
    ("lambda", "DeleteFunction", Delete("lambda.function", Name("FunctionName"))),
    ("apigatewayv2", "CreateApi", Create("apigatewayv2.api", Json("/apiId"))),
    ("apigatewayv2", "UpdateApi", Modify("apigatewayv2.api", Param("ApiId"))),
    ("apigatewayv2", "DeleteApi", Delete("apigatewayv2.api", Param("ApiId"))),
    ("apigatewayv2", "CreateIntegration", Create("apigatewayv2.integration", Json("/integrationId"))),
    ("apigatewayv2", "DeleteIntegration", Delete("apigatewayv2.integration", Param("IntegrationId"))),
    ("apigatewayv2", "CreateRoute", Create("apigatewayv2.route", Json("/routeId"))),
    ("apigatewayv2", "UpdateRoute", Modify("apigatewayv2.route", Param("RouteId"))),
    ("apigatewayv2", "DeleteRoute", Delete("apigatewayv2.route", Param("RouteId"))),
    ("events", "PutRule", Put("events.rule", Param("Name"))),
    ("events", "DeleteRule", Delete("events.rule", Param("Name"))),
    ("sns", "CreateTopic", Create("sns.topic", Xml("TopicArn"))),
    ("sns", "DeleteTopic", Delete("sns.topic", Param("TopicArn"))),
    ("sqs", "CreateQueue", Create("sqs.queue", Param("QueueName"))),
    ("sqs", "DeleteQueue", Delete("sqs.queue", Name("QueueUrl"))),
    ("dynamodb", "CreateTable", Create("dynamodb.table", Param("TableName"))),
    ("dynamodb", "UpdateTable", Modify("dynamodb.table", Param("TableName"))),
    ("dynamodb", "DeleteTable", Delete("dynamodb.table", Param("TableName"))),
    ("logs", "PutResourcePolicy", Put("logs.resource_policy", Param("policyName"))),
    ("logs", "DeleteResourcePolicy", Delete("logs.resource_policy", Param("policyName"))),
    ("lambda", "CreateEventSourceMapping", Create("lambda.mapping", Json("/UUID"))),
    ("lambda", "UpdateEventSourceMapping", Modify("lambda.mapping", Param("UUID"))),
    ("lambda", "DeleteEventSourceMapping", Delete("lambda.mapping", Param("UUID"))),
];

pub(crate) fn known(request: &Request) -> Option<Known> {
    let found = TABLE.iter().find(|(service, action, _)| *service == request.service && *action == request.action);
    found.map(|(.., known)| *known)
}

impl Id {
    pub(crate) fn of(self, request: &Request, answer: &Answer) -> Vec<String> {
        match (self, &answer.body) {
            (Id::Xml(name), Body::Xml(root)) => match root.find(name) {
                Some(list) if list.text.is_empty() => list.children.iter().map(|item| item.text.clone()).collect(),
                Some(element) => vec![element.text.clone()],
                None => Vec::new(),
            },
            (Id::Json(_), _) => match self {
                Id::Json(pointer) => answer.json_text(pointer).map(str::to_owned).into_iter().collect(),
                _ => Vec::new(),
            },
            _ => self.asked(request),
        }
    }

    /// The id as far as the request alone tells it.
    pub(crate) fn asked(self, request: &Request) -> Vec<String> {
        match self {
            Id::Xml(_) | Id::Json(_) => Vec::new(),
            Id::Param(name) => request.text(name).map(str::to_owned).into_iter().collect(),
            Id::Name(name) => request.text(name).map(last_part).into_iter().collect(),
            Id::List(name) => request.list(name),
            Id::Service => service_id(request).into_iter().collect(),
        }
    }
}

/// A name as others refer to it: `arn:aws:rds:...:db:Main` and `Main` are both `main`.
pub(crate) fn last_part(name: &str) -> String {
    let name = name.trim_end_matches('/');
    let last = name.rsplit(['/', ':']).next().unwrap_or(name);
    // Queues and keys keep their case; the names that AWS lower-cases are compared as it does.
    if name.contains("://") { last.to_owned() } else { last.to_lowercase() }
}

/// ECS services are named within their cluster; either may come as an ARN.
pub(crate) fn service_id(request: &Request) -> Option<String> {
    let service = request.text("service").or(request.text("serviceName"))?;
    Some(service_key(service, request.text("cluster")))
}

pub(crate) fn service_key(service: &str, cluster: Option<&str>) -> String {
    let parts: Vec<&str> = service.rsplit('/').collect();
    let name = parts[0];
    let cluster = match parts.get(1) {
        Some(cluster) if parts.len() > 2 => cluster,
        _ => cluster.and_then(|c| c.rsplit('/').next()).unwrap_or("default"),
    };
    format!("{}/{}", cluster.to_lowercase(), name.to_lowercase())
}
