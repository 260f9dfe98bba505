//! `local.delivery`: a function that gets the messages of a topic. The server of messages keeps each message until the
//! function's part has written it down.

use std::collections::BTreeMap;

use local::messaging::FunctionSubscription;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
}

impl DeliveryState {
    pub(crate) fn of(subscription: &FunctionSubscription) -> DeliveryState {
        let filter = subscription.attributes.get(FILTER).and_then(|text| serde_json::from_str(text).ok());
        DeliveryState {
            topic: subscription.topic.clone(),
            function: subscription.function.clone(),
            target: format!("{HOST}{}", subscription.port),
            filter: filter.unwrap_or_else(|| Value::Object(Default::default())),
        }
    }

    /// The declaration. `None` while nobody knows where the function listens.
    pub(crate) fn declaration(&self) -> Option<FunctionSubscription> {
        let port = self.target.strip_prefix(HOST)?.parse().ok()?;
        let is_filtered = self.filter.as_object().is_some_and(|filter| !filter.is_empty());
        let filter = is_filtered.then(|| (FILTER.to_owned(), self.filter.to_string()));
        let attributes: BTreeMap<_, _> = filter.into_iter().collect();
        let (topic, function) = (self.topic.clone(), self.function.clone());
        Some(FunctionSubscription { topic, function, port, attributes })
    }
}

const FILTER: &str = "FilterPolicy";
const HOST: &str = "127.0.0.1:";

impl Kind for Delivery {
    const FACTS: Facts = Facts {
        name: "local.delivery",
        fields: &[Field::fixed("topic"), Field::fixed("function"), Field::wanted("target"), Field::wanted("filter")],
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
