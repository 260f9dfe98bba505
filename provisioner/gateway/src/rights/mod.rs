//! The rights of the caller: refuses the calls that its policies do not allow. It is an evaluator of its own, so that a
//! policy is tried by something that did not write it.
//!
//! | file        | does                                                                     |
//! |-------------|--------------------------------------------------------------------------|
//! | `asks`      | says what IAM asks about a call: actions, resources, facts               |
//! | `resources` | says which resources a call is about                                     |
//! | `known`     | remembers tags, roles and keys from the calls that passed                |
//! | `evaluate`  | decides by the policies                                                  |
//!
//! Only the calls of the AWS SDK for Rust are judged. What a test changes by hand comes from another SDK.

mod asks;
mod evaluate;
mod known;
mod resources;

use crate::answer::{Answer, Fault};
use crate::gaps::denial;
use crate::request::Request;
use known::Known;
use serde_json::Value;
use std::collections::BTreeMap;

/// One question of IAM.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) action: String,
    pub(crate) resource: String,
    /// The keys that conditions look at.
    pub(crate) context: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// The policies of the caller. `None`: it may do everything.
    pub(crate) policies: Option<Vec<Value>>,
    /// How many calls were judged.
    pub(crate) judged: u64,
    known: Known,
}

impl Rights {
    /// AWS's refusal of a call that the policies do not allow, and the question that they do not answer with yes.
    pub(crate) fn refusal(&mut self, request: &Request) -> Option<(Fault, String)> {
        if !request.header("user-agent").is_some_and(|agent| agent.starts_with("aws-sdk-rust")) {
            return None;
        }
        let policies = self.policies.as_ref()?;
        self.judged += 1;
        let ask = self.denied(policies, request)?;
        let told = format!("{} on {} with {:?}", ask.action, ask.resource, ask.context);
        Some((denial::fault_of(request, &ask.action, &ask.resource), told))
    }

    /// The first question about a call that the policies do not answer with yes.
    fn denied(&self, policies: &[Value], request: &Request) -> Option<Ask> {
        asks::asks(request, &self.known).into_iter().find(|ask| {
            let by_key = |policy: &Value| evaluate::key_allows(policy, &denial::caller(), &ask.action);
            !evaluate::allows(policies, ask) && !self.known.policy_of(&ask.resource).is_some_and(by_key)
        })
    }

    /// What IAM asks about a call: actions and resources. Without policies nothing is asked.
    pub(crate) fn asked(&self, request: &Request) -> Vec<(String, String)> {
        let asks = self.policies.iter().flat_map(|_| asks::asks(request, &self.known));
        asks.map(|ask| (ask.action, ask.resource)).collect()
    }

    pub(crate) fn learn(&mut self, request: &Request, answer: &Answer, scale: f64) {
        if answer.ok() {
            self.known.learn(request, answer, scale);
        }
    }
}

/// Whether the policies would allow a call, after these calls of others, and with these tags: ARN, key and value. No call
/// is made.
pub fn would_allow(policies: &[Value], before: &[Request], tags: &[(&str, &str, &str)], request: &Request) -> bool {
    let mut rights = Rights::default();
    for call in before {
        rights.known.learn(call, &Answer::json(call, Value::Null), 1.0);
    }
    for (arn, key, value) in tags {
        rights.known.tag(arn, key, value);
    }
    rights.denied(policies, request).is_none()
}
