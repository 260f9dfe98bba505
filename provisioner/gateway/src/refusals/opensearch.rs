//! Search domains: zones, encryption, the service-linked role, the log groups' resource policy.

use super::{Verdict, refuse};
use crate::account::{Account, last_part};
use crate::request::Request;
use serde_json::Value;

fn invalid(rule: &'static str, message: &str) -> Option<Verdict> {
    refuse(rule, 400, "ValidationException", message)
}

pub(super) fn judge(account: &Account, request: &Request) -> Option<Verdict> {
    match request.action.as_str() {
        "CreateDomain" => {
            zones(request).or_else(|| security(request)).or_else(|| network(account, request)).or_else(|| logs(account, request))
        }
        "UpdateDomainConfig" => {
            let domain = account.get(&request.home, "opensearch.domain", &last_part(request.text("DomainName")?))?;
            // A domain that was created without subnets stays public.
            let was = has_subnets(domain.params.get("VPCOptions")) || domain.params.get("pending.VPCOptions").is_some();
            if request.params.get("VPCOptions").is_some() && has_subnets(request.params.get("VPCOptions")) != was {
                return invalid("domain-network-change", "You can't change a domain between VPC and public access.");
            }
            zones(request).or_else(|| logs(account, request))
        }
        _ => None,
    }
}

fn has_subnets(options: Option<&Value>) -> bool {
    options.and_then(|options| options["SubnetIds"].as_array()).is_some_and(|subnets| !subnets.is_empty())
}

fn zones(request: &Request) -> Option<Verdict> {
    let cluster = request.params.get("ClusterConfig")?;
    let aware = cluster["ZoneAwarenessEnabled"] == true;
    let zones = if aware { cluster["ZoneAwarenessConfig"]["AvailabilityZoneCount"].as_i64().unwrap_or(2) } else { 1 };
    let nodes = cluster["InstanceCount"].as_i64().unwrap_or(1);
    if aware && nodes % zones != 0 {
        return invalid(
            "nodes-over-zones",
            &format!("You must choose a number of data nodes that is a multiple of {zones} for {zones} Availability Zones."),
        );
    }
    let subnets = request.params["VPCOptions"]["SubnetIds"].as_array().map_or(0, Vec::len) as i64;
    if subnets > 0 && subnets != zones {
        return invalid(
            "subnets-over-zones",
            &format!("You must specify exactly {zones} subnets because you've set zone count to {zones}."),
        );
    }
    None
}

fn security(request: &Request) -> Option<Verdict> {
    let enabled = |options: &str, name: &str| request.params[options][name] == true;
    let complete = enabled("DomainEndpointOptions", "EnforceHTTPS")
        && enabled("NodeToNodeEncryptionOptions", "Enabled")
        && enabled("EncryptionAtRestOptions", "Enabled");
    if enabled("AdvancedSecurityOptions", "Enabled") && !complete {
        let message =
            "You must enable HTTPS, node-to-node encryption, and encryption at rest to enable fine-grained access control.";
        return invalid("fine-grained-access", message);
    }
    None
}

fn network(account: &Account, request: &Request) -> Option<Verdict> {
    if !has_subnets(request.params.get("VPCOptions")) {
        return None;
    }
    let roles = ["opensearchservice.amazonaws.com", "es.amazonaws.com"];
    if roles.iter().any(|role| account.anywhere("iam.service_linked_role", role).is_some()) {
        return None;
    }
    let message = "Before you can proceed, you must enable a service-linked role to give Amazon OpenSearch Service permissions to access your VPC.";
    invalid("service-linked-role", message)
}

fn logs(account: &Account, request: &Request) -> Option<Verdict> {
    let publishing = request.params.get("LogPublishingOptions")?.as_object()?;
    if !publishing.values().any(|options| options["Enabled"] != false) {
        return None;
    }
    let granted = account.of_kind(&request.home, "logs.resource_policy").any(|policy| {
        policy
            .text("policyDocument")
            .is_some_and(|text| text.contains("es.amazonaws.com") || text.contains("opensearchservice.amazonaws.com"))
    });
    if granted {
        return None;
    }
    let message = "The Resource Access Policy specified for the CloudWatch Logs log group does not grant sufficient permissions for Amazon OpenSearch Service to create a log stream. Please check the Resource Access Policy.";
    invalid("log-resource-policy", message)
}
