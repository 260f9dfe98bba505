//! Stand-in until the engine is merged.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub account: String,
    pub region: String,
    pub tables: BTreeMap<String, Table>,
}
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub key: Vec<Attribute>,
    pub stream: Option<View>,
    pub indexes: BTreeMap<String, Vec<Attribute>>,
    pub ttl: Option<String>,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    pub name: String,
    pub kind: Kind,
}
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    String,
    Number,
    Binary,
}
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum View {
    KeysOnly,
    NewImage,
    OldImage,
    NewAndOldImages,
}
pub fn declare(_: u16, _: &Config) -> anyhow::Result<()> {
    Ok(())
}
pub fn declared(_: u16) -> anyhow::Result<Config> {
    Ok(Config::default())
}
