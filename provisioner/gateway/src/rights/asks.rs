//! What IAM asks about a call: which action on which resource, and the facts that conditions may look at. The sources
//! are the pages of the Service Authorization Reference. Independent of the program under test.

use super::Ask;
use super::known::Known;
use super::resources::{arn, named, new_of_ec2, resources};
use crate::request::Request;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Everything that IAM asks about a call. The first are about the call itself. The others are about what it does along
/// the way: tags on what it makes, a role that it passes, a key that it uses.
pub(crate) fn asks(request: &Request, known: &Known) -> Vec<Ask> {
    let service = prefix(&request.service);
    let action = match service {
        // IAM knows only the methods of this service.
        "apigateway" => format!("{service}:{}", request.method),
        "lambda" if request.action == "Invoke" => "lambda:InvokeFunction".to_owned(),
        _ => format!("{service}:{}", request.action),
    };
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
    // The private DNS of an endpoint is a hosted zone (Service Authorization Reference, dependent actions of
    // CreateVpcEndpoint).
    if request.action == "CreateVpcEndpoint" && request.flag("PrivateDnsEnabled") == Some(true) {
        asks.push(ask(request, known, "route53:AssociateVPCWithHostedZone", "arn:aws:route53:::hostedzone/new"));
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
pub(super) fn prefix(service: &str) -> &str {
    match service {
        "apigatewayv2" => "apigateway",
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
        "apigatewayv2" => "POST",
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
            let named = request.text("FunctionName").map(|name| named(request, "function:{}", name));
            let function = function.or(named.filter(|_| request.action == "CreateEventSourceMapping"));
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
        ("apigatewayv2", _) => vec![format!("arn:aws:apigateway:{}::/tags/new", request.region)],
        ("lambda", "CreateEventSourceMapping") => vec![arn(request, "lambda", "event-source-mapping:new")],
        ("elbv2", "CreateListener") => of(":loadbalancer/", ":listener/"),
        ("elbv2", "CreateRule") => of(":listener/", ":listener-rule/"),
        ("kms", _) => vec![arn(request, "kms", "key/*")],
        // A replica also asks about what it shares with its primary. Only the database is new.
        ("rds" | "elasticache", _) => resources.iter().take(1).cloned().collect(),
        _ => resources.to_vec(),
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
