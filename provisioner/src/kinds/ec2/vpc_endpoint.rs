//! `ec2.vpc_endpoint`: a way from the VPC to a service of AWS that needs no way to the outside.
//!
//! There are two sorts. A gateway endpoint, for S3 and DynamoDB, is a route in the tables: AWS puts it there, and takes it out again
//! when the endpoint goes. That takes seconds and costs nothing. An interface endpoint is a network interface in each
//! of its subnets, behind a firewall group, and costs by the hour. With its private DNS, the usual name of the service
//! leads to it from inside the VPC. It is there after 1 to 3 minutes, and its interfaces hold the subnets and the group
//! until it is gone.
//!
//! Endpoints are found by their tags. The API's bucket is small (4 calls, then one in three seconds). The network, the
//! service and the sort cannot be changed. The policy is AWS's own. Another policy, which `DescribeVpcEndpoints` shows
//! too, is set back.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{ResourceType, VpcEndpointType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{RouteTable, SecurityGroup, Subnet, Vpc, all_successful, one_of_each, ours, owned, tagged};
use crate::aws::{Cx, Error, policy};
use crate::kind::facts::{Facts, Field, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs, Ref, Status};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct VpcEndpoint;

#[derive(Serialize, Deserialize)]
pub struct VpcEndpointSpec {
    pub vpc: Ref<Vpc>,
    /// The service, such as `s3`.
    pub service: String,
    pub by: EndpointBy,
}

/// The sort of an endpoint.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointBy {
    /// Routes in these tables.
    Gateway(Vec<Ref<RouteTable>>),
    /// Network interfaces in these subnets, behind these groups.
    Interface { subnets: Vec<Ref<Subnet>>, security_groups: Vec<Ref<SecurityGroup>> },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VpcEndpointState {
    pub vpc_id: String,
    pub service: String,
    /// The sort: `Gateway` or `Interface`.
    pub sort: String,
    pub route_tables: BTreeSet<String>,
    pub subnets: BTreeSet<String>,
    pub security_groups: BTreeSet<String>,
    /// Whether the usual name of the service leads to the endpoint.
    pub private_dns: bool,
    /// The statements of the endpoint's policy beside AWS's own, which allows whatever IAM allows.
    pub statements: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VpcEndpointOutput {
    pub id: String,
}

impl Kind for VpcEndpoint {
    const FACTS: Facts = Facts {
        name: "ec2.vpc_endpoint",
        fields: &[
            Field::fixed("vpc_id"),
            Field::fixed("service"),
            Field::fixed("sort"),
            Field::wanted("route_tables"),
            Field::wanted("subnets"),
            Field::wanted("security_groups"),
            Field::wanted("private_dns"),
            Field::beside("statements", "statement of its policy"),
        ],
        seconds: Seconds { create: 5, update: 5, delete: 5 },
        unnamed: true,
        // Two endpoints of one service cannot share a table.
        exists: &["RouteAlreadyExists"],
        actions: &[
            "ec2:CreateTags",
            "ec2:CreateVpcEndpoint",
            "ec2:DeleteTags",
            "ec2:DeleteVpcEndpoints",
            "ec2:DescribeVpcEndpoints",
            "ec2:ModifyVpcEndpoint",
            // An interface endpoint with private DNS brings a hosted zone of AWS's into the VPC.
            "route53:AssociateVPCWithHostedZone",
        ],
        ..Facts::DEFAULT
    };

    type Spec = VpcEndpointSpec;
    type State = VpcEndpointState;
    type Output = VpcEndpointOutput;
    type Ready = ();

    fn want(scope: &Scope, _: &str, spec: &VpcEndpointSpec, outputs: &Outputs) -> Result<VpcEndpointState, Missing> {
        let state = VpcEndpointState {
            vpc_id: outputs.get(&spec.vpc)?.id,
            service: format!("com.amazonaws.{}.{}", scope.region, spec.service),
            ..VpcEndpointState::default()
        };
        Ok(match &spec.by {
            EndpointBy::Gateway(tables) => VpcEndpointState {
                sort: VpcEndpointType::Gateway.as_str().to_owned(),
                route_tables: outputs.of_each(tables, |table| table.id)?,
                ..state
            },
            EndpointBy::Interface { subnets, security_groups } => VpcEndpointState {
                sort: VpcEndpointType::Interface.as_str().to_owned(),
                subnets: outputs.of_each(subnets, |subnet| subnet.id)?,
                security_groups: outputs.of_each(security_groups, |group| group.id)?,
                private_dns: true,
                ..state
            },
        })
    }

    fn patience(spec: &VpcEndpointSpec) -> u32 {
        match spec.by {
            EndpointBy::Gateway(_) => 0,
            EndpointBy::Interface { .. } => 600,
        }
    }
}

impl OnAws for VpcEndpoint {
    async fn read(cx: &Cx, _: &Query<'_, VpcEndpoint>) -> Result<Vec<Live<VpcEndpoint>>, Error> {
        let call = cx.ec2.describe_vpc_endpoints().filters(ours(cx));
        let mut live = Vec::new();
        for endpoint in call.into_paginator().items().send().try_collect().await? {
            let Some(whose) = owned(cx, endpoint.tags()) else {
                continue;
            };
            // The API's model says `Available`, the API itself `available`.
            let status = match endpoint.state().map(|state| state.as_str().to_lowercase()).as_deref() {
                Some("available") => Status::Ready,
                Some("deleting") => Status::Deleting,
                Some("deleted") => continue,
                Some(word @ ("failed" | "rejected" | "expired")) => {
                    let reason = endpoint.last_error().and_then(|error| error.message()).or(endpoint.failure_reason());
                    Status::Failed(format!("{word}: {}", reason.unwrap_or("no reason given")))
                }
                word => Status::Busy(word.unwrap_or("pending").to_owned()),
            };
            let id = endpoint.vpc_endpoint_id.unwrap_or_default();
            let sort = endpoint.vpc_endpoint_type.unwrap_or(VpcEndpointType::Gateway);
            let is_interface = sort == VpcEndpointType::Interface;
            let groups = endpoint.groups.unwrap_or_default().into_iter().filter_map(|group| group.group_id);
            let state = VpcEndpointState {
                sort: sort.as_str().to_owned(),
                subnets: endpoint.subnet_ids.unwrap_or_default().into_iter().collect(),
                security_groups: groups.collect(),
                // It says nothing of a gateway endpoint.
                private_dns: is_interface && endpoint.private_dns_enabled == Some(true),
                vpc_id: endpoint.vpc_id.unwrap_or_default(),
                service: endpoint.service_name.unwrap_or_default(),
                route_tables: endpoint.route_table_ids.unwrap_or_default().into_iter().collect(),
                statements: statements(endpoint.policy_document.as_deref().unwrap_or_default()),
            };
            live.push(Live { status, ..Live::ready(whose, id.clone(), state, VpcEndpointOutput { id }) });
        }
        Ok(one_of_each(live, |live| usize::MAX - live.state.route_tables.len() - live.state.subnets.len()))
    }

    async fn create(cx: &Cx, name: &str, want: &VpcEndpointState) -> Result<VpcEndpointOutput, Error> {
        let some = |ids: &BTreeSet<String>| (!ids.is_empty()).then(|| list(ids));
        let call = cx.ec2_once.create_vpc_endpoint().vpc_endpoint_type(want.sort.as_str().into()).vpc_id(&want.vpc_id);
        let call = call.service_name(&want.service).set_route_table_ids(some(&want.route_tables));
        let call = call.set_subnet_ids(some(&want.subnets)).set_security_group_ids(some(&want.security_groups));
        let call = call.set_private_dns_enabled(want.private_dns.then_some(true));
        let made = call.tag_specifications(tagged(cx, ResourceType::VpcEndpoint, name)).send().await?;
        Ok(VpcEndpointOutput { id: made.vpc_endpoint.and_then(|made| made.vpc_endpoint_id).unwrap_or_default() })
    }

    async fn update(
        cx: &Cx,
        live: &Live<VpcEndpoint>,
        want: &VpcEndpointState,
        changed: &Changed,
    ) -> Result<(), Error> {
        if changed.any(&["route_tables", "subnets", "security_groups", "private_dns"]) {
            // The ids that one set has more than the other.
            let more = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
                Some(list(one.difference(other))).filter(|ids| !ids.is_empty())
            };
            let (is, call) = (&live.state, cx.ec2.modify_vpc_endpoint().vpc_endpoint_id(&live.id));
            let call = call.set_add_route_table_ids(more(&want.route_tables, &is.route_tables));
            let call = call.set_remove_route_table_ids(more(&is.route_tables, &want.route_tables));
            let call = call.set_add_subnet_ids(more(&want.subnets, &is.subnets));
            let call = call.set_remove_subnet_ids(more(&is.subnets, &want.subnets));
            let call = call.set_add_security_group_ids(more(&want.security_groups, &is.security_groups));
            let call = call.set_remove_security_group_ids(more(&is.security_groups, &want.security_groups));
            let private_dns = changed.has("private_dns").then_some(want.private_dns);
            call.set_private_dns_enabled(private_dns).send().await?;
        }
        if changed.has("statements") {
            let call = cx.ec2.modify_vpc_endpoint().vpc_endpoint_id(&live.id);
            let everything = json!({"Version": "2008-10-17", "Statement": [everything()]});
            call.policy_document(everything.to_string()).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<VpcEndpoint>, _: LastWish) -> Result<(), Error> {
        let result = cx.ec2.delete_vpc_endpoints().vpc_endpoint_ids(&live.id).send().await.map_err(Error::from);
        Error::or_gone(
            result.and_then(|answer| all_successful(answer.unsuccessful())),
            &["InvalidVpcEndpoint.NotFound", "InvalidVpcEndpointId.NotFound"],
        )
    }
}

/// The only statement of the policy that AWS gives a new endpoint (Amazon VPC user guide, "Default endpoint policy").
fn everything() -> Value {
    json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"})
}

fn statements(policy: &str) -> BTreeMap<String, Value> {
    let own = &policy::normal(&json!({"Statement": [everything()]}))["Statement"][0];
    let is_own = |statement: &Value| match statement.clone() {
        Value::Object(mut members) => {
            members.remove("Sid");
            Value::Object(members) == *own
        }
        _ => false,
    };
    let mut statements = policy::statements(&policy::parse(policy));
    statements.retain(|_, statement| !is_own(statement));
    statements
}

fn list<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    ids.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DescribeVpcEndpoints in botocore's ec2 examples has the policy as text.
    #[test]
    fn only_aws_s_own_policy_is_none() {
        let own = r#"{"Version":"2008-10-17","Statement":[{"Sid":"","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
        assert_eq!(statements(own), BTreeMap::new());
        assert_eq!(statements(&own.replace(r#""Sid":"","#, "")), BTreeMap::new());
        let other =
            r#"{"Statement":[{"Sid":"a","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}]}"#;
        assert_eq!(statements(other).into_keys().collect::<Vec<_>>(), ["a"]);
    }
}
