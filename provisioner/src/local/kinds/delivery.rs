//! `local.delivery`: a function that gets the messages of a topic. The server of messages keeps each message until the
//! function's part has written it down.

use std::collections::BTreeMap;

use local::messaging::FunctionSubscription;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Process, Topic};
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Missing, Outputs, Ref};
use crate::scope::Scope;

pub(crate) struct Delivery;

#[derive(Serialize, Deserialize)]
pub(crate) struct DeliverySpec {
    pub(crate) state: DeliveryState,
    pub(crate) topic: Ref<Topic>,
    pub(crate) function: Ref<Process>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeliveryState {
    pub(crate) topic: String,
    /// The name of the function, as on AWS.
    pub(crate) function: String,
    /// Where the function listens.
    pub(crate) target: String,
    /// The filter policy. An empty object lets every message through.
    pub(crate) filter: Value,
    /// The ARN of the queue for messages that the function's part refuses.
    pub(crate) failed: String,
}

impl DeliveryState {
    pub(crate) fn of(subscription: &FunctionSubscription) -> DeliveryState {
        let filter = subscription.attributes.get(FILTER).and_then(|text| serde_json::from_str(text).ok());
        let failed = subscription.attributes.get(REDRIVE).and_then(|text| {
            let policy: Value = serde_json::from_str(text).ok()?;
            Some(policy["deadLetterTargetArn"].as_str()?.to_owned())
        });
        DeliveryState {
            topic: subscription.topic.clone(),
            function: subscription.function.clone(),
            target: format!("{HOST}{}", subscription.port),
            filter: filter.unwrap_or_else(|| Value::Object(Default::default())),
            failed: failed.unwrap_or_default(),
        }
    }

    /// The declaration. `None` while nobody knows where the function listens.
    pub(crate) fn declaration(&self) -> Option<FunctionSubscription> {
        let port = self.target.strip_prefix(HOST)?.parse().ok()?;
        let is_filtered = self.filter.as_object().is_some_and(|filter| !filter.is_empty());
        let filter = is_filtered.then(|| (FILTER.to_owned(), self.filter.to_string()));
        let redrive = json!({ "deadLetterTargetArn": self.failed }).to_string();
        let redrive = (!self.failed.is_empty()).then(|| (REDRIVE.to_owned(), redrive));
        let attributes: BTreeMap<_, _> = filter.into_iter().chain(redrive).collect();
        let (topic, function) = (self.topic.clone(), self.function.clone());
        Some(FunctionSubscription { topic, function, port, attributes })
    }
}

const FILTER: &str = "FilterPolicy";
const REDRIVE: &str = "RedrivePolicy";
const HOST: &str = "127.0.0.1:";

impl Kind for Delivery {
    const FACTS: Facts = Facts {
        name: "local.delivery",
        fields: &[
            Field::fixed("topic"),
            Field::fixed("function"),
            Field::wanted("target"),
            Field::wanted("filter"),
            Field::wanted("failed"),
        ],
        untagged: "it belongs to its topic",
        ..Facts::DEFAULT
    };

    type Spec = DeliverySpec;
    type State = DeliveryState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &DeliverySpec, _: &Outputs) -> Result<DeliveryState, Missing> {
        Ok(spec.state.clone())
    }
}
