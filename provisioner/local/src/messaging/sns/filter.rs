//! Filter policies: which messages of a topic a subscription gets.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::messaging::attribute::{Attribute, Content};

/// A policy. All of its rules must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy(Vec<Rule>);

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// One of the tests holds for the field of that name.
    Field(String, Vec<Test>),
    /// A policy for a field's own fields, in messages' bodies only.
    Nested(String, Policy),
    Or(Vec<Policy>),
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Is(Value),
    AnythingBut(Vec<Test>),
    Prefix(String),
    Suffix(String),
    IgnoreCase(String),
    Numeric(Vec<(Comparison, f64)>),
    Exists(bool),
    Cidr(IpAddr, u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Scope {
    #[default]
    Attributes,
    Body,
}

/// The most names in one policy.
/// <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>
const MOST_KEYS: usize = 5;
const MOST_COMBINATIONS: usize = 150;
/// The deepest nesting. SNS allows a policy of 256 KiB, and recursion needs an end.
const DEEPEST: usize = 32;

impl Policy {
    pub fn parse(text: &str, scope: Scope) -> Result<Policy, String> {
        let Ok(Value::Object(map)) = serde_json::from_str(text) else {
            return Err("failed to parse JSON.".to_owned());
        };
        let policy = policy(&map, scope, 0)?;
        if policy.keys() > MOST_KEYS {
            return Err(format!("Filter policy can not have more than {MOST_KEYS} keys"));
        }
        if policy.combinations(1) > MOST_COMBINATIONS {
            return Err("Filter policy is too complex".to_owned());
        }
        Ok(policy)
    }

    pub fn takes_attributes<'a>(&self, attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>) -> bool {
        let fields = attributes.into_iter().filter_map(|(name, attribute)| Some((name.clone(), value_of(attribute)?)));
        self.holds(&Value::Object(fields.collect()), Scope::Attributes)
    }

    pub fn takes_body(&self, body: &str) -> bool {
        match serde_json::from_str(body) {
            Ok(value @ Value::Object(_)) => self.holds(&value, Scope::Body),
            _ => false,
        }
    }

    fn holds(&self, value: &Value, scope: Scope) -> bool {
        self.0.iter().all(|rule| match rule {
            Rule::Field(name, tests) => tests.iter().any(|test| test.holds(value.get(name), scope)),
            Rule::Nested(name, policy) => match value.get(name) {
                Some(Value::Array(elements)) => elements.iter().any(|element| policy.holds(element, scope)),
                Some(nested) => policy.holds(nested, scope),
                // A missing field has no fields of its own. So a test that one of them does not exist holds.
                None => policy.holds(&Value::Null, scope),
            },
            Rule::Or(policies) => policies.iter().any(|policy| policy.holds(value, scope)),
        })
    }

    /// The number of combinations, as SNS counts them: the values of all fields multiplied, and weighted by their
    /// depth.
    fn combinations(&self, depth: usize) -> usize {
        let of = |rule: &Rule| match rule {
            Rule::Field(_, tests) => tests.len().saturating_mul(depth),
            Rule::Nested(_, policy) => policy.combinations(depth + 1),
            Rule::Or(policies) => {
                policies.iter().map(|policy| policy.combinations(depth)).fold(0, usize::saturating_add)
            }
        };
        self.0.iter().map(of).fold(1, usize::saturating_mul)
    }

    fn keys(&self) -> usize {
        let of = |rule: &Rule| match rule {
            Rule::Field(..) => 1,
            Rule::Nested(_, policy) => policy.keys(),
            Rule::Or(policies) => policies.iter().map(Policy::keys).sum(),
        };
        self.0.iter().map(of).sum()
    }
}

impl Test {
    fn holds(&self, field: Option<&Value>, scope: Scope) -> bool {
        if let Test::Exists(wanted) = self {
            return *wanted == field.is_some();
        }
        match field {
            // An attribute cannot be null, so a missing attribute passes the test for null.
            None => scope == Scope::Attributes && *self == Test::Is(Value::Null),
            Some(Value::Array(elements)) => elements.iter().any(|element| self.holds_for(element)),
            Some(value) => self.holds_for(value),
        }
    }

    fn holds_for(&self, value: &Value) -> bool {
        match (self, value) {
            (Test::Is(Value::Number(wanted)), Value::Number(value)) => wanted.as_f64() == value.as_f64(),
            (Test::Is(wanted), value) => wanted == value,
            (Test::AnythingBut(tests), value) => !tests.iter().any(|test| test.holds_for(value)),
            (Test::Prefix(prefix), Value::String(text)) => text.starts_with(prefix),
            (Test::Suffix(suffix), Value::String(text)) => text.ends_with(suffix),
            (Test::IgnoreCase(wanted), Value::String(text)) => wanted.to_lowercase() == text.to_lowercase(),
            (Test::Numeric(ranges), Value::Number(value)) => {
                let value = value.as_f64().unwrap_or(f64::NAN);
                ranges.iter().all(|(comparison, bound)| comparison.holds(value, *bound))
            }
            (Test::Cidr(network, bits), Value::String(text)) => {
                text.parse().is_ok_and(|address| prefix_of(address, *bits) == prefix_of(*network, *bits))
            }
            _ => false,
        }
    }
}

impl Comparison {
    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Comparison::Equal => value == bound,
            Comparison::Less => value < bound,
            Comparison::LessOrEqual => value <= bound,
            Comparison::Greater => value > bound,
            Comparison::GreaterOrEqual => value >= bound,
        }
    }
}

fn policy(map: &Map<String, Value>, scope: Scope, depth: usize) -> Result<Policy, String> {
    if depth > DEEPEST {
        return Err("Filter policy is nested too deeply".to_owned());
    }
    let mut rules = Vec::new();
    for (name, value) in map {
        rules.push(match value {
            Value::Array(elements) if name == "$or" && elements.iter().all(Value::is_object) && elements.len() > 1 => {
                let maps = elements.iter().filter_map(Value::as_object);
                Rule::Or(maps.map(|map| policy(map, scope, depth + 1)).collect::<Result<_, _>>()?)
            }
            Value::Array(elements) if elements.is_empty() => {
                return Err("Empty arrays are not allowed".to_owned());
            }
            Value::Array(elements) => Rule::Field(name.clone(), elements.iter().map(test).collect::<Result<_, _>>()?),
            Value::Object(_) if scope == Scope::Attributes => {
                return Err("Filter policy scope MessageAttributes does not support nested filter policy".to_owned());
            }
            Value::Object(map) if map.is_empty() => {
                return Err("Empty objects are not allowed".to_owned());
            }
            Value::Object(map) => Rule::Nested(name.clone(), policy(map, scope, depth + 1)?),
            _ => return Err(format!("\"{name}\" must be an object or an array")),
        });
    }
    Ok(Policy(rules))
}

fn test(value: &Value) -> Result<Test, String> {
    let operator = match value {
        Value::Object(operator) => operator,
        Value::Array(_) => {
            return Err("Match value must be String, number, true, false, or null".to_owned());
        }
        scalar => return Ok(Test::Is(scalar.clone())),
    };
    let mut entries = operator.iter();
    let (Some((name, operand)), None) = (entries.next(), entries.next()) else {
        return Err("Only one key allowed in match expression".to_owned());
    };
    match (name.as_str(), operand) {
        ("prefix", Value::String(text)) => Ok(Test::Prefix(text.clone())),
        ("suffix", Value::String(text)) => Ok(Test::Suffix(text.clone())),
        ("equals-ignore-case", Value::String(text)) => Ok(Test::IgnoreCase(text.clone())),
        ("exists", Value::Bool(wanted)) => Ok(Test::Exists(*wanted)),
        ("cidr", Value::String(text)) => cidr(text),
        ("numeric", Value::Array(parts)) => numeric(parts),
        ("anything-but", Value::Array(values)) if !values.is_empty() && !values.iter().any(is_compound) => {
            Ok(Test::AnythingBut(values.iter().cloned().map(Test::Is).collect()))
        }
        ("anything-but", Value::Object(inner)) if inner.contains_key("prefix") || inner.contains_key("suffix") => {
            Ok(Test::AnythingBut(vec![test(operand)?]))
        }
        ("anything-but", scalar) if !is_compound(scalar) => Ok(Test::AnythingBut(vec![Test::Is(scalar.clone())])),
        ("prefix" | "suffix" | "equals-ignore-case", _) => Err(format!("{name} match pattern must be a string")),
        ("exists", _) => Err("exists match pattern must be either true or false.".to_owned()),
        ("cidr" | "numeric" | "anything-but", _) => Err(format!("Value of {name} is not valid")),
        _ => Err(format!("Unrecognized match type {name}")),
    }
}

fn numeric(parts: &[Value]) -> Result<Test, String> {
    let mut ranges = Vec::new();
    for pair in parts.chunks(2) {
        let [Value::String(operator), Value::Number(bound)] = pair else {
            return Err("Value of numeric must be pairs of an operator and a number".to_owned());
        };
        let comparison = match operator.as_str() {
            "=" => Comparison::Equal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return Err(format!("Unrecognized numeric range operator: {operator}")),
        };
        ranges.push((comparison, bound.as_f64().unwrap_or(f64::NAN)));
    }
    if ranges.is_empty() || ranges.len() > 2 {
        return Err("Invalid member in numeric match".to_owned());
    }
    Ok(Test::Numeric(ranges))
}

fn cidr(text: &str) -> Result<Test, String> {
    let malformed = || format!("Malformed CIDR, one '/' required: {text}");
    let (address, bits) = text.split_once('/').ok_or_else(malformed)?;
    let address: IpAddr = address.parse().map_err(|_| malformed())?;
    let bits: u32 = bits.parse().map_err(|_| malformed())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    if bits > longest {
        return Err(malformed());
    }
    Ok(Test::Cidr(address, bits))
}

/// The address family, and the first bits of the address.
fn prefix_of(address: IpAddr, bits: u32) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => (true, u128::from(u32::from(address).checked_shr(32 - bits.min(32)).unwrap_or(0))),
        IpAddr::V6(address) => (false, u128::from(address).checked_shr(128 - bits.min(128)).unwrap_or(0)),
    }
}

fn is_compound(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// The value of an attribute for policies. They see nothing of a binary attribute.
fn value_of(attribute: &Attribute) -> Option<Value> {
    let Content::Text(text) = &attribute.content else {
        return None;
    };
    match attribute.kind.as_str() {
        "Number" => text.parse::<f64>().ok().map(Value::from),
        "String.Array" => serde_json::from_str(text).ok(),
        _ => Some(Value::String(text.clone())),
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
