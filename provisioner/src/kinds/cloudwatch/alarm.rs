//! `cloudwatch.alarm`: tells a topic when a metric is out of bounds.
//!
//! Alarms are found by name: one `DescribeAlarms` by prefix, then the tags of each. Names have at most 255 characters.
//! Putting an alarm creates or updates it, and AWS takes tags only for a new alarm (CloudWatch API reference,
//! PutMetricAlarm). The topic has to be under a customer key: an alarm cannot publish under `alias/aws/sns`.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, Statistic, Tag};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tag_list;
use crate::aws::{Cx, Error, Look, Tags, collect};
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::apigatewayv2::Api;
use crate::kinds::dynamodb::Table;
use crate::kinds::elbv2::LoadBalancer;
use crate::kinds::lambda::Function;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::rds::Instance;
use crate::kinds::sns::Topic;
use crate::kinds::sqs::Queue;
use crate::scope::Scope;

pub struct Alarm;

#[derive(Serialize, Deserialize)]
pub struct AlarmSpec {
    /// What the alarm means and what to do, for the person whom it wakes.
    pub description: String,
    pub of: Measured,
    pub metric: String,
    /// The statistic: `Average`, `Maximum` or `Sum`.
    pub statistic: String,
    /// The period in seconds.
    pub period: i32,
    pub periods: i32,
    pub threshold: f64,
    /// Whether the alarm goes off above the threshold. If not, it goes off below it.
    pub above: bool,
    pub topic: Option<Ref<Topic>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    Queue(Ref<Queue>),
    LoadBalancer(Ref<LoadBalancer>),
    Database(Ref<Instance>),
    Function(Ref<Function>),
    /// Every request of the API.
    Api(Ref<Api>),
    Table(Ref<Table>),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AlarmState {
    pub name: String,
    pub description: String,
    pub namespace: String,
    pub metric: String,
    pub dimensions: BTreeMap<String, String>,
    pub statistic: String,
    pub period: i32,
    pub periods: i32,
    pub threshold: f64,
    pub comparison: String,
    pub missing_data: String,
    pub actions: Vec<String>,
    pub actions_enabled: bool,
    /// The actions that others have added, by ARN. Each has the state in which it happens: when all is well again, or
    /// when nothing is measured.
    pub other_actions: BTreeMap<String, Value>,
}

impl Kind for Alarm {
    const FACTS: Facts = Facts {
        name: "cloudwatch.alarm",
        fields: &[
            Field::fixed("name"),
            Field::wanted("description"),
            Field::wanted("namespace"),
            Field::wanted("metric"),
            Field::wanted("dimensions"),
            Field::wanted("statistic"),
            Field::wanted("period"),
            Field::wanted("periods"),
            Field::wanted("threshold"),
            Field::wanted("comparison"),
            Field::wanted("missing_data"),
            Field::wanted("actions"),
            Field::wanted("actions_enabled"),
            Field::beside("other_actions", "action"),
        ],
        actions: &[
            "cloudwatch:DeleteAlarms",
            "cloudwatch:DescribeAlarms",
            "cloudwatch:ListTagsForResource",
            "cloudwatch:PutMetricAlarm",
            "cloudwatch:TagResource",
            "cloudwatch:UntagResource",
        ],
        ..Facts::DEFAULT
    };

    type Spec = AlarmSpec;
    type State = AlarmState;
    type Output = ();
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &AlarmSpec, outputs: &Outputs) -> Result<AlarmState, Missing> {
        let (namespace, dimension, value) = match &spec.of {
            Measured::Queue(queue) => ("AWS/SQS", "QueueName", last(&outputs.get(queue)?.arn)),
            Measured::LoadBalancer(balancer) => {
                ("AWS/ApplicationELB", "LoadBalancer", outputs.get(balancer)?.full_name)
            }
            Measured::Function(function) => ("AWS/Lambda", "FunctionName", outputs.get(function)?.name),
            Measured::Table(table) => ("AWS/DynamoDB", "TableName", outputs.get(table)?.name),
            Measured::Api(api) => ("AWS/ApiGateway", "ApiId", outputs.get(api)?.id),
            Measured::Database(instance) => ("AWS/RDS", "DBInstanceIdentifier", outputs.get(instance)?.identifier),
        };
        let mut actions = Vec::new();
        if let Some(topic) = &spec.topic {
            actions.push(outputs.get(topic)?.arn);
        }
        let comparison = match spec.above {
            true => ComparisonOperator::GreaterThanThreshold,
            false => ComparisonOperator::LessThanThreshold,
        };
        Ok(AlarmState {
            name: scope.name(name, 255),
            description: spec.description.clone(),
            namespace: namespace.to_owned(),
            metric: spec.metric.clone(),
            dimensions: BTreeMap::from([(dimension.to_owned(), value)]),
            statistic: spec.statistic.clone(),
            period: spec.period,
            periods: spec.periods,
            threshold: spec.threshold,
            comparison: comparison.as_str().to_owned(),
            // A metric without messages or requests does not mean a failure.
            missing_data: "notBreaching".to_owned(),
            actions_enabled: true,
            other_actions: BTreeMap::new(),
            actions,
        })
    }
}

impl OnAws for Alarm {
    async fn read(cx: &Cx, query: &Query<'_, Alarm>) -> Result<Vec<Live<Alarm>>, Error> {
        let wanted = query.named(|name, _| cx.scope.name(name, 255));
        let prefix = format!("{}-", cx.scope.prefix());
        let mut alarms = Vec::new();
        let mut pages = cx.cloudwatch.describe_alarms().alarm_name_prefix(prefix).into_paginator().send();
        while let Some(page) = pages.next().await {
            alarms.extend(page?.metric_alarms.unwrap_or_default());
        }
        collect(alarms, |alarm| one(cx, alarm, &wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &AlarmState) -> Result<(), Error> {
        put(cx, want, Some(tag_list(cx.scope.tags(name)))).await
    }

    async fn update(cx: &Cx, _: &Live<Alarm>, want: &AlarmState, _: &Changed) -> Result<(), Error> {
        put(cx, want, None).await
    }

    async fn delete(cx: &Cx, live: &Live<Alarm>, _: LastWish) -> Result<(), Error> {
        Error::or_gone(
            cx.cloudwatch.delete_alarms().alarm_names(&live.state.name).send().await,
            &["ResourceNotFound", "ResourceNotFoundException"],
        )
    }
}

async fn put(cx: &Cx, want: &AlarmState, tags: Option<Vec<Tag>>) -> Result<(), Error> {
    let dimensions = want.dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build());
    cx.cloudwatch
        .put_metric_alarm()
        .alarm_name(&want.name)
        .alarm_description(&want.description)
        .namespace(&want.namespace)
        .metric_name(&want.metric)
        .set_dimensions(Some(dimensions.collect()))
        .statistic(Statistic::from(want.statistic.as_str()))
        .period(want.period)
        .evaluation_periods(want.periods)
        .threshold(want.threshold)
        .comparison_operator(ComparisonOperator::from(want.comparison.as_str()))
        .treat_missing_data(&want.missing_data)
        .set_alarm_actions(Some(want.actions.clone()))
        .actions_enabled(want.actions_enabled)
        .set_tags(tags)
        .send()
        .await?;
    Ok(())
}

/// The tags of an alarm. An alarm that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    let gone = &["ResourceNotFound", "ResourceNotFoundException"];
    let answer = Error::unless_gone(cx.cloudwatch.list_tags_for_resource().resource_arn(arn).send().await, gone)?;
    let tags = answer.and_then(|answer| answer.tags).unwrap_or_default();
    Ok(tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect())
}

async fn one(
    cx: &Cx,
    alarm: MetricAlarm,
    wanted: &HashMap<String, &str>,
    look: &Look,
) -> Result<Option<Live<Alarm>>, Error> {
    let arn = alarm.alarm_arn().unwrap_or_default();
    let wanted = wanted.get(alarm.alarm_name().unwrap_or_default()).copied();
    let Some(whose) = look.whose(cx, arn, wanted, tags(cx, arn)).await? else { return Ok(None) };
    Ok(Some(Live::ready(whose, arn.to_owned(), state(&alarm), ())))
}

fn state(alarm: &MetricAlarm) -> AlarmState {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let mut actions = alarm.alarm_actions().to_vec();
    actions.sort();
    AlarmState {
        name: text(alarm.alarm_name()),
        description: text(alarm.alarm_description()),
        namespace: text(alarm.namespace()),
        metric: text(alarm.metric_name()),
        dimensions: alarm.dimensions().iter().map(|one| (text(one.name()), text(one.value()))).collect(),
        statistic: text(alarm.statistic().map(Statistic::as_str)),
        period: alarm.period().unwrap_or_default(),
        periods: alarm.evaluation_periods().unwrap_or_default(),
        threshold: alarm.threshold().unwrap_or_default(),
        comparison: text(alarm.comparison_operator().map(ComparisonOperator::as_str)),
        missing_data: text(alarm.treat_missing_data()),
        actions,
        actions_enabled: alarm.actions_enabled().unwrap_or_default(),
        other_actions: other_actions(alarm),
    }
}

fn other_actions(alarm: &MetricAlarm) -> BTreeMap<String, Value> {
    let of = |arns: &[String], when: &str| arns.iter().map(|arn| (arn.clone(), when.into())).collect::<Vec<_>>();
    let mut others = of(alarm.ok_actions(), "when all is well again");
    others.extend(of(alarm.insufficient_data_actions(), "when nothing is measured"));
    others.into_iter().collect()
}

fn last(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or(arn).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An alarm on a queue, with its dimensions as a list, as in botocore's `cloudwatch/2010-08-01` documentation of
    /// DescribeAlarms.
    #[test]
    fn an_answer_reads_as_what_was_put() {
        let alarm = MetricAlarm::builder()
            .alarm_name("a-b-dead")
            .namespace("AWS/SQS")
            .metric_name("ApproximateNumberOfMessagesVisible")
            .dimensions(Dimension::builder().name("QueueName").value("a-b-dead").build())
            .statistic(Statistic::Maximum)
            .period(60)
            .evaluation_periods(1)
            .threshold(0.0)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .treat_missing_data("notBreaching")
            .actions_enabled(true)
            .build();
        let state = state(&alarm);
        assert_eq!(state.dimensions["QueueName"], "a-b-dead");
        assert_eq!((state.comparison.as_str(), state.period), ("GreaterThanThreshold", 60));
    }
}
