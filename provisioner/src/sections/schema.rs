//! Questions to the JSON Schema of a stack file, from the place where it refused a value.

use jsonschema::JsonType;
use jsonschema::error::TypeKind;
use serde_json::Value;

pub(super) fn allows(kind: &TypeKind, wanted: JsonType) -> bool {
    match kind {
        TypeKind::Single(only) => *only == wanted,
        TypeKind::Multiple(several) => several.contains(wanted),
    }
}

/// The keys that a schema object knows, from the place where the schema refused one.
pub(super) fn known_keys(schema: &Value, schema_path: &str) -> Vec<String> {
    let keys = owner(schema, schema_path).get("properties").and_then(Value::as_object);
    keys.map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
}

/// The schema of a key, from the place where the schema refused an object without it.
pub(super) fn property<'a>(schema: &'a Value, schema_path: &str, key: &str) -> &'a Value {
    let owner = owner(schema, schema_path);
    match owner.get("properties").and_then(|keys| keys.get(key)) {
        Some(property) => resolved(schema, property),
        None => owner,
    }
}

/// The schema that holds the keyword which refused something.
fn owner<'a>(schema: &'a Value, schema_path: &str) -> &'a Value {
    let owner = schema_path.rsplit_once('/').map_or("", |(owner, _)| owner);
    let mut node = schema;
    for part in owner.split('/').filter(|part| !part.is_empty()) {
        node = match part {
            "$ref" => resolved(schema, node),
            part => node
                .get(part)
                .or_else(|| node.as_array().and_then(|items| items.get(part.parse::<usize>().ok()?)))
                .unwrap_or(node),
        };
    }
    node
}

fn resolved<'a>(schema: &'a Value, node: &'a Value) -> &'a Value {
    let target = node.get("$ref").and_then(Value::as_str);
    target.and_then(|target| schema.pointer(target.trim_start_matches('#'))).unwrap_or(node)
}
