//! Logical ids. Each is made of the name in the stack and the type of the resource: `NotificationsDeadLetterQueue`.
//! They depend on nothing else, because another id is another resource.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::kind::facts::Address;
use crate::plan::desired::Desired;
use crate::scope::hex;

/// `word_of` gives the last word of the ids of a kind.
pub(super) fn ids(desired: &Desired, word_of: fn(&str) -> &'static str) -> BTreeMap<Address, String> {
    let mut taken = BTreeSet::new();
    let mut ids = BTreeMap::new();
    for wanted in desired.resources() {
        let word = word_of(wanted.address.kind);
        let mut id = format!("{}{word}", pascal(&wanted.address.name));
        // `a-1` and `a1` give the same id.
        if !taken.insert(id.clone()) {
            id.push_str(&hex(&Sha256::digest(wanted.address.name.as_bytes())[..4]));
            taken.insert(id.clone());
        }
        ids.insert(wanted.address.clone(), id);
    }
    ids
}

/// The name in letters and digits only, because CloudFormation takes no others.
pub(super) fn pascal(name: &str) -> String {
    let mut pascal = String::with_capacity(name.len());
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        pascal.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        pascal.push_str(letters.as_str());
    }
    pascal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::REGISTRY;
    use crate::kinds::sqs::{Queue, QueueSpec};

    #[test]
    fn two_names_never_have_one_id() {
        let mut desired = Desired::new(REGISTRY);
        for name in ["a-1", "a1", "notifications-dead-letter"] {
            let spec = QueueSpec {
                fifo: false,
                visibility_timeout: 30,
                retention: 60,
                delay: 0,
                dead_letter: None,
                from: Vec::new(),
                rules: Vec::new(),
            };
            desired.add::<Queue>("queues", name, spec);
        }
        let ids: Vec<String> = ids(&desired, |_| "Queue").into_values().collect();
        assert_eq!(ids, ["A1Queue", "A1Queuef55ff16f", "NotificationsDeadLetterQueue"]);
    }
}
