//! The life of NAT gateways. They are pending, then available. Later they are deleting, then deleted, and stay visible
//! in that state.

use crate::account::{Account, Phase};
use crate::answer::{Answer, Fault, fault};
use crate::request::Request;

const KIND: &str = "ec2.nat_gateway";

pub(super) fn dress(account: &mut Account, request: &Request, answer: &mut Answer) {
    if !matches!(request.action.as_str(), "CreateNatGateway" | "DescribeNatGateways") || !answer.ok() {
        return;
    }
    let Some(root) = answer.xml_body_mut() else { return };
    root.walk_mut(&mut |element| {
        let Some(thing) = element.at("natGatewayId").and_then(|id| account.get(&request.home, KIND, id)) else { return };
        let state = match thing.phase() {
            Phase::Creating => "pending",
            Phase::Deleting => "deleting",
            Phase::Failed => {
                element.set("failureCode", "InsufficientFreeAddressesInSubnet");
                element.set("failureMessage", "failed on order");
                "failed"
            }
            _ => return,
        };
        element.set("state", state);
    });
    // The emulator filtered by the state that it has for them.
    let states = request.filters().into_iter().find(|(name, _)| name == "state").map(|(_, states)| states);
    if let (Some(states), Some(list)) = (states, root.find_mut("natGatewaySet")) {
        list.children.retain(|item| item.at("state").is_some_and(|state| states.iter().any(|wanted| wanted == state)));
    }
}

pub(super) fn guard(account: &Account, request: &Request) -> Option<Fault> {
    if request.action != "DeleteNatGateway" {
        return None;
    }
    let id = request.text("NatGatewayId")?;
    match account.get(&request.home, KIND, id)?.phase() {
        Phase::Deleting => Some(fault(400, "NatGatewayMalformed", format!("NatGateway {id} is already being deleted"))),
        _ => None,
    }
}
