//! From text to [`Stack`]: parse, choose the environment, validate against the schema, then what no schema can say.

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

#[cfg(feature = "aws")]
use super::guard;
use super::{Profile, Stack, check};
use crate::yaml::{self, Data, Node, Position, Positions, Problem};

/// A stack without problems, in one environment.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub stack: Stack,
    pub env: String,
    pub profile: Profile,
}

/// Each environment is a load of the whole file, so a file with thousands of them would take hours to check.
const ENVIRONMENTS: usize = 50;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(Stack).to_value());
/// Compiled once: that takes longer than to validate a small stack.
static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::validator_for(&SCHEMA).expect("our own schema is valid: a test says so"));

/// The JSON Schema of stack files.
pub fn schema() -> Value {
    SCHEMA.clone()
}

/// The environments that a stack file names, as far as they are allowed. Without any there is one, `dev`.
pub fn environments(text: &str) -> Vec<String> {
    match yaml::parse(text).0.as_ref().and_then(|root| root.get("environments")) {
        Some(Node { data: Data::Map(entries), .. }) if !entries.is_empty() => {
            entries.iter().take(ENVIRONMENTS).map(|(name, ..)| name.clone()).collect()
        }
        _ => vec!["dev".to_owned()],
    }
}

/// Loads one environment. Either a stack, or every problem that there is.
pub fn load(text: &str, env: &str) -> Result<Loaded, Vec<Problem>> {
    let (root, mut problems) = yaml::parse(text);
    let Some(root) = root else {
        return Err(problems);
    };
    let (whole, positions) = root.to_value();
    validate(&whole, &positions, &mut problems);
    if whole["environments"].as_object().is_some_and(|all| all.len() > ENVIRONMENTS) {
        let what = format!("there are more than {ENVIRONMENTS} environments");
        problems.push(Problem::new(positions.key("/environments"), what));
    }
    if !problems.is_empty() {
        problems.sort();
        return Err(problems);
    }
    drop((whole, positions));
    let (merged, profile) = in_environment(root, env);
    let (mut value, positions) = merged.to_value();
    drop(merged);
    validate(&value, &positions, &mut problems);
    if problems.is_empty() {
        whole_numbers(&mut value);
        match serde_json::from_value::<Stack>(value) {
            Ok(stack) => {
                let loaded = Loaded { stack, env: env.to_owned(), profile };
                check::check(&loaded, &positions, &mut problems);
                check::patterns::check(&loaded.stack, text, &positions, &mut problems);
                #[cfg(feature = "aws")]
                if problems.is_empty() {
                    guard::check(&loaded, &positions, &mut problems);
                }
                if problems.is_empty() {
                    return Ok(loaded);
                }
            }
            Err(error) => problems.push(Problem::new(Position { line: 1, column: 1 }, error.to_string())),
        }
    }
    problems.sort();
    problems.dedup();
    Err(problems)
}

/// The stack with what the environment changes laid over it.
pub(super) fn in_environment(root: Node, env: &str) -> (Node, Profile) {
    let default = if env == "prod" { Profile::Prod } else { Profile::Dev };
    let Some(mut over) = root.get("environments").and_then(|all| all.get(env)).cloned() else {
        return (root, default);
    };
    let profile = match over.get("profile").map(|node| &node.data) {
        Some(Data::Scalar(Value::String(profile))) if profile == "prod" => Profile::Prod,
        Some(Data::Scalar(Value::Null)) | None => default,
        Some(_) => Profile::Dev,
    };
    if let Data::Map(entries) = &mut over.data {
        entries.retain(|(key, ..)| key != "profile");
    }
    (yaml::merge(root, &over), profile)
}

fn validate(value: &Value, positions: &Positions, problems: &mut Vec<Problem>) {
    for error in VALIDATOR.iter_errors(value) {
        problems.extend(problems_of(&error, &SCHEMA, positions));
    }
}

/// To a JSON Schema `256.0` is an integer, to serde it is not.
pub(super) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0) {
                // Beyond these numbers a float has no last digit; every limit of the schema is far below.
                if float.abs() < 9e15 {
                    *value = Value::from(float as i64);
                }
            }
        }
        _ => {}
    }
}

fn problems_of(error: &ValidationError<'_>, schema: &Value, positions: &Positions) -> Vec<Problem> {
    let pointer = error.instance_path().to_string();
    let at = positions.of(&pointer);
    let path = spoken(&pointer);
    let value = error.instance();
    match error.kind() {
        // Something optional, or of several shapes: what is wrong with it as the shape whose type it has.
        ValidationErrorKind::AnyOf { context } if !value.is_null() && !context.is_empty() => {
            let of_type = |errors: &&Vec<ValidationError<'_>>| !errors.iter().any(|inner| is_other_type(inner, error));
            let meant = context.iter().find(of_type).unwrap_or(&context[0]);
            meant.iter().flat_map(|inner| problems_of(inner, schema, positions)).collect()
        }
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
            vec![Problem::new(at, format!("`{path}` is {value}, which does not fit")).hint(meaning(pattern))]
        }
        _ if value.is_null() => {
            vec![Problem::new(at, format!("`{path}` is empty")).hint("write `{}` for all defaults")]
        }
        ValidationErrorKind::Type { .. } if value.is_number() => {
            let hint = format!("a time has a unit, as in `{value}s`; a version or an account is in quotes");
            vec![Problem::new(at, format!("`{path}`: {error}")).hint(hint)]
        }
        _ => vec![Problem::new(at, format!("`{path}`: {error}"))],
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

const NAME: &str = "lower-case letters, digits and single dashes, starting with a letter";

/// What a pattern asks for, in words.
fn meaning(pattern: &str) -> String {
    match pattern {
        p if p.starts_with("^[a-z]([a-z0-9]") => NAME.into(),
        p if p.contains("(s|m|h|d)") => "a number with a unit: `30s`, `5m`, `12h` or `4d`".into(),
        p if p.contains("{12}$") && p.starts_with("^[0-9]") => "12 digits, in quotes".into(),
        p if p.starts_with("^/") => "a path: it starts with `/` and has at most 1024 characters".into(),
        p if p.starts_with("^[^ ") => "the name of an image with its tag or digest".into(),
        p if p.contains(":policy/") => "the name of an IAM policy, its whole ARN, or `none`".into(),
        p if p.contains("8\\.(0|4)") => "`\"8.4\"` or `\"8.0\"`, in quotes".into(),
        p => format!("it has to match {p}"),
    }
}

/// `/queues/work/from` -> `queues.work.from`.
fn spoken(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~")
}

fn inside(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in `{path}`") }
}

/// The keys that a schema object knows, from the place where the schema refused one.
fn known_keys(schema: &Value, schema_path: &str) -> Vec<String> {
    let owner = schema_path.trim_end_matches("/additionalProperties");
    let mut node = schema;
    for part in owner.split('/').filter(|part| !part.is_empty()) {
        node = match part {
            "$ref" => node
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|target| schema.pointer(target.trim_start_matches('#')))
                .unwrap_or(node),
            part => node
                .get(part)
                .or_else(|| node.as_array().and_then(|items| items.get(part.parse::<usize>().ok()?)))
                .unwrap_or(node),
        };
    }
    node.get("properties").and_then(Value::as_object).map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
}

/// The most similar of some names, if one is similar at all.
pub(crate) fn similar<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = |other: &str| 1 + other.len() / 4;
    known
        // The distance is at least the difference in length, and far cheaper to have.
        .filter(|other| word.len().abs_diff(other.len()) <= allowed(other))
        .map(|other| (distance(word, other), other))
        .filter(|(far, other)| *far <= allowed(other))
        .min()
        .map(|(_, other)| other)
}

/// Levenshtein, with a swap of neighbours as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, j) => j,
                (i, 0) => i,
                (i, j) => {
                    let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let swap = match i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        true => rows[i - 2][j - 2] + 1,
                        false => usize::MAX,
                    };
                    change.min(swap).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
                }
            };
        }
    }
    rows[a.len()][b.len()]
}
