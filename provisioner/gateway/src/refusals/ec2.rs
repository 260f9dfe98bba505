//! Networks. Nothing is deleted while another thing uses it, and gateways need the things that they stand on.

use super::{Verdict, holders, names, refuse};
use crate::account::{Account, Thing};
use crate::answer::fault;
use crate::request::Request;

pub(super) fn judge(account: &Account, request: &Request) -> Option<Verdict> {
    let home = request.home.as_str();
    match request.action.as_str() {
        "DeleteSubnet" => {
            let subnet = request.text("SubnetId")?;
            in_use("subnet-in-use", "subnet", subnet, &holders(account, home, subnet))
        }
        "DeleteSecurityGroup" => {
            let group = request.text("GroupId")?;
            let mut users = holders(account, home, group);
            // A group's own rule that names the group itself does not count.
            users.extend(account.of_kind(home, "ec2.security_group_rule").filter(|rule| {
                let part = |name: &str| rule.uses.get(name).is_some_and(|set| set.contains(group));
                part("other") && !part("owner")
            }));
            in_use("security-group-in-use", "resource", group, &users)
        }
        "DeleteVpc" => {
            const CHILDREN: &[&str] = &[
                "ec2.subnet",
                "ec2.internet_gateway",
                "ec2.security_group",
                "ec2.nat_gateway",
                "ec2.endpoint",
                "ec2.route_table",
            ];
            let vpc = request.text("VpcId")?;
            let children: Vec<&Thing> =
                account.users(home, vpc).into_iter().filter(|user| CHILDREN.contains(&user.kind)).collect();
            in_use("vpc-in-use", "vpc", vpc, &children)
        }
        "DeleteInternetGateway" => {
            let gateway = request.text("InternetGatewayId")?;
            let attached = account.get(home, "ec2.internet_gateway", gateway)?.refers_to_any();
            if attached {
                return refuse(
                    "internet-gateway-attached",
                    400,
                    "DependencyViolation",
                    format!("The internetGateway '{gateway}' has dependencies and cannot be deleted."),
                );
            }
            None
        }
        "DetachInternetGateway" => {
            let vpc = request.text("VpcId")?;
            let public: Vec<&Thing> =
                account.all(home).filter(|thing| has_public_address(thing) && within(account, home, thing, vpc)).collect();
            let message = format!(
                "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway. ({})",
                names(&public)
            );
            refuse_unless_lingering("public-addresses-mapped", message, &public)
        }
        "ReleaseAddress" => {
            let address = request.text("AllocationId")?;
            let users = account.users(home, address);
            if users.is_empty() {
                return None;
            }
            refuse("address-in-use", 400, "InvalidIPAddress.InUse", format!("Address {address} is in use: {}", names(&users)))
        }
        "DeleteRouteTable" => {
            let table = request.text("RouteTableId")?;
            let associated = account.get(home, "ec2.route_table", table)?.uses.keys().any(|key| key.starts_with("rtbassoc"));
            if !associated {
                return None;
            }
            refuse(
                "route-table-associated",
                400,
                "DependencyViolation",
                format!("The routeTable '{table}' has dependencies and cannot be deleted."),
            )
        }
        "CreateNatGateway" if request.text("ConnectivityType") != Some("private") => {
            let subnet = request.text("SubnetId")?;
            if let Some(address) = request.text("AllocationId")
                && let Some(holder) = account.users(home, address).first()
                && request.text("ClientToken").is_none_or(|token| holder.text("ClientToken") != Some(token))
            {
                return refuse(
                    "address-in-use",
                    400,
                    "Resource.AlreadyAssociated",
                    format!("{address} is already associated with {}", holder.id),
                );
            }
            let vpc = vpc_of(account, home, subnet)?;
            attached(
                account,
                home,
                &vpc,
                "nat-before-gateway",
                "Gateway.NotAttached",
                format!("Network {vpc} has no Internet gateway attached"),
            )
        }
        "CreateRoute" => {
            let gateway = request.text("GatewayId").filter(|id| id.starts_with("igw-"))?;
            let table = account.get(home, "ec2.route_table", request.text("RouteTableId")?)?;
            let vpc = table.uses.get("VpcId")?.first()?.clone();
            attached(
                account,
                home,
                &vpc,
                "route-before-gateway",
                "InvalidGatewayID.NotFound",
                format!("The gateway ID '{gateway}' does not exist in {vpc}"),
            )
        }
        _ => None,
    }
}

impl Thing {
    fn refers_to_any(&self) -> bool {
        !self.uses.is_empty()
    }
}

fn in_use(rule: &'static str, what: &str, id: &str, users: &[&Thing]) -> Option<Verdict> {
    let message = format!("The {what} '{id}' has dependencies and cannot be deleted: {}", names(users));
    refuse_unless_lingering(rule, message, users)
}

/// Refuses a call while there are users. If all of them are gone except for their network interfaces, the verdict is
/// [`Verdict::Later`]: that is nobody's mistake, and one can only try again.
fn refuse_unless_lingering(rule: &'static str, message: String, users: &[&Thing]) -> Option<Verdict> {
    if users.is_empty() {
        None
    } else if users.iter().all(|user| user.lingers) {
        Some(Verdict::Later(fault(400, "DependencyViolation", message)))
    } else {
        refuse(rule, 400, "DependencyViolation", message)
    }
}

fn vpc_of(account: &Account, home: &str, subnet: &str) -> Option<String> {
    account.get(home, "ec2.subnet", subnet)?.uses.get("VpcId")?.first().cloned()
}

fn has_public_address(thing: &Thing) -> bool {
    match thing.kind {
        "ec2.nat_gateway" => thing.text("ConnectivityType") != Some("private"),
        "elbv2.load_balancer" => thing.text("Scheme") != Some("internal"),
        _ => false,
    }
}

fn within(account: &Account, home: &str, thing: &Thing, vpc: &str) -> bool {
    thing.uses.values().flatten().any(|used| vpc_of(account, home, used).as_deref() == Some(vpc))
}

/// Refuses while no internet gateway is attached to the network.
fn attached(account: &Account, home: &str, vpc: &str, rule: &'static str, code: &str, message: String) -> Option<Verdict> {
    let there = account.of_kind(home, "ec2.internet_gateway").any(|gateway| gateway.refers_to(vpc));
    if there { None } else { refuse(rule, 400, code, message) }
}
