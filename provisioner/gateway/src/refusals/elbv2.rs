//! Load balancers: target groups in use, rules with too many values, ports and priorities taken.

use super::{Verdict, names, refuse};
use crate::account::Account;
use crate::answer::fault;
use crate::request::Request;

pub(super) fn judge(account: &Account, request: &Request) -> Option<Verdict> {
    let home = request.home.as_str();
    match request.action.as_str() {
        "DeleteTargetGroup" => {
            let group = request.text("TargetGroupArn")?;
            let mut users = account.users(home, group);
            users.retain(|user| matches!(user.kind, "elbv2.listener" | "elbv2.rule"));
            let message = format!("Target group '{group}' is currently in use by a listener or a rule: {}", names(&users));
            if users.is_empty() { None } else { refuse("target-group-in-use", 400, "ResourceInUse", message) }
        }
        "CreateLoadBalancer" => {
            let name = request.text("Name")?;
            if request.list("Subnets").len() + request.list("SubnetMappings").len() < 2 {
                let message = "At least two subnets in two different Availability Zones must be specified";
                return refuse("one-subnet", 400, "ValidationError", message);
            }
            let going = account.of_kind(home, "elbv2.load_balancer").any(|lb| lb.text("Name") == Some(name) && lb.lingers);
            let message =
                format!("A load balancer with the same name '{name}' exists, but with different settings: it is being deleted");
            going.then(|| Verdict::Later(fault(400, "DuplicateLoadBalancerName", message)))
        }
        "DeleteLoadBalancer" => {
            let balancer = account.get(home, "elbv2.load_balancer", request.text("LoadBalancerArn")?)?;
            if balancer.text("attribute.deletion_protection.enabled") != Some("true") {
                return None;
            }
            let message = format!("Load balancer '{}' cannot be deleted because deletion protection is enabled", balancer.id);
            refuse("deletion-protection", 400, "OperationNotPermitted", message)
        }
        "CreateListener" => {
            let (balancer, port) = (request.text("LoadBalancerArn")?, request.text("Port")?);
            let taken = account
                .of_kind(home, "elbv2.listener")
                .any(|other| other.text("LoadBalancerArn") == Some(balancer) && other.text("Port") == Some(port));
            let message = format!("A listener already exists on this port for this load balancer '{balancer}'");
            if taken { refuse("port-taken", 400, "DuplicateListener", message) } else { None }
        }
        "CreateRule" => {
            let (listener, priority) = (request.text("ListenerArn")?, request.text("Priority")?);
            let taken = account
                .of_kind(home, "elbv2.rule")
                .any(|other| other.text("ListenerArn") == Some(listener) && other.text("Priority") == Some(priority));
            let message = format!("Priority '{priority}' is currently in use");
            if taken { refuse("priority-taken", 400, "PriorityInUse", message) } else { condition_values(request) }
        }
        "ModifyRule" => condition_values(request),
        _ => None,
    }
}

fn condition_values(request: &Request) -> Option<Verdict> {
    let params = request.params.as_object()?;
    let mut values = 0;
    for name in params.keys().filter(|name| name.starts_with("Conditions.member.")) {
        // The parameter is a `Values.member.N`, either plain or in the field's own config.
        let parts: Vec<&str> = name.split('.').collect();
        if parts.len() >= 2 && parts[parts.len() - 2] == "member" && name.contains("Values.member.") {
            values += 1;
        }
    }
    let message = "A rule can only have '5' condition values";
    if values > 5 { refuse("too-many-condition-values", 400, "ValidationError", message) } else { None }
}
