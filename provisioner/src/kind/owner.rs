//! Tells who owns a resource.

use std::collections::BTreeMap;

use crate::kind::facts::Address;
use crate::scope::{NAME_TAG, STACK_TAG, Scope, VERSION_TAG};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The resource has this stack's tag. The map holds its other tags, without those that `provision` and AWS set.
    Tagged(BTreeMap<String, String>),
    /// The resource belongs to a parent that has this stack's tag, or its own text says that it belongs to the stack.
    Child,
    /// Somebody else put the resource on this resource of ours, where it gives rights, routes or traffic. It is taken
    /// away.
    Beside(Address),
    /// The resource has our name but not our tag. It is never touched.
    Foreign,
}

impl Owner {
    pub fn is_ours(&self) -> bool {
        *self != Owner::Foreign
    }
}

impl Scope {
    /// Tells by its tags who owns a resource: the answer is `(its name in the stack, its owner)`. The answer is `None`
    /// if the resource is neither ours nor wanted, so that it does not concern us.
    pub fn whose<'a, K, V>(
        &self,
        tags: impl IntoIterator<Item = (K, V)>,
        wanted: Option<&str>,
    ) -> Option<(String, Owner)>
    where
        K: AsRef<str> + 'a,
        V: AsRef<str> + 'a,
    {
        let (mut stack, mut name, mut others) = (None, None, BTreeMap::new());
        for (key, value) in tags {
            let value = value.as_ref().to_owned();
            match key.as_ref() {
                STACK_TAG => stack = Some(value),
                NAME_TAG => name = Some(value),
                "Name" | VERSION_TAG => {}
                aws if aws.starts_with("aws:") => {}
                other => {
                    others.insert(other.to_owned(), value);
                }
            }
        }
        let ours = stack.is_some_and(|stack| stack == self.tag());
        match (ours, wanted) {
            (true, _) => Some((wanted.map(str::to_owned).or(name)?, Owner::Tagged(others))),
            (false, Some(name)) => Some((name.to_owned(), Owner::Foreign)),
            (false, None) => None,
        }
    }
}
