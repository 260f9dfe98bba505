//! Puts the mistakes of form in words: what a JSON Schema refused, where, and what was meant.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::schema::{allows, known_keys};
use super::similar::similar;
use crate::yaml::{self, Positions, Problem};

/// What one error of the validator tells the reader.
pub(super) fn problems_of(error: &ValidationError<'_>, schema: &Value, positions: &Positions) -> Vec<Problem> {
    let pointer = error.instance_path().to_string();
    let at = positions.of(&pointer);
    let path = spoken(&pointer);
    let value = error.instance();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = known_keys(schema, error.schema_path().as_str());
            let problem = |key: &String| {
                let at = positions.key(&yaml::below(&pointer, key));
                let problem = Problem::new(at, format!("`{key}` is not known{}", inside(&path)));
                match similar(key, known.iter().map(String::as_str)) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None if known.is_empty() => problem.hint(NAME),
                    None => problem.hint(format!("there are: {}", known.join(", "))),
                }
            };
            unexpected.iter().map(problem).collect()
        }
        ValidationErrorKind::Required { property } => {
            let property = property.as_str().unwrap_or_default();
            vec![Problem::new(at, format!("`{property}` is missing{}", inside(&path)))]
        }
        ValidationErrorKind::Pattern { pattern } => {
            let problem = Problem::new(at, format!("`{path}` is {value}, which does not fit"));
            let text = value.as_str().unwrap_or_default().to_lowercase();
            vec![match similar(&text, partition::regions()).filter(|_| pattern == REGION) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(asked_for(pattern)),
            }]
        }
        _ if pointer.is_empty() => {
            let problem = Problem::new(at, "a stack file is a map of sections");
            vec![problem.hint("it starts with `stack: <name>`")]
        }
        _ if value.is_null() => {
            vec![Problem::new(at, format!("`{path}` is empty")).hint(match error.kind() {
                ValidationErrorKind::Type { kind } if allows(kind, JsonType::Object) => "write `{}` for all defaults",
                _ => "write a value, or leave it out",
            })]
        }
        // To YAML 1.1 these words were the same as `true` and `false`.
        ValidationErrorKind::Type { .. }
            if value.as_str().is_some_and(|word| SWITCHES.contains(&&*word.to_lowercase())) =>
        {
            vec![Problem::new(at, format!("`{path}`: {error}")).hint("write `true` or `false`, without quotes")]
        }
        ValidationErrorKind::Type { .. } if value.is_boolean() => {
            vec![Problem::new(at, format!("`{path}`: {error}")).hint(format!("a text is in quotes: `\"{value}\"`"))]
        }
        ValidationErrorKind::Type { .. } if value.is_number() => {
            let hint = match pointer.contains("/env/") {
                true => format!("a text is in quotes: `\"{value}\"`"),
                false => format!("a time has a unit, as in `{value}s`; a version or an account is in quotes"),
            };
            vec![Problem::new(at, format!("`{path}`: {error}")).hint(hint)]
        }
        _ => vec![Problem::new(at, format!("`{path}`: {error}"))],
    }
}

/// The pattern of a region in the schema.
const REGION: &str = r"^[a-z]+(-[a-z]+)+-[0-9]+$";
const SWITCHES: [&str; 8] = ["yes", "no", "on", "off", "y", "n", "true", "false"];

const NAME: &str = "lower-case letters, digits and single dashes, starting with a letter";

/// The form that a pattern asks for, in words.
fn asked_for(pattern: &str) -> String {
    match pattern {
        p if p.starts_with("^[a-z]([a-z0-9]") => NAME.into(),
        p if p.contains("(s|m|h|d)") => "a number with a unit: `30s`, `5m`, `12h` or `4d`".into(),
        p if p.contains("{12}$") && p.starts_with("^[0-9]") => "12 digits, in quotes".into(),
        p if p.starts_with("^/") => "a path: it starts with `/` and has at most 1024 characters".into(),
        p if p.starts_with("^[^ ") => "the name of an image with its tag or digest".into(),
        REGION => "the name of a region, as in `eu-west-1`".into(),
        p if p.contains(":acm:") => {
            "the ARN of a certificate in ACM, as in `arn:aws:acm:REGION:ACCOUNT:certificate/ID`".into()
        }
        p if p.starts_with("^(10") => {
            "the first address of a private block with 65,536 of them, as in `10.1.0.0`, `172.20.0.0` or `192.168.0.0`"
                .into()
        }
        p if p.starts_with("^db") => "the class of an RDS instance, as in `db.t4g.micro`".into(),
        p if p.starts_with("^cache") => "a node type of ElastiCache, as in `cache.t4g.micro`".into(),
        p if p.contains("search$") => "an instance type of OpenSearch, as in `t3.small.search`".into(),
        p if p.starts_with("^[1-9]") => "a version of OpenSearch in quotes, as in `\"2.19\"`".into(),
        p if p.starts_with("^[0-9]{1,10}") => "a user by number, in quotes, as in `\"1000\"` or `\"1000:1000\"`".into(),
        p if p.contains(":secretsmanager:") => {
            "the name of a secret in Secrets Manager (letters, digits and `/_+=.@-`), or its whole ARN with the six characters at its end".into()
        }
        p if p.contains(":policy/") => "the name of an IAM policy, its whole ARN, or `none`".into(),
        p if p.contains("8\\.(0|4)") => "`\"8.4\"` or `\"8.0\"`, in quotes".into(),
        p => format!("it has to match {p}"),
    }
}

/// The place in words: `/queues/work/from` becomes `queues.work.from`.
fn spoken(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~")
}

fn inside(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in `{path}`") }
}

/// The errors in words for people. An optional value, or one that may have several shapes, has the errors of the shape
/// whose type it has.
pub(super) fn leaves<'a>(error: &'a ValidationError<'a>) -> Vec<&'a ValidationError<'a>> {
    match error.kind() {
        ValidationErrorKind::AnyOf { context } if !error.instance().is_null() && !context.is_empty() => {
            let of_type = |errors: &&Vec<ValidationError<'_>>| !errors.iter().any(|inner| is_other_type(inner, error));
            let meant = context.iter().find(of_type).unwrap_or(&context[0]);
            meant.iter().flat_map(|inner| leaves(inner)).collect()
        }
        _ => vec![error],
    }
}

/// Whether the value itself, and not something inside, is of another type than this shape.
fn is_other_type(inner: &ValidationError<'_>, outer: &ValidationError<'_>) -> bool {
    let here = inner.instance_path().to_string() == outer.instance_path().to_string();
    match inner.kind() {
        ValidationErrorKind::Type { .. } => here,
        ValidationErrorKind::AnyOf { context } => {
            here && context.iter().all(|errors| errors.iter().any(|inner| is_other_type(inner, outer)))
        }
        _ => false,
    }
}
