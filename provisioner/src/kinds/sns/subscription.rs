//! `sns.subscription`: a queue, a function or an e-mail address that gets the messages of a topic.
//!
//! A subscription takes no tags: it belongs to its topic. It is found by `ListSubscriptionsByTopic`. It is unique by
//! topic, protocol and endpoint, so a repeated `Subscribe` gives the same one (SNS API reference, Subscribe). An e-mail
//! address has to confirm. Until then its subscription is shown as pending, which does not count as a difference.
//!
//! A filter policy chooses messages by their attributes. What SNS cannot hand over to a function goes to a queue, whose
//! policy has to let the topic in (SNS developer guide, "Amazon SNS dead-letter queues"). SNS does not try whether it
//! may call the function: without a permission each message goes to that queue.
//!
//! A subscription that the stack file does not ask for gets a copy of every message, so it is taken away. Until it is
//! confirmed it gets nothing, and SNS lets nobody remove it, so it is not shown: AWS drops it after three days.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws::{Cx, Error, collect};
use crate::kind::facts::{Address, Facts, Field, Retry};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::lambda::{Function, function_arn};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::sns::Topic;
use crate::kinds::sqs::Queue;
use crate::scope::Scope;

pub struct Subscription;

#[derive(Serialize, Deserialize)]
pub struct SubscriptionSpec {
    pub topic: Ref<Topic>,
    pub endpoint: Endpoint,
    /// Whether messages arrive without SNS's envelope.
    pub raw: bool,
    /// The filter policy, for messages that have certain attributes.
    pub filter: Option<Value>,
    /// The queue for messages that cannot be handed over.
    pub failed: Option<Ref<Queue>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    Queue(Ref<Queue>),
    Function(Ref<Function>),
    Email(String),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubscriptionState {
    pub topic_arn: String,
    pub protocol: String,
    pub endpoint: String,
    pub raw: Option<bool>,
    /// The filter policy, `{}` for none.
    pub filter: Value,
    /// The part of a message that the filter is about.
    pub filter_scope: String,
    /// The ARN of the queue for messages that cannot be handed over, "" for none.
    pub failed: String,
    pub pending: bool,
}

impl Kind for Subscription {
    const FACTS: Facts = Facts {
        name: "sns.subscription",
        untagged: "it belongs to its topic",
        fields: &[
            Field::fixed("topic_arn"),
            Field::fixed("protocol"),
            Field::fixed("endpoint"),
            Field::wanted("raw"),
            Field::wanted("filter"),
            Field::wanted("filter_scope"),
            Field::wanted("failed"),
            Field::theirs("pending"),
        ],
        read_after: &["sns.topic", "sqs.queue"],
        retry: &[Retry::code("NotFound", 20)],
        actions: &[
            "sns:GetSubscriptionAttributes",
            "sns:ListSubscriptionsByTopic",
            "sns:SetSubscriptionAttributes",
            "sns:Subscribe",
            "sns:Unsubscribe",
        ],
        ..Facts::DEFAULT
    };

    type Spec = SubscriptionSpec;
    type State = SubscriptionState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &SubscriptionSpec, outputs: &Outputs) -> Result<SubscriptionState, Missing> {
        let (protocol, endpoint, raw) = match &spec.endpoint {
            Endpoint::Queue(queue) => ("sqs", outputs.get(queue)?.arn, Some(spec.raw)),
            Endpoint::Function(function) => ("lambda", outputs.get(function)?.arn, None),
            Endpoint::Email(address) => ("email", address.clone(), None),
        };
        let failed = match &spec.failed {
            Some(queue) => outputs.get(queue)?.arn,
            None => String::new(),
        };
        Ok(SubscriptionState {
            topic_arn: outputs.get(&spec.topic)?.arn,
            protocol: protocol.into(),
            endpoint,
            raw,
            filter: spec.filter.clone().unwrap_or_else(|| json!({})),
            filter_scope: BY_ATTRIBUTES.to_owned(),
            failed,
            pending: false,
        })
    }
}

impl OnAws for Subscription {
    async fn read(cx: &Cx, query: &Query<'_, Subscription>) -> Result<Vec<Live<Subscription>>, Error> {
        let mut wanted: HashMap<(String, String), &str> = HashMap::new();
        for (name, spec) in &query.wanted {
            let endpoint = match &spec.endpoint {
                Endpoint::Queue(queue) => query.outputs.get(queue).map(|queue| queue.arn),
                Endpoint::Function(function) => Ok(function_arn(query.scope, &function.name)),
                Endpoint::Email(address) => Ok(address.clone()),
            };
            // Without its topic or its queue there is no subscription.
            if let (Ok(topic), Ok(endpoint)) = (query.outputs.get(&spec.topic), endpoint) {
                wanted.insert((topic.arn, endpoint), name);
            }
        }
        collect(query.outputs.all::<Topic>(), |(name, topic)| of_topic(cx, name, topic.arn, &wanted)).await
    }

    async fn create(cx: &Cx, _: &str, want: &SubscriptionState) -> Result<(), Error> {
        let mut call = cx.sns.subscribe().topic_arn(&want.topic_arn).protocol(&want.protocol).endpoint(&want.endpoint);
        if let Some(raw) = want.raw {
            call = call.attributes("RawMessageDelivery", raw.to_string());
        }
        if want.filter != json!({}) {
            call = call.attributes(FILTER, want.filter.to_string()).attributes(FILTER_SCOPE, &want.filter_scope);
        }
        if let Some(redrive) = redrive(want) {
            call = call.attributes(REDRIVE, redrive);
        }
        call.return_subscription_arn(true).send().await?;
        Ok(())
    }

    async fn update(
        cx: &Cx,
        live: &Live<Subscription>,
        want: &SubscriptionState,
        changed: &Changed,
    ) -> Result<(), Error> {
        let set = |name: &str, value: Option<String>| {
            let call = cx.sns.set_subscription_attributes().subscription_arn(&live.id);
            call.attribute_name(name).set_attribute_value(value).send()
        };
        if changed.has("raw") {
            set("RawMessageDelivery", Some(want.raw.unwrap_or_default().to_string())).await?;
        }
        if changed.has("filter_scope") {
            set(FILTER_SCOPE, Some(want.filter_scope.clone())).await?;
        }
        if changed.has("filter") {
            // An empty policy takes the filter away.
            set(FILTER, Some(want.filter.to_string())).await?;
        }
        if changed.has("failed") {
            // SNS takes no empty text here. No value at all takes the queue away (terraform-provider-aws,
            // `putSubscriptionAttribute`).
            set(REDRIVE, redrive(want)).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Subscription>, _: LastWish) -> Result<(), Error> {
        // A subscription that nobody has confirmed has no ARN yet. It goes with its topic, or by itself after some
        // days.
        if live.state.pending {
            return Ok(());
        }
        Error::or_gone(cx.sns.unsubscribe().subscription_arn(&live.id).send().await, &["NotFound", "NotFoundException"])
    }
}

async fn of_topic(
    cx: &Cx,
    topic_name: String,
    topic: String,
    wanted: &HashMap<(String, String), &str>,
) -> Result<Vec<Live<Subscription>>, Error> {
    let queues = format!("{}-", cx.scope.arn("sqs", &cx.scope.prefix()));
    let functions = format!("{}-", cx.scope.arn("lambda", &format!("function:{}", cx.scope.prefix())));
    let ours = |endpoint: &str| {
        let rest = endpoint.strip_prefix(&queues).map(|queue| queue.trim_end_matches(".fifo"));
        rest.or_else(|| endpoint.strip_prefix(&functions)).map(str::to_owned)
    };
    let mut live = Vec::new();
    let mut pages = cx.sns.list_subscriptions_by_topic().topic_arn(&topic).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = match page.map_err(Error::from) {
            Ok(page) => page,
            Err(error) if error.is(&["NotFound", "NotFoundException"]) => return Ok(live),
            Err(error) => return Err(error),
        };
        for found in page.subscriptions() {
            let (arn, endpoint) = (found.subscription_arn().unwrap_or_default(), found.endpoint().unwrap_or_default());
            let (pending, protocol) = (!arn.starts_with("arn:"), found.protocol().unwrap_or_default());
            let (name, owner) = match (wanted.get(&(topic.clone(), endpoint.to_owned())), ours(endpoint)) {
                (Some(name), _) => ((*name).to_owned(), Owner::Child),
                // This is a queue or a function of this stack that gets no messages any more, or one that does not show
                // yet. The subscription gets the name that `expand` would give it, so that it is the same one when the
                // queue shows.
                (None, Some(rest)) => (format!("{topic_name}-to-{rest}"), Owner::Child),
                (None, None) if pending => continue,
                // The stack file may have named this address once.
                (None, None) if protocol == "email" => (format!("{topic_name}-to-{endpoint}"), Owner::Child),
                (None, None) => {
                    let on = Address { kind: Topic::FACTS.name, name: topic_name.clone() };
                    (format!("{topic_name}/{endpoint}"), Owner::Beside(on))
                }
            };
            let attributes = match protocol {
                "sqs" | "lambda" if !pending => attributes(cx, arn).await?,
                _ => HashMap::new(),
            };
            let state = SubscriptionState {
                topic_arn: topic.clone(),
                protocol: protocol.to_owned(),
                endpoint: endpoint.to_owned(),
                pending,
                ..settings(protocol, &attributes)
            };
            live.push(Live::ready(
                (name, owner),
                if pending { format!("{topic} to {endpoint} (not confirmed yet)") } else { arn.to_owned() },
                state,
                (),
            ));
        }
    }
    Ok(live)
}

async fn attributes(cx: &Cx, arn: &str) -> Result<HashMap<String, String>, Error> {
    let answer = cx.sns.get_subscription_attributes().subscription_arn(arn).send().await;
    let answer = Error::unless_gone(answer, &["NotFound", "NotFoundException"])?;
    Ok(answer.and_then(|answer| answer.attributes).unwrap_or_default())
}

const FILTER: &str = "FilterPolicy";
const FILTER_SCOPE: &str = "FilterPolicyScope";
const REDRIVE: &str = "RedrivePolicy";
/// The usual scope of a filter. AWS does not name it where there is no filter.
const BY_ATTRIBUTES: &str = "MessageAttributes";

/// The policy for messages that cannot be handed over. `None` if there is no queue for them.
fn redrive(want: &SubscriptionState) -> Option<String> {
    (!want.failed.is_empty()).then(|| json!({"deadLetterTargetArn": want.failed}).to_string())
}

/// The part of the state that is in the attributes of a subscription.
fn settings(protocol: &str, attributes: &HashMap<String, String>) -> SubscriptionState {
    let parsed = |name: &str| attributes.get(name).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let raw = attributes.get("RawMessageDelivery").is_some_and(|raw| raw == "true");
    let scope = attributes.get(FILTER_SCOPE).map(String::as_str).filter(|scope| !scope.is_empty());
    let failed = parsed(REDRIVE).and_then(|redrive| Some(redrive["deadLetterTargetArn"].as_str()?.to_owned()));
    SubscriptionState {
        raw: (protocol == "sqs" && !attributes.is_empty()).then_some(raw),
        filter: parsed(FILTER).unwrap_or_else(|| json!({})),
        filter_scope: scope.unwrap_or(BY_ATTRIBUTES).to_owned(),
        failed: failed.unwrap_or_default(),
        ..SubscriptionState::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attributes in the form of GetSubscriptionAttributes of the SNS API reference.
    #[test]
    fn a_recorded_answer_reads_as_what_we_want() {
        let answer = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<HashMap<_, _>>()
        };
        let queue = "arn:aws:sqs:us-east-2:123456789012:failed";
        let redrive = format!(r#"{{"deadLetterTargetArn": "{queue}"}}"#);
        let all = [("RawMessageDelivery", "false"), (FILTER, r#"{ "kind": ["order"] }"#), (REDRIVE, redrive.as_str())];
        let state = settings("lambda", &answer(&all));
        assert_eq!((state.raw, state.filter, state.failed.as_str()), (None, json!({"kind": ["order"]}), queue));
        let state = settings("sqs", &answer(&[("RawMessageDelivery", "true"), (FILTER, "{}")]));
        let none = (Some(true), json!({}), BY_ATTRIBUTES, "");
        assert_eq!((state.raw, state.filter, state.filter_scope.as_str(), state.failed.as_str()), none);
    }
}
