//! `local.queue`: a queue of the server of messages. A change is made while the server runs, and its messages stay.

use std::collections::BTreeMap;

use local::messaging::{Attributes, with_defaults};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Process;
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Missing, Outputs, Ref};
use crate::scope::Scope;

pub(crate) struct Queue;

#[derive(Serialize, Deserialize)]
pub(crate) struct QueueSpec {
    pub(crate) state: QueueState,
    pub(crate) server: Ref<Process>,
    pub(crate) dead_letters: Option<Ref<Queue>>,
}

/// The names are those of `sqs.queue`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct QueueState {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) visibility_timeout: u64,
    pub(crate) retention: u64,
    pub(crate) delay: u64,
    pub(crate) redrive: Value,
    /// The attributes that a stack file never sets, as they were set by hand.
    pub(crate) others: BTreeMap<String, String>,
}

impl QueueState {
    pub(crate) fn of(scope: &Scope, name: &str, attributes: &Attributes) -> QueueState {
        let all = with_defaults(attributes);
        let number = |attribute: &str| all.get(attribute).and_then(|value| value.parse().ok()).unwrap_or_default();
        let redrive = all.get(REDRIVE).and_then(|policy| serde_json::from_str(policy).ok());
        let mut others = attributes.clone();
        others.retain(|attribute, _| ![VISIBILITY, RETENTION, DELAY, REDRIVE, FIFO].contains(&attribute.as_str()));
        QueueState {
            name: name.to_owned(),
            arn: scope.arn("sqs", name),
            visibility_timeout: number(VISIBILITY),
            retention: number(RETENTION),
            delay: number(DELAY),
            redrive: redrive.unwrap_or_else(|| Value::Object(Default::default())),
            others,
        }
    }

    /// The attributes of CreateQueue.
    pub(crate) fn attributes(&self) -> Attributes {
        let mut attributes = self.others.clone();
        for (attribute, number) in
            [(VISIBILITY, self.visibility_timeout), (RETENTION, self.retention), (DELAY, self.delay)]
        {
            attributes.insert(attribute.to_owned(), number.to_string());
        }
        if self.redrive.as_object().is_some_and(|policy| !policy.is_empty()) {
            attributes.insert(REDRIVE.to_owned(), self.redrive.to_string());
        }
        if self.name.ends_with(".fifo") {
            attributes.insert(FIFO.to_owned(), "true".to_owned());
        }
        attributes
    }
}

const VISIBILITY: &str = "VisibilityTimeout";
const RETENTION: &str = "MessageRetentionPeriod";
const DELAY: &str = "DelaySeconds";
const REDRIVE: &str = "RedrivePolicy";
const FIFO: &str = "FifoQueue";

impl Kind for Queue {
    const FACTS: Facts = Facts {
        name: "local.queue",
        fields: &[
            Field::fixed("name"),
            Field::wanted("arn"),
            Field::wanted("visibility_timeout"),
            Field::wanted("retention"),
            Field::wanted("delay"),
            Field::wanted("redrive"),
            Field::wanted("others"),
        ],
        takes_along: "the messages that are still in it",
        untagged: "it belongs to the server of messages of its stack",
        ..Facts::DEFAULT
    };

    type Spec = QueueSpec;
    type State = QueueState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &QueueSpec, _: &Outputs) -> Result<QueueState, Missing> {
        Ok(spec.state.clone())
    }
}
