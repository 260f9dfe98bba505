//! `sns.subscription`: a queue or an e-mail address that gets the messages of a topic.
//!
//! A subscription takes no tags: it belongs to its topic. It is found by `ListSubscriptionsByTopic`. It is unique by
//! topic, protocol and endpoint, so a repeated `Subscribe` gives the same one (SNS API reference, Subscribe). An e-mail
//! address has to confirm. Until then its subscription is shown as pending, which does not count as a difference.
//!
//! A subscription that the stack file does not ask for gets a copy of every message, so it is taken away. Until it is
//! confirmed it gets nothing, and SNS lets nobody remove it, so it is not shown: AWS drops it after three days.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error, collect};
use crate::kind::facts::{Address, Facts, Field, Retry};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
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
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    Queue(Ref<Queue>),
    Email(String),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubscriptionState {
    pub topic_arn: String,
    pub protocol: String,
    pub endpoint: String,
    pub raw: Option<bool>,
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
            Endpoint::Email(address) => ("email", address.clone(), None),
        };
        let topic_arn = outputs.get(&spec.topic)?.arn;
        Ok(SubscriptionState { topic_arn, protocol: protocol.into(), endpoint, raw, pending: false })
    }
}

impl OnAws for Subscription {
    async fn read(cx: &Cx, query: &Query<'_, Subscription>) -> Result<Vec<Live<Subscription>>, Error> {
        let mut wanted: HashMap<(String, String), &str> = HashMap::new();
        for (name, spec) in &query.wanted {
            // Without its topic or its queue there is no subscription.
            if let Ok(want) = Subscription::want(query.scope, name, spec, query.outputs) {
                wanted.insert((want.topic_arn, want.endpoint), name);
            }
        }
        collect(query.outputs.all::<Topic>(), |(name, topic)| of_topic(cx, name, topic.arn, &wanted)).await
    }

    async fn create(cx: &Cx, _: &str, want: &SubscriptionState) -> Result<(), Error> {
        let mut call = cx.sns.subscribe().topic_arn(&want.topic_arn).protocol(&want.protocol).endpoint(&want.endpoint);
        if let Some(raw) = want.raw {
            call = call.attributes("RawMessageDelivery", raw.to_string());
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
        if changed.has("raw") {
            let value = want.raw.unwrap_or_default().to_string();
            let call = cx.sns.set_subscription_attributes().subscription_arn(&live.id);
            call.attribute_name("RawMessageDelivery").attribute_value(value).send().await?;
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
    let ours = format!("{}-", cx.scope.arn("sqs", &cx.scope.prefix()));
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
            let (name, owner) = match wanted.get(&(topic.clone(), endpoint.to_owned())) {
                Some(name) => ((*name).to_owned(), Owner::Child),
                // This is a queue of this stack that gets no messages any more, or one that does not show yet. The
                // subscription gets the name that `expand` would give it, so that it is the same one when the queue
                // shows.
                None if endpoint.starts_with(&ours) => {
                    let queue = endpoint[ours.len()..].trim_end_matches(".fifo");
                    (format!("{topic_name}-to-{queue}"), Owner::Child)
                }
                None if pending => continue,
                // The stack file may have named this address once.
                None if protocol == "email" => (format!("{topic_name}-to-{endpoint}"), Owner::Child),
                None => {
                    let on = Address { kind: Topic::FACTS.name, name: topic_name.clone() };
                    (format!("{topic_name}/{endpoint}"), Owner::Beside(on))
                }
            };
            let raw = match found.protocol() {
                Some("sqs") if !pending => Some(is_raw(cx, arn).await?),
                _ => None,
            };
            let state = SubscriptionState {
                topic_arn: topic.clone(),
                protocol: protocol.to_owned(),
                endpoint: endpoint.to_owned(),
                raw,
                pending,
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

async fn is_raw(cx: &Cx, arn: &str) -> Result<bool, Error> {
    let answer = cx.sns.get_subscription_attributes().subscription_arn(arn).send().await;
    let attributes =
        Error::unless_gone(answer, &["NotFound", "NotFoundException"])?.and_then(|answer| answer.attributes);
    Ok(attributes.is_some_and(|all| all.get("RawMessageDelivery").is_some_and(|raw| raw == "true")))
}
