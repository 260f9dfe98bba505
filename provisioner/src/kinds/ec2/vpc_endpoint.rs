//! `ec2.vpc_endpoint`: a gateway endpoint, so that traffic to S3 stays inside AWS and costs nothing.
//!
//! Endpoints are found by their tags. AWS puts an endpoint's routes into the tables, and takes them out again when it
//! goes. That takes seconds. The API's bucket is small (4 calls, then one in three seconds). The network and the
//! service cannot be changed. The policy is AWS's own. Another policy, which `DescribeVpcEndpoints` shows too, is set
//! back.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{ResourceType, VpcEndpointType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{RouteTable, Vpc, all_successful, one_of_each, ours, owned, tagged};
use crate::aws::{Cx, Error, policy};
use crate::kind::facts::{Facts, Field, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs, Ref, Status};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct VpcEndpoint;

#[derive(Serialize, Deserialize)]
pub struct VpcEndpointSpec {
    pub vpc: Ref<Vpc>,
    /// The service of the gateway endpoint, such as `s3`.
    pub service: String,
    pub route_tables: Vec<Ref<RouteTable>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VpcEndpointState {
    pub vpc_id: String,
    pub service: String,
    pub route_tables: BTreeSet<String>,
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
            Field::wanted("route_tables"),
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
        ],
        ..Facts::DEFAULT
    };

    type Spec = VpcEndpointSpec;
    type State = VpcEndpointState;
    type Output = VpcEndpointOutput;
    type Ready = ();

    fn want(scope: &Scope, _: &str, spec: &VpcEndpointSpec, outputs: &Outputs) -> Result<VpcEndpointState, Missing> {
        let route_tables = outputs.of_each(&spec.route_tables, |table| table.id)?;
        Ok(VpcEndpointState {
            vpc_id: outputs.get(&spec.vpc)?.id,
            service: format!("com.amazonaws.{}.{}", scope.region, spec.service),
            route_tables,
            statements: BTreeMap::new(),
        })
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
            let state = VpcEndpointState {
                vpc_id: endpoint.vpc_id.unwrap_or_default(),
                service: endpoint.service_name.unwrap_or_default(),
                route_tables: endpoint.route_table_ids.unwrap_or_default().into_iter().collect(),
                statements: statements(endpoint.policy_document.as_deref().unwrap_or_default()),
            };
            live.push(Live { status, ..Live::ready(whose, id.clone(), state, VpcEndpointOutput { id }) });
        }
        Ok(one_of_each(live, |live| usize::MAX - live.state.route_tables.len()))
    }

    async fn create(cx: &Cx, name: &str, want: &VpcEndpointState) -> Result<VpcEndpointOutput, Error> {
        let call = cx.ec2_once.create_vpc_endpoint().vpc_endpoint_type(VpcEndpointType::Gateway).vpc_id(&want.vpc_id);
        let call = call.service_name(&want.service).set_route_table_ids(Some(list(&want.route_tables)));
        let made = call.tag_specifications(tagged(cx, ResourceType::VpcEndpoint, name)).send().await?;
        Ok(VpcEndpointOutput { id: made.vpc_endpoint.and_then(|made| made.vpc_endpoint_id).unwrap_or_default() })
    }

    async fn update(
        cx: &Cx,
        live: &Live<VpcEndpoint>,
        want: &VpcEndpointState,
        changed: &Changed,
    ) -> Result<(), Error> {
        if changed.has("route_tables") {
            let more = list(want.route_tables.difference(&live.state.route_tables));
            let less = list(live.state.route_tables.difference(&want.route_tables));
            let call = cx.ec2.modify_vpc_endpoint().vpc_endpoint_id(&live.id);
            let call = call.set_add_route_table_ids((!more.is_empty()).then_some(more));
            call.set_remove_route_table_ids((!less.is_empty()).then_some(less)).send().await?;
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
