//! The IAM policy that `provision` itself needs for a stack, and a boundary for the roles that it makes. Pure.
//!
//! Which actions: each kind lists its own, in its file; a kind that the stack does not use is still read, so that what it
//! was once made of is found. On which resources: the table here, since AWS gives most names a form by service.
//! Source of actions and resource types: the Service Authorization Reference
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/>).

mod needs;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::denial;
use crate::commands::{health, logs, probe, redrive};
use crate::desired::Desired;
use crate::doctor;
use crate::kinds::KINDS;
use crate::lease;
use crate::scope::Scope;

pub use needs::{Need, needs};

/// Characters of a managed policy, blanks not counted (IAM user guide, quotas).
const MOST_CHARACTERS: usize = 6_144;

#[derive(Serialize)]
pub struct Policies {
    /// All of them are attached together.
    pub policies: Vec<Value>,
    /// The most that a role of this stack may ever do; nothing for a stack without roles.
    pub permissions_boundary: Option<Value>,
    pub dependent: Vec<Dependent>,
}

/// An action that AWS asks for when we call another one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Dependent {
    pub action: &'static str,
    pub because: &'static str,
    pub source: &'static str,
}

pub fn policies(scope: &Scope, desired: &Desired) -> Policies {
    let bounded_by = bounded_by(desired);
    let needed = needed(desired, bounded_by.as_deref());
    let statements = statements(scope, &needed, bounded_by.as_deref().filter(|boundary| !boundary.is_empty()));
    Policies {
        policies: documents(statements),
        permissions_boundary: boundary(scope, desired),
        dependent: DEPENDENT.iter().filter(|one| needed.contains(one.action)).copied().collect(),
    }
}

/// What AWS asks for when something else is called.
pub const DEPENDENT: &[Dependent] = &[
    dependent("application-autoscaling:TagResource", "RegisterScalableTarget with tags", "application-autoscaling"),
    dependent("cloudwatch:TagResource", "PutMetricAlarm with tags", "cloudwatch"),
    dependent(
        "ec2:DescribeAccountAttributes",
        "CreateDBInstance, CreateLoadBalancer and others look at the network",
        "rds",
    ),
    dependent("ecr:TagResource", "CreateRepository with tags", "ecr"),
    dependent("ecs:TagResource", "CreateCluster, CreateService, RegisterTaskDefinition and RunTask with tags", "ecs"),
    dependent("elasticache:CreateSnapshot", "DeleteReplicationGroup with a last snapshot", "elasticache"),
    dependent("elasticloadbalancing:AddTags", "every Create with tags", "elasticloadbalancing"),
    dependent("ec2:CreateTags", "every Create with tags", "ec2"),
    dependent("elasticache:AddTagsToResource", "every Create with tags", "elasticache"),
    dependent("rds:AddTagsToResource", "every Create with tags", "rds"),
    dependent("secretsmanager:TagResource", "CreateSecret with tags", "secretsmanager"),
    dependent("es:AddTags", "CreateDomain with tags", "opensearch"),
    dependent(
        "iam:CreateServiceLinkedRole",
        "the first RDS, ElastiCache, ECS, load balancer or domain of an account",
        "iam",
    ),
    dependent("iam:PassRole", "CreateFunction, RegisterTaskDefinition, RunTask and CreateFlowLogs name a role", "iam"),
    dependent("iam:TagRole", "CreateRole with tags", "iam"),
    dependent(
        "kms:CreateGrant",
        "services that keep data under the key: RDS, ElastiCache, OpenSearch, ECR, Lambda",
        "kms",
    ),
    dependent("kms:Decrypt", "Secrets Manager and Lambda read what is under the key, for us", "kms"),
    dependent("kms:Encrypt", "CreateFunction with a key for its environment", "kms"),
    dependent("kms:GenerateDataKey", "CreateSecret and PutSecretValue under the key", "kms"),
    dependent("kms:RetireGrant", "DeleteRepository gives back the grant of its key", "kms"),
    dependent("kms:TagResource", "CreateKey with tags", "kms"),
    dependent("lambda:ListTags", "GetFunction shows tags", "lambda"),
    dependent("lambda:TagResource", "CreateFunction with tags", "lambda"),
    dependent("logs:TagResource", "CreateLogGroup with tags", "cloudwatchlogs"),
    dependent("rds:CreateDBSnapshot", "DeleteDBInstance with a last snapshot", "rds"),
    dependent("sns:TagResource", "CreateTopic with tags", "sns"),
    dependent("sqs:DeleteMessage", "StartMessageMoveTask and those that watch and cancel it take messages away", "sqs"),
    dependent("sqs:ReceiveMessage", "StartMessageMoveTask and those that watch and cancel it read messages", "sqs"),
    dependent("sqs:SendMessage", "StartMessageMoveTask puts messages into the other queue", "sqs"),
    dependent("sqs:TagQueue", "CreateQueue with tags", "sqs"),
];

/// The source is the page of the Service Authorization Reference, `list_amazon<page>.html` or as the service is called there.
const fn dependent(action: &'static str, because: &'static str, source: &'static str) -> Dependent {
    Dependent { action, because, source }
}

/// What needs no kind: who we are, the tag index.
const OURS: &[&str] = &["sts:GetCallerIdentity", "tag:GetResources"];

/// What the stack file says that bounds its roles, the same for all of them: an ARN, "" for none.
fn bounded_by(desired: &Desired) -> Option<String> {
    let role = desired.resources().iter().find(|wanted| wanted.address.kind == "iam.role")?;
    role.spec.get("permissions_boundary").as_str().map(str::to_owned)
}

fn needed(desired: &Desired, bounded_by: Option<&str>) -> BTreeSet<&'static str> {
    let used: BTreeSet<&str> = desired.resources().iter().map(|wanted| wanted.address.kind).collect();
    let mut needed: BTreeSet<&'static str> =
        [OURS, lease::ACTIONS, health::ACTIONS, denial::ACTIONS, doctor::ACTIONS].concat().into_iter().collect();
    for (kind, actions) in doctor::ACTIONS_OF {
        needed.extend(actions.iter().filter(|_| used.contains(kind)));
    }
    for kind in KINDS {
        let facts = kind.facts();
        let all = used.contains(facts.name);
        needed.extend(facts.actions.iter().filter(|action| all || looks(action)));
    }
    if used.contains("ecs.service") {
        needed.extend(logs::ACTIONS);
    }
    if used.contains("sqs.queue") {
        needed.extend(redrive::ACTIONS);
    }
    if probe::is_possible(desired) {
        needed.extend(probe::ACTIONS);
    }
    keep_boundaries(&mut needed, bounded_by);
    needed
}

/// A boundary is set only where the stack file names one, and taken away only where it says so.
fn keep_boundaries(needed: &mut BTreeSet<&'static str>, bounded_by: Option<&str>) {
    if bounded_by.is_none_or(str::is_empty) {
        needed.remove("iam:PutRolePermissionsBoundary");
    }
    if bounded_by != Some("") {
        needed.remove("iam:DeleteRolePermissionsBoundary");
    }
}

/// Reads what there is, and no secret.
fn looks(action: &str) -> bool {
    let (_, name) = action.split_once(':').unwrap_or_default();
    let reads = ["Describe", "List", "Get", "BatchGet", "BatchCheck", "Filter", "Simulate"];
    reads.iter().any(|word| name.starts_with(word)) && !matches!(name, "GetSecretValue" | "GetAuthorizationToken")
}

/// Actions that are not about one resource: for these AWS takes `*` only.
const ON_EVERYTHING: &[&str] = &[
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "cloudwatch:GetMetricData",
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAddresses",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeFlowLogs",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNatGateways",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "ecs:DeregisterTaskDefinition",
    "ecs:DescribeTaskDefinition",
    "ecs:ListServices",
    "ecs:ListTaskDefinitionFamilies",
    "ecs:ListTaskDefinitions",
    "elasticache:DescribeCacheEngineVersions",
    "elasticache:DescribeEvents",
    "elasticache:DescribeReservedCacheNodesOfferings",
    "elasticloadbalancing:DescribeListenerCertificates",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeLoadBalancerAttributes",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "es:ListDomainNames",
    "es:ListInstanceTypeDetails",
    "es:ListVersions",
    "iam:GetAccountAuthorizationDetails",
    "iam:ListRoles",
    "kms:CreateKey",
    "kms:ListKeys",
    "lambda:ListEventSourceMappings",
    "logs:DescribeLogGroups",
    "rds:DescribeDBEngineVersions",
    "rds:DescribeEvents",
    "rds:DescribeOrderableDBInstanceOptions",
    "secretsmanager:GetRandomPassword",
    "secretsmanager:ListSecrets",
    "servicequotas:GetAWSDefaultServiceQuota",
    "servicequotas:GetServiceQuota",
    "sns:GetSubscriptionAttributes",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
    "sqs:ListQueues",
    "sts:DecodeAuthorizationMessage",
    "sts:GetCallerIdentity",
    "tag:GetResources",
];

/// What a statement is about, and the order of statements.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About<'a> {
    Everything,
    Reads(&'a str),
    Writes(&'a str),
    /// Only with this boundary.
    Bounded(&'a str),
    PassRole,
    ServiceLinkedRole,
    Grant,
}

/// What gives rights to a role (IAM user guide, permissions boundaries, delegating to others). What takes rights away has to work on
/// roles from before the boundary too.
const BOUNDED: &[&str] =
    &["iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"];

fn about(action: &str) -> About<'_> {
    let (service, _) = action.split_once(':').unwrap_or_default();
    match action {
        _ if ON_EVERYTHING.contains(&action) => About::Everything,
        "iam:PassRole" => About::PassRole,
        "iam:CreateServiceLinkedRole" => About::ServiceLinkedRole,
        "kms:CreateGrant" => About::Grant,
        _ if looks(action) => About::Reads(service),
        _ => About::Writes(service),
    }
}

fn statements(scope: &Scope, needed: &BTreeSet<&'static str>, boundary: Option<&str>) -> Vec<Value> {
    let mut groups: BTreeMap<About, Vec<&str>> = BTreeMap::new();
    for action in needed {
        let about = match boundary {
            Some(boundary) if BOUNDED.contains(action) => About::Bounded(boundary),
            _ => about(action),
        };
        groups.entry(about).or_default().push(action);
    }
    groups.into_iter().map(|(about, actions)| statement(scope, about, &actions)).collect()
}

fn statement(scope: &Scope, about: About<'_>, actions: &[&str]) -> Value {
    let allow = |resources: Vec<String>| json!({"Effect": "Allow", "Action": actions, "Resource": resources});
    let mut statement = match about {
        About::Everything => allow(vec!["*".to_owned()]),
        About::Reads(service) => allow(whole(scope, service)),
        About::Writes(service) => allow(named(scope, service)),
        About::Bounded(_) | About::PassRole => allow(named(scope, "iam")),
        About::ServiceLinkedRole => allow(vec![scope.global_arn("iam", "role/aws-service-role/*")]),
        About::Grant => allow(vec![scope.arn("kms", "key/*")]),
    };
    match about {
        // The account in it may be any, `*`.
        About::Bounded(boundary) => statement["Condition"] = json!({"ArnLike": {"iam:PermissionsBoundary": boundary}}),
        About::PassRole => {
            let to = ["ecs-tasks.amazonaws.com", "lambda.amazonaws.com", "vpc-flow-logs.amazonaws.com"];
            statement["Condition"] = json!({"StringEquals": {"iam:PassedToService": to}});
        }
        About::Grant => statement["Condition"] = json!({"Bool": {"kms:GrantIsForAWSResource": "true"}}),
        _ => {}
    }
    statement
}

/// Everything of a service in this account and region: many reads answer about all or nothing.
fn whole(scope: &Scope, service: &str) -> Vec<String> {
    match service {
        "iam" => vec![scope.global_arn("iam", "role/*"), scope.global_arn("iam", "user/*")],
        "cloudwatch" => vec![scope.arn(service, "*"), scope.global_arn(service, "dashboard/*")],
        "es" => vec![scope.arn(service, "*"), scope.arn("opensearch", "*")],
        _ => vec![scope.arn(service, "*")],
    }
}

/// What this stack may change: its names begin with the stack's, and where AWS draws the name it is the account's.
fn named(scope: &Scope, service: &str) -> Vec<String> {
    // Long names are cut, to no less than this.
    let prefix: String = format!("{}-", scope.prefix()).chars().take(SHORTEST_NAME).collect();
    let arns = |types: &[&str]| types.iter().map(|one| scope.arn(service, &format!("{one}{prefix}*"))).collect();
    match service {
        "application-autoscaling" => vec![scope.arn(service, "scalable-target/*")],
        "cloudwatch" => {
            vec![
                scope.arn(service, &format!("alarm:{prefix}*")),
                scope.global_arn(service, &format!("dashboard/{prefix}*")),
            ]
        }
        "dynamodb" => vec![scope.arn(service, &format!("table/{}", lease::TABLE))],
        "ec2" => vec![scope.arn(service, "*")],
        "ecr" => arns(&["repository/"]),
        "ecs" => arns(&["cluster/", "service/", "task/", "task-definition/"]),
        "elasticache" => {
            let mut all: Vec<String> = arns(&["cluster:", "replicationgroup:", "snapshot:", "subnetgroup:"]);
            all.push(scope.arn(service, "parametergroup:default.*"));
            all
        }
        "elasticloadbalancing" => arns(&["listener/*/", "listener-rule/*/", "loadbalancer/*/", "targetgroup/"]),
        // AddTags is also about what only the newer name of the service has.
        "es" => {
            let newer = ["application", "datasource"].map(|one| scope.arn("opensearch", &format!("{one}/{prefix}*")));
            arns(&["domain/"]).into_iter().chain(newer).collect()
        }
        "iam" => vec![scope.global_arn("iam", &format!("role/provision/{}/{}/*", scope.stack, scope.env))],
        "kms" => vec![scope.arn(service, "key/*"), scope.arn(service, &format!("alias/{prefix}*"))],
        // A mapping has a name that AWS drew.
        "lambda" => arns(&["function:"]).into_iter().chain([scope.arn(service, "event-source-mapping:*")]).collect(),
        "logs" => vec![scope.arn(service, &format!("log-group:/{}/*", scope.prefix()))],
        // A replica is made of what its primary has: AWS asks about all of these types.
        "rds" => {
            let mut all: Vec<String> = arns(&["cluster:", "db:", "pg:", "snapshot:", "subgrp:"]);
            all.push(scope.arn(service, "og:default:*"));
            all
        }
        "secretsmanager" => arns(&["secret:"]),
        "sns" | "sqs" => arns(&[""]),
        _ => vec![scope.arn(service, "*")],
    }
}

/// A domain has 28 characters, the hash of a long name and its dash nine of them.
const SHORTEST_NAME: usize = 19;

/// As few documents as AWS's limit allows, statements in their order.
fn documents(statements: Vec<Value>) -> Vec<Value> {
    let mut documents: Vec<Vec<Value>> = vec![Vec::new()];
    for statement in statements {
        let last = documents.last_mut().expect("there is one from the start");
        last.push(statement);
        if last.len() > 1 && document(last).to_string().len() > MOST_CHARACTERS {
            let moved = last.pop();
            documents.push(moved.into_iter().collect());
        }
    }
    documents.iter().map(|statements| document(statements)).collect()
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The actions of all roles of the stack, on what is the stack's.
fn boundary(scope: &Scope, desired: &Desired) -> Option<Value> {
    let roles = desired.resources().iter().filter(|wanted| wanted.address.kind == "iam.role");
    let allowed: Vec<Value> = roles.map(|role| role.spec.get("statements")).collect();
    let mut actions: BTreeMap<(bool, &str), BTreeSet<&str>> = BTreeMap::new();
    for statement in allowed.iter().filter_map(Value::as_array).flatten() {
        let everywhere = statement["resources"].as_array().is_some_and(|all| all.iter().any(|one| one["arn"] == "*"));
        for action in statement["actions"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let service = action.split(':').next().unwrap_or_default();
            actions.entry((everywhere, if everywhere { "" } else { service })).or_default().insert(action);
        }
    }
    let statements = actions.into_iter().map(|((everywhere, service), actions)| {
        let resources = match service {
            _ if everywhere => vec!["*".to_owned()],
            // Log streams are below their group, and images come from the account's repositories.
            "logs" => named(scope, service).into_iter().map(|arn| format!("{arn}:*")).collect(),
            "ecr" => vec![scope.arn(service, "repository/*")],
            _ => named(scope, service),
        };
        json!({"Effect": "Allow", "Action": actions, "Resource": resources})
    });
    let statements: Vec<Value> = statements.collect();
    (!statements.is_empty()).then(|| document(&statements))
}
