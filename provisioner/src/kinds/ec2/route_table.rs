//! `ec2.route_table`: the routes of some subnets.
//!
//! Route tables are found by their tags. All routes and subnets are ours: whatever was added by hand is removed again,
//! except the routes that AWS keeps there itself (the local route, the routes of gateway endpoints, propagated ones).
//! Several calls make a table. If something is missing, it shows as a difference. A route accepts a NAT gateway that is
//! still pending (go-to-k/cdkd, `ec2-provider.ts`). A subnet belongs to one table at a time, and is moved over to this
//! one. AWS refuses to delete a table that has subnets.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    Filter, ResourceType, Route, RouteOrigin, RouteTable as Answer, RouteTableAssociationStateCode as Tie,
};
use serde::{Deserialize, Serialize};

use super::{InternetGateway, NatGateway, Subnet, Vpc, after_create, one_of_each, ours, owned, tagged};
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct RouteTable;

#[derive(Serialize, Deserialize)]
pub struct RouteTableSpec {
    pub vpc: Ref<Vpc>,
    pub subnets: Vec<Ref<Subnet>>,
    /// The target of `0.0.0.0/0`. Subnets without a way out have neither `gateway` nor `nat`.
    pub gateway: Option<Ref<InternetGateway>>,
    pub nat: Option<Ref<NatGateway>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteTableState {
    pub vpc_id: String,
    /// The targets of the routes, by destination.
    pub routes: BTreeMap<String, String>,
    pub subnets: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RouteTableOutput {
    pub id: String,
}

impl Kind for RouteTable {
    const FACTS: Facts = Facts {
        name: "ec2.route_table",
        fields: &[Field::fixed("vpc_id"), Field::wanted("routes"), Field::wanted("subnets")],
        unnamed: true,
        retry: &[
            Retry::code("InvalidGatewayID.NotFound", 60),
            Retry::code("InvalidNatGatewayID.NotFound", 60),
            // Another table let go of the subnet between our read and our write.
            Retry::code("InvalidAssociationID.NotFound", 60),
        ],
        actions: &[
            "ec2:AssociateRouteTable",
            "ec2:CreateRoute",
            "ec2:CreateRouteTable",
            "ec2:CreateTags",
            "ec2:DeleteRoute",
            "ec2:DeleteRouteTable",
            "ec2:DeleteTags",
            "ec2:DescribeRouteTables",
            "ec2:DisassociateRouteTable",
            "ec2:ReplaceRoute",
            "ec2:ReplaceRouteTableAssociation",
        ],
        ..Facts::DEFAULT
    };

    type Spec = RouteTableSpec;
    type State = RouteTableState;
    type Output = RouteTableOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &RouteTableSpec, outputs: &Outputs) -> Result<RouteTableState, Missing> {
        let vpc_id = outputs.get(&spec.vpc)?.id;
        let subnets = outputs.of_each(&spec.subnets, |subnet| subnet.id)?;
        let target = match (&spec.gateway, &spec.nat) {
            (Some(gateway), _) => {
                outputs.ready(gateway)?;
                Some(outputs.get(gateway)?.id)
            }
            (None, Some(nat)) => Some(outputs.get(nat)?.id),
            (None, None) => None,
        };
        let routes = target.map(|target| ("0.0.0.0/0".to_owned(), target)).into_iter().collect();
        Ok(RouteTableState { vpc_id, routes, subnets })
    }
}

impl OnAws for RouteTable {
    async fn read(cx: &Cx, _: &Query<'_, RouteTable>) -> Result<Vec<Live<RouteTable>>, Error> {
        let call = cx.ec2.describe_route_tables().filters(ours(cx));
        let found = call.into_paginator().items().send().try_collect().await?;
        let live = found.into_iter().filter_map(|table| {
            let whose = owned(cx, table.tags())?;
            let id = table.route_table_id().unwrap_or_default().to_owned();
            Some(Live::ready(whose, id.clone(), state(&table), RouteTableOutput { id }))
        });
        Ok(one_of_each(live.collect(), |live| usize::MAX - live.state.subnets.len()))
    }

    async fn create(cx: &Cx, name: &str, want: &RouteTableState) -> Result<RouteTableOutput, Error> {
        let call = cx.ec2_once.create_route_table().vpc_id(&want.vpc_id);
        let made = call.tag_specifications(tagged(cx, ResourceType::RouteTable, name)).send().await?;
        let id = made.route_table.and_then(|table| table.route_table_id).unwrap_or_default();
        route(cx, &id, &BTreeMap::new(), &want.routes).await.map_err(after_create)?;
        associate(cx, &id, want.subnets.iter()).await.map_err(after_create)?;
        Ok(RouteTableOutput { id })
    }

    async fn update(cx: &Cx, live: &Live<RouteTable>, want: &RouteTableState, changed: &Changed) -> Result<(), Error> {
        if changed.has("routes") {
            route(cx, &live.id, &live.state.routes, &want.routes).await?;
        }
        if changed.has("subnets") {
            associate(cx, &live.id, want.subnets.difference(&live.state.subnets)).await?;
            disassociate(cx, &live.id, &want.subnets).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<RouteTable>, _: LastWish) -> Result<(), Error> {
        disassociate(cx, &live.id, &BTreeSet::new()).await?;
        Error::or_gone(cx.ec2.delete_route_table().route_table_id(&live.id).send().await, GONE)
    }
}

const GONE: &[&str] = &["InvalidRouteTableID.NotFound", "InvalidRouteTableId.NotFound"];

fn state(table: &Answer) -> RouteTableState {
    let routes = table.routes().iter().filter(|route| !is_theirs(route));
    let routes = routes.map(|route| (destination(route).to_owned(), target(route).to_owned()));
    RouteTableState {
        vpc_id: table.vpc_id().unwrap_or_default().to_owned(),
        routes: routes.collect(),
        subnets: ties(table).map(|(subnet, _)| subnet.to_owned()).collect(),
    }
}

/// Whether AWS itself keeps this route, as it does in every table.
fn is_theirs(route: &Route) -> bool {
    let gateway = route.gateway_id().unwrap_or_default();
    gateway == "local"
        || gateway.starts_with("vpce-")
        || matches!(route.origin(), Some(RouteOrigin::CreateRouteTable | RouteOrigin::EnableVgwRoutePropagation))
}

fn destination(route: &Route) -> &str {
    let ranges = route.destination_cidr_block().or(route.destination_ipv6_cidr_block());
    ranges.or(route.destination_prefix_list_id()).unwrap_or_default()
}

/// The target of a route. A route to an instance also names its network interface.
fn target(route: &Route) -> &str {
    let ours = route.gateway_id().or(route.nat_gateway_id());
    let others = [
        route.network_interface_id(),
        route.transit_gateway_id(),
        route.vpc_peering_connection_id(),
        route.egress_only_internet_gateway_id(),
        route.carrier_gateway_id(),
        route.local_gateway_id(),
        route.core_network_arn(),
        route.instance_id(),
    ];
    ours.or(others.into_iter().flatten().next()).unwrap_or("something else")
}

/// The subnets of the table, each with the id of its association.
fn ties(table: &Answer) -> impl Iterator<Item = (&str, &str)> {
    table.associations().iter().filter_map(|tie| {
        let state = tie.association_state().and_then(|state| state.state());
        let holds = !matches!(state, Some(Tie::Disassociated | Tie::Disassociating | Tie::Failed));
        holds.then_some((tie.subnet_id()?, tie.route_table_association_id()?))
    })
}

async fn route(
    cx: &Cx,
    table: &str,
    have: &BTreeMap<String, String>,
    want: &BTreeMap<String, String>,
) -> Result<(), Error> {
    for (range, target) in want {
        let (gateway, nat) = match target.starts_with("nat-") {
            true => (None, Some(target.clone())),
            false => (Some(target.clone()), None),
        };
        match have.get(range) {
            Some(now) if now == target => {}
            Some(_) => {
                let call = cx.ec2.replace_route().route_table_id(table).destination_cidr_block(range);
                call.set_gateway_id(gateway).set_nat_gateway_id(nat).send().await?;
            }
            None => {
                let call = cx.ec2.create_route().route_table_id(table).destination_cidr_block(range);
                call.set_gateway_id(gateway).set_nat_gateway_id(nat).send().await?;
            }
        }
    }
    for range in have.keys().filter(|range| !want.contains_key(*range)) {
        let call = cx.ec2.delete_route().route_table_id(table);
        let call = match range {
            range if range.starts_with("pl-") => call.destination_prefix_list_id(range),
            range if range.contains(':') => call.destination_ipv6_cidr_block(range),
            range => call.destination_cidr_block(range),
        };
        Error::or_gone(call.send().await, &["InvalidRoute.NotFound"])?;
    }
    Ok(())
}

/// Gives subnets to the table. A subnet of another table is moved, so that it is never without a table.
async fn associate<'a>(cx: &Cx, table: &str, subnets: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    let subnets: Vec<String> = subnets.cloned().collect();
    if subnets.is_empty() {
        return Ok(());
    }
    let by_subnet = Filter::builder().name("association.subnet-id").set_values(Some(subnets.clone())).build();
    let call = cx.ec2.describe_route_tables().filters(by_subnet);
    let others = call.into_paginator().items().send().try_collect().await?;
    for subnet in subnets {
        match others.iter().flat_map(ties).find(|(tied, _)| *tied == subnet) {
            Some((_, tie)) => {
                cx.ec2.replace_route_table_association().association_id(tie).route_table_id(table).send().await?;
            }
            None => {
                cx.ec2.associate_route_table().route_table_id(table).subnet_id(subnet).send().await?;
            }
        }
    }
    Ok(())
}

/// Takes all subnets but these from the table. It asks first, because another table may have taken one meanwhile.
async fn disassociate(cx: &Cx, table: &str, keep: &BTreeSet<String>) -> Result<(), Error> {
    let answer = match cx.ec2.describe_route_tables().route_table_ids(table).send().await.map_err(Error::from) {
        Err(error) if error.is(GONE) => return Ok(()),
        answer => answer?,
    };
    for (_, tie) in answer.route_tables().iter().flat_map(ties).filter(|(subnet, _)| !keep.contains(*subnet)) {
        let call = cx.ec2.disassociate_route_table().association_id(tie);
        Error::or_gone(call.send().await, &["InvalidAssociationID.NotFound"])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::RouteTableAssociation;

    /// An answer as recorded in cartography-cncf/cartography, tests/data/aws/ec2/route_tables.py. It has more routes:
    /// one that AWS adds for a gateway endpoint, and those that somebody added by hand.
    #[test]
    fn a_recorded_answer_reads_as_what_we_want() {
        let route = |to: &str, by: &str| Route::builder().destination_cidr_block(to).gateway_id(by);
        let tie = |id: &str| RouteTableAssociation::builder().route_table_association_id(id).main(id == "rtbassoc-a");
        let answer = Answer::builder().route_table_id("rtb-b").vpc_id("vpc-a");
        let answer = answer.routes(route("172.31.0.0/16", "local").origin(RouteOrigin::CreateRouteTable).build());
        let answer = answer.routes(route("0.0.0.0/0", "igw-a").origin(RouteOrigin::CreateRoute).build());
        let endpoint = Route::builder().destination_prefix_list_id("pl-68a54001").gateway_id("vpce-1");
        let answer = answer.routes(endpoint.origin(RouteOrigin::CreateRoute).build());
        let by_hand =
            Route::builder().destination_ipv6_cidr_block("::/0").instance_id("i-1").network_interface_id("eni-1");
        let answer = answer.routes(by_hand.origin(RouteOrigin::CreateRoute).build());
        let answer = answer.associations(tie("rtbassoc-a").build());
        let answer = answer.associations(tie("rtbassoc-b").subnet_id("subnet-a").build());
        let want = RouteTableState {
            vpc_id: "vpc-a".into(),
            routes: [("0.0.0.0/0", "igw-a"), ("::/0", "eni-1")].map(|(to, by)| (to.into(), by.into())).into(),
            subnets: ["subnet-a".into()].into(),
        };
        assert_eq!(state(&answer.build()), want);
    }
}
