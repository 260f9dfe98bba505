//! The declared tables, with what CreateTable takes of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A declaration. It replaces the one before. Tables that SDKs have made meanwhile stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub account: String,
    pub region: String,
    /// The tables by name. A name is not an ARN.
    pub tables: BTreeMap<String, Table>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The partition key, and the sort key if there is one.
    pub key: Vec<Attribute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<View>,
    /// The global secondary indexes by name, with their keys. Each has all attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub indexes: BTreeMap<String, Vec<Attribute>>,
    /// The attribute with the second at which an item expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    pub name: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    #[serde(rename = "S")]
    String,
    #[serde(rename = "N")]
    Number,
    #[serde(rename = "B")]
    Binary,
}

/// What a record of a stream holds besides the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum View {
    KeysOnly,
    NewImage,
    OldImage,
    NewAndOldImages,
}

/// Everything that a service has, apart by who has made it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    pub declared: Config,
    /// The tables that SDKs have made.
    pub others: Config,
}

/// A table as the dashboard shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    pub items: u64,
    pub bytes: u64,
    /// The ARN of the stream, if it is on.
    pub stream: Option<String>,
    /// The records that can still be read from it.
    pub records: u64,
}

/// What a reader of a stream has not read yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Behind {
    pub records: u64,
    /// The time of the oldest one, in milliseconds since 1970.
    pub oldest: Option<u64>,
}

impl View {
    pub fn name(self) -> &'static str {
        match self {
            View::KeysOnly => "KEYS_ONLY",
            View::NewImage => "NEW_IMAGE",
            View::OldImage => "OLD_IMAGE",
            View::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }

    pub fn read(name: &str) -> Option<View> {
        [View::KeysOnly, View::NewImage, View::OldImage, View::NewAndOldImages].into_iter().find(|it| it.name() == name)
    }
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "S",
            Kind::Number => "N",
            Kind::Binary => "B",
        }
    }

    pub fn read(name: &str) -> Option<Kind> {
        [Kind::String, Kind::Number, Kind::Binary].into_iter().find(|it| it.name() == name)
    }
}

impl Default for Config {
    fn default() -> Self {
        Config { account: "000000000000".to_owned(), region: "us-east-1".to_owned(), tables: BTreeMap::new() }
    }
}
