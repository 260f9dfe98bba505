//! The ARNs of the resources that a call is about, by the pages of the Service Authorization Reference.

use super::asks::prefix;
use super::known::Known;
use crate::request::Request;
use crate::upstream::ACCOUNT;

pub(super) fn arn(request: &Request, service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{}:{ACCOUNT}:{resource}", request.region)
}

/// The resources that the action itself is about. What a create makes comes first.
pub(crate) fn resources(request: &Request, known: &Known) -> Vec<String> {
    let found = match request.service.as_str() {
        "apigatewayv2" => of_apigateway(request),
        "lambda" if request.action == "UpdateEventSourceMapping" => {
            request.text("UUID").map(|id| named(request, "event-source-mapping:{}", id)).into_iter().collect()
        }
        "ec2" => of_ec2(request, known),
        "elbv2" => of_elbv2(request),
        "iam" => of_iam(request, known),
        "kms" => of_kms(request, known),
        "ecs" => of_ecs(request),
        "rds" => of_rds(request),
        "elasticache" => of_elasticache(request),
        _ => by_names(request),
    };
    if found.is_empty() { vec!["*".to_owned()] } else { found }
}

/// The parameters that name resources of a service, each with the form of the ARN. A list of names is one parameter.
const NAMES: &[(&str, &str, &str)] = &[
    ("application-autoscaling", "ResourceId", "scalable-target/{}"),
    ("acm", "CertificateArn", "{}"),
    ("cloudwatch", "AlarmName", "alarm:{}"),
    ("cloudwatch", "AlarmNames", "alarm:{}"),
    ("cloudwatch", "DashboardName", "dashboard/{}"),
    ("cloudwatch", "DashboardNames", "dashboard/{}"),
    ("cloudwatch", "ResourceARN", "{}"),
    ("dynamodb", "TableName", "table/{}"),
    ("dynamodb", "ResourceArn", "{}"),
    ("ecr", "repositoryName", "repository/{}"),
    ("ecr", "repositoryNames", "repository/{}"),
    ("ecr", "resourceArn", "{}"),
    ("events", "Name", "rule/{}"),
    ("events", "Rule", "rule/{}"),
    ("events", "ResourceARN", "{}"),
    ("lambda", "FunctionName", "function:{}"),
    ("lambda", "Resource", "{}"),
    ("lambda", "UUID", "event-source-mapping:{}"),
    ("logs", "logGroupName", "log-group:{}"),
    ("logs", "resourceArn", "{}"),
    ("opensearch", "DomainName", "domain/{}"),
    ("opensearch", "DomainNames", "domain/{}"),
    ("opensearch", "ARN", "{}"),
    ("opensearch", "arn", "{}"),
    ("secretsmanager", "Name", "secret:{}"),
    ("secretsmanager", "SecretId", "secret:{}"),
    ("sns", "Name", "{}"),
    ("sns", "TopicArn", "{}"),
    ("sns", "ResourceArn", "{}"),
    ("sqs", "QueueName", "{}"),
    ("sqs", "QueueUrl", "{}"),
    ("sqs", "SourceArn", "{}"),
    ("sqs", "DestinationArn", "{}"),
];

/// Reads about everything of a type, if they name nothing.
const LISTS: &[(&str, &str, &str)] =
    &[("cloudwatch", "DescribeAlarms", "alarm:*"), ("ecr", "DescribeRepositories", "repository/*")];

/// Actions that take no resource, though their parameters name one.
const ON_EVERYTHING: &[(&str, &str)] = &[
    ("application-autoscaling", "Describe"),
    ("dynamodb", "ListTables"),
    ("events", "ListRules"),
    ("lambda", "CreateEventSourceMapping"),
    ("lambda", "ListEventSourceMappings"),
    ("logs", "DescribeLogGroups"),
    ("sns", "SetSubscriptionAttributes"),
    ("sns", "Unsubscribe"),
];

fn by_names(request: &Request) -> Vec<String> {
    let service = request.service.as_str();
    let is_free = ON_EVERYTHING.iter().any(|(of, action)| *of == service && request.action.starts_with(action));
    let mut found = Vec::new();
    for (_, param, form) in NAMES.iter().filter(|(of, ..)| *of == service && !is_free) {
        for name in request.list(param) {
            found.push(named(request, form, &name));
        }
    }
    let of_list = LISTS.iter().find(|(of, action, _)| *of == service && *action == request.action);
    if let (true, Some((.., all))) = (found.is_empty(), of_list) {
        found.push(arn(request, prefix(service), all));
    }
    found
}

/// The ARN of a resource that a parameter names, or gives as an ARN or an address.
pub(super) fn named(request: &Request, form: &str, name: &str) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    let name = if name.starts_with("http") { name.rsplit('/').next().unwrap_or(name) } else { name };
    let service = prefix(&request.service);
    if form.starts_with("dashboard/") {
        return format!("arn:aws:{service}::{ACCOUNT}:{}", form.replace("{}", name));
    }
    let name = if form.starts_with("scalable-target/") { name.replace('/', "-") } else { name.to_owned() };
    arn(request, service, &form.replace("{}", &name))
}

/// The type of what an action of EC2 makes.
pub(crate) fn new_of_ec2(action: &str) -> Option<&'static str> {
    let makes = [
        ("AllocateAddress", "elastic-ip"),
        ("CreateFlowLogs", "vpc-flow-log"),
        ("CreateInternetGateway", "internet-gateway"),
        ("CreateNatGateway", "natgateway"),
        ("CreateRouteTable", "route-table"),
        ("CreateSecurityGroup", "security-group"),
        ("CreateSubnet", "subnet"),
        ("CreateVpc", "vpc"),
        ("CreateVpcEndpoint", "vpc-endpoint"),
    ];
    makes.iter().find(|(name, _)| *name == action).map(|(_, kind)| *kind)
}

/// The types of EC2, by the beginning of an id.
pub(crate) const IDS: &[(&str, &str)] = &[
    ("eipalloc", "elastic-ip"),
    ("eni", "network-interface"),
    ("fl", "vpc-flow-log"),
    ("igw", "internet-gateway"),
    ("nat", "natgateway"),
    ("rtb", "route-table"),
    ("sg", "security-group"),
    ("subnet", "subnet"),
    ("vpc", "vpc"),
    ("vpce", "vpc-endpoint"),
];

fn of_ec2(request: &Request, known: &Known) -> Vec<String> {
    if request.action.starts_with("Describe") && request.action != "DescribeVpcAttribute" {
        return Vec::new();
    }
    let mut found: Vec<String> = new_of_ec2(&request.action).map(|kind| format!("{kind}/*")).into_iter().collect();
    // A route may lead anywhere: only its table is asked about.
    let only: &[&str] = if request.action.ends_with("Route") {
        &["RouteTableId"]
    } else {
        &[
            "AddRouteTableId",
            "AllocationId",
            "FlowLogId",
            "GroupId",
            "InternetGatewayId",
            "NatGatewayId",
            "NetworkInterfaceId",
            "RemoveRouteTableId",
            "ResourceId",
            "RouteTableId",
            "SubnetId",
            "VpcEndpointId",
            "VpcId",
        ]
    };
    let mut ids: Vec<String> = only.iter().flat_map(|param| request.list(param)).collect();
    ids.extend(request.text("AssociationId").into_iter().flat_map(|tie| known.tied(tie)));
    found.extend(ids.iter().map(|id| of_id(id)));
    found.iter().map(|resource| arn(request, "ec2", resource)).collect()
}

/// The part of an ARN for an id of EC2: `subnet/subnet-1234`.
pub(crate) fn of_id(id: &str) -> String {
    let (before, _) = id.rsplit_once('-').unwrap_or((id, ""));
    let kind = IDS.iter().find(|(prefix, _)| *prefix == before).map_or("unknown", |(_, kind)| kind);
    format!("{kind}/{id}")
}

/// The ARN of a path: `/apis/a1b2c3` of `/v2/apis/a1b2c3`.
fn of_apigateway(request: &Request) -> Vec<String> {
    let path = request.target.split('?').next().unwrap_or_default();
    vec![format!("arn:aws:apigateway:{}::{}", request.region, path.strip_prefix("/v2").unwrap_or(path))]
}

fn of_elbv2(request: &Request) -> Vec<String> {
    if request.action.starts_with("Describe") {
        return Vec::new();
    }
    let name = request.text("Name").unwrap_or_default();
    let mut found = match request.action.as_str() {
        "CreateLoadBalancer" => return vec![arn(request, "elasticloadbalancing", &format!("loadbalancer/app/{name}/new"))],
        "CreateTargetGroup" => return vec![arn(request, "elasticloadbalancing", &format!("targetgroup/{name}/new"))],
        _ => Vec::new(),
    };
    for param in ["LoadBalancerArn", "ListenerArn", "RuleArn", "TargetGroupArn", "ResourceArns"] {
        found.extend(request.list(param));
    }
    let params = request.params.as_object().into_iter().flatten();
    let rules = params.filter(|(name, _)| name.starts_with("RulePriorities.") && name.ends_with(".RuleArn"));
    found.extend(rules.filter_map(|(_, arn)| Some(arn.as_str()?.to_owned())));
    found
}

fn of_iam(request: &Request, known: &Known) -> Vec<String> {
    let name = |name: &str| {
        let path = request.text("Path").map(str::to_owned).or_else(|| known.path_of(name)).unwrap_or_else(|| "/".to_owned());
        format!("arn:aws:iam::{ACCOUNT}:role{path}{name}")
    };
    if let Some(service) = request.text("AWSServiceName") {
        return vec![format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/{service}/AWSServiceRole")];
    }
    let mut found: Vec<String> = request.text("RoleName").map(name).into_iter().collect();
    let arns: &[&str] = if found.is_empty() { &["PolicyArn", "PolicySourceArn"] } else { &[] };
    found.extend(arns.iter().filter_map(|param| request.text(param)).map(str::to_owned));
    found
}

fn of_kms(request: &Request, known: &Known) -> Vec<String> {
    if matches!(request.action.as_str(), "CreateKey" | "ListKeys" | "ListAliases") {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(alias) = request.text("AliasName") {
        found.push(arn(request, "kms", alias));
        found.extend(known.key_of(alias));
    }
    for id in ["KeyId", "TargetKeyId"].iter().filter_map(|param| request.text(param)) {
        found.push(match id {
            id if id.starts_with("arn:") => id.to_owned(),
            alias if alias.starts_with("alias/") => known.key_of(alias).unwrap_or_else(|| arn(request, "kms", "key/none")),
            id => arn(request, "kms", &format!("key/{id}")),
        });
    }
    found
}

fn of_ecs(request: &Request) -> Vec<String> {
    let text = |name: &str| request.text(name).unwrap_or_default();
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let cluster = last(text("cluster"));
    let each = |param: &str, form: &dyn Fn(String) -> String| -> Vec<String> {
        request.list(param).iter().map(|name| arn(request, "ecs", &form(last(name)))).collect()
    };
    match request.action.as_str() {
        "CreateCluster" => each("clusterName", &|name| format!("cluster/{name}")),
        "DescribeClusters" => each("clusters", &|name| format!("cluster/{name}")),
        "DeleteCluster" | "UpdateClusterSettings" => each("cluster", &|name| format!("cluster/{name}")),
        "CreateService" => each("serviceName", &|name| format!("service/{cluster}/{name}")),
        "UpdateService" | "DeleteService" => each("service", &|name| format!("service/{cluster}/{name}")),
        "DescribeServices" => each("services", &|name| format!("service/{cluster}/{name}")),
        "DescribeTasks" => each("tasks", &|name| format!("task/{cluster}/{name}")),
        "StopTask" => each("task", &|name| format!("task/{cluster}/{name}")),
        "ListTasks" => vec![arn(request, "ecs", &format!("container-instance/{cluster}/*"))],
        "RegisterTaskDefinition" => each("family", &|name| format!("task-definition/{name}:1")),
        "DeleteTaskDefinitions" => each("taskDefinitions", &|name| format!("task-definition/{name}")),
        "RunTask" => each("taskDefinition", &|name| format!("task-definition/{name}")),
        "TagResource" | "UntagResource" | "ListTagsForResource" => request.list("resourceArn"),
        _ => Vec::new(),
    }
}

fn of_rds(request: &Request) -> Vec<String> {
    let free = ["DescribeDBEngineVersions", "DescribeEvents", "DescribeOrderableDBInstanceOptions"];
    if free.contains(&request.action.as_str()) {
        return Vec::new();
    }
    let named = |param: &str, kind: &str| {
        request.text(param).map(|name| match name {
            arn if arn.starts_with("arn:") => arn.to_owned(),
            name => arn(request, "rds", &format!("{kind}:{name}")),
        })
    };
    let mut found: Vec<String> = Vec::new();
    for (param, kind) in [
        ("DBInstanceIdentifier", "db"),
        ("SourceDBInstanceIdentifier", "db"),
        ("DBParameterGroupName", "pg"),
        ("DBSubnetGroupName", "subgrp"),
        ("FinalDBSnapshotIdentifier", "snapshot"),
        ("ResourceName", ""),
    ] {
        found.extend(named(param, kind));
    }
    if request.action.starts_with("CreateDBInstance") {
        found.push(arn(request, "rds", "og:default:mysql-8-4"));
    }
    match request.action.as_str() {
        "DescribeDBInstances" if found.is_empty() => vec![arn(request, "rds", "db:*")],
        "DescribeDBParameterGroups" if found.is_empty() => vec![arn(request, "rds", "pg:*")],
        "DescribeDBSubnetGroups" if found.is_empty() => vec![arn(request, "rds", "subgrp:*")],
        _ => found,
    }
}

fn of_elasticache(request: &Request) -> Vec<String> {
    let free = ["DescribeCacheEngineVersions", "DescribeEvents", "DescribeReservedCacheNodesOfferings"];
    if free.contains(&request.action.as_str()) {
        return Vec::new();
    }
    let mut found: Vec<String> = Vec::new();
    for (param, kind) in [
        ("ReplicationGroupId", "replicationgroup"),
        ("CacheClusterId", "cluster"),
        ("CacheSubnetGroupName", "subnetgroup"),
        ("FinalSnapshotIdentifier", "snapshot"),
    ] {
        found.extend(request.text(param).map(|name| arn(request, "elasticache", &format!("{kind}:{name}"))));
    }
    found.extend(request.text("ResourceName").map(str::to_owned));
    if matches!(request.action.as_str(), "CreateReplicationGroup") {
        found.push(arn(request, "elasticache", "parametergroup:default.valkey8"));
    }
    match request.action.as_str() {
        "DescribeReplicationGroups" if found.is_empty() => vec![arn(request, "elasticache", "replicationgroup:*")],
        "DescribeCacheClusters" if found.is_empty() => vec![arn(request, "elasticache", "cluster:*")],
        "DescribeCacheSubnetGroups" if found.is_empty() => vec![arn(request, "elasticache", "subnetgroup:*")],
        _ => found,
    }
}
