//! `logs.subscription_filter`: sends the events of a log group that match a pattern to a function.
//!
//! A filter takes no tags: it belongs to its log group, which may have two (CloudWatch Logs quotas). It is found by the
//! group's name and its own, with one `DescribeSubscriptionFilters` per group. Any other filter on a group of ours
//! sends the group's lines elsewhere, and is taken away. CloudWatch Logs sends a test message when a filter is put, so
//! the function's permission has to exist before ("Could not deliver test message to specified …"). Putting a filter
//! creates or updates it, so a change is the same call. A filter sends the events that come after it. The test message
//! makes the forwarder fetch the events from before.

use std::collections::HashMap;

use aws_sdk_cloudwatchlogs::types::SubscriptionFilter as Answer;
use serde::{Deserialize, Serialize};

use super::LogGroup;
use crate::aws::{Cx, Error, each};
use crate::kind::facts::{Address, Facts, Field, Retry};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::lambda::{Function, Permission};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct SubscriptionFilter;

#[derive(Serialize, Deserialize)]
pub struct SubscriptionFilterSpec {
    pub log_group: Ref<LogGroup>,
    /// A CloudWatch Logs filter pattern. It is empty for all events.
    pub pattern: String,
    pub function: Ref<Function>,
    pub permission: Ref<Permission>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubscriptionFilterState {
    pub log_group: String,
    pub filter: String,
    pub pattern: String,
    pub destination: String,
}

impl Kind for SubscriptionFilter {
    const FACTS: Facts = Facts {
        name: "logs.subscription_filter",
        untagged: "it belongs to its log group",
        fields: &[
            Field::fixed("log_group"),
            Field::fixed("filter"),
            Field::wanted("pattern"),
            Field::wanted("destination"),
        ],
        read_after: &["logs.log_group", "lambda.function", "lambda.permission"],
        retry: &[
            Retry::saying("InvalidParameterException", "could not deliver test message", 300),
            Retry::saying("InvalidParameterException", "could not execute the lambda function", 300),
        ],
        actions: &["logs:DeleteSubscriptionFilter", "logs:DescribeSubscriptionFilters", "logs:PutSubscriptionFilter"],
        ..Facts::DEFAULT
    };

    type Spec = SubscriptionFilterSpec;
    type State = SubscriptionFilterState;
    type Output = ();
    type Ready = ();

    fn want(
        scope: &Scope,
        _: &str,
        spec: &SubscriptionFilterSpec,
        outputs: &Outputs,
    ) -> Result<SubscriptionFilterState, Missing> {
        outputs.get(&spec.permission)?;
        // A function that is not active yet refuses the test message.
        outputs.ready(&spec.function)?;
        Ok(SubscriptionFilterState {
            log_group: outputs.get(&spec.log_group)?.name,
            filter: filter_name(scope),
            pattern: spec.pattern.clone(),
            destination: outputs.get(&spec.function)?.arn,
        })
    }
}

impl OnAws for SubscriptionFilter {
    async fn read(cx: &Cx, query: &Query<'_, SubscriptionFilter>) -> Result<Vec<Live<SubscriptionFilter>>, Error> {
        let wanted: HashMap<&str, &str> =
            query.wanted.iter().map(|(name, spec)| (spec.log_group.name.as_str(), name.as_str())).collect();
        let mut live = Vec::new();
        let groups = query.outputs.all::<LogGroup>().into_iter().map(|(group, output)| (group, output.name));
        for found in each(groups.collect(), |(group, path)| of_group(cx, group, path)).await {
            let (group, filters) = found?;
            for state in filters {
                let (name, id, owner) = match state.filter == filter_name(&cx.scope) {
                    // A group has only one filter of ours, so a filter that nothing asks for any more gets the group's
                    // name.
                    true => (
                        wanted.get(group.as_str()).map_or_else(|| group.clone(), |name| (*name).to_owned()),
                        format!("{} on {}", state.filter, state.log_group),
                        Owner::Child,
                    ),
                    false => (
                        format!("{group}/{}", state.filter),
                        format!("to {}", state.destination),
                        Owner::Beside(Address { kind: LogGroup::FACTS.name, name: group.clone() }),
                    ),
                };
                live.push(Live::ready((name, owner), id, state, ()));
            }
        }
        Ok(live)
    }

    async fn create(cx: &Cx, _: &str, want: &SubscriptionFilterState) -> Result<(), Error> {
        let call = cx.logs.put_subscription_filter().log_group_name(&want.log_group).filter_name(&want.filter);
        call.filter_pattern(&want.pattern).destination_arn(&want.destination).send().await?;
        Ok(())
    }

    async fn update(
        cx: &Cx,
        live: &Live<SubscriptionFilter>,
        want: &SubscriptionFilterState,
        _: &Changed,
    ) -> Result<(), Error> {
        SubscriptionFilter::create(cx, &live.name, want).await
    }

    async fn delete(cx: &Cx, live: &Live<SubscriptionFilter>, _: LastWish) -> Result<(), Error> {
        let call = cx.logs.delete_subscription_filter().log_group_name(&live.state.log_group);
        Error::or_gone(call.filter_name(&live.state.filter).send().await, &["ResourceNotFoundException"])
    }
}

fn filter_name(scope: &Scope) -> String {
    scope.name("search", 512)
}

/// All filters on a group, ours and those of others.
async fn of_group(cx: &Cx, group: String, path: String) -> Result<(String, Vec<SubscriptionFilterState>), Error> {
    let pages = cx.logs.describe_subscription_filters().log_group_name(&path).into_paginator().items().send();
    let found: Option<Vec<Answer>> = Error::unless_gone(pages.try_collect().await, &["ResourceNotFoundException"])?;
    let filters = found.into_iter().flatten().map(|found| SubscriptionFilterState {
        log_group: path.clone(),
        filter: found.filter_name.unwrap_or_default(),
        pattern: found.filter_pattern.unwrap_or_default(),
        destination: found.destination_arn.unwrap_or_default(),
    });
    Ok((group, filters.collect()))
}
