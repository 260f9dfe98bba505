//! The life of domains, which are slow. They are Processing for long, have no endpoint before that is over, and show
//! Deleted=true until they are gone.

use crate::account::{Account, Phase, Picture, Thing, last_part};
use crate::answer::{Answer, Fault, fault};
use crate::request::Request;
use serde_json::{Value, json};

const KIND: &str = "opensearch.domain";

pub(super) fn dress(account: &mut Account, request: &Request, answer: &mut Answer) {
    if request.action == "DescribeDomain" && !answer.ok() {
        let ghost = request.text("DomainName").and_then(|name| ghost(account, request, name));
        if let Some(ghost) = ghost {
            *answer = Answer::json(request, json!({"DomainStatus": ghost}));
        }
    }
    if !answer.ok() {
        return;
    }
    let ghosts: Vec<Value> = match request.action.as_str() {
        "DescribeDomains" => request.list("DomainNames").iter().filter_map(|name| ghost(account, request, name)).collect(),
        _ => Vec::new(),
    };
    let Some(body) = answer.json_body_mut() else { return };
    if let Some(list) = body.get_mut("DomainStatusList").and_then(Value::as_array_mut) {
        for ghost in ghosts {
            if !list.iter().any(|domain| domain["DomainName"] == ghost["DomainName"]) {
                list.push(ghost);
            }
        }
        for domain in list {
            dress_one(account, request, domain);
        }
    }
    if let Some(domain) = body.get_mut("DomainStatus") {
        dress_one(account, request, domain);
    }
}

fn ghost(account: &Account, request: &Request, name: &str) -> Option<Value> {
    let thing = account.get(&request.home, KIND, &last_part(name))?;
    match (&thing.picture, thing.phase()) {
        (Some(Picture::Json(picture)), Phase::Deleting) => Some(picture.clone()),
        _ => None,
    }
}

fn dress_one(account: &mut Account, request: &Request, domain: &mut Value) {
    let Some(name) = domain["DomainName"].as_str().map(last_part) else { return };
    let Some(thing) = account.get_mut(&request.home, KIND, &name) else { return };
    thing.picture = Some(Picture::Json(domain.clone()));
    put(domain, thing);
}

fn put(domain: &mut Value, thing: &Thing) {
    let phase = thing.phase();
    let in_vpc = domain.pointer("/VPCOptions/SubnetIds").and_then(Value::as_array).is_some_and(|subnets| !subnets.is_empty());
    let host = format!("{}-gateway.{}.es.amazonaws.com", thing.id, thing.home.rsplit('/').next().unwrap_or_default());
    let Some(domain) = domain.as_object_mut() else { return };
    let (processing, word) = match phase {
        Phase::Creating => (true, "Creating"),
        Phase::Modifying => (true, "Modifying"),
        Phase::Deleting => (true, "Deleting"),
        Phase::Failed => (false, "Isolated"),
        Phase::Ready | Phase::Gone => (false, "Active"),
    };
    domain.insert("Created".to_owned(), json!(true));
    domain.insert("Deleted".to_owned(), json!(phase == Phase::Deleting));
    domain.insert("Processing".to_owned(), json!(processing));
    domain.insert("DomainProcessingStatus".to_owned(), json!(word));
    let endpoints = ["Endpoint", "Endpoints", "EndpointV2", "DomainEndpointV2HostedZoneId"];
    if matches!(phase, Phase::Creating | Phase::Failed) {
        for name in endpoints {
            domain.remove(name);
        }
        return;
    }
    // There is one of the two, as on AWS: `Endpoints` by the name of `vpc`, or the public `Endpoint`.
    for name in endpoints {
        domain.remove(name);
    }
    if in_vpc {
        domain.insert("Endpoints".to_owned(), json!({"vpc": format!("vpc-{host}")}));
    } else {
        domain.insert("Endpoint".to_owned(), json!(format!("search-{host}")));
    }
}

/// The seconds of a change. A dry run changes nothing. Policies, log publishing and TLS settings need no new nodes.
pub(super) fn modify_seconds(request: &Request, seconds: u64) -> u64 {
    if request.flag("DryRun") == Some(true) {
        return 0;
    }
    let light = [
        "DomainName",
        "AccessPolicies",
        "LogPublishingOptions",
        "DomainEndpointOptions",
        "AutoTuneOptions",
        "DryRunMode",
        "DryRun",
    ];
    let heavy = request.params.as_object().into_iter().flatten().any(|(name, _)| !light.contains(&name.as_str()));
    if heavy { seconds } else { 30 }
}

pub(super) fn guard(account: &Account, request: &Request) -> Option<Fault> {
    let name = last_part(request.text("DomainName")?);
    let phase = account.get(&request.home, KIND, &name)?.phase();
    match (request.action.as_str(), phase) {
        ("CreateDomain", Phase::Deleting) => Some(fault(400, "ValidationException", "Domain is still being deleted.")),
        ("UpdateDomainConfig" | "UpgradeDomain", Phase::Creating | Phase::Modifying | Phase::Deleting) => Some(fault(
            409,
            "ConflictException",
            format!("A change/update is in progress. Please wait for it to complete: {name}."),
        )),
        _ => None,
    }
}
