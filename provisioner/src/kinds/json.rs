//! Values whose types are erased, as JSON text.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A spec, a state or an output. A tree of maps would take ten times the memory, because a map of the standard library has
/// room for eleven members when it has one; so it is text until somebody asks for a part of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Box<str>);

impl Json {
    /// The same text for the same value.
    pub fn of<T: Serialize>(value: &T) -> Json {
        Json(serde_json::to_string(value).expect("specs, states and outputs are plain data").into())
    }

    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    pub fn tree(&self) -> Value {
        self.read().expect("it was written as JSON")
    }

    /// A member of an object, `null` where there is none.
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
