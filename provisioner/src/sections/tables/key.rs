//! The key of a table or an index: one attribute or two, of which the first is the partition key.
//!
//! In the file it is a map, and its order means something. A JSON object has no order, so the loader makes each key a
//! list of pairs before it reads the stack: [`keep_order`].

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::yaml::{Data, Node, below};

/// The attributes of a key, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Key(pub Vec<(String, Type)>);

/// The type of an attribute that is part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    String,
    Number,
    Binary,
}

impl Type {
    /// The type in DynamoDB's words.
    pub fn word(self) -> &'static str {
        match self {
            Type::String => "S",
            Type::Number => "N",
            Type::Binary => "B",
        }
    }
}

/// The form in the file: a map of attributes to their types.
impl JsonSchema for Key {
    fn schema_name() -> Cow<'static, str> {
        "Key".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One attribute, the partition key, or two, of which the second is the sort key, each with its type.",
            "type": "object",
            "additionalProperties": { "enum": ["string", "number", "binary"] },
        })
    }
}

/// Makes each key in the data of a stack a list of pairs, in the order of the file.
pub(crate) fn keep_order(stack: &Node, data: &mut Value) {
    let Some(Node { data: Data::Map(tables), .. }) = stack.get("tables") else { return };
    for (name, _, table) in tables {
        let place = below("/tables", name);
        if let Some(key) = table.get("key") {
            in_order(key, data.pointer_mut(&format!("{place}/key")));
        }
        let Some(Node { data: Data::Map(indexes), .. }) = table.get("indexes") else { continue };
        for (index, _, key) in indexes {
            in_order(key, data.pointer_mut(&below(&format!("{place}/indexes"), index)));
        }
    }
}

fn in_order(key: &Node, data: Option<&mut Value>) {
    let (Data::Map(attributes), Some(data)) = (&key.data, data) else { return };
    *data = attributes.iter().map(|(name, ..)| json!([name, data[name]])).collect();
}
