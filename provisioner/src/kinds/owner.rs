//! Whose a resource is.

use std::collections::BTreeMap;

use crate::kinds::facts::Address;
use crate::scope::{NAME_TAG, STACK_TAG, Scope, VERSION_TAG};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Carries this stack's tag, and these beside those that say so.
    Tagged(BTreeMap<String, String>),
    /// Belongs to a parent that does, or says so in its own text.
    Child,
    /// Somebody else put it on this resource of ours, where it gives rights, routes or traffic. It is taken away.
    Beside(Address),
    /// Has our name but not our tag. Never touched.
    Foreign,
}

impl Owner {
    pub fn is_ours(&self) -> bool {
        *self != Owner::Foreign
    }
}

impl Scope {
    /// Whose a resource is, by its tags: `(its name in the stack, ours or not)`. `None`: not ours and not wanted, so it
    /// does not concern us.
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
