//! Amazon EC2: the network.
//!
//! No resource of EC2 has a name that is unique in the account, so all are found by their tags, with the filter
//! `tag:provision:stack`: one call per kind, whatever else the account holds. All calls take less than a second, except
//! those for NAT gateways (<1 s, seen in logs of `terraform apply`).

mod default_security_group;
mod elastic_ip;
mod flow_log;
mod internet_gateway;
mod nat_gateway;
mod route_table;
mod security_group;
mod security_group_rules;
mod subnet;
mod vpc;
mod vpc_endpoint;

use std::collections::HashSet;

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification, UnsuccessfulItem};

use crate::aws::evidence::Evidence;
use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Status};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below, whole};
use crate::scope::STACK_TAG;

pub use default_security_group::{DefaultSecurityGroup, DefaultSecurityGroupSpec, DefaultSecurityGroupState};
pub use elastic_ip::{ElasticIp, ElasticIpOutput, ElasticIpSpec, ElasticIpState};
pub use flow_log::{FlowLog, FlowLogOutput, FlowLogSpec, FlowLogState};
pub use internet_gateway::{InternetGateway, InternetGatewayOutput, InternetGatewaySpec, InternetGatewayState};
pub use nat_gateway::{NatGateway, NatGatewayOutput, NatGatewaySpec, NatGatewayState};
pub use route_table::{RouteTable, RouteTableOutput, RouteTableSpec, RouteTableState};
pub use security_group::{SecurityGroup, SecurityGroupOutput, SecurityGroupSpec, SecurityGroupState};
pub use security_group_rules::{Peer, Rule, SecurityGroupRules, SecurityGroupRulesSpec, SecurityGroupRulesState};
pub use subnet::{Subnet, SubnetOutput, SubnetSpec, SubnetState};
pub use vpc::{Vpc, VpcOutput, VpcSpec, VpcState};
pub use vpc_endpoint::{EndpointBy, VpcEndpoint, VpcEndpointOutput, VpcEndpointSpec, VpcEndpointState};

pub static SERVICE: Service = Service {
    name: "ec2",
    prefix: "ec2",
    signs_as: "ec2",
    tags: Some(TagCalls {
        put_action: "ec2:CreateTags",
        remove_action: "ec2:DeleteTags",
        put: |cx, id, tags| Box::pin(put_tags(cx, id, tags)),
        remove: |cx, id, keys| Box::pin(remove_tags(cx, id, keys)),
    }),
    rates: &[
        Rate::of("ec2 nat", Calls::Named(&["CreateNatGateway", "DeleteNatGateway"]), 10.0, 1.0),
        Rate::of(
            "ec2 endpoint",
            Calls::Named(&["CreateVpcEndpoint", "ModifyVpcEndpoint", "DeleteVpcEndpoints"]),
            4.0,
            0.3,
        ),
        Rate::of("ec2 read", Calls::Reads, 100.0, 20.0),
        Rate::of("ec2 write", Calls::All, 50.0, 5.0),
    ],
    reads: None,
    // AWS draws the ids, and one call is about several types. What a call makes has the tag in the request, and what
    // there is already has the stack's tag.
    writes: &[
        Writes::new(Actions::EveryBut(&["ec2:DeleteTags"]), &[On::Type("*")], Bound::Tag),
        Writes::new(Actions::These(&["ec2:DeleteTags"]), &[On::Type("*")], Bound::OldTag),
        Writes::new(
            Actions::These(FROM_NOTHING),
            &[On::Type("elastic-ip/*"), On::Type("internet-gateway/*"), On::Type("vpc/*")],
            Bound::NewTag,
        ),
        Writes::new(
            Actions::These(INSIDE_A_VPC),
            &[On::Type("route-table/*"), On::Type("security-group/*"), On::Type("subnet/*"), On::Elsewhere("vpc/none")],
            Bound::NewTag,
        ),
        Writes::new(
            Actions::These(BETWEEN_OTHERS),
            &[
                On::Type("natgateway/*"),
                On::Type("vpc-endpoint/*"),
                On::Type("vpc-flow-log/*"),
                On::Elsewhere("subnet/none"),
                On::Elsewhere("vpc/none"),
            ],
            Bound::NewTag,
        ),
        Writes {
            actions: Actions::These(&["ec2:CreateTags"]),
            on: &[On::Type("*")],
            bound: Bound::NewTag,
            only_if: &[(
                "StringEquals",
                "ec2:CreateAction",
                &[
                    "AllocateAddress",
                    "CreateFlowLogs",
                    "CreateInternetGateway",
                    "CreateNatGateway",
                    "CreateRouteTable",
                    "CreateSecurityGroup",
                    "CreateSubnet",
                    "CreateVpc",
                    "CreateVpcEndpoint",
                ],
            )],
        },
        Writes::new(
            Actions::These(&["ec2:CreateTags"]),
            &[On::Type("security-group/*")],
            Bound::Adopted { because: "AWS makes the default group of a VPC without tags, and draws its id" },
        ),
        Writes::new(
            Actions::These(&["ec2:DeleteNetworkInterface"]),
            &[On::Type("network-interface/*")],
            Bound::Untagged { because: "Lambda makes the interfaces of a function without tags" },
        ),
    ],
    for_roles: None,
    on_everything: &[
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeAddresses",
        "ec2:DescribeAvailabilityZones",
        "ec2:DescribeFlowLogs",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeNatGateways",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeVpcs",
    ],
    dependent: &[
        Dependent::on("ec2:CreateTags", "every Create with tags", "ec2"),
        Dependent::on(
            "ec2:DescribeAccountAttributes",
            "CreateDBInstance, CreateLoadBalancer and others look at the network",
            "rds",
        ),
    ],
    types: &[
        "elastic-ip",
        "internet-gateway",
        "natgateway",
        "network-interface",
        "route-table",
        "security-group",
        "security-group-rule",
        "subnet",
        "vpc",
        "vpc-endpoint",
        "vpc-flow-log",
    ],
    section,
    only_ready: "a part of the network is there or not",
};

/// The creates of things that need no other thing. One statement may have them all, because none of them takes what
/// another one makes.
const FROM_NOTHING: &[&str] = &["ec2:AllocateAddress", "ec2:CreateInternetGateway", "ec2:CreateVpc"];

/// The creates of things that need a VPC.
const INSIDE_A_VPC: &[&str] = &["ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateSubnet"];

/// The creates of things that need several others.
const BETWEEN_OTHERS: &[&str] = &["ec2:CreateFlowLogs", "ec2:CreateNatGateway", "ec2:CreateVpcEndpoint"];

fn section(resource: &str, name: &str) -> Option<String> {
    match resource {
        "security_group" | "security_group_rules" => of_firewall(name),
        "default_security_group"
        | "elastic_ip"
        | "flow_log"
        | "internet_gateway"
        | "nat_gateway"
        | "route_table"
        | "subnet"
        | "vpc"
        | "vpc_endpoint" => whole("network"),
        _ => None,
    }
}

fn of_firewall(name: &str) -> Option<String> {
    let sections = [("database-", "databases"), ("cache-", "caches"), ("search-", "search")];
    let known = sections.iter().find_map(|(prefix, section)| below(section, name.strip_prefix(prefix)?));
    known.or_else(|| if name == "web" { whole("services") } else { below("services", name) })
}

fn filter(name: &str, value: impl Into<String>) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// The filter for the resources that this stack owns.
fn ours(cx: &Cx) -> Filter {
    filter(&format!("tag:{STACK_TAG}"), cx.scope.tag())
}

/// The tags of a new resource, for its create call.
fn tagged(cx: &Cx, what: ResourceType, name: &str) -> TagSpecification {
    TagSpecification::builder().resource_type(what).set_tags(Some(tag_list(cx.scope.tags(name)))).build()
}

fn tag_list(tags: Vec<(String, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

async fn put_tags(cx: &Cx, id: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.ec2.create_tags().resources(id).set_tags(Some(tag_list(tags))).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, id: &str, keys: Vec<String>) -> Result<(), Error> {
    let keys = keys.into_iter().map(|key| Tag::builder().key(key).build()).collect();
    cx.ec2.delete_tags().resources(id).set_tags(Some(keys)).send().await?;
    Ok(())
}

/// The name of a resource in the stack and its owner. `None` if it is not ours.
fn owned(cx: &Cx, tags: &[Tag]) -> Option<(String, Owner)> {
    let tags = tags.iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()));
    cx.scope.whose(tags, None)
}

/// Gives each resource a name of its own. A crash at the wrong moment may have left two resources of one name. The one
/// that `rank` puts first keeps the name, and it is always the same one. The others get names that nothing asks for.
fn one_of_each<K: Kind>(mut live: Vec<Live<K>>, rank: impl Fn(&Live<K>) -> usize) -> Vec<Live<K>> {
    live.sort_by_cached_key(|live| (live.status == Status::Deleting, rank(live), live.id.clone()));
    let mut seen = HashSet::new();
    for live in &mut live {
        if live.owner.is_ours() && !seen.insert(live.name.clone()) {
            live.name = format!("{}-{}", live.name, live.id);
        }
    }
    live
}

/// Marks an error of the second call of a `create`. The resource exists by then. So if only the lag of EC2 is in the
/// way, the engine has to look for the resource, and must not make another one.
fn after_create(error: impl Into<Error>) -> Error {
    let error = error.into();
    Error { ambiguous: error.ambiguous || error.code.ends_with("NotFound"), ..error }
}

/// Finds the refusals in an answer. Some calls of EC2 succeed, and list the items that they refused.
fn all_successful(refused: &[UnsuccessfulItem]) -> Result<(), Error> {
    match refused.iter().find_map(|item| item.error()) {
        None => Ok(()),
        Some(error) => Err(Error {
            code: error.code().unwrap_or_default().to_owned(),
            message: error.message().unwrap_or_default().to_owned(),
            request_id: None,
            ambiguous: false,
        }),
    }
}

/// The network interfaces that still hold on to a resource, each with the description that its service gave it.
async fn holders(cx: &Cx, by: &str, id: &str) -> Evidence {
    let mut evidence = Evidence::default();
    let found = cx.ec2.describe_network_interfaces().filters(filter(by, id)).into_paginator().items().send();
    let found = evidence.read("network interfaces", found.try_collect().await).unwrap_or_default();
    let line = |interface: &aws_sdk_ec2::types::NetworkInterface| {
        let (id, of) = (interface.network_interface_id(), interface.description());
        format!("{} is still in it: {}", id.unwrap_or_default(), of.unwrap_or_default())
    };
    evidence.lines = found.iter().map(line).collect();
    evidence
}
