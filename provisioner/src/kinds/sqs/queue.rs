//! `sqs.queue`: a queue, its redrive policy and its access policy.
//!
//! Queues are found by name: one `ListQueues` by prefix, then attributes and tags of each. Names have at most 80
//! characters, `.fifo` included. Attributes take up to 60 seconds to be seen everywhere, and retention takes up to 15
//! minutes. A deleted name is blocked for 60 seconds (SQS API reference, CreateQueue and SetQueueAttributes). Queues
//! are encrypted with SQS's own keys (SSE-SQS), because SNS cannot deliver to a queue under `alias/aws/sqs`.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws::{Cx, Error, Look, Tags, collect, policy};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::events::rule_arn;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::sns::Topic;
use crate::scope::Scope;

pub struct Queue;

#[derive(Serialize, Deserialize)]
pub struct QueueSpec {
    pub fifo: bool,
    /// The visibility timeout in seconds.
    pub visibility_timeout: u64,
    /// The retention in seconds.
    pub retention: u64,
    /// The delay in seconds.
    pub delay: u64,
    pub dead_letter: Option<DeadLetter>,
    /// The topics that may send to the queue: those that feed it, and those that put there what they could not hand
    /// over.
    pub from: Vec<Ref<Topic>>,
    /// The rules of EventBridge that put there what they could not hand over, by name. They are no references, because
    /// a rule refers to its queue.
    pub rules: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub struct DeadLetter {
    pub queue: Ref<Queue>,
    pub after: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct QueueState {
    pub name: String,
    pub visibility_timeout: u64,
    pub retention: u64,
    pub delay: u64,
    pub receive_wait: u64,
    pub managed_encryption: bool,
    pub redrive: Value,
    pub policy: Value,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct QueueOutput {
    pub arn: String,
    pub url: String,
}

impl Kind for Queue {
    const FACTS: Facts = Facts {
        name: "sqs.queue",
        fields: &[
            Field::fixed("name"),
            Field::wanted("visibility_timeout"),
            Field::wanted("retention"),
            Field::wanted("delay"),
            Field::wanted("receive_wait"),
            Field::wanted("managed_encryption"),
            Field::wanted("redrive"),
            Field::wanted("policy"),
        ],
        exists: &["QueueAlreadyExists", "QueueNameExists", "AWS.SimpleQueueService.QueueNameExists"],
        retry: &[
            Retry::code("QueueDeletedRecently", 70),
            Retry::code("AWS.SimpleQueueService.QueueDeletedRecently", 70),
            Retry::code("QueueDoesNotExist", 20),
            // IAM does not show a principal yet. AWS says the same about a policy that is really wrong.
            Retry::saying("InvalidAttributeValue", "policy", 30),
            Retry::saying("InvalidParameterValue", "dead letter target does not exist", 30),
        ],
        actions: &[
            "sqs:CreateQueue",
            "sqs:DeleteQueue",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ListQueueTags",
            "sqs:ListQueues",
            "sqs:SetQueueAttributes",
            "sqs:TagQueue",
            "sqs:UntagQueue",
        ],
        takes_along: "the messages that are still in it",
        ..Facts::DEFAULT
    };

    type Spec = QueueSpec;
    type State = QueueState;
    type Output = QueueOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &QueueSpec, outputs: &Outputs) -> Result<QueueState, Missing> {
        let queue = queue_name(scope, name, spec.fifo);
        let redrive = match &spec.dead_letter {
            Some(dead) => {
                json!({"deadLetterTargetArn": outputs.get(&dead.queue)?.arn, "maxReceiveCount": dead.after})
            }
            None => json!({}),
        };
        let topics: Vec<String> = outputs.of_each(&spec.from, |topic| topic.arn)?;
        let rules: Vec<String> = spec.rules.iter().map(|rule| rule_arn(scope, rule)).collect();
        Ok(QueueState {
            policy: access_policy(&scope.arn("sqs", &queue), &topics, &rules),
            name: queue,
            visibility_timeout: spec.visibility_timeout,
            retention: spec.retention,
            delay: spec.delay,
            // Everybody uses long polling, because an empty receive costs as much as a full one.
            receive_wait: 20,
            managed_encryption: true,
            redrive,
        })
    }
}

impl OnAws for Queue {
    async fn read(cx: &Cx, query: &Query<'_, Queue>) -> Result<Vec<Live<Queue>>, Error> {
        let prefix = format!("{}-", cx.scope.prefix());
        let listed = cx.sqs.list_queues().queue_name_prefix(prefix).max_results(1000).into_paginator().items().send();
        let mut urls: Vec<String> = listed.try_collect().await?;
        let mut unlisted = Vec::new();
        for (name, spec) in &query.wanted {
            let queue = queue_name(&cx.scope, name, spec.fifo);
            if !urls.iter().any(|url| url.rsplit('/').next() == Some(&queue)) {
                unlisted.push(queue);
            }
        }
        // The list lags. Queues that it does not show are asked for by name.
        urls.extend(collect(unlisted, |queue| url_of(cx, queue)).await?);
        let wanted = query.named(|name, spec| queue_name(&cx.scope, name, spec.fifo));
        collect(urls, |url| one(cx, url, &wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &QueueState) -> Result<QueueOutput, Error> {
        let mut call = cx.sqs.create_queue().queue_name(&want.name).set_attributes(Some(attributes(want)));
        if want.name.ends_with(".fifo") {
            call =
                call.attributes(Attribute::FifoQueue, "true").attributes(Attribute::ContentBasedDeduplication, "true");
        }
        for (key, value) in cx.scope.tags(name) {
            call = call.tags(key, value);
        }
        let url = call.send().await?.queue_url.unwrap_or_default();
        Ok(QueueOutput { arn: cx.scope.arn("sqs", &want.name), url })
    }

    async fn update(cx: &Cx, live: &Live<Queue>, want: &QueueState, _: &Changed) -> Result<(), Error> {
        let mut attributes = attributes(want);
        // An empty policy takes a dead-letter queue away. An absent one would keep it.
        attributes.entry(Attribute::RedrivePolicy).or_default();
        cx.sqs.set_queue_attributes().queue_url(&live.output.url).set_attributes(Some(attributes)).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Queue>, _: LastWish) -> Result<(), Error> {
        Error::or_gone(cx.sqs.delete_queue().queue_url(&live.output.url).send().await, GONE)
    }
}

const GONE: &[&str] = &["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];

pub fn queue_name(scope: &Scope, name: &str, fifo: bool) -> String {
    match fifo {
        true => format!("{}.fifo", scope.name(name, 75)),
        false => scope.name(name, 80),
    }
}

/// The access policy of a queue: its own account may use it by IAM, its topics and rules may send, and nobody may use it
/// without TLS.
fn access_policy(arn: &str, topics: &[String], rules: &[String]) -> Value {
    let mut statements = vec![json!({
        "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })];
    for (sid, service, sources) in [("Topics", "sns", topics), ("Rules", "events", rules)] {
        if !sources.is_empty() {
            let principal = json!({"Service": format!("{service}.amazonaws.com")});
            statements.push(json!({
                "Sid": sid, "Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": sources}},
            }));
        }
    }
    policy::normal(&json!({"Version": "2012-10-17", "Statement": statements}))
}

fn attributes(want: &QueueState) -> HashMap<Attribute, String> {
    let redrive = if want.redrive == json!({}) { String::new() } else { want.redrive.to_string() };
    let mut attributes = HashMap::from([
        (Attribute::VisibilityTimeout, want.visibility_timeout.to_string()),
        (Attribute::MessageRetentionPeriod, want.retention.to_string()),
        (Attribute::DelaySeconds, want.delay.to_string()),
        (Attribute::ReceiveMessageWaitTimeSeconds, want.receive_wait.to_string()),
        (Attribute::SqsManagedSseEnabled, want.managed_encryption.to_string()),
        (Attribute::Policy, want.policy.to_string()),
    ]);
    if !redrive.is_empty() {
        attributes.insert(Attribute::RedrivePolicy, redrive);
    }
    attributes
}

async fn url_of(cx: &Cx, queue: String) -> Result<Option<String>, Error> {
    let answer = Error::unless_gone(cx.sqs.get_queue_url().queue_name(queue).send().await, GONE)?;
    Ok(answer.and_then(|answer| answer.queue_url))
}

/// The tags of a queue. A queue that has gone meanwhile has none.
async fn tags(cx: &Cx, url: &str) -> Result<Tags, Error> {
    let answer = Error::unless_gone(cx.sqs.list_queue_tags().queue_url(url).send().await, GONE)?;
    Ok(answer.and_then(|answer| answer.tags).unwrap_or_default())
}

async fn one(cx: &Cx, url: String, wanted: &HashMap<String, &str>, look: &Look) -> Result<Option<Live<Queue>>, Error> {
    let queue = url.rsplit('/').next().unwrap_or_default().to_owned();
    let (arn, wanted) = (cx.scope.arn("sqs", &queue), wanted.get(&queue).copied());
    let attributes = cx.sqs.get_queue_attributes().queue_url(&url).attribute_names(Attribute::All).send();
    let (attributes, whose) = tokio::join!(attributes, look.whose(cx, &arn, wanted, tags(cx, &url)));
    let Some(attributes) = Error::unless_gone(attributes, GONE)?.map(|answer| answer.attributes.unwrap_or_default())
    else {
        return Ok(None);
    };
    let Some(whose) = whose? else {
        return Ok(None);
    };
    Ok(Some(Live::ready(whose, url.clone(), state(&queue, &attributes), QueueOutput { arn, url })))
}

fn state(queue: &str, attributes: &HashMap<Attribute, String>) -> QueueState {
    let text = |name: Attribute| attributes.get(&name).map(String::as_str).unwrap_or_default();
    let number = |name: Attribute| text(name).parse().unwrap_or_default();
    let mut redrive: Value = serde_json::from_str(text(Attribute::RedrivePolicy)).unwrap_or_else(|_| json!({}));
    // AWS gives the count back in the form in which it was sent, as a number or as text.
    if let Some(count) = redrive["maxReceiveCount"].as_str().and_then(|count| count.parse::<u32>().ok()) {
        redrive["maxReceiveCount"] = count.into();
    }
    QueueState {
        name: queue.to_owned(),
        visibility_timeout: number(Attribute::VisibilityTimeout),
        retention: number(Attribute::MessageRetentionPeriod),
        delay: number(Attribute::DelaySeconds),
        receive_wait: number(Attribute::ReceiveMessageWaitTimeSeconds),
        managed_encryption: text(Attribute::SqsManagedSseEnabled) == "true",
        redrive,
        policy: policy::parse(text(Attribute::Policy)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attributes as AWS answered them: the example of GetQueueAttributes in the SQS API reference, with the policy
    /// indented anew.
    #[test]
    fn a_recorded_answer_reads_as_what_we_want() {
        let policy = access_policy(
            "arn:aws:sqs:us-east-1:123456789012:q",
            &["arn:aws:sns:us-east-1:123456789012:t".into()],
            &[],
        );
        let answer = HashMap::from([
            (Attribute::VisibilityTimeout, "30".to_owned()),
            (Attribute::DelaySeconds, "0".to_owned()),
            (Attribute::ReceiveMessageWaitTimeSeconds, "20".to_owned()),
            (Attribute::MessageRetentionPeriod, "345600".to_owned()),
            (Attribute::ApproximateNumberOfMessages, "0".to_owned()),
            (Attribute::SqsManagedSseEnabled, "true".to_owned()),
            (
                Attribute::RedrivePolicy,
                r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:d","maxReceiveCount":"5"}"#.to_owned(),
            ),
            (Attribute::Policy, serde_json::to_string_pretty(&policy).expect("json")),
        ]);
        let state = state("q", &answer);
        assert_eq!(state.policy, policy);
        assert_eq!(state.redrive["maxReceiveCount"], 5);
        assert!(state.managed_encryption && state.retention == 345_600);
    }
}
