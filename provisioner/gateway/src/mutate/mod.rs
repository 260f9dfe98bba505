//! Words answers as AWS does and emulators do not: lists in another order, names in lower case, policies laid out anew,
//! defaults filled in, ARNs for names. None of this changes what an answer means.

mod defaults;
pub(crate) mod hidden;
mod policies;

use crate::account::Account;
use crate::answer::{Answer, Body};
use crate::chance::Chance;
use crate::request::{Protocol, Request};
use crate::upstream::ACCOUNT;
use crate::xml::Element;
use bytes::Bytes;
use regex::{Captures, Regex};
use serde_json::Value;
use std::sync::LazyLock;

/// JSON lists that mean sets, or that AWS gives in no order.
const UNORDERED: &[&str] = &[
    "environment",
    "secrets",
    "tags",
    "Tags",
    "TagList",
    "subnets",
    "SubnetIds",
    "securityGroups",
    "SecurityGroupIds",
    "services",
    "serviceArns",
    "taskArns",
    "tasks",
    "clusters",
    "clusterArns",
    "logGroups",
    "subscriptionFilters",
    "metricFilters",
    "DomainNames",
    "DomainStatusList",
    "repositories",
    "Keys",
    "Aliases",
    "SecretList",
    "ResourceTagMappingList",
    "ScalableTargets",
    "ScalingPolicies",
    "Functions",
    "EventSourceMappings",
    "Rules",
    "Targets",
    "items",
    "TableNames",
    "QueueUrls",
    "portMappings",
    "mountPoints",
    "systemControls",
    "imageIds",
    "imageDetails",
    "requiresCompatibilities",
    "compatibilities",
    "requiresAttributes",
    "failures",
    "AvailabilityZones",
    "resourcePolicies",
    "taskDefinitionArns",
];

/// XML lists whose order has a meaning.
const ORDERED: &[&str] = &[
    "Actions",
    "DefaultActions",
    "Events",
    "NodeGroups",
    "NodeGroupMembers",
    "CacheNodes",
    "MemberClusters",
    "DBEngineVersions",
    "CacheEngineVersions",
];

/// Names that AWS lower-cases when it stores them.
const LOWERED: &str = "DBInstanceIdentifier|DBSubnetGroupName|DBParameterGroupName|SourceDBInstanceIdentifier|ReplicationGroupId|CacheSubnetGroupName|CacheParameterGroupName|CacheClusterId";

/// Lower-cases names on their way in: the emulator then stores and answers them as AWS does.
pub(crate) fn lower_names(request: &mut Request) {
    static NAMES: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(&format!("(^|&)({LOWERED})=([^&]*)")).unwrap_or_else(|why| unreachable!("a constant pattern: {why}"))
    });
    if !matches!(request.service.as_str(), "rds" | "elasticache") || request.protocol != Protocol::Query {
        return;
    }
    let Ok(body) = std::str::from_utf8(&request.body) else { return };
    let lowered = NAMES.replace_all(body, |found: &Captures| {
        let value = if found[3].contains("arn%3A") { found[3].to_owned() } else { found[3].to_lowercase() };
        format!("{}{}={value}", &found[1], &found[2])
    });
    if lowered != body {
        let lowered = Bytes::from(lowered.into_owned());
        *request = Request::read(&request.method, &request.target, request.headers.clone(), lowered);
    }
}

pub(crate) fn reword(account: &Account, chance: &mut Chance, request: &Request, answer: &mut Answer) {
    if !answer.ok() {
        return;
    }
    defaults::fill(request, answer);
    match &mut answer.body {
        Body::Xml(root) => {
            root.walk_mut(&mut |element| {
                if let Some(text) = policies::reword(&element.text) {
                    element.text = text;
                }
                if matches!(element.name.as_str(), "KmsKeyId" | "PerformanceInsightsKMSKeyId")
                    && let Some(arn) = key_arn(account, request, &element.text)
                {
                    element.text = arn;
                }
                shuffle_xml(chance, element);
            });
        }
        Body::Json(value) => walk_json(account, chance, request, value),
        Body::Raw(_) => {}
    }
}

fn shuffle_xml(chance: &mut Chance, element: &mut Element) {
    let alike = element.children.len() > 1 && element.children.iter().all(|child| child.name == element.children[0].name);
    if alike && !ORDERED.contains(&element.name.as_str()) {
        chance.shuffle(&mut element.children);
    }
}

fn walk_json(account: &Account, chance: &mut Chance, request: &Request, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                if let (true, Value::Array(list)) = (UNORDERED.contains(&name.as_str()), &mut *inner) {
                    chance.shuffle(list);
                }
                // Secrets Manager, SQS and SNS keep the name that was given.
                let names_key = matches!(name.as_str(), "kmsKey" | "KMSMasterKeyArn")
                    || name == "KmsKeyId" && matches!(request.service.as_str(), "opensearch" | "lambda");
                if let (true, Value::String(text)) = (names_key, &mut *inner)
                    && let Some(arn) = key_arn(account, request, text)
                {
                    *text = arn;
                }
                walk_json(account, chance, request, inner);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| walk_json(account, chance, request, inner)),
        Value::String(text) => {
            if let Some(reworded) = policies::reword(text) {
                *text = reworded;
            }
        }
        _ => {}
    }
}

/// The ARN of a key that was named by alias or id.
fn key_arn(account: &Account, request: &Request, name: &str) -> Option<String> {
    if name.is_empty() || name.contains(":key/") {
        return None;
    }
    let alias = name.rsplit_once("alias/").map(|(_, alias)| format!("alias/{alias}"));
    let id = match alias {
        Some(alias) => account.get(&request.home, "kms.alias", &alias)?.text("TargetKeyId")?.to_owned(),
        None => name.to_owned(),
    };
    let id = id.rsplit('/').next().unwrap_or(&id).to_owned();
    Some(format!("arn:aws:kms:{}:{ACCOUNT}:key/{id}", request.region))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::{form, json};
    use serde_json::json;

    fn mutated(request: &Request, body: Body) -> Answer {
        let mut answer = Answer { status: 200, headers: Vec::new(), body };
        reword(&Account::default(), &mut Chance::of(7, "test"), request, &mut answer);
        answer
    }

    #[test]
    fn lowers_names() {
        let mut request = form("rds", "Action=CreateDBInstance&DBInstanceIdentifier=Main&DBName=Main");
        lower_names(&mut request);
        assert_eq!((request.text("DBInstanceIdentifier"), request.text("DBName")), (Some("main"), Some("Main")));
    }

    #[test]
    fn shuffles_sets_only() {
        let list: Vec<Value> = (0..9).map(Value::from).collect();
        let request = json("ecs", "DescribeTaskDefinition", json!({}));
        let answer = mutated(&request, Body::Json(json!({"tags": list, "command": list})));
        let body = answer.json_body().expect("JSON");
        assert_ne!(body["tags"], json!(list));
        assert_eq!(body["command"], json!(list));
    }

    #[test]
    fn names_keys_by_arn() {
        let request = form("rds", "Action=DescribeDBInstances");
        let root = crate::xml::parse("<A><KmsKeyId>1234</KmsKeyId></A>").expect("XML");
        assert_eq!(mutated(&request, Body::Xml(root)).xml_text("KmsKeyId"), Some("arn:aws:kms:eu-west-1:123456789012:key/1234"));
    }
}
