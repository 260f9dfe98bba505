//! `local.subscription`: a queue that gets the messages of a topic.

use std::collections::BTreeMap;

use local::messaging;
use serde::{Deserialize, Serialize};

use super::{Queue, Topic};
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Missing, Outputs, Ref};
use crate::scope::Scope;

pub(crate) struct Subscription;

#[derive(Serialize, Deserialize)]
pub(crate) struct SubscriptionSpec {
    pub(crate) state: SubscriptionState,
    pub(crate) topic: Ref<Topic>,
    pub(crate) queue: Ref<Queue>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SubscriptionState {
    pub(crate) topic: String,
    pub(crate) queue: String,
    /// Whether messages arrive without SNS's envelope.
    pub(crate) raw: bool,
    /// The attributes that a stack file never sets, as they were set by hand.
    pub(crate) others: BTreeMap<String, String>,
}

impl SubscriptionState {
    pub(crate) fn of(subscription: &messaging::Subscription) -> SubscriptionState {
        let messaging::Subscription { topic, queue, attributes } = subscription.clone();
        let mut others = attributes;
        let raw = others.remove(RAW).is_some_and(|raw| raw == "true");
        SubscriptionState { topic, queue, raw, others }
    }

    /// The declaration, with the attributes of Subscribe.
    pub(crate) fn declaration(&self) -> messaging::Subscription {
        let mut attributes = self.others.clone();
        if self.raw {
            attributes.insert(RAW.to_owned(), "true".to_owned());
        }
        messaging::Subscription { topic: self.topic.clone(), queue: self.queue.clone(), attributes }
    }
}

const RAW: &str = "RawMessageDelivery";

impl Kind for Subscription {
    const FACTS: Facts = Facts {
        name: "local.subscription",
        fields: &[Field::fixed("topic"), Field::fixed("queue"), Field::wanted("raw"), Field::wanted("others")],
        untagged: "it belongs to its topic",
        ..Facts::DEFAULT
    };

    type Spec = SubscriptionSpec;
    type State = SubscriptionState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &SubscriptionSpec, _: &Outputs) -> Result<SubscriptionState, Missing> {
        Ok(spec.state.clone())
    }
}
