//! Hides new objects from the first reads: AWS is eventually consistent where it says so.

use crate::account::Account;
use crate::answer::{Answer, Fault, fault};
use crate::chance::Chance;
use crate::request::Request;
use serde_json::{Value, json};

/// A kind that EC2 or ELB describes in lists.
struct Listed {
    kind: &'static str,
    describe: &'static str,
    /// The element that holds the list, and the id of each of its elements.
    list: &'static str,
    id: &'static str,
    /// The parameter that asks for some of them. It is an error to ask for a hidden one.
    asks: &'static str,
    code: &'static str,
}

const fn listed(
    kind: &'static str,
    describe: &'static str,
    list: &'static str,
    id: &'static str,
    asks: &'static str,
    code: &'static str,
) -> Listed {
    Listed { kind, describe, list, id, asks, code }
}

const LISTED: &[Listed] = &[
    listed("ec2.vpc", "DescribeVpcs", "vpcSet", "vpcId", "VpcId", "InvalidVpcID.NotFound"),
    listed("ec2.subnet", "DescribeSubnets", "subnetSet", "subnetId", "SubnetId", "InvalidSubnetID.NotFound"),
    listed(
        "ec2.internet_gateway",
        "DescribeInternetGateways",
        "internetGatewaySet",
        "internetGatewayId",
        "InternetGatewayId",
        "InvalidInternetGatewayID.NotFound",
    ),
    listed("ec2.address", "DescribeAddresses", "addressesSet", "allocationId", "AllocationId", "InvalidAllocationID.NotFound"),
    listed("ec2.nat_gateway", "DescribeNatGateways", "natGatewaySet", "natGatewayId", "NatGatewayId", "NatGatewayNotFound"),
    listed(
        "ec2.route_table",
        "DescribeRouteTables",
        "routeTableSet",
        "routeTableId",
        "RouteTableId",
        "InvalidRouteTableID.NotFound",
    ),
    listed("ec2.security_group", "DescribeSecurityGroups", "securityGroupInfo", "groupId", "GroupId", "InvalidGroup.NotFound"),
    listed(
        "ec2.endpoint",
        "DescribeVpcEndpoints",
        "vpcEndpointSet",
        "vpcEndpointId",
        "VpcEndpointId",
        "InvalidVpcEndpointId.NotFound",
    ),
    listed("ec2.flow_log", "DescribeFlowLogs", "flowLogSet", "flowLogId", "FlowLogId", "InvalidFlowLogId.NotFound"),
    listed(
        "elbv2.load_balancer",
        "DescribeLoadBalancers",
        "LoadBalancers",
        "LoadBalancerArn",
        "LoadBalancerArns",
        "LoadBalancerNotFound",
    ),
    listed(
        "elbv2.target_group",
        "DescribeTargetGroups",
        "TargetGroups",
        "TargetGroupArn",
        "TargetGroupArns",
        "TargetGroupNotFound",
    ),
    listed("elbv2.listener", "DescribeListeners", "Listeners", "ListenerArn", "ListenerArns", "ListenerNotFound"),
    listed("elbv2.rule", "DescribeRules", "Rules", "RuleArn", "RuleArns", "RuleNotFound"),
];

/// The number of reads that will not see a new thing of that kind.
pub(crate) fn reads(kind: &str, chance: &mut Chance) -> u64 {
    match kind {
        "ecs.service" => chance.below(2),
        "iam.role" | "sqs.queue" => 1 + chance.below(3),
        _ if LISTED.iter().any(|listed| listed.kind == kind) => 1 + chance.below(3),
        _ => 0,
    }
}

/// Takes the things that are still hidden out of an answer.
pub(crate) fn hide(account: &mut Account, request: &Request, answer: &mut Answer) {
    if !answer.ok() {
        return;
    }
    match (request.service.as_str(), request.action.as_str()) {
        ("ec2" | "elbv2", action) => {
            if let Some(listed) = LISTED.iter().find(|listed| listed.describe == action) {
                hide_listed(account, request, answer, listed);
            }
        }
        ("iam", "GetRole") => {
            let role = request.text("RoleName").unwrap_or_default().to_owned();
            if spend(account, &request.home, "iam.role", &role) {
                refuse(request, answer, &fault(404, "NoSuchEntity", format!("The role with name {role} cannot be found.")));
            }
        }
        ("sqs", "GetQueueUrl" | "GetQueueAttributes") => {
            let queue = request.text("QueueName").or(request.text("QueueUrl")).unwrap_or_default();
            let queue = queue.rsplit('/').next().unwrap_or_default().to_owned();
            if spend(account, &request.home, "sqs.queue", &queue) {
                let missing = fault(400, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.");
                refuse(request, answer, &missing);
            }
        }
        ("ecs", "DescribeServices") => hide_services(account, request, answer),
        _ => {}
    }
}

fn refuse(request: &Request, answer: &mut Answer, fault: &Fault) {
    *answer = Answer::error(request, fault);
}

/// Whether a thing is hidden from this read. If so, the read counts as one of its hidden reads.
fn spend(account: &mut Account, home: &str, kind: &'static str, id: &str) -> bool {
    match account.get_mut(home, kind, id) {
        Some(thing) if thing.hidden > 0 => {
            thing.hidden -= 1;
            true
        }
        _ => false,
    }
}

fn hide_listed(account: &mut Account, request: &Request, answer: &mut Answer, listed: &Listed) {
    let asked = request.list(listed.asks);
    let mut missing = None;
    let Some(list) = answer.xml_body_mut().and_then(|root| root.find_mut(listed.list)) else { return };
    list.children.retain(|item| {
        let Some(id) = item.at(listed.id) else { return true };
        if !spend(account, &request.home, listed.kind, id) {
            return true;
        }
        if asked.iter().any(|ask| ask == id) || !request.list("Names").is_empty() {
            missing = Some(id.to_owned());
        }
        false
    });
    if let Some(id) = missing {
        refuse(request, answer, &fault(400, listed.code, format!("The ID '{id}' does not exist")));
    }
}

fn hide_services(account: &mut Account, request: &Request, answer: &mut Answer) {
    let Some(body) = answer.json_body_mut() else { return };
    let mut missing = Vec::new();
    if let Some(services) = body["services"].as_array_mut() {
        services.retain(|service| {
            let arn = service["serviceArn"].as_str().unwrap_or_default();
            let id = crate::account::service_key(arn, request.text("cluster"));
            let hidden = spend(account, &request.home, "ecs.service", &id);
            if hidden {
                missing.push(json!({"arn": arn, "reason": "MISSING"}));
            }
            !hidden
        });
    }
    if let Some(failures) = body["failures"].as_array_mut() {
        failures.append(&mut missing);
    } else if !missing.is_empty() {
        body["failures"] = Value::Array(missing);
    }
}
