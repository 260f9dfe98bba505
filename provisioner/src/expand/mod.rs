//! Stack -> Desired. Pure. Each section has a small file that says which resources it becomes.

mod messaging;

use crate::desired::Desired;
use crate::kind::{Address, Kind};
use crate::scope::Scope;
use crate::stack::{Loaded, Profile};

/// What the stack is made of, and which of its outputs people ask for.
pub struct Expanded {
    pub desired: Desired,
    pub exports: Vec<Export>,
}

/// `queues.work.url` is the output `url` of `sqs.queue work`.
pub struct Export {
    pub name: String,
    pub of: Address,
    pub field: &'static str,
}

pub fn expand(loaded: &Loaded, scope: &Scope) -> Expanded {
    let mut making = Making { loaded, scope, desired: Desired::default(), exports: Vec::new() };
    messaging::expand(&mut making);
    Expanded { desired: making.desired, exports: making.exports }
}

/// What the files of the sections share.
struct Making<'a> {
    loaded: &'a Loaded,
    scope: &'a Scope,
    desired: Desired,
    exports: Vec<Export>,
}

impl Making<'_> {
    fn prod(&self) -> bool {
        self.loaded.profile == Profile::Prod
    }

    fn add<K: Kind>(&mut self, section: &str, name: impl Into<String>, spec: K::Spec) {
        self.desired.add::<K>(section, name, spec);
    }

    fn export<K: Kind>(&mut self, name: String, of: &str, field: &'static str) {
        self.exports.push(Export { name, of: Address { kind: K::FACTS.name, name: of.to_owned() }, field });
    }
}
