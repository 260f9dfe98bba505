//! The network: the kinds of `kinds::ec2`, and the things that are resources of their own only in CloudFormation.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::it::It;
use super::names::pascal;
use crate::kinds::ec2::{
    ElasticIpSpec, ElasticIpState, FlowLogState, InternetGatewayState, NatGatewaySpec, NatGatewayState, Peer,
    RouteTableSpec, RouteTableState, Rule, SecurityGroupRulesSpec, SecurityGroupState, SubnetSpec, SubnetState,
    VpcEndpointState, VpcState,
};

pub(super) fn vpc(it: &mut It<'_>, want: VpcState) {
    let VpcState { cidr, dns_support, dns_hostnames } = want;
    let properties = json!({
        "CidrBlock": cidr, "EnableDnsSupport": dns_support, "EnableDnsHostnames": dns_hostnames, "Tags": it.tags(),
    });
    it.put("AWS::EC2::VPC", properties);
}

pub(super) fn subnet(it: &mut It<'_>, spec: SubnetSpec, want: SubnetState) {
    // The zone of the state is the zone of the spec.
    let SubnetState { vpc_id, cidr, zone: _, public_addresses } = want;
    let zone = json!({"Fn::Select": [spec.zone, {"Fn::GetAZs": ""}]});
    let properties = json!({
        "VpcId": vpc_id, "CidrBlock": cidr, "AvailabilityZone": zone, "MapPublicIpOnLaunch": public_addresses,
        "Tags": it.tags(),
    });
    it.put("AWS::EC2::Subnet", properties);
}

/// Adds the gateway and its attachment. Resources that need the way out wait for the attachment, which is the last of
/// the two.
pub(super) fn internet_gateway(it: &mut It<'_>, want: InternetGatewayState) {
    let InternetGatewayState { attached_to } = want;
    let tags = it.tags();
    it.put("AWS::EC2::InternetGateway", json!({"Tags": tags}));
    let own = it.own();
    let properties = json!({"VpcId": attached_to, "InternetGatewayId": own});
    it.part("Attachment", "AWS::EC2::VPCGatewayAttachment", properties);
}

pub(super) fn elastic_ip(it: &mut It<'_>, spec: ElasticIpSpec, want: ElasticIpState) {
    let ElasticIpState { in_use: _ } = want;
    let attached = it.all_of(&spec.gateway).pop();
    let properties = json!({"Domain": "vpc", "Tags": it.tags()});
    it.put("AWS::EC2::EIP", properties).after(attached);
}

pub(super) fn nat_gateway(it: &mut It<'_>, spec: NatGatewaySpec, want: NatGatewayState) {
    let NatGatewayState { subnet_id, allocation_id, failed: _ } = want;
    let attached = it.all_of(&spec.gateway).pop();
    let properties = json!({
        "SubnetId": subnet_id, "AllocationId": allocation_id, "ConnectivityType": "public", "Tags": it.tags(),
    });
    it.put("AWS::EC2::NatGateway", properties).after(attached);
}

pub(super) fn route_table(it: &mut It<'_>, spec: RouteTableSpec, want: RouteTableState) {
    let RouteTableState { vpc_id, routes, subnets: _ } = want;
    let attached = spec.gateway.as_ref().and_then(|gateway| it.all_of(gateway).pop());
    let to = if spec.gateway.is_some() { "GatewayId" } else { "NatGatewayId" };
    let tags = it.tags();
    it.put("AWS::EC2::RouteTable", json!({"VpcId": vpc_id, "Tags": tags}));
    let own = it.own();
    for (destination, target) in routes {
        let properties = json!({"RouteTableId": own, "DestinationCidrBlock": destination, to: target});
        it.part("WayOut", "AWS::EC2::Route", properties).after(attached.clone());
    }
    for subnet in &spec.subnets {
        let properties = json!({"RouteTableId": own, "SubnetId": super::tokens::of(it.id_of(subnet), "")});
        let suffix = format!("Of{}", pascal(&subnet.name));
        it.part(&suffix, "AWS::EC2::SubnetRouteTableAssociation", properties);
    }
}

pub(super) fn vpc_endpoint(it: &mut It<'_>, want: VpcEndpointState) {
    let VpcEndpointState { vpc_id, service, sort, route_tables, subnets, security_groups, private_dns, statements: _ } =
        want;
    let mut properties = json!({"VpcEndpointType": sort, "VpcId": vpc_id, "ServiceName": service, "Tags": it.tags()});
    if !route_tables.is_empty() {
        properties["RouteTableIds"] = json!(route_tables);
    }
    if private_dns {
        properties["SubnetIds"] = json!(subnets);
        properties["SecurityGroupIds"] = json!(security_groups);
        properties["PrivateDnsEnabled"] = true.into();
    }
    it.put("AWS::EC2::VPCEndpoint", properties);
}

pub(super) fn security_group(it: &mut It<'_>, want: SecurityGroupState) {
    let SecurityGroupState { name, vpc_id, description } = want;
    let properties = json!({"GroupName": name, "VpcId": vpc_id, "GroupDescription": description, "Tags": it.tags()});
    it.put("AWS::EC2::SecurityGroup", properties);
}

/// Adds the rules of a group. Rules for outgoing traffic are written into the group, because AWS lets everything out of
/// a group without one. A rule for traffic from another group is a resource of its own, because the other group names
/// this one. So no two groups wait for each other.
pub(super) fn security_group_rules(it: &mut It<'_>, spec: SecurityGroupRulesSpec) {
    let SecurityGroupRulesSpec { group, ingress, egress } = spec;
    let own = super::tokens::of(it.id_of(&group), "GroupId");
    let mut seen = BTreeSet::new();
    let (mut inward, mut outward) = (Vec::new(), Vec::new());
    for rule in &ingress {
        match &rule.peer {
            Peer::Cidr(range) => {
                inward.push(with(ports(rule), &[("CidrIp", range.as_str()), ("Description", "The world")]))
            }
            Peer::Group(peer) => {
                let from = super::tokens::of(it.id_of(peer), "GroupId");
                let suffix = format!("From{}", pascal(&peer.name));
                if !seen.insert((suffix.clone(), rule.port)) {
                    continue;
                }
                let description = format!("From {}", peer.name);
                let said = [
                    ("GroupId", own.as_str()),
                    ("SourceSecurityGroupId", from.as_str()),
                    ("Description", description.as_str()),
                ];
                it.part(&suffix, "AWS::EC2::SecurityGroupIngress", with(ports(rule), &said));
            }
        }
    }
    for rule in &egress {
        let rule = match &rule.peer {
            Peer::Cidr(range) => {
                with(ports(rule), &[("CidrIp", range.as_str()), ("Description", "To the world, by NAT")])
            }
            Peer::Group(peer) => {
                let to = super::tokens::of(it.id_of(peer), "GroupId");
                let description = format!("To {}", peer.name);
                with(ports(rule), &[("DestinationSecurityGroupId", to.as_str()), ("Description", description.as_str())])
            }
        };
        if !outward.contains(&rule) {
            outward.push(rule);
        }
    }
    if outward.is_empty() {
        outward.push(json!({
            "IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "CidrIp": "127.0.0.1/32",
            "Description": "Nothing goes out. Without a rule AWS would add one for everything",
        }));
    }
    let properties = &mut it.other(&group).properties;
    properties["SecurityGroupEgress"] = outward.into();
    if !inward.is_empty() {
        properties["SecurityGroupIngress"] = inward.into();
    }
}

pub(super) fn flow_log(it: &mut It<'_>, want: FlowLogState) {
    let FlowLogState { vpc_id, role_arn, log_group, traffic, interval, trouble: _ } = want;
    let properties = json!({
        "ResourceType": "VPC", "ResourceId": vpc_id, "TrafficType": traffic, "MaxAggregationInterval": interval,
        "LogDestinationType": "cloud-watch-logs", "LogGroupName": log_group, "DeliverLogsPermissionArn": role_arn,
        "Tags": it.tags(),
    });
    it.put("AWS::EC2::FlowLog", properties);
}

fn ports(rule: &Rule) -> Value {
    match rule.port {
        Some(port) => json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port}),
        None => json!({"IpProtocol": "-1"}),
    }
}

fn with(mut rule: Value, members: &[(&str, &str)]) -> Value {
    for (key, value) in members {
        rule[*key] = Value::from(*value);
    }
    rule
}
