//! `ec2.flow_log`: records in CloudWatch Logs who talks to whom in the network (EC2.6).
//!
//! Flow logs are found by their tags. Nothing in a flow log can be changed: another value means another flow log, and
//! the old lines stay in the log group. AWS refuses a role that IAM does not show everywhere yet, with "Unable to
//! assume given IAM role" (hashicorp/terraform-provider-aws, `vpc_flow_log.go`). The calls that create and delete
//! succeed, and list the items that they refused.

use aws_sdk_ec2::types::{FlowLog as Answer, FlowLogsResourceType, LogDestinationType, ResourceType, TrafficType};
use serde::{Deserialize, Serialize};

use super::{Vpc, all_successful, one_of_each, ours, owned, tagged};
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::iam::Role;
use crate::kinds::logs::LogGroup;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct FlowLog;

#[derive(Serialize, Deserialize)]
pub struct FlowLogSpec {
    pub vpc: Ref<Vpc>,
    pub role: Ref<Role>,
    pub log_group: Ref<LogGroup>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowLogState {
    pub vpc_id: String,
    pub role_arn: String,
    pub log_group: String,
    pub traffic: String,
    /// The seconds that one record covers.
    pub interval: i32,
    /// The words of AWS if it cannot deliver the log.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FlowLogOutput {
    pub id: String,
}

impl Kind for FlowLog {
    const FACTS: Facts = Facts {
        name: "ec2.flow_log",
        fields: &[
            Field::fixed("vpc_id"),
            Field::fixed("role_arn"),
            Field::fixed("log_group"),
            Field::fixed("traffic"),
            Field::fixed("interval"),
            Field::theirs("trouble"),
        ],
        unnamed: true,
        exists: &["FlowLogAlreadyExists"],
        retry: &[Retry::text("Unable to assume given IAM role", 120)],
        actions: &[
            "ec2:CreateFlowLogs",
            "ec2:CreateTags",
            "ec2:DeleteFlowLogs",
            "ec2:DeleteTags",
            "ec2:DescribeFlowLogs",
            "iam:PassRole",
        ],
        ..Facts::DEFAULT
    };

    type Spec = FlowLogSpec;
    type State = FlowLogState;
    type Output = FlowLogOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &FlowLogSpec, outputs: &Outputs) -> Result<FlowLogState, Missing> {
        Ok(FlowLogState {
            vpc_id: outputs.get(&spec.vpc)?.id,
            role_arn: outputs.get(&spec.role)?.arn,
            log_group: outputs.get(&spec.log_group)?.name,
            traffic: TrafficType::All.as_str().to_owned(),
            interval: 60,
            trouble: None,
        })
    }
}

impl OnAws for FlowLog {
    async fn read(cx: &Cx, _: &Query<'_, FlowLog>) -> Result<Vec<Live<FlowLog>>, Error> {
        let call = cx.ec2.describe_flow_logs().filter(ours(cx));
        let mut live = Vec::new();
        for log in call.into_paginator().items().send().try_collect().await? {
            let Some(whose) = owned(cx, log.tags()) else {
                continue;
            };
            let state = state(&log);
            let id = log.flow_log_id.unwrap_or_default();
            live.push(Live::ready(whose, id.clone(), state, FlowLogOutput { id }));
        }
        Ok(one_of_each(live, |_| 0))
    }

    async fn create(cx: &Cx, name: &str, want: &FlowLogState) -> Result<FlowLogOutput, Error> {
        let call = cx.ec2_once.create_flow_logs().resource_type(FlowLogsResourceType::Vpc).resource_ids(&want.vpc_id);
        let call = call.traffic_type(TrafficType::from(want.traffic.as_str())).max_aggregation_interval(want.interval);
        let call = call.log_destination_type(LogDestinationType::CloudWatchLogs).log_group_name(&want.log_group);
        let call = call.deliver_logs_permission_arn(&want.role_arn);
        let made = call.tag_specifications(tagged(cx, ResourceType::VpcFlowLog, name)).send().await?;
        all_successful(made.unsuccessful())?;
        Ok(FlowLogOutput { id: made.flow_log_ids.unwrap_or_default().pop().unwrap_or_default() })
    }

    async fn update(_: &Cx, _: &Live<FlowLog>, _: &FlowLogState, _: &Changed) -> Result<(), Error> {
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<FlowLog>, _: LastWish) -> Result<(), Error> {
        let result = cx.ec2.delete_flow_logs().flow_log_ids(&live.id).send().await.map_err(Error::from);
        Error::or_gone(result.and_then(|answer| all_successful(answer.unsuccessful())), &["InvalidFlowLogId.NotFound"])
    }
}

fn state(log: &Answer) -> FlowLogState {
    FlowLogState {
        vpc_id: log.resource_id().unwrap_or_default().to_owned(),
        role_arn: log.deliver_logs_permission_arn().unwrap_or_default().to_owned(),
        log_group: log.log_group_name().unwrap_or_default().to_owned(),
        traffic: log.traffic_type().map(|traffic| traffic.as_str().to_owned()).unwrap_or_default(),
        // Old flow logs do not tell their interval: they are from the time when there was only one.
        interval: log.max_aggregation_interval().unwrap_or(600),
        trouble: log.deliver_logs_error_message().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as recorded by cloud-custodian (tests/data/placebo/test_vpc_flow_logs/ec2.DescribeFlowLogs_2.json).
    #[test]
    fn a_recorded_answer_reads_as_it_is() {
        let answer = Answer::builder().resource_id("vpc-d2d616b5").log_group_name("flow-logs");
        let answer = answer.traffic_type(TrafficType::All).flow_log_status("ACTIVE").flow_log_id("fl-a41befcd");
        let answer = answer.deliver_logs_permission_arn("arn:aws:iam::644160558196:role/CloudCustodianRole");
        let answer = answer.deliver_logs_error_message("Access error").build();
        let expected = FlowLogState {
            vpc_id: "vpc-d2d616b5".into(),
            role_arn: "arn:aws:iam::644160558196:role/CloudCustodianRole".into(),
            log_group: "flow-logs".into(),
            traffic: "ALL".into(),
            interval: 600,
            trouble: Some("Access error".into()),
        };
        assert_eq!(state(&answer), expected);
    }
}
