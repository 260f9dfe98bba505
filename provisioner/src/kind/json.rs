//! JSON text for values whose types are erased.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A spec, a state or an output, as text. A tree of maps would take ten times the memory, because a map of the standard
/// library that has one member has room for eleven. So the value stays text until somebody asks for a part of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Box<str>);

impl Json {
    /// Writes a value as text. The same value gives the same text.
    pub fn of<T: Serialize>(value: &T) -> Json {
        Json(serde_json::to_string(value).expect("specs, states and outputs are plain data").into())
    }

    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    pub fn tree(&self) -> Value {
        self.read().expect("it was written as JSON")
    }

    /// Reads a member of an object. The answer is `null` if there is no such member.
    pub fn get(&self, member: &str) -> Value {
        match self.tree() {
            Value::Object(mut members) => members.remove(member).unwrap_or_default(),
            _ => Value::Null,
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tree().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        Ok(Json::of(&Value::deserialize(deserializer)?))
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
