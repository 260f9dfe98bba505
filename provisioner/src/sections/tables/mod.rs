//! `tables:`, DynamoDB tables.
//!
//! - [`key`]: the key of a table or an index, whose order in the file means something.
//! - [`check`]: names, attributes, limits. [`aws`]: a table each.
//! - [`local`]: the tables of one engine, which is one process for all of them.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;
pub mod key;
pub(crate) mod local;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::key::Key;
use super::functions::Function;
use super::words::Name;
use super::{Loaded, Stack};

/// A DynamoDB table, paid by request. In prod it is protected against deletion, and any second of the last 35 days can be
/// restored.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The partition key, and after it the sort key if there is one: `{ id: number }`. Chosen once: another key means
    /// another table.
    pub key: Key,
    /// What the table's stream tells of each change. A function takes the stream with `on: { table: … }`. Default: no
    /// stream. Another view means another stream: changes that no function has taken by then are lost to the functions.
    pub stream: Option<View>,
    /// Further keys to look items up by, each with all attributes of the item. They are made and removed one at a time,
    /// and each takes minutes. At most 20.
    #[serde(default)]
    pub indexes: BTreeMap<Name, Key>,
    /// The attribute with the time, in seconds since 1970, after which DynamoDB deletes an item. It does so within a few
    /// days. Default: none. It can be changed once an hour.
    pub ttl: Option<String>,
}

/// What a stream tells of a change, beside the key of the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// Nothing else.
    Keys,
    /// The item after the change.
    NewImage,
    /// The item before the change.
    OldImage,
    /// The item before and after the change.
    Both,
}

impl View {
    /// The view in DynamoDB's words.
    pub fn word(self) -> &'static str {
        match self {
            View::Keys => "KEYS_ONLY",
            View::NewImage => "NEW_IMAGE",
            View::OldImage => "OLD_IMAGE",
            View::Both => "NEW_AND_OLD_IMAGES",
        }
    }
}

impl Stack {
    /// The functions that take the stream of a table.
    pub(crate) fn takers_of<'a>(&'a self, table: &'a Name) -> impl Iterator<Item = (&'a Name, &'a Function)> {
        self.functions.iter().filter(move |(_, function)| function.table() == Some(table))
    }
}

impl Loaded {
    /// Whether something inside the VPC uses a table.
    pub(crate) fn has_tables_from_inside(&self) -> bool {
        let stack = &self.stack;
        let uses = |uses: &[Name]| uses.iter().any(|name| stack.tables.contains_key(name));
        stack.services.values().any(|service| uses(&service.uses))
            || stack.functions.values().any(|function| self.is_inside(function) && uses(&function.uses))
    }
}

/// The name of the engine on this machine.
pub(crate) const ENGINE: &str = "tables";
