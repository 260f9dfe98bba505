//! `ec2.internet_gateway`: the network's way out.
//!
//! A gateway is found by its tags. Two calls make and attach it. If it is not attached, that shows as a difference. It
//! is ready once it is attached, so that NAT gateways and routes may follow. AWS detaches it only when no public
//! address is left in the network ("has some mapped public address(es)").

use aws_sdk_ec2::types::{AttachmentStatus, ResourceType};
use serde::{Deserialize, Serialize};

use super::{Vpc, after_create, one_of_each, ours, owned, tagged};
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Live, Missing, Outputs, Ref, Status};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct InternetGateway;

#[derive(Serialize, Deserialize)]
pub struct InternetGatewaySpec {
    pub vpc: Ref<Vpc>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InternetGatewayState {
    pub attached_to: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InternetGatewayOutput {
    pub id: String,
}

impl Kind for InternetGateway {
    const FACTS: Facts = Facts {
        name: "ec2.internet_gateway",
        fields: &[Field::wanted("attached_to")],
        unnamed: true,
        actions: &[
            "ec2:AttachInternetGateway",
            "ec2:CreateInternetGateway",
            "ec2:CreateTags",
            "ec2:DeleteInternetGateway",
            "ec2:DeleteTags",
            "ec2:DescribeInternetGateways",
            "ec2:DetachInternetGateway",
        ],
        ..Facts::DEFAULT
    };

    type Spec = InternetGatewaySpec;
    type State = InternetGatewayState;
    type Output = InternetGatewayOutput;
    type Ready = ();

    fn want(
        _: &Scope,
        _: &str,
        spec: &InternetGatewaySpec,
        outputs: &Outputs,
    ) -> Result<InternetGatewayState, Missing> {
        Ok(InternetGatewayState { attached_to: Some(outputs.get(&spec.vpc)?.id) })
    }
}

impl OnAws for InternetGateway {
    async fn read(cx: &Cx, _: &Query<'_, InternetGateway>) -> Result<Vec<Live<InternetGateway>>, Error> {
        let call = cx.ec2.describe_internet_gateways().filters(ours(cx));
        let mut live = Vec::new();
        for gateway in call.into_paginator().items().send().try_collect().await? {
            let Some((name, owner)) = owned(cx, gateway.tags()) else {
                continue;
            };
            // EC2 says `available` for a gateway that is attached.
            let attachment = gateway
                .attachments()
                .iter()
                .find(|one| !matches!(one.state(), Some(AttachmentStatus::Detached | AttachmentStatus::Detaching)));
            let attached_to = attachment.and_then(|one| one.vpc_id()).map(str::to_owned);
            let id = gateway.internet_gateway_id.clone().unwrap_or_default();
            live.push(Live {
                name,
                id: id.clone(),
                owner,
                ready: attached_to.is_some().then_some(()),
                state: InternetGatewayState { attached_to },
                output: InternetGatewayOutput { id },
                status: Status::Ready,
            });
        }
        Ok(one_of_each(live, |live| usize::from(live.state.attached_to.is_none())))
    }

    async fn create(cx: &Cx, name: &str, want: &InternetGatewayState) -> Result<InternetGatewayOutput, Error> {
        let tags = tagged(cx, ResourceType::InternetGateway, name);
        let made = cx.ec2_once.create_internet_gateway().tag_specifications(tags).send().await?;
        let id = made.internet_gateway.and_then(|gateway| gateway.internet_gateway_id).unwrap_or_default();
        attach(cx, &id, want).await.map_err(after_create)?;
        Ok(InternetGatewayOutput { id })
    }

    async fn update(
        cx: &Cx,
        live: &Live<InternetGateway>,
        want: &InternetGatewayState,
        changed: &Changed,
    ) -> Result<(), Error> {
        if changed.has("attached_to") {
            detach(cx, live).await?;
            attach(cx, &live.id, want).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<InternetGateway>, _: LastWish) -> Result<(), Error> {
        detach(cx, live).await?;
        Error::or_gone(cx.ec2.delete_internet_gateway().internet_gateway_id(&live.id).send().await, GONE)
    }
}

const GONE: &[&str] = &["InvalidInternetGatewayID.NotFound"];
const NOT_ATTACHED: &[&str] = &["InvalidInternetGatewayID.NotFound", "InvalidVpcID.NotFound", "Gateway.NotAttached"];

async fn attach(cx: &Cx, id: &str, want: &InternetGatewayState) -> Result<(), Error> {
    if let Some(vpc) = &want.attached_to {
        cx.ec2.attach_internet_gateway().internet_gateway_id(id).vpc_id(vpc).send().await?;
    }
    Ok(())
}

async fn detach(cx: &Cx, live: &Live<InternetGateway>) -> Result<(), Error> {
    match &live.state.attached_to {
        None => Ok(()),
        Some(vpc) => {
            let call = cx.ec2.detach_internet_gateway().internet_gateway_id(&live.id).vpc_id(vpc);
            Error::or_gone(call.send().await, NOT_ATTACHED)
        }
    }
}
