//! Twins of subnets. With moto as the base, ministack serves the caches. It knows none of moto's subnets and refuses
//! them. So each subnet that a cache uses gets a twin there. Ids are exchanged on the way in and on the way out.

use super::served_by;
use crate::answer::{Answer, Body};
use crate::request::Request;
use crate::route::route;
use crate::server::Shared;
use crate::upstream::Emulator;
use anyhow::{Context, Result};
use bytes::Bytes;
use regex::Regex;
use std::sync::LazyLock;

/// ministack calls the members of a group without shards `id-0001-001`; AWS calls them `id-001`.
static MEMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"-0001-(\d{3})\b").unwrap_or_else(|why| unreachable!("a constant pattern: {why}")));
static ASKED_MEMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(CacheClusterId=[^&]*?)-(\d{3})(&|$)").unwrap_or_else(|why| unreachable!("a constant pattern: {why}"))
});

pub(super) async fn before(shared: &Shared, request: &mut Request) -> Result<()> {
    let here = served_by(shared, request);
    let networks = route(shared.state().options.base, "ec2");
    if here != networks {
        let _one_at_a_time = shared.twins.lock().await;
        for (name, value) in request.params.as_object().cloned().into_iter().flatten() {
            if let Some(subnet) = value.as_str().filter(|_| name.starts_with("SubnetIds.")) {
                twin(shared, request, networks, here, subnet).await?;
            }
        }
    }
    let Ok(body) = std::str::from_utf8(&request.body) else { return Ok(()) };
    let mut body = ASKED_MEMBER.replace_all(body, "$1-0001-$2$3").into_owned();
    for (ours, theirs) in &shared.state().repairs.twins {
        body = body.replace(ours, theirs);
    }
    // The parameters keep the ids that were meant.
    request.body = Bytes::from(body);
    Ok(())
}

pub(super) fn after(shared: &Shared, answer: &mut Answer) {
    let Body::Xml(root) = &mut answer.body else { return };
    let twins = shared.state().repairs.twins.clone();
    root.walk_mut(&mut |element| {
        if let Some((ours, _)) = twins.iter().find(|(_, theirs)| **theirs == element.text) {
            element.text.clone_from(ours);
        } else if MEMBER.is_match(&element.text) {
            element.text = MEMBER.replace_all(&element.text, "-$1").into_owned();
        }
    });
}

async fn twin(shared: &Shared, request: &Request, networks: Emulator, here: Emulator, subnet: &str) -> Result<()> {
    if shared.state().repairs.twins.contains_key(subnet) {
        return Ok(());
    }
    let ask = request.to_ec2(&format!("Action=DescribeSubnets&Version=2016-11-15&SubnetId.1={subnet}"));
    let found = shared.forward_to(networks, &ask).await?;
    // If nobody knows a subnet, the emulator refuses it, as it should.
    let (Some(vpc), Some(range), Some(zone)) =
        (found.xml_text("vpcId"), found.xml_text("cidrBlock"), found.xml_text("availabilityZone"))
    else {
        return Ok(());
    };
    let known = shared.state().repairs.twins.get(vpc).cloned();
    let twin_vpc = match known {
        Some(known) => known,
        None => {
            let make = request.to_ec2("Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/8");
            let made = shared.forward_to(here, &make).await?;
            let id = made.xml_text("vpcId").context("twin of a network for caches")?.to_owned();
            shared.state().repairs.twins.insert(vpc.to_owned(), id.clone());
            id
        }
    };
    let make = request
        .to_ec2(&format!("Action=CreateSubnet&Version=2016-11-15&VpcId={twin_vpc}&CidrBlock={range}&AvailabilityZone={zone}"));
    let made = shared.forward_to(here, &make).await?;
    let id = made.xml_text("subnetId").context("twin of a subnet for caches")?.to_owned();
    shared.state().repairs.twins.insert(subnet.to_owned(), id);
    Ok(())
}
