//! `ec2.subnet`: a range of the network's addresses in one zone.
//!
//! Subnets are found by their tags. Range and zone are chosen once: AWS cannot change them. The name of the zone is
//! asked for at the create, so that a new zone in the region moves nothing. A second create is refused with
//! `InvalidSubnet.Conflict`. A subnet goes only when no network interface is left in it.

use aws_sdk_ec2::types::{
    AttributeBooleanValue, AvailabilityZone, AvailabilityZoneOptInStatus, AvailabilityZoneState, ResourceType,
    SubnetState as Phase,
};
use serde::{Deserialize, Serialize};

use super::{Vpc, filter, holders, one_of_each, ours, owned, tagged};
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Live, Missing, Outputs, Ref, Status};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Subnet;

#[derive(Serialize, Deserialize)]
pub struct SubnetSpec {
    pub vpc: Ref<Vpc>,
    /// The range of addresses. It is chosen once.
    pub cidr: String,
    /// The number of the zone among the region's zones, counted from 0 in the order of their names. It is chosen once.
    pub zone: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubnetState {
    pub vpc_id: String,
    pub cidr: String,
    pub zone: Zone,
    pub public_addresses: bool,
}

/// A zone. The wanted state has its place in the list of zones, the live state its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Zone {
    Place(usize),
    Name(String),
}

impl Default for Zone {
    fn default() -> Zone {
        Zone::Place(0)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubnetOutput {
    pub id: String,
    pub zone: String,
}

impl Kind for Subnet {
    const FACTS: Facts = Facts {
        name: "ec2.subnet",
        fields: &[
            Field::fixed("vpc_id"),
            Field::chosen("cidr"),
            Field::chosen("zone"),
            Field::wanted("public_addresses"),
        ],
        exists: &["InvalidSubnet.Conflict"],
        actions: &[
            "ec2:CreateSubnet",
            "ec2:CreateTags",
            "ec2:DeleteSubnet",
            "ec2:DeleteTags",
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:ModifySubnetAttribute",
        ],
        ..Facts::DEFAULT
    };

    type Spec = SubnetSpec;
    type State = SubnetState;
    type Output = SubnetOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &SubnetSpec, outputs: &Outputs) -> Result<SubnetState, Missing> {
        Ok(SubnetState {
            vpc_id: outputs.get(&spec.vpc)?.id,
            cidr: spec.cidr.clone(),
            zone: Zone::Place(spec.zone),
            // EC2.15: a resource that should have a public address asks for one.
            public_addresses: false,
        })
    }
}

impl OnAws for Subnet {
    async fn read(cx: &Cx, _: &Query<'_, Subnet>) -> Result<Vec<Live<Subnet>>, Error> {
        let found = cx.ec2.describe_subnets().filters(ours(cx)).into_paginator().items().send().try_collect().await?;
        let mut live = Vec::new();
        for subnet in found {
            let Some(whose) = owned(cx, subnet.tags()) else {
                continue;
            };
            let (id, zone) = (subnet.subnet_id.unwrap_or_default(), subnet.availability_zone.unwrap_or_default());
            let state = SubnetState {
                vpc_id: subnet.vpc_id.unwrap_or_default(),
                cidr: subnet.cidr_block.unwrap_or_default(),
                zone: Zone::Name(zone.clone()),
                public_addresses: subnet.map_public_ip_on_launch.unwrap_or_default(),
            };
            let status = match subnet.state {
                Some(Phase::Pending) => Status::Busy("pending".into()),
                _ => Status::Ready,
            };
            live.push(Live { status, ..Live::ready(whose, id.clone(), state, SubnetOutput { id, zone }) });
        }
        Ok(one_of_each(live, |_| 0))
    }

    async fn create(cx: &Cx, name: &str, want: &SubnetState) -> Result<SubnetOutput, Error> {
        let zone = match &want.zone {
            Zone::Place(place) => zone_at(cx, *place).await?,
            Zone::Name(name) => name.clone(),
        };
        let call = cx.ec2.create_subnet().vpc_id(&want.vpc_id).cidr_block(&want.cidr).availability_zone(&zone);
        let made = call.tag_specifications(tagged(cx, ResourceType::Subnet, name)).send().await?;
        let id = made.subnet.and_then(|subnet| subnet.subnet_id).unwrap_or_default();
        Ok(SubnetOutput { id, zone })
    }

    async fn update(cx: &Cx, live: &Live<Subnet>, want: &SubnetState, changed: &Changed) -> Result<(), Error> {
        if changed.has("public_addresses") {
            let value = AttributeBooleanValue::builder().value(want.public_addresses).build();
            cx.ec2.modify_subnet_attribute().subnet_id(&live.id).map_public_ip_on_launch(value).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Subnet>, _: LastWish) -> Result<(), Error> {
        Error::or_gone(cx.ec2.delete_subnet().subnet_id(&live.id).send().await, &["InvalidSubnetID.NotFound"])
    }

    async fn explain(cx: &Cx, live: &Live<Subnet>) -> Evidence {
        holders(cx, "subnet-id", &live.id).await
    }
}

impl Subnet {
    /// The zones that everybody has: no local or wavelength zones, and none that an account has to opt into.
    pub async fn zones(cx: &Cx) -> Result<Vec<String>, Error> {
        let call = cx.ec2.describe_availability_zones().filters(filter("state", "available"));
        let call = call.filters(filter("zone-type", "availability-zone"));
        let answer = call.filters(filter("opt-in-status", "opt-in-not-required")).send().await?;
        let usable = answer.availability_zones().iter().filter(|zone| is_usable(zone));
        let mut names: Vec<String> = usable.filter_map(|zone| zone.zone_name()).map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// Whether the filters ask for this zone. An answer may not heed the filters.
fn is_usable(zone: &AvailabilityZone) -> bool {
    zone.state().is_none_or(|state| *state == AvailabilityZoneState::Available)
        && zone.zone_type().is_none_or(|kind| kind == "availability-zone")
        && zone.opt_in_status().is_none_or(|status| *status != AvailabilityZoneOptInStatus::NotOptedIn)
}

async fn zone_at(cx: &Cx, place: usize) -> Result<String, Error> {
    let names = Subnet::zones(cx).await?;
    match names.get(place) {
        Some(name) => Ok(name.clone()),
        None => {
            Err(Error::ours(format!("{} has {} zones, and this needs {}", cx.scope.region, names.len(), place + 1)))
        }
    }
}
