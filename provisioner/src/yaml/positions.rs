//! The places of the parts of a document, by JSON pointer.

use serde_json::Value;

use super::{Data, Node, Position};

/// The places of the values of a tree, and of the keys that hold them. It is a tree too: the pointers of all values
/// together would take the square of the file.
#[derive(Clone, Debug)]
pub struct Positions {
    at: Position,
    key: Position,
    /// The entries, sorted by key. A map of the standard library would take a kilobyte for a single entry.
    inner: Vec<(String, Positions)>,
}

impl Positions {
    /// The place of the value at a JSON pointer. If it is not in the file, it is the place of the nearest value around
    /// it.
    pub fn of(&self, pointer: &str) -> Position {
        self.find(pointer).0.at
    }

    /// The place of the key that leads to a JSON pointer.
    pub fn key(&self, pointer: &str) -> Position {
        match self.find(pointer) {
            (found, true) => found.key,
            (nearest, false) => nearest.at,
        }
    }

    /// The place of the key that leads to a JSON pointer, if it is in the file.
    pub fn exactly(&self, pointer: &str) -> Option<Position> {
        match self.find(pointer) {
            (found, true) => Some(found.key),
            (_, false) => None,
        }
    }

    /// The nearest place that is there, and whether it is the exact one.
    fn find(&self, pointer: &str) -> (&Positions, bool) {
        let mut found = self;
        for part in pointer.split('/').skip(1) {
            let key = part.replace("~1", "/").replace("~0", "~");
            match found.inner.binary_search_by(|(other, _)| other.cmp(&key)) {
                Ok(place) => found = &found.inner[place].1,
                Err(_) => return (found, false),
            }
        }
        (found, true)
    }
}

/// The JSON pointer of the value under a key of a map.
pub fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The plain data, and beside it the places.
pub(super) fn split(node: &Node, key: Position) -> (Value, Positions) {
    let mut inner = Vec::new();
    let value = match &node.data {
        Data::Scalar(value) => value.clone(),
        Data::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                let (value, positions) = split(item, item.at);
                list.push(value);
                inner.push((index.to_string(), positions));
            }
            Value::Array(list)
        }
        Data::Map(entries) => {
            let mut map = serde_json::Map::new();
            for (name, at, node) in entries {
                let (value, positions) = split(node, *at);
                map.insert(name.clone(), value);
                inner.push((name.clone(), positions));
            }
            Value::Object(map)
        }
    };
    inner.sort_by(|(one, _), (other, _)| one.cmp(other));
    inner.shrink_to_fit();
    (value, Positions { at: node.at, key, inner })
}
