//! The values of an item, as plain JSON has them and as DynamoDB writes them.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html>

use std::collections::BTreeMap;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use super::Refused;
use super::number::Number;

/// The attributes of an item, or of a map in one, by their names.
pub type Item = BTreeMap<String, Value>;

/// A value of plain JSON. It is written as such.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Value>),
    Map(Item),
}

/// The largest item, in bytes, as DynamoDB counts them.
pub const LARGEST_ITEM: usize = 400 * 1024;
/// How deep values may lie in each other.
const DEEPEST: usize = 32;

/// Reads an item from a JSON object. Its numbers are exact. An item that DynamoDB would not take is refused, as far as that
/// can be seen without its table.
pub fn read(json: &[u8]) -> Result<Item, Refused> {
    let no_object = || Refused("the body is not a JSON object".into());
    let raw: &RawValue = serde_json::from_slice(json).map_err(|_| no_object())?;
    let Value::Map(item) = of_json(raw, 0)? else { return Err(no_object()) };
    let size = size_of_map(&item);
    if size > LARGEST_ITEM {
        return Err(Refused("the item is larger than 400 KB".into()));
    }
    Ok(item)
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    /// The number, if it is a whole one from 0 on.
    pub fn whole(&self) -> Option<u64> {
        match self {
            Value::Number(number) => number.whole(),
            _ => None,
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(Number::from(number))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(bool) => serializer.serialize_bool(*bool),
            Value::Number(number) => {
                RawValue::from_string(number.text().to_owned()).map_err(S::Error::custom)?.serialize(serializer)
            }
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(values) => values.serialize(serializer),
            Value::Map(values) => values.serialize(serializer),
        }
    }
}

/// An item in the form of DynamoDB.
pub fn written(item: &Item) -> Json {
    Json::Object(item.iter().map(|(name, value)| (name.clone(), written_value(value))).collect())
}

pub fn written_value(value: &Value) -> Json {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(bool) => json!({ "BOOL": bool }),
        Value::Number(number) => json!({ "N": number.text() }),
        Value::Text(text) => json!({ "S": text }),
        Value::List(values) => json!({ "L": values.iter().map(written_value).collect::<Vec<_>>() }),
        Value::Map(values) => json!({ "M": written(values) }),
    }
}

/// Reads an item in the form of DynamoDB. `None` if it is none. A set is a list in plain JSON, and bytes are their base64.
pub fn parsed(item: &Map<String, Json>) -> Option<Item> {
    item.iter().map(|(name, value)| Some((name.clone(), parsed_value(value)?))).collect()
}

fn parsed_value(value: &Json) -> Option<Value> {
    let (kind, value) = value.as_object().filter(|value| value.len() == 1)?.iter().next()?;
    let number = |value: &Json| Some(Value::Number(Number::read(value.as_str()?).ok()?));
    let text = |value: &Json| Some(Value::text(value.as_str()?));
    Some(match kind.as_str() {
        "NULL" => Value::Null,
        "BOOL" => Value::Bool(value.as_bool()?),
        "N" => number(value)?,
        "S" | "B" => text(value)?,
        "L" => Value::List(value.as_array()?.iter().map(parsed_value).collect::<Option<_>>()?),
        "M" => Value::Map(parsed(value.as_object()?)?),
        "NS" => Value::List(value.as_array()?.iter().map(number).collect::<Option<_>>()?),
        "SS" | "BS" => Value::List(value.as_array()?.iter().map(text).collect::<Option<_>>()?),
        _ => return None,
    })
}

/// Reads a value of JSON. The text of a number is there as long as nobody has made a number of it.
fn of_json(raw: &RawValue, depth: usize) -> Result<Value, Refused> {
    if depth > DEEPEST {
        return Err(Refused("values lie more than 32 deep in each other".into()));
    }
    let json = raw.get();
    let odd = |_| Refused("the body is not JSON".into());
    Ok(match json.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).map_err(odd)?;
            let mut item = Item::new();
            for (name, member) in members {
                if name.is_empty() {
                    return Err(Refused("an attribute has an empty name".into()));
                }
                item.insert(name, of_json(member, depth + 1)?);
            }
            Value::Map(item)
        }
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(json).map_err(odd)?;
            Value::List(values.into_iter().map(|value| of_json(value, depth + 1)).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(json).map_err(odd)?),
        Some(b't' | b'f') => Value::Bool(serde_json::from_str(json).map_err(odd)?),
        Some(b'n') => Value::Null,
        _ => Value::Number(Number::read(json)?),
    })
}

/// The size of an item in bytes, as DynamoDB counts.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn size_of_map(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size(value)).sum()
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        // Two digits are one byte, and there is one byte more. Zeros at either end do not count.
        Value::Number(number) => number.text().trim_matches(['0', '-', '.']).len().div_ceil(2) + 1,
        Value::Text(text) => text.len(),
        Value::List(values) => 3 + values.iter().map(|value| 1 + size(value)).sum::<usize>(),
        Value::Map(values) => 3 + values.len() + size_of_map(values),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(item: &Item) -> String {
        serde_json::to_string(item).unwrap()
    }

    #[test]
    fn an_item_is_what_the_client_has_sent() {
        let sent = r#"{"record":3.25,"id":1e0,"big":12345678901234567890123456789012345678,"title":"서울\n\"풀\"","none":null,
            "yes":true,"no":false,"list":[1,"a",[],{}],"map":{"x":{"y":-0.5e-3}},"empty":""}"#;
        let item = read(sent.as_bytes()).unwrap();
        assert_eq!(
            plain(&item),
            "{\"big\":12345678901234567890123456789012345678,\"empty\":\"\",\"id\":1,\"list\":[1,\"a\",[],{}],\
             \"map\":{\"x\":{\"y\":-0.0005}},\"no\":false,\"none\":null,\"record\":3.25,\"title\":\"서울\\n\\\"풀\\\"\",\
             \"yes\":true}"
        );
        assert_eq!(
            written(&item).to_string(),
            "{\"big\":{\"N\":\"12345678901234567890123456789012345678\"},\"empty\":{\"S\":\"\"},\"id\":{\"N\":\"1\"},\
             \"list\":{\"L\":[{\"N\":\"1\"},{\"S\":\"a\"},{\"L\":[]},{\"M\":{}}]},\
             \"map\":{\"M\":{\"x\":{\"M\":{\"y\":{\"N\":\"-0.0005\"}}}}},\"no\":{\"BOOL\":false},\"none\":{\"NULL\":true},\
             \"record\":{\"N\":\"3.25\"},\"title\":{\"S\":\"서울\\n\\\"풀\\\"\"},\"yes\":{\"BOOL\":true}}"
        );
        assert_eq!(parsed(written(&item).as_object().unwrap()), Some(item));
    }

    #[test]
    fn what_others_have_written_can_be_read() {
        let item = json!({ "n": { "NS": ["1", "2.50"] }, "s": { "SS": ["a"] }, "b": { "B": "AA==" }, "c": { "BS": ["AA=="] } });
        assert_eq!(
            plain(&parsed(item.as_object().unwrap()).unwrap()),
            r#"{"b":"AA==","c":["AA=="],"n":[1,2.5],"s":["a"]}"#
        );
        for odd in [json!({ "a": 1 }), json!({ "a": { "N": 1 } }), json!({ "a": { "X": "1" } }), json!({ "a": {} })] {
            assert_eq!(parsed(odd.as_object().unwrap()), None, "{odd}");
        }
    }

    #[test]
    fn what_dynamodb_refuses_is_refused() {
        let said = |json: &str| read(json.as_bytes()).unwrap_err().to_string();
        for wrong in
            ["", "[]", "null", "5", "{", "{\"a\":}", "{\"a\":1}x", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":\"\u{1}\"}"]
        {
            assert_eq!(said(wrong), "the body is not a JSON object", "{wrong}");
        }
        assert_eq!(said("{\"a\":\"\\ud800\"}"), "the body is not JSON");
        assert_eq!(said("{\"a\":{\"\":1}}"), "an attribute has an empty name");
        assert_eq!(said("{\"a\":1e126}"), "a number is out of the range 1E-130 to 9.9E+125");
        assert_eq!(said(&format!("{{\"a\":1.{}}}", "1".repeat(38))), "a number has more than 38 digits");
        let deep = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(deep(31).as_bytes()).is_ok());
        for depth in [32, 100_000] {
            assert_eq!(said(&deep(depth)), "values lie more than 32 deep in each other", "{depth}");
        }
        let large = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
        assert!(read(large(LARGEST_ITEM - 1).as_bytes()).is_ok());
        assert_eq!(said(&large(LARGEST_ITEM)), "the item is larger than 400 KB");
    }

    fn values() -> impl Strategy<Value = Value> {
        let number = (any::<i64>(), -80..80_i32).prop_map(|(m, e)| Number::read(&format!("{m}e{e}")).unwrap());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            number.prop_map(Value::Number),
            ".{0,20}".prop_map(Value::Text),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                prop::collection::btree_map(".{1,8}", inner, 0..6).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_item_comes_back(item in prop::collection::btree_map(".{1,8}", values(), 0..6)) {
            let json = serde_json::to_vec(&item).unwrap();
            prop_assert_eq!(read(&json).unwrap(), item.clone());
            prop_assert_eq!(parsed(written(&item).as_object().unwrap()), Some(item));
        }
    }
}
