//! Details that the tables cannot say: attributes that are set by calls of their own, rules among security groups,
//! deletions that are only planned.

use super::{Account, rule_key};
use crate::answer::Answer;
use crate::request::Request;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn observe(account: &mut Account, request: &Request, answer: &Answer) {
    match request.service.as_str() {
        "ec2" => ec2(account, request, answer),
        "elbv2" => elbv2(account, request),
        "rds" if request.action == "CreateDBInstanceReadReplica" => replica(account, request),
        "lambda" => lambda(account, request),
        "events" => targets(account, request),
        "apigatewayv2" if request.action == "DeleteApi" => {
            // Everything in an API goes with it.
            let api = request.text("ApiId");
            account.retain(&request.home, |thing| !thing.kind.starts_with("apigatewayv2.") || thing.text("ApiId") != api);
        }
        "secretsmanager" => secret(account, request),
        "sqs" => queue(account, request),
        "dynamodb" => expiry(account, request),
        "sns" => topic(account, request, answer),
        "iam" if request.action == "CreateServiceLinkedRole" => {
            if let Some(service) = request.text("AWSServiceName").map(str::to_owned) {
                account.add(request, "iam.service_linked_role", service);
            }
        }
        _ => {}
    }
}

/// The last change of the expiry of a table's items.
fn expiry(account: &mut Account, request: &Request) {
    let Some(table) = request.text("TableName").map(str::to_owned) else { return };
    match request.action.as_str() {
        "UpdateTimeToLive" => {
            account.add(request, "dynamodb.expiry", table);
        }
        "DeleteTable" => account.remove(&request.home, "dynamodb.expiry", &table),
        _ => {}
    }
}

fn ec2(account: &mut Account, request: &Request, answer: &Answer) {
    let home = request.home.as_str();
    match request.action.as_str() {
        "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress" => {
            for rule in answer.xml_body().map(|root| root.all("item")).unwrap_or_default() {
                let (Some(owner), Some(other)) = (rule.at("groupId"), rule.at("referencedGroupInfo/groupId")) else { continue };
                let id = rule_key(owner, rule.at("isEgress") == Some("true"), |name| rule.at(name), other);
                let thing = account.add(request, "ec2.security_group_rule", id);
                thing.params.insert("rule".to_owned(), rule.at("securityGroupRuleId").into());
                thing.uses = BTreeMap::from([
                    ("owner".to_owned(), BTreeSet::from([owner.to_owned()])),
                    ("other".to_owned(), BTreeSet::from([other.to_owned()])),
                ]);
            }
        }
        "RevokeSecurityGroupIngress" | "RevokeSecurityGroupEgress" => {
            let ids = request.list("SecurityGroupRuleId");
            account.retain(home, |thing| thing.text("rule").is_none_or(|rule| !ids.iter().any(|id| id == rule)));
            for key in revoked(request) {
                account.remove(home, "ec2.security_group_rule", &key);
            }
        }
        "DeleteSecurityGroup" => {
            if let Some(group) = request.text("GroupId") {
                let owned = |thing: &super::Thing| thing.uses.get("owner").is_some_and(|owner| owner.contains(group));
                account.retain(home, |thing| thing.kind != "ec2.security_group_rule" || !owned(thing));
            }
        }
        "DetachInternetGateway" => {
            if let Some(gateway) =
                request.text("InternetGatewayId").and_then(|id| account.get_mut(home, "ec2.internet_gateway", id))
            {
                gateway.uses.clear();
            }
        }
        "AssociateRouteTable" => {
            if let Some(table) = request.text("RouteTableId").and_then(|id| account.get_mut(home, "ec2.route_table", id)) {
                let association = answer.xml_text("associationId").unwrap_or_default().to_owned();
                table.uses.insert(association, request.text("SubnetId").map(str::to_owned).into_iter().collect());
            }
        }
        "ReplaceRouteTableAssociation" => {
            let old = request.text("AssociationId").unwrap_or_default();
            let tied = account.of_kind_mut(home, "ec2.route_table").find_map(|table| table.uses.remove(old));
            if let (Some(tied), Some(table)) =
                (tied, request.text("RouteTableId").and_then(|id| account.get_mut(home, "ec2.route_table", id)))
            {
                table.uses.insert(answer.xml_text("newAssociationId").unwrap_or_default().to_owned(), tied);
            }
        }
        "DisassociateRouteTable" => {
            let association = request.text("AssociationId").unwrap_or_default();
            for table in account.of_kind_mut(home, "ec2.route_table") {
                table.uses.remove(association);
            }
        }
        "DeleteSubnet" => {
            // The subnet's associations go with it.
            let subnet = request.text("SubnetId").unwrap_or_default();
            for table in account.of_kind_mut(home, "ec2.route_table") {
                table.uses.retain(|_, used| !used.contains(subnet));
            }
        }
        "CreateTags" => {
            let ids = request.list("ResourceId");
            for thing in account.all_mut(home).filter(|thing| ids.contains(&thing.id)) {
                thing.tags.extend(request.tags());
            }
        }
        _ => {}
    }
}

/// The references among groups that a revocation by permissions takes away.
fn revoked(request: &Request) -> Vec<String> {
    let mut keys = Vec::new();
    let owner = request.text("GroupId").unwrap_or_default();
    let egress = request.action.ends_with("Egress");
    for n in 1.. {
        let prefix = format!("IpPermissions.{n}");
        if request.text(&format!("{prefix}.IpProtocol")).is_none() {
            break;
        }
        for m in 1.. {
            let Some(other) = request.text(&format!("{prefix}.Groups.{m}.GroupId")) else { break };
            let part = |name: &'static str| {
                let name = match name {
                    "ipProtocol" => "IpProtocol",
                    "fromPort" => "FromPort",
                    _ => "ToPort",
                };
                request.text(&format!("{prefix}.{name}"))
            };
            keys.push(rule_key(owner, egress, part, other));
        }
    }
    keys
}

fn elbv2(account: &mut Account, request: &Request) {
    let home = request.home.as_str();
    match request.action.as_str() {
        "DeleteListener" => {
            if let Some(listener) = request.text("ListenerArn") {
                account.remove_users(home, "elbv2.rule", listener);
            }
        }
        "ModifyLoadBalancerAttributes" => {
            let attributes = pairs(request, "Attributes.member", "Key", "Value");
            if let Some(balancer) =
                request.text("LoadBalancerArn").and_then(|arn| account.get_mut(home, "elbv2.load_balancer", arn))
            {
                set_attributes(&mut balancer.params, attributes);
            }
        }
        "SetRulePriorities" => {
            for (arn, priority) in pairs(request, "RulePriorities.member", "RuleArn", "Priority") {
                if let Some(rule) = account.get_mut(home, "elbv2.rule", &arn) {
                    rule.params.insert("Priority".to_owned(), json!(priority));
                }
            }
        }
        _ => {}
    }
}

/// A replica has its source's subnets, groups and parameters, unless the call says otherwise.
fn replica(account: &mut Account, request: &Request) {
    let (Some(source), Some(id)) = (request.text("SourceDBInstanceIdentifier"), request.text("DBInstanceIdentifier")) else {
        return;
    };
    let Some(source) = account.get(&request.home, "rds.instance", &super::last_part(source)) else { return };
    let inherited = source.uses.clone();
    if let Some(replica) = account.get_mut(&request.home, "rds.instance", &super::last_part(id)) {
        for (name, used) in inherited {
            replica.uses.entry(name).or_insert(used);
        }
    }
}

fn lambda(account: &mut Account, request: &Request) {
    let Some(function) = request.text("FunctionName").map(super::last_part) else { return };
    let permission = request.text("StatementId").map(|statement| format!("{function}/{statement}"));
    match (request.action.as_str(), permission) {
        ("AddPermission", Some(id)) => {
            account.add(request, "lambda.permission", id);
        }
        ("RemovePermission", Some(id)) => account.remove(&request.home, "lambda.permission", &id),
        ("DeleteFunction", _) => {
            let of = |thing: &super::Thing| thing.text("FunctionName").map(super::last_part).as_ref() == Some(&function);
            account.retain(&request.home, |thing| thing.kind != "lambda.permission" || !of(thing));
        }
        _ => {}
    }
}

fn targets(account: &mut Account, request: &Request) {
    let Some(rule) = request.text("Rule") else { return };
    let put = request.params.get("Targets").and_then(Value::as_array).into_iter().flatten();
    for id in put.filter_map(|target| target["Id"].as_str()) {
        account.add(request, "events.target", format!("{rule}/{id}"));
    }
    if request.action == "RemoveTargets" {
        for id in request.list("Ids") {
            account.remove(&request.home, "events.target", &format!("{rule}/{id}"));
        }
    }
}

fn secret(account: &mut Account, request: &Request) {
    let Some(id) = request.text("SecretId") else { return };
    // A secret is asked for by name, or by an ARN that ends in the name and six characters.
    let named = |name: &str| id == name || id.contains(&format!(":secret:{name}-"));
    let Some(name) = account.of_kind(&request.home, "secretsmanager.secret").map(|s| s.id.clone()).find(|name| named(name))
    else {
        return;
    };
    match request.action.as_str() {
        "DeleteSecret" if request.flag("ForceDeleteWithoutRecovery") == Some(true) => {
            account.remove(&request.home, "secretsmanager.secret", &name);
        }
        "DeleteSecret" | "RestoreSecret" => {
            if let Some(secret) = account.get_mut(&request.home, "secretsmanager.secret", &name) {
                if request.action == "DeleteSecret" {
                    secret.params.insert("scheduled".to_owned(), json!("true"));
                } else {
                    secret.params.remove("scheduled");
                }
            }
        }
        _ => {}
    }
}

fn queue(account: &mut Account, request: &Request) {
    let name = request.text("QueueName").or(request.text("QueueUrl").and_then(|url| url.rsplit('/').next()));
    let attributes = request.params.get("Attributes").and_then(Value::as_object).into_iter().flatten();
    let attributes = attributes.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    if let Some(queue) = name.and_then(|name| account.get_mut(&request.home, "sqs.queue", name)) {
        set_attributes(&mut queue.params, attributes);
    }
}

fn topic(account: &mut Account, request: &Request, answer: &Answer) {
    let arn = request.text("TopicArn").or(answer.xml_text("TopicArn"));
    let attributes = match (request.text("AttributeName"), request.action.as_str()) {
        (Some(name), "SetTopicAttributes") => {
            vec![(name.to_owned(), request.text("AttributeValue").unwrap_or_default().to_owned())]
        }
        (_, "CreateTopic") => pairs(request, "Attributes.entry", "key", "value"),
        _ => return,
    };
    if let Some(topic) = arn.and_then(|arn| account.get_mut(&request.home, "sns.topic", arn)) {
        set_attributes(&mut topic.params, attributes);
    }
}

/// The pairs of `prefix.N.key` and `prefix.N.value` in a form.
fn pairs(request: &Request, prefix: &str, key: &str, value: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for n in 1.. {
        let Some(name) = request.text(&format!("{prefix}.{n}.{key}")) else { break };
        found.push((name.to_owned(), request.text(&format!("{prefix}.{n}.{value}")).unwrap_or_default().to_owned()));
    }
    found
}

fn set_attributes(params: &mut serde_json::Map<String, Value>, attributes: Vec<(String, String)>) {
    for (name, value) in attributes {
        params.insert(format!("attribute.{name}"), json!(value));
    }
}
