//! Settings that an emulator takes and forgets, or answers wrongly. The gateway answers them from the calls that made
//! them.

use super::served_by;
use crate::account::{Account, last_part};
use crate::answer::Answer;
use crate::request::Request;
use crate::server::Shared;
use crate::upstream::Emulator;
use crate::xml::Element;
use bytes::Bytes;
use serde_json::{Value, json};

/// Both emulators let a replica inherit its source's deletion protection; AWS does not.
pub(super) fn before_rds(request: &mut Request) {
    if request.action == "CreateDBInstanceReadReplica"
        && request.text("DeletionProtection").is_none()
        && let Ok(body) = std::str::from_utf8(&request.body)
    {
        request.body = Bytes::from(format!("{body}&DeletionProtection=false"));
    }
}

/// ministack takes the tags of flow logs only under a name for them that AWS does not have.
pub(super) fn before_flow_logs(request: &mut Request) {
    if request.action == "CreateFlowLogs"
        && let Ok(body) = std::str::from_utf8(&request.body)
    {
        request.body = Bytes::from(body.replace("ResourceType=vpc-flow-log", "ResourceType=flow-log"));
    }
}

pub(super) fn after(shared: &Shared, request: &Request, answer: &mut Answer) {
    if !answer.ok() {
        return;
    }
    let ministack = served_by(shared, request) == Emulator::Ministack;
    let state = shared.state();
    match request.service.as_str() {
        "lambda" => function(&state.account, request, answer),
        "rds" if ministack => database(&state.account, request, answer),
        "elasticache" => cache(&state.account, request, answer),
        "elbv2" if ministack => balancer(&state.account, request, answer),
        "ec2" if ministack => network(&state.account, request, answer),
        _ => {}
    }
}

/// Corrects the answer about a function: moto forgets LoggingConfig, and ministack answers empty texts for missing
/// values.
fn function(account: &Account, request: &Request, answer: &mut Answer) {
    let Some(body) = answer.json_body_mut() else { return };
    let at = if body.get("Configuration").is_some() { "/Configuration" } else { "" };
    let Some(function) = body.pointer_mut(at).and_then(Value::as_object_mut) else { return };
    let Some(name) = function.get("FunctionName").and_then(Value::as_str).map(last_part) else { return };
    function.retain(|field, value| field == "Description" || value.as_str() != Some(""));
    let given = match request.action.as_str() {
        // The call was not observed yet.
        "CreateFunction" => request.params.get("LoggingConfig").cloned(),
        _ => account.get(&request.home, "lambda.function", &name).and_then(|thing| thing.params.get("LoggingConfig").cloned()),
    };
    let mut config = given.unwrap_or(json!({}));
    if config["LogFormat"].is_null() {
        config["LogFormat"] = json!("Text");
    }
    if config["LogGroup"].is_null() {
        config["LogGroup"] = json!(format!("/aws/lambda/{}", function["FunctionName"].as_str().unwrap_or_default()));
    }
    function.insert("LoggingConfig".to_owned(), config);
}

/// Corrects the name of a database. If a database was made without a name, ministack calls it `mydb`.
fn database(account: &Account, request: &Request, answer: &mut Answer) {
    let Some(root) = answer.xml_body_mut() else { return };
    root.walk_mut(&mut |element| {
        let Some(id) = element.at("DBInstanceIdentifier").map(last_part) else { return };
        let named = match account.get(&request.home, "rds.instance", &id) {
            Some(thing) => thing.text("DBName").is_some() || thing.text("SourceDBInstanceIdentifier").is_some(),
            None => request.text("DBName").is_some(),
        };
        if element.at("DBName") == Some("mydb") && !named {
            element.remove("DBName");
        }
        // The database exports no logs.
        let exports: Vec<String> = match account.get(&request.home, "rds.instance", &id) {
            Some(thing) => {
                let given = thing.params.iter().filter(|(name, _)| name.starts_with("EnableCloudwatchLogsExports."));
                given.filter_map(|(_, log)| log.as_str().map(str::to_owned)).collect()
            }
            None => request.list("EnableCloudwatchLogsExports"),
        };
        let list = element.child_or_new("EnabledCloudwatchLogsExports");
        list.children = exports.iter().map(|log| Element::with_text("member", log)).collect();
    });
}

/// Corrects the answer about a cache. ministack forgets its key. The list of members does not follow the number of
/// replicas, and the members do not follow the changes of their group.
fn cache(account: &Account, request: &Request, answer: &mut Answer) {
    let Some(root) = answer.xml_body_mut() else { return };
    root.walk_mut(&mut |element| {
        let Some(id) = element.at("ReplicationGroupId").map(last_part) else { return };
        let thing = account.get(&request.home, "elasticache.replication_group", &id);
        let given = |name: &str| match (thing, request.action.as_str()) {
            (Some(thing), _) => thing.text(name).map(str::to_owned),
            (None, "CreateReplicationGroup") => request.text(name).map(str::to_owned),
            (None, _) => None,
        };
        if element.child("CacheClusterStatus").is_some() {
            if let Some(version) = given("EngineVersion") {
                element.set("EngineVersion", &version);
            }
            if let Some(group) = given("SecurityGroupIds.SecurityGroupId.1") {
                element.set("SecurityGroups/member/SecurityGroupId", &group);
            }
        } else if element.child("MemberClusters").is_some() {
            if let Some(key) = given("KmsKeyId") {
                element.set("KmsKeyId", &key);
            }
            let members: Vec<String> = element
                .all("NodeGroupMember")
                .iter()
                .filter_map(|member| member.at("CacheClusterId").map(str::to_owned))
                .collect();
            if !members.is_empty() {
                element.child_or_new("MemberClusters").children =
                    members.iter().map(|member| Element::with_text("ClusterId", member)).collect();
            }
        }
    });
}

/// Corrects the network of a load balancer. ministack puts every load balancer into its default network.
fn balancer(account: &Account, request: &Request, answer: &mut Answer) {
    let Some(root) = answer.xml_body_mut() else { return };
    root.walk_mut(&mut |element| {
        if element.child("LoadBalancerArn").is_none() || element.child("VpcId").is_none() {
            return;
        }
        let zone =
            element.child("AvailabilityZones").and_then(|zones| zones.children.first()).and_then(|zone| zone.at("SubnetId"));
        let subnet = zone.and_then(|subnet| account.get(&request.home, "ec2.subnet", subnet));
        if let Some(vpc) = subnet.and_then(|subnet| subnet.uses.get("VpcId")?.first().cloned()) {
            element.set("VpcId", &vpc);
        }
    });
}

/// Corrects answers about networks. ministack forgets the address of a NAT gateway, the policy and groups of endpoints,
/// and the target of flow logs.
fn network(account: &Account, request: &Request, answer: &mut Answer) {
    let Some(root) = answer.xml_body_mut() else { return };
    root.walk_mut(&mut |element| {
        let told = |element: &Element, kind: &'static str, field: &str, param: &str| -> Option<String> {
            let id = element.at(field)?;
            match account.get(&request.home, kind, id) {
                Some(thing) => thing.text(param).map(str::to_owned),
                None => request.text(param).map(str::to_owned),
            }
        };
        if element.child("natGatewayAddressSet").is_some_and(|set| set.children.is_empty())
            && let Some(address) = told(element, "ec2.nat_gateway", "natGatewayId", "AllocationId")
        {
            let mut item = Element::new("item");
            item.set("allocationId", &address);
            item.set("isPrimary", "true");
            item.set("status", "succeeded");
            element.child_or_new("natGatewayAddressSet").children.push(item);
        } else if element.child("vpcEndpointId").is_some() && element.child("policyDocument").is_none() {
            let everything =
                r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
            let policy =
                told(element, "ec2.endpoint", "vpcEndpointId", "PolicyDocument").unwrap_or_else(|| everything.to_owned());
            element.set("policyDocument", &policy);
            let id = element.at("vpcEndpointId").unwrap_or_default().to_owned();
            let params = account.get(&request.home, "ec2.endpoint", &id);
            let private =
                params.and_then(|thing| thing.text("PrivateDnsEnabled")).or(request.text("PrivateDnsEnabled")).unwrap_or("false");
            element.set("privateDnsEnabled", private);
            let groups = match params {
                Some(thing) => thing.uses.get("SecurityGroupId").cloned().unwrap_or_default().into_iter().collect(),
                None => request.list("SecurityGroupId"),
            };
            for group in groups {
                let mut item = Element::new("item");
                item.set("groupId", &group);
                element.child_or_new("groupSet").children.push(item);
            }
        } else if element.child("flowLogId").is_some() {
            for (field, param) in [("logGroupName", "LogGroupName"), ("deliverLogsPermissionArn", "DeliverLogsPermissionArn")] {
                if let Some(text) = told(element, "ec2.flow_log", "flowLogId", param) {
                    element.set(field, &text);
                }
            }
            let interval =
                told(element, "ec2.flow_log", "flowLogId", "MaxAggregationInterval").unwrap_or_else(|| "600".to_owned());
            element.set("maxAggregationInterval", &interval);
        }
    });
}
