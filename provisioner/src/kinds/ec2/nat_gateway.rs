//! `ec2.nat_gateway`: the way out of the network for subnets without public addresses.
//!
//! NAT gateways are found by their tags, except `deleted` ones, which stay visible for about an hour. A gateway takes
//! 84 to 140 s to be available (logs of `terraform apply`, eu-west-1 and us-east-1), and 42 to 61 s to be gone. Routes
//! accept it while it is pending. Its mistakes (no internet gateway attached, address taken) show only later, as state
//! `failed`. Nothing can be done with a failed gateway, so the next run replaces it. Nothing in a NAT gateway can be
//! changed.

use aws_sdk_ec2::types::{ConnectivityType, NatGateway as Answer, NatGatewayState as Phase, ResourceType};
use serde::{Deserialize, Serialize};

use super::{ElasticIp, InternetGateway, Subnet, one_of_each, ours, owned, tagged};
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field, Retry, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs, Ref, Status};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct NatGateway;

#[derive(Serialize, Deserialize)]
pub struct NatGatewaySpec {
    pub subnet: Ref<Subnet>,
    pub address: Ref<ElasticIp>,
    pub gateway: Ref<InternetGateway>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NatGatewayState {
    pub subnet_id: String,
    pub allocation_id: String,
    pub failed: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NatGatewayOutput {
    pub id: String,
}

impl Kind for NatGateway {
    const FACTS: Facts = Facts {
        name: "ec2.nat_gateway",
        fields: &[Field::fixed("subnet_id"), Field::fixed("allocation_id"), Field::fixed("failed")],
        seconds: Seconds { create: 120, update: 1, delete: 60 },
        unnamed: true,
        retry: &[
            Retry::code("Gateway.NotAttached", 60),
            // The address belongs to a NAT gateway that is on its way out.
            Retry::code("Resource.AlreadyAssociated", 120),
        ],
        actions: &[
            "ec2:CreateNatGateway",
            "ec2:CreateTags",
            "ec2:DeleteNatGateway",
            "ec2:DeleteTags",
            "ec2:DescribeNatGateways",
        ],
        ..Facts::DEFAULT
    };

    type Spec = NatGatewaySpec;
    type State = NatGatewayState;
    type Output = NatGatewayOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &NatGatewaySpec, outputs: &Outputs) -> Result<NatGatewayState, Missing> {
        // Without an attached internet gateway it would fail in the end.
        outputs.ready(&spec.gateway)?;
        Ok(NatGatewayState {
            subnet_id: outputs.get(&spec.subnet)?.id,
            allocation_id: outputs.get(&spec.address)?.allocation_id,
            failed: false,
        })
    }
}

impl OnAws for NatGateway {
    async fn read(cx: &Cx, _: &Query<'_, NatGateway>) -> Result<Vec<Live<NatGateway>>, Error> {
        let call = cx.ec2.describe_nat_gateways().filter(ours(cx));
        let found = call.into_paginator().items().send().try_collect().await?;
        let live = found.into_iter().filter_map(|gateway| {
            let whose = owned(cx, gateway.tags())?;
            let id = gateway.nat_gateway_id().unwrap_or_default().to_owned();
            Some(Live {
                status: status(&gateway)?,
                ..Live::ready(whose, id.clone(), state(&gateway), NatGatewayOutput { id })
            })
        });
        Ok(one_of_each(live.collect(), |live| usize::from(live.state.failed)))
    }

    async fn create(cx: &Cx, name: &str, want: &NatGatewayState) -> Result<NatGatewayOutput, Error> {
        let call = cx.ec2_once.create_nat_gateway().subnet_id(&want.subnet_id).allocation_id(&want.allocation_id);
        let call = call.connectivity_type(ConnectivityType::Public);
        let made = call.tag_specifications(tagged(cx, ResourceType::Natgateway, name)).send().await?;
        Ok(NatGatewayOutput { id: made.nat_gateway.and_then(|made| made.nat_gateway_id).unwrap_or_default() })
    }

    async fn update(_: &Cx, _: &Live<NatGateway>, _: &NatGatewayState, _: &Changed) -> Result<(), Error> {
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<NatGateway>, _: LastWish) -> Result<(), Error> {
        if live.status == Status::Deleting {
            return Ok(());
        }
        Error::or_gone(cx.ec2.delete_nat_gateway().nat_gateway_id(&live.id).send().await, &["NatGatewayNotFound"])
    }
}

fn state(gateway: &Answer) -> NatGatewayState {
    // Other addresses can only come from people who add them by hand.
    let first = gateway.nat_gateway_addresses().iter().find(|address| address.is_primary() != Some(false));
    NatGatewayState {
        subnet_id: gateway.subnet_id().unwrap_or_default().to_owned(),
        allocation_id: first.and_then(|address| address.allocation_id()).unwrap_or_default().to_owned(),
        failed: gateway.state() == Some(&Phase::Failed),
    }
}

/// The status of a gateway. `None` if it is gone.
fn status(gateway: &Answer) -> Option<Status> {
    match gateway.state()? {
        Phase::Available => Some(Status::Ready),
        Phase::Failed => {
            let (code, message) = (gateway.failure_code(), gateway.failure_message());
            Some(Status::Failed(format!("{}: {}", code.unwrap_or("failed"), message.unwrap_or("no reason given"))))
        }
        Phase::Deleting => Some(Status::Deleting),
        Phase::Deleted => None,
        other => Some(Status::Busy(other.as_str().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::NatGatewayAddress;

    /// The example of DescribeNatGateways in botocore (ec2/2016-11-15/examples-1.json), which has no `IsPrimary`.
    #[test]
    fn a_recorded_answer_reads_as_what_we_want() {
        let address = NatGatewayAddress::builder().allocation_id("eipalloc-89c620ec").public_ip("198.11.222.333");
        let answer = Answer::builder().nat_gateway_id("nat-05dba92075d71c408").subnet_id("subnet-847e4dc2");
        let answer = answer.state(Phase::Available).nat_gateway_addresses(address.build());
        let available = answer.clone().build();
        let want = NatGatewayState {
            subnet_id: "subnet-847e4dc2".into(),
            allocation_id: "eipalloc-89c620ec".into(),
            failed: false,
        };
        assert_eq!((state(&available), status(&available)), (want, Some(Status::Ready)));
        let failed = answer.clone().state(Phase::Failed).failure_code("Gateway.NotAttached");
        let failed = failed.failure_message("Network vpc-1 has no Internet gateway attached").build();
        let reason = "Gateway.NotAttached: Network vpc-1 has no Internet gateway attached";
        assert_eq!(status(&failed), Some(Status::Failed(reason.into())));
        assert!(state(&failed).failed);
        assert_eq!(status(&answer.state(Phase::Deleted).build()), None);
    }
}
