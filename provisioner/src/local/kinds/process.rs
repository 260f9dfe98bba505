//! `local.process`: one process of the stack, which the supervisor runs.

use local::supervisor::part::{Part, View};
use serde::{Deserialize, Serialize};

use crate::kind::facts::{Effect, Facts, Field};
use crate::kind::{Kind, Missing, Outputs, Ref};
use crate::scope::Scope;

pub(crate) struct Process;

#[derive(Serialize, Deserialize)]
pub(crate) struct ProcessSpec {
    state: ProcessState,
    /// The processes that are ready before this one starts.
    after: Vec<Ref<Process>>,
    /// The fingerprint by which a supervisor knows whether the process is another one.
    pub(crate) fingerprint: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProcessState {
    #[serde(flatten)]
    pub(crate) view: View,
    /// The word of the supervisor for a process that does not do its work, else [`RUNNING`].
    pub(crate) state: String,
    /// For how long a replica holds back what it gets. `None` for a process that is no replica.
    pub(crate) delay_seconds: Option<u64>,
}

/// The state of a process that is on its way or at work.
pub(crate) const RUNNING: &str = "running";

impl ProcessSpec {
    pub(crate) fn view(&self) -> View {
        self.state.view.clone()
    }

    pub(crate) fn of(part: &Part, delay_seconds: Option<u64>) -> ProcessSpec {
        let state = ProcessState { view: part.view(), state: RUNNING.to_owned(), delay_seconds };
        let after = part.after.iter().map(Ref::to).collect();
        ProcessSpec { state, after, fingerprint: part.fingerprint() }
    }
}

impl Kind for Process {
    const FACTS: Facts = Facts {
        name: "local.process",
        fields: &[
            Field::theirs("kind"),
            Field::theirs("section"),
            Field::wanted("program").with(Effect::Restart),
            Field::wanted("arguments").with(Effect::Restart),
            Field::wanted("environment").with(Effect::Restart),
            Field::write_only("secrets").with(Effect::Restart),
            Field::wanted("directory").with(Effect::Restart),
            Field::wanted("configuration").with(Effect::Restart),
            Field::wanted("after"),
            Field::wanted("ready_within_seconds"),
            Field::wanted("state"),
            Field::wanted("delay_seconds"),
        ],
        untagged: "it belongs to the supervisor of its stack",
        ..Facts::DEFAULT
    };

    type Spec = ProcessSpec;
    type State = ProcessState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &ProcessSpec, _: &Outputs) -> Result<ProcessState, Missing> {
        Ok(spec.state.clone())
    }
}
