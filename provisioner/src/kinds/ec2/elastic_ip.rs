//! `ec2.elastic_ip`: a public address that stays.
//!
//! Addresses are found by their tags. EC2 does not page this list. Nothing in an address can be changed. For about a
//! minute after its NAT gateway is gone AWS still refuses to release the address (`InvalidIPAddress.InUse`,
//! `AuthFailure`). An account has 5 addresses per region unless it asks for more.

use aws_sdk_ec2::types::{DomainType, ResourceType};
use serde::{Deserialize, Serialize};

use super::{InternetGateway, one_of_each, ours, owned, tagged};
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct ElasticIp;

#[derive(Serialize, Deserialize)]
pub struct ElasticIpSpec {
    /// The internet gateway, the way out of the VPC. It is removed after the address.
    pub gateway: Ref<InternetGateway>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ElasticIpState {
    pub in_use: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ElasticIpOutput {
    pub allocation_id: String,
    pub address: String,
}

impl Kind for ElasticIp {
    const FACTS: Facts = Facts {
        name: "ec2.elastic_ip",
        fields: &[Field::theirs("in_use")],
        unnamed: true,
        retry: &[
            Retry::code("InvalidIPAddress.InUse", 300),
            Retry::saying("AuthFailure", "permission to access the specified resource", 60),
        ],
        actions: &[
            "ec2:AllocateAddress",
            "ec2:CreateTags",
            "ec2:DeleteTags",
            "ec2:DescribeAddresses",
            "ec2:ReleaseAddress",
        ],
        ..Facts::DEFAULT
    };

    type Spec = ElasticIpSpec;
    type State = ElasticIpState;
    type Output = ElasticIpOutput;
    type Ready = ();

    // AWS gives an address before there is a way out. Only its removal has to come before the removal of the way out.
    fn want(_: &Scope, _: &str, _: &ElasticIpSpec, _: &Outputs) -> Result<ElasticIpState, Missing> {
        Ok(ElasticIpState::default())
    }
}

impl OnAws for ElasticIp {
    async fn read(cx: &Cx, _: &Query<'_, ElasticIp>) -> Result<Vec<Live<ElasticIp>>, Error> {
        let mut live = Vec::new();
        for address in cx.ec2.describe_addresses().filters(ours(cx)).send().await?.addresses.unwrap_or_default() {
            let Some(whose) = owned(cx, address.tags()) else {
                continue;
            };
            let id = address.allocation_id.unwrap_or_default();
            let state = ElasticIpState { in_use: address.association_id.is_some() };
            live.push(Live::ready(
                whose,
                id.clone(),
                state,
                ElasticIpOutput { allocation_id: id, address: address.public_ip.unwrap_or_default() },
            ));
        }
        Ok(one_of_each(live, |live| usize::from(!live.state.in_use)))
    }

    async fn create(cx: &Cx, name: &str, _: &ElasticIpState) -> Result<ElasticIpOutput, Error> {
        let tags = tagged(cx, ResourceType::ElasticIp, name);
        let made = cx.ec2_once.allocate_address().domain(DomainType::Vpc).tag_specifications(tags).send().await?;
        Ok(ElasticIpOutput {
            allocation_id: made.allocation_id.unwrap_or_default(),
            address: made.public_ip.unwrap_or_default(),
        })
    }

    async fn update(_: &Cx, _: &Live<ElasticIp>, _: &ElasticIpState, _: &Changed) -> Result<(), Error> {
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<ElasticIp>, _: LastWish) -> Result<(), Error> {
        let call = cx.ec2.release_address().allocation_id(&live.id);
        Error::or_gone(call.send().await, &["InvalidAllocationID.NotFound"])
    }
}
