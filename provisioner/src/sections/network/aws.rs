//! Expands `network:` to a VPC with public, private and data subnets, their way out, and firewall groups.
//!
//! Public subnets hold the load balancer and the NAT gateways, private ones the tasks. Data subnets hold the databases,
//! caches and search domains, and have no way out at all.

use super::{ENDPOINTS, Nat};
use crate::kind::Ref;
use crate::kinds::ec2::{
    DefaultSecurityGroup, DefaultSecurityGroupSpec, ElasticIp, ElasticIpSpec, EndpointBy, FlowLog, FlowLogSpec,
    InternetGateway, InternetGatewaySpec, NatGateway, NatGatewaySpec, Peer, RouteTable, RouteTableSpec, Rule,
    SecurityGroup, SecurityGroupRules, SecurityGroupRulesSpec, SecurityGroupSpec, Subnet, SubnetSpec, Vpc, VpcEndpoint,
    VpcEndpointSpec, VpcSpec,
};
use crate::kinds::iam::{Resource, Statement};
use crate::kinds::logs::{LogGroup, LogGroupSpec};
use crate::sections::aws::making::{Expand, Making};
use crate::sections::functions::FIREWALL;

const SECTION: &str = "network";
const MAIN: &str = "main";

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    if !making.loaded.needs_network() {
        return;
    }
    let cidr = making.loaded.stack.network.cidr();
    let prefix = cidr.trim_end_matches(".0.0").to_owned();
    making.add::<Vpc>(SECTION, MAIN, VpcSpec { cidr: format!("{cidr}/16") });
    making.add::<DefaultSecurityGroup>(SECTION, MAIN, DefaultSecurityGroupSpec { vpc: vpc() });
    making.add::<InternetGateway>(SECTION, MAIN, InternetGatewaySpec { vpc: vpc() });
    for zone in 0..zones(making) {
        for (tier, first) in [("public", 0), ("private", 64), ("data", 128)] {
            let cidr = format!("{prefix}.{}.0/20", first + zone * 16);
            making.add::<Subnet>(SECTION, format!("{tier}-{zone}"), SubnetSpec { vpc: vpc(), cidr, zone });
        }
    }
    for zone in 0..nats(making) {
        let name = format!("nat-{zone}");
        let gateway = Ref::to(MAIN);
        making.add::<ElasticIp>(SECTION, &name, ElasticIpSpec { gateway });
        let (subnet, address, gateway) = (Ref::to(format!("public-{zone}")), Ref::to(&name), Ref::to(MAIN));
        making.add::<NatGateway>(SECTION, &name, NatGatewaySpec { subnet, address, gateway });
    }
    routes(making);
    endpoints(making);
    flow_logs(making);
}

fn routes(making: &mut Making<'_>) {
    let zones = zones(making);
    let table = |subnets, gateway, nat| RouteTableSpec { vpc: vpc(), subnets, gateway, nat };
    making.add::<RouteTable>(SECTION, "public", table(subnets("public", zones), Some(Ref::to(MAIN)), None));
    making.add::<RouteTable>(SECTION, "data", table(subnets("data", zones), None, None));
    let mut tables = vec![Ref::to("public"), Ref::to("data")];
    for zone in 0..zones {
        let name = format!("private-{zone}");
        let nat = nat_of(making, zone);
        making.add::<RouteTable>(SECTION, &name, table(vec![Ref::to(&name)], None, nat));
        tables.push(Ref::to(name));
    }
    let mut services = vec!["s3"];
    services.extend(making.loaded.has_tables_from_inside().then_some("dynamodb"));
    for service in services {
        let by = EndpointBy::Gateway(tables.clone());
        let spec = VpcEndpointSpec { vpc: vpc(), service: service.to_owned(), by };
        making.add::<VpcEndpoint>(SECTION, service, spec);
    }
}

/// Adds the interface endpoints through which functions inside the VPC reach services of AWS where there is no NAT
/// gateway. They cost by the hour and zone, so there is one zone in dev and two in prod.
fn endpoints(making: &mut Making<'_>) {
    let services = making.loaded.endpoints();
    if services.is_empty() {
        return;
    }
    let ingress = vec![from_group(FIREWALL.to_owned(), 443)];
    group(making, SECTION, ENDPOINTS, "Services of AWS answer the functions", ingress, Vec::new());
    let zones = zones(making).min(making.loaded.profile.or(1, 2));
    for service in services {
        let by =
            EndpointBy::Interface { subnets: subnets("private", zones), security_groups: vec![Ref::to(ENDPOINTS)] };
        let spec = VpcEndpointSpec { vpc: vpc(), service: service.to_owned(), by };
        making.add::<VpcEndpoint>(SECTION, service, spec);
    }
}

/// Adds flow logs: who talked to whom. Security scanners ask for them, and so do people after an accident.
fn flow_logs(making: &mut Making<'_>) {
    let name = "flow-logs";
    let group = LogGroupSpec { path: making.log_path(name), retention_days: making.log_days(), kms_key: making.key() };
    making.add::<LogGroup>(SECTION, name, group);
    let write = Statement {
        actions: ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"].map(str::to_owned).to_vec(),
        resources: vec![Resource::LogStreams(Ref::to(name))],
        condition: serde_json::Value::Null,
    };
    making.role(SECTION, name, "vpc-flow-logs.amazonaws.com", vec![write]);
    let spec = FlowLogSpec { vpc: vpc(), role: Ref::to(name), log_group: Ref::to(name) };
    making.add::<FlowLog>(SECTION, MAIN, spec);
}

pub(crate) fn vpc() -> Ref<Vpc> {
    Ref::to(MAIN)
}

pub(crate) fn gateway() -> Ref<InternetGateway> {
    Ref::to(MAIN)
}

pub(crate) fn zones(making: &Making<'_>) -> usize {
    usize::from(making.loaded.stack.network.zones(making.loaded.profile))
}

/// The subnets of a tier: `public`, `private` or `data`.
pub(crate) fn subnets(tier: &str, zones: usize) -> Vec<Ref<Subnet>> {
    (0..zones).map(|zone| Ref::to(format!("{tier}-{zone}"))).collect()
}

pub(crate) fn all_nats(making: &Making<'_>) -> Vec<Ref<NatGateway>> {
    (0..nats(making)).map(|zone| Ref::to(format!("nat-{zone}"))).collect()
}

pub(crate) fn private_tables(making: &Making<'_>) -> Vec<Ref<RouteTable>> {
    (0..zones(making)).map(|zone| Ref::to(format!("private-{zone}"))).collect()
}

/// Adds a firewall group. Its rules are resources beside it, so that groups can name each other.
pub(crate) fn group(
    making: &mut Making<'_>,
    section: &str,
    name: &str,
    description: &str,
    ingress: Vec<Rule>,
    egress: Vec<Rule>,
) {
    let spec = SecurityGroupSpec { vpc: vpc(), description: description.to_owned() };
    making.add::<SecurityGroup>(section, name, spec);
    making.add::<SecurityGroupRules>(section, name, SecurityGroupRulesSpec { group: Ref::to(name), ingress, egress });
}

pub(crate) fn from_group(group: String, port: u16) -> Rule {
    Rule { peer: Peer::Group(Ref::to(group)), port: Some(port) }
}

pub(crate) fn anywhere(port: u16) -> Rule {
    Rule { peer: Peer::Cidr("0.0.0.0/0".to_owned()), port: Some(port) }
}

/// The right of a function's role to the network interfaces by which it is inside the VPC. They are made before they
/// have a name, so no policy can name them (Lambda developer guide, VPC).
pub(crate) fn interfaces() -> Statement {
    let actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ];
    Statement {
        actions: actions.map(str::to_owned).to_vec(),
        resources: vec![Resource::Arn("*".to_owned())],
        condition: serde_json::Value::Null,
    }
}

/// How many NAT gateways there are.
fn nats(making: &Making<'_>) -> usize {
    match making.loaded.nat() {
        Nat::One => 1,
        Nat::PerZone => zones(making),
        Nat::None => 0,
    }
}

fn nat_of(making: &Making<'_>, zone: usize) -> Option<Ref<NatGateway>> {
    let nats = nats(making);
    (nats > 0).then(|| Ref::to(format!("nat-{}", zone.min(nats - 1))))
}
