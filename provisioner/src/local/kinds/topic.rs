//! `local.topic`: a topic of the server of messages.

use std::collections::BTreeMap;

use local::messaging::Attributes;
use serde::{Deserialize, Serialize};

use super::Process;
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Missing, Outputs, Ref};
use crate::scope::Scope;

pub(crate) struct Topic;

#[derive(Serialize, Deserialize)]
pub(crate) struct TopicSpec {
    pub(crate) state: TopicState,
    pub(crate) server: Ref<Process>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TopicState {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// The attributes that a stack file never sets, as they were set by hand.
    pub(crate) others: BTreeMap<String, String>,
}

impl TopicState {
    pub(crate) fn of(scope: &Scope, name: &str, attributes: &Attributes) -> TopicState {
        let mut others = attributes.clone();
        others.remove(FIFO);
        TopicState { name: name.to_owned(), arn: scope.arn("sns", name), others }
    }

    /// The attributes of CreateTopic.
    pub(crate) fn attributes(&self) -> Attributes {
        let mut attributes = self.others.clone();
        if self.name.ends_with(".fifo") {
            attributes.insert(FIFO.to_owned(), "true".to_owned());
        }
        attributes
    }
}

const FIFO: &str = "FifoTopic";

impl Kind for Topic {
    const FACTS: Facts = Facts {
        name: "local.topic",
        fields: &[Field::fixed("name"), Field::wanted("arn"), Field::wanted("others")],
        untagged: "it belongs to the server of messages of its stack",
        ..Facts::DEFAULT
    };

    type Spec = TopicSpec;
    type State = TopicState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &TopicSpec, _: &Outputs) -> Result<TopicState, Missing> {
        Ok(spec.state.clone())
    }
}
