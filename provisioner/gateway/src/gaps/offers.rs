//! The offers of AWS: quotas, versions, classes. Emulators make everything, without end, and have no calls about it, or
//! only a few.

use crate::answer::{Answer, fault};
use crate::request::Request;
use crate::rules::glob;
use crate::server::Shared;
use crate::upstream::ACCOUNT;
use crate::xml::Element;
use serde_json::{Value, json};

/// AWS's own defaults (Service Quotas, 2026).
const QUOTAS: &[(&str, f64)] = &[
    ("L-F678F1CE", 5.0),
    ("L-A4707A72", 5.0),
    ("L-0263D0A3", 5.0),
    ("L-53DA6B97", 50.0),
    ("L-7B6409FD", 40.0),
    ("L-DFE45DF3", 300.0),
    ("L-076D529E", 100.0),
    ("L-3032A538", 6.0),
];

pub(super) fn before(shared: &Shared, request: &Request) -> Option<Answer> {
    let (quotas, unsold, zones) = {
        let state = shared.state();
        (state.repairs.quotas.clone(), state.repairs.unsold.clone(), state.repairs.zones)
    };
    let sold = |what: &str| !unsold.iter().any(|pattern| glob(pattern, what));
    let asked = |name: &str| request.text(name).unwrap_or_default().to_owned();
    match (request.service.as_str(), request.action.as_str()) {
        ("service-quotas", "GetServiceQuota") => {
            let code = asked("QuotaCode");
            let default = QUOTAS.iter().find(|(known, _)| *known == code).map(|(_, value)| *value);
            Some(match quotas.get(&code).copied().or(default) {
                Some(value) => Answer::json(request, json!({"Quota": {"QuotaCode": code, "Value": value}})),
                None => Answer::error(request, &fault(400, "NoSuchResourceException", "no such quota")),
            })
        }
        ("ec2", "DescribeAvailabilityZones") => {
            let zone = |letter: char| {
                let mut one = Element::new("item");
                one.set("zoneName", &format!("{}{letter}", request.region));
                one.set("zoneState", "available");
                one.set("zoneType", "availability-zone");
                one.set("optInStatus", "opt-in-not-required");
                one
            };
            Some(list(request, "availabilityZoneInfo", "abcdef".chars().take(zones?).map(zone).collect()))
        }
        ("rds", "DescribeDBEngineVersions") => {
            let versions = ["8.0.43", "8.0.44", "8.4.6", "8.4.7"].into_iter().filter(|version| sold(version));
            let versions = versions.filter(|version| version.starts_with(&asked("EngineVersion")));
            let member = |version| {
                let mut one = Element::new("DBEngineVersion");
                one.set("Engine", "mysql");
                one.set("EngineVersion", version);
                one.set("Status", "available");
                one
            };
            Some(list(request, "DBEngineVersions", versions.map(member).collect()))
        }
        ("rds", "DescribeOrderableDBInstanceOptions") => {
            let class = asked("DBInstanceClass");
            let mut option = Element::new("OrderableDBInstanceOption");
            option.set("DBInstanceClass", &class);
            let mut zones = Element::new("AvailabilityZones");
            for zone in ["a", "b", "c"].map(|letter| format!("{}{letter}", request.region)) {
                if sold(&format!("{class}/{zone}")) {
                    let mut one = Element::new("AvailabilityZone");
                    one.set("Name", &zone);
                    zones.children.push(one);
                }
            }
            option.children.push(zones);
            let options = if sold(&class) { vec![option] } else { Vec::new() };
            Some(list(request, "OrderableDBInstanceOptions", options))
        }
        ("elasticache", "DescribeCacheEngineVersions") => {
            let engine = asked("Engine");
            let versions: &[&str] = if engine == "valkey" { &["7.2", "8.0", "8.1"] } else { &["7.0", "7.1"] };
            let member = |version: &&str| {
                let mut one = Element::new("CacheEngineVersion");
                one.set("Engine", &engine);
                one.set("EngineVersion", version);
                one
            };
            let versions = versions.iter().filter(|version| sold(&format!("{engine}/{version}")));
            Some(list(request, "CacheEngineVersions", versions.map(member).collect()))
        }
        ("elasticache", "DescribeReservedCacheNodesOfferings") => {
            let class = asked("CacheNodeType");
            let mut one = Element::new("ReservedCacheNodesOffering");
            one.set("CacheNodeType", &class);
            let offers = if sold(&class) { vec![one] } else { Vec::new() };
            Some(list(request, "ReservedCacheNodesOfferings", offers))
        }
        ("opensearch", "ListVersions") => {
            let versions = ["OpenSearch_2.17", "OpenSearch_2.19", "OpenSearch_3.1"];
            let versions: Vec<&str> = versions.into_iter().filter(|version| sold(version)).collect();
            Some(Answer::json(request, json!({"Versions": versions})))
        }
        ("opensearch", "ListInstanceTypeDetails") => {
            let class = asked("instanceType");
            let zones: Vec<String> = ["a", "b", "c"].map(|letter| format!("{}{letter}", request.region)).into();
            let found = json!([{"InstanceType": class, "AvailabilityZones": zones}]);
            let found = if sold(&class) { found } else { json!([]) };
            Some(Answer::json(request, json!({"InstanceTypeDetails": found})))
        }
        _ => None,
    }
}

fn list(request: &Request, name: &str, members: Vec<Element>) -> Answer {
    let mut list = Element::new(name);
    list.children = members;
    Answer::xml(request, vec![list])
}

/// Lists a deleted queue for up to 60 s more, as AWS does.
pub(super) fn after(shared: &Shared, request: &Request, answer: &mut Answer) {
    if !request.is("sqs", &["ListQueues"]) || !answer.ok() {
        return;
    }
    let prefix = format!("sqs.queue:{}", request.text("QueueNamePrefix").unwrap_or_default());
    let state = shared.state();
    let rests = |when: &std::time::Instant| when.elapsed() < state.pace.real(60);
    let names = state.account.deleted.iter().filter(|((home, _), when)| *home == request.home && rests(when));
    let names = names.map(|((_, name), _)| name).filter(|name| name.starts_with(&prefix));
    let url = |name: &String| json!(format!("{}/{ACCOUNT}/{}", shared.url, name.trim_start_matches("sqs.queue:")));
    let ghosts: Vec<Value> = names.map(url).collect();
    let Some(body) = answer.json_body_mut() else { return };
    if ghosts.is_empty() {
        return;
    }
    match body.get_mut("QueueUrls").and_then(Value::as_array_mut) {
        Some(urls) => urls.extend(ghosts),
        None => body["QueueUrls"] = json!(ghosts),
    }
}
