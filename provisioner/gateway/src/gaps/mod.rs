//! The gaps of the emulators, by name. Each gap has a probe, and a test asks all of them. If an emulator closes a gap,
//! the test fails, and the entry and its repair can go. Product code never bends to a gap; the repairs here do.

mod apis;
mod beside;
mod calls;
pub(crate) mod denial;
mod echo;
mod ecr;
mod events;
mod functions;
mod mirror;
mod moves;
mod offers;
mod opensearch;
mod probe;
mod questions;
mod replica;
mod scaling;
mod steps;
mod table;
mod token;

use crate::answer::{Answer, fault};
use crate::request::Request;
use crate::route::route;
use crate::server::Shared;
use crate::upstream::Emulator;
use anyhow::Result;
pub use functions::FUNCTIONS;
pub use probe::{Gap, Step};
pub use questions::QUESTIONS;
use std::collections::{BTreeMap, BTreeSet};
pub use table::GAPS;

/// The state that the repairs remember.
#[derive(Debug, Default)]
pub(crate) struct Repairs {
    /// The ids of the base's networks, with those of their twins in the emulator that serves caches.
    twins: BTreeMap<String, String>,
    /// The true digests of images, with moto's own.
    digests: BTreeMap<String, String>,
    layers: BTreeSet<(String, String)>,
    /// The digest that each tag of a repository holds.
    images: BTreeMap<(String, String), String>,
    /// The caches, by (home, id), in the order in which their AUTH tokens were set.
    auth_tokens: Vec<(String, String)>,
    /// The tags of scalable targets, by ARN.
    tags: BTreeMap<String, BTreeMap<String, String>>,
    /// The answers to creates with a client token, by (home, action, token).
    tokens: BTreeMap<(String, String, String), Answer>,
    /// Globs over actions that the caller may not call, as in `ec2:Create*`.
    pub(crate) denied: Vec<String>,
    /// Globs over classes and versions that AWS does not sell.
    pub(crate) unsold: Vec<String>,
    /// The number of availability zones of the region. `None`: the emulator's own answer.
    pub(crate) zones: Option<usize>,
    /// Quotas that differ from AWS's defaults, by code.
    pub(crate) quotas: BTreeMap<String, f64>,
    /// How often each API has been deployed.
    deployments: BTreeMap<String, u64>,
    /// The moves of messages out of dead-letter queues, the oldest first.
    moves: Vec<moves::Move>,
}

/// Works on a call before it reaches the emulator: changes the request, or answers in the emulator's place.
pub(crate) async fn before(shared: &Shared, request: &mut Request) -> Result<Option<Answer>> {
    if let Some(key) = token(request) {
        let earlier = shared.state().repairs.tokens.get(&key).cloned();
        if earlier.is_some() {
            return Ok(earlier);
        }
    }
    if request.service == "ec2" && request.flag("DryRun") == Some(true) {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Ok(Some(Answer::error(request, &fault(412, "DryRunOperation", message))));
    }
    let played =
        events::before(shared, request).or_else(|| denial::before(shared, request)).or_else(|| offers::before(shared, request));
    if played.is_some() {
        return Ok(played);
    }
    match request.service.as_str() {
        "ecr" => Ok(ecr::before(shared, request)),
        "elasticache" => mirror::before(shared, request).await.map(|()| None),
        "application-autoscaling" => scaling::before(shared, request).await,
        "opensearch" => opensearch::before(shared, request).await,
        "sqs" => moves::before(shared, request).await,
        "ecs" => Ok(shared.state().one_off(request)),
        "lambda" if request.action == "Invoke" => Ok(calls::before(shared, request)),
        "elbv2" | "lambda" => beside::before(shared, request).await,
        "rds" => {
            echo::before_rds(request);
            Ok(None)
        }
        "ec2" if served_by(shared, request) == Emulator::Ministack => {
            echo::before_flow_logs(request);
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Works on the emulator's answer.
pub(crate) async fn after(shared: &Shared, request: &Request, answer: &mut Answer) -> Result<()> {
    if let (Some(key), true) = (token(request), answer.ok()) {
        shared.state().repairs.tokens.insert(key, answer.clone());
    }
    match request.service.as_str() {
        "apigatewayv2" => apis::after(shared, request, answer).await?,
        "ecr" => ecr::after(shared, request, answer),
        "elasticache" => {
            mirror::after(shared, answer);
            token::after(shared, request, answer);
        }
        "application-autoscaling" => scaling::after(shared, request, answer),
        "iam" => beside::after(shared, request, answer).await?,
        "sts" => denial::after(request, answer),
        "sqs" => offers::after(shared, request, answer),
        "ec2" if request.action == "DeleteSubnet" && answer.ok() => disassociate(shared, request).await?,
        "ec2" => missing(request, answer),
        "rds" if request.action == "CreateDBInstanceReadReplica" && answer.ok() => {
            replica::after(shared, request, answer).await?
        }
        _ => {}
    }
    echo::after(shared, request, answer);
    Ok(())
}

/// The token of a create. EC2 gives the first thing again if a create comes with the token of an earlier one. No
/// emulator does.
fn token(request: &Request) -> Option<(String, String, String)> {
    if request.service != "ec2" || !request.action.starts_with("Create") {
        return None;
    }
    Some((request.home.clone(), request.action.clone(), request.text("ClientToken")?.to_owned()))
}

/// Removes the route table association of a subnet that is deleted. moto keeps it, and then refuses to delete the
/// table.
async fn disassociate(shared: &Shared, request: &Request) -> Result<()> {
    let subnet = request.text("SubnetId").unwrap_or_default();
    let associations: Vec<String> = {
        let state = shared.state();
        let tables = state.account.of_kind(&request.home, "ec2.route_table");
        let uses = tables.flat_map(|table| table.uses.iter());
        uses.filter(|(name, used)| name.starts_with("rtbassoc") && used.contains(subnet)).map(|(name, _)| name.clone()).collect()
    };
    for association in associations {
        let form = format!("Action=DisassociateRouteTable&Version=2016-11-15&AssociationId={association}");
        // An emulator that has removed it itself says that it is gone.
        shared.forward(&request.to_ec2(&form)).await?;
    }
    Ok(())
}

/// Makes an answer an error if it is about an id that does not exist. For these kinds the emulators do not.
fn missing(request: &Request, answer: &mut Answer) {
    let (asks, list, code) = match request.action.as_str() {
        "DescribeNatGateways" => ("NatGatewayId", "natGatewaySet", "NatGatewayNotFound"),
        "DescribeVpcEndpoints" => ("VpcEndpointId", "vpcEndpointSet", "InvalidVpcEndpointId.NotFound"),
        "DescribeSecurityGroups" if answer.code().as_deref() == Some("InvalidGroupId.Malformed") => {
            *answer = Answer::error(request, &fault(400, "InvalidGroup.NotFound", "The security group does not exist"));
            return;
        }
        _ => return,
    };
    let asked = request.list(asks);
    let empty = answer.xml_body().and_then(|root| root.find(list)).is_none_or(|list| list.children.is_empty());
    if answer.ok() && empty && !asked.is_empty() {
        *answer = Answer::error(request, &fault(400, code, format!("The ID '{}' does not exist", asked.join(", "))));
    }
}

/// The emulator that serves a request, for repairs that only one of them needs.
fn served_by(shared: &Shared, request: &Request) -> Emulator {
    route(shared.state().options.base, &request.service)
}
