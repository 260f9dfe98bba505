//! What IAM asks about a call: which action on which resource, and the facts that conditions may look at. The sources
//! are the pages of the Service Authorization Reference. Independent of the program under test.

use super::Ask;
use super::known::Known;
use crate::request::Request;
use crate::upstream::ACCOUNT;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Everything that IAM asks about a call. The first are about the call itself. The others are about what it does along
/// the way: tags on what it makes, a role that it passes, a key that it uses.
pub(crate) fn asks(request: &Request, known: &Known) -> Vec<Ask> {
    let service = prefix(&request.service);
    let action = format!("{service}:{}", request.action);
    let (mut asks, resources) = (Vec::new(), resources(request, known));
    for resource in &resources {
        asks.push(ask(request, known, &action, resource));
    }
    let tags = tags(request);
    let tagging = tagging(&request.service);
    if !tags.is_empty() && !is_tagging(request) {
        for resource in made(request, &resources) {
            let mut ask = ask(request, known, &format!("{service}:{tagging}"), &resource);
            if service == "ec2" {
                ask.context.insert("ec2:CreateAction".to_owned(), request.action.clone());
            }
            asks.push(ask);
        }
    }
    let text = request.everything();
    for role in passed(request, &text) {
        let mut ask = ask(request, known, "iam:PassRole", &role.0);
        ask.context.insert("iam:PassedToService".to_owned(), role.1.to_owned());
        asks.push(ask);
    }
    let uses: &[&str] = match request.service.as_str() {
        "rds" | "elasticache" | "ecr" | "opensearch" | "lambda" if request.action.starts_with("Create") => {
            &["kms:CreateGrant", "kms:DescribeKey"]
        }
        "secretsmanager" if request.write() => &["kms:GenerateDataKey", "kms:Decrypt"],
        _ => &[],
    };
    for (key, action) in known.keys_in(&text).into_iter().flat_map(|key| uses.iter().map(move |action| (key.clone(), *action))) {
        let mut ask = ask(request, known, action, &key);
        ask.context.insert("kms:GrantIsForAWSResource".to_owned(), "true".to_owned());
        asks.push(ask);
    }
    asks
}

/// IAM's name for a service.
fn prefix(service: &str) -> &str {
    match service {
        "elbv2" => "elasticloadbalancing",
        "opensearch" => "es",
        "resourcegroupstaggingapi" => "tag",
        "service-quotas" => "servicequotas",
        other => other,
    }
}

/// The action that puts tags on a service's resources.
fn tagging(service: &str) -> &'static str {
    match service {
        "ec2" => "CreateTags",
        "rds" | "elasticache" => "AddTagsToResource",
        "elbv2" | "opensearch" => "AddTags",
        "sqs" => "TagQueue",
        "iam" => "TagRole",
        _ => "TagResource",
    }
}

/// Whether the call is only about tags.
pub(crate) fn is_tagging(request: &Request) -> bool {
    let names = ["AddTags", "CreateTags", "DeleteTags", "RemoveTags", "Tag", "Untag"];
    names.iter().any(|name| request.action.starts_with(name))
}

fn ask(request: &Request, known: &Known, action: &str, resource: &str) -> Ask {
    let mut context = BTreeMap::new();
    for (key, value) in known.tags_of(resource) {
        context.insert(format!("aws:ResourceTag/{key}"), value);
    }
    for (key, value) in tags(request) {
        context.insert(format!("aws:RequestTag/{key}"), value);
    }
    let text = |name: &str| request.text(name).map(str::to_owned);
    match request.service.as_str() {
        "iam" => {
            let boundary = text("PermissionsBoundary").or_else(|| known.boundary_of(request.text("RoleName")?));
            context.extend(boundary.map(|boundary| ("iam:PermissionsBoundary".to_owned(), boundary)));
            context.extend(text("AWSServiceName").map(|service| ("iam:AWSServiceName".to_owned(), service)));
        }
        "dynamodb" => {
            let item = ["Key", "Item"].iter().find_map(|name| request.params.get(name)?.get("id")?.get("S")?.as_str());
            context.extend(item.map(|id| ("dynamodb:LeadingKeys".to_owned(), id.to_owned())));
        }
        "lambda" => {
            let function = request.text("UUID").and_then(|id| known.function_of(id));
            context.extend(function.map(|arn| ("lambda:FunctionArn".to_owned(), arn)));
        }
        _ => {}
    }
    Ask { action: action.to_owned(), resource: resource.to_owned(), context }
}

/// The tags that a call puts on something. A read may filter by tags.
pub(crate) fn tags(request: &Request) -> Vec<(String, String)> {
    if request.write() { request.tags() } else { Vec::new() }
}

/// The roles that a call passes, each with the service that gets it.
fn passed(request: &Request, text: &str) -> Vec<(String, &'static str)> {
    static ROLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"arn:aws:iam::[0-9]{12}:role/[\w+=,.@/-]+").expect("a constant pattern"));
    let to = match (request.service.as_str(), request.action.as_str()) {
        ("ecs", "RegisterTaskDefinition" | "RunTask") => "ecs-tasks.amazonaws.com",
        ("lambda", "CreateFunction" | "UpdateFunctionConfiguration") => "lambda.amazonaws.com",
        ("ec2", "CreateFlowLogs") => "vpc-flow-logs.amazonaws.com",
        _ => return Vec::new(),
    };
    ROLE.find_iter(text).map(|role| (role.as_str().to_owned(), to)).collect()
}

/// The resources that get the tags of a create.
fn made(request: &Request, resources: &[String]) -> Vec<String> {
    let of = |before: &str, after: &str| {
        resources.iter().map(|arn| format!("{}/new", arn.replacen(before, after, 1))).collect::<Vec<_>>()
    };
    match (request.service.as_str(), request.action.as_str()) {
        ("ec2", action) => new_of_ec2(action).map(|kind| vec![arn(request, "ec2", &format!("{kind}/*"))]).unwrap_or_default(),
        ("elbv2", "CreateListener") => of(":loadbalancer/", ":listener/"),
        ("elbv2", "CreateRule") => of(":listener/", ":listener-rule/"),
        ("kms", _) => vec![arn(request, "kms", "key/*")],
        // A replica also asks about what it shares with its primary. Only the database is new.
        ("rds" | "elasticache", _) => resources.iter().take(1).cloned().collect(),
        _ => resources.to_vec(),
    }
}

fn arn(request: &Request, service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{}:{ACCOUNT}:{resource}", request.region)
}

/// The resources that the action itself is about. What a create makes comes first.
pub(crate) fn resources(request: &Request, known: &Known) -> Vec<String> {
    let found = match request.service.as_str() {
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
    ("ecr", "repositoryName", "repository/{}"),
    ("ecr", "repositoryNames", "repository/{}"),
    ("ecr", "resourceArn", "{}"),
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
fn named(request: &Request, form: &str, name: &str) -> String {
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

/// The keys of the tags that a call takes away.
pub(crate) fn untagged(request: &Request) -> Vec<String> {
    let lists = ["TagKeys", "tagKeys", "tags"];
    let mut keys: Vec<String> = lists.iter().flat_map(|param| request.list(param)).collect();
    if request.action == "DeleteTags" {
        let params = request.params.as_object().into_iter().flatten();
        let tags = params.filter(|(name, _)| name.starts_with("Tag.") && name.ends_with(".Key"));
        keys.extend(tags.filter_map(|(_, key)| key.as_str().map(str::to_owned)));
    }
    if let Some(Value::String(one)) = request.params.get("tagKeys") {
        keys.push(one.clone());
    }
    keys
}
