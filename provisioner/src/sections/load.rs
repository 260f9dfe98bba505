//! From text to [`Stack`]: parse, choose the environment, validate against the schema, then what no schema can say.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::Value;

use super::mend::{Mended, allows, as_name};
use super::{Profile, Stack, check};
use crate::yaml::{self, Data, Node, Position, Positions, Problem};

/// A stack without problems, in one environment, and the one reading of its file that it was made from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub stack: Stack,
    pub env: String,
    pub profile: Profile,
    /// The whole file. Nobody reads the file again: it may say something else by then.
    pub text: Arc<str>,
    /// The place of each value of this environment in the text.
    pub positions: Arc<Positions>,
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

/// Loads several environments from one reading. Either all of them, or everything that is wrong in any, each thing once.
pub fn load_all(text: &str, envs: &[String]) -> Result<Vec<Loaded>, Vec<Problem>> {
    let whole = Whole::of(text)?;
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for env in envs {
        let (loaded, found) = whole.in_environment(env);
        all.extend(loaded);
        problems.extend(found);
    }
    let problems = whole.with(problems);
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

/// Loads one environment. Either a stack, or every problem that there is: of form, and, with something standing in for what
/// has the wrong form, of meaning.
pub fn load(text: &str, env: &str) -> Result<Loaded, Vec<Problem>> {
    let whole = Whole::of(text)?;
    let (loaded, problems) = whole.in_environment(env);
    let problems = whole.with(problems);
    match loaded {
        Some(loaded) if problems.is_empty() => Ok(loaded),
        _ => Err(problems),
    }
}

/// A file before an environment is chosen, without mistakes of form in what all environments share.
struct Whole {
    text: Arc<str>,
    base: Node,
    environments: Option<Node>,
    /// Whether `base` has the form of a stack now that it was mended.
    sound: bool,
    mended: Mended,
    of_form: Vec<Problem>,
    of_yaml: Vec<Problem>,
}

impl Whole {
    fn of(text: &str) -> Result<Whole, Vec<Problem>> {
        let (root, of_yaml) = yaml::parse(text);
        let Some(mut base) = root else { return Err(of_yaml) };
        let (mut of_form, mut mended) = (Vec::new(), Mended::default());
        let sound = validate(&mut base, &mut mended, &mut of_form);
        let environments = take(&mut base, "environments").map(|(at, all)| {
            if matches!(&all.data, Data::Map(entries) if entries.len() > ENVIRONMENTS) {
                of_form.push(Problem::new(at, format!("there are more than {ENVIRONMENTS} environments")));
            }
            all
        });
        Ok(Whole { text: text.into(), base, environments, sound, mended, of_form, of_yaml })
    }

    /// The stack in one environment, as far as there is one, and what is wrong there beside what is wrong everywhere.
    fn in_environment(&self, env: &str) -> (Option<Loaded>, Vec<Problem>) {
        if !self.sound {
            return (None, Vec::new());
        }
        let all = self.environments.as_ref();
        // An environment's name may have been mended too.
        let mended_name = as_name(env);
        let is_there = all.is_some_and(|all| all.get(env).is_some());
        let env = if is_there { env } else { mended_name.as_str() };
        let over = all.and_then(|all| all.get(env));
        let (mut problems, mut mended) = (Vec::new(), self.mended.clone());
        if let Some(over) = over {
            mended.overlaid(&over.to_value().0);
        }
        let (mut merged, profile) = overlaid(self.base.clone(), over, env);
        if !validate(&mut merged, &mut mended, &mut problems) {
            return (None, problems);
        }
        let (mut value, positions) = merged.to_value();
        whole_numbers(&mut value);
        match serde_json::from_value(value) {
            Ok(stack) => {
                let (text, positions) = (Arc::clone(&self.text), Arc::new(positions));
                let loaded = Loaded { stack, env: env.to_owned(), profile, text, positions };
                problems.extend(meaning(&loaded, &mended));
                (Some(loaded), problems)
            }
            // The schema lets something through that is no stack.
            Err(error) => {
                if problems.is_empty() && self.of_form.is_empty() {
                    problems.push(Problem::new(Position { line: 1, column: 1 }, error.to_string()));
                }
                (None, problems)
            }
        }
    }

    /// With what is wrong everywhere, in order. Of a value that is not what it seems nothing else is told.
    fn with(self, mut problems: Vec<Problem>) -> Vec<Problem> {
        let strange: BTreeSet<Position> = self.of_yaml.iter().map(|problem| problem.at).collect();
        problems.extend(self.of_form);
        problems.retain(|problem| !strange.contains(&problem.at));
        problems.extend(self.of_yaml);
        problems.sort();
        problems.dedup();
        problems
    }
}

/// The mistakes that no schema can find. If an environment's profile is neither of the two, nobody knows which is
/// meant. Then these are only the mistakes that the stack has with both.
fn meaning(loaded: &Loaded, mended: &Mended) -> Vec<Problem> {
    let of = |loaded: &Loaded| {
        let mut problems = Vec::new();
        check::check(loaded, mended, &mut problems);
        problems
    };
    let problems = of(loaded);
    if !mended.is(&format!("{}/profile", yaml::below("/environments", &loaded.env))) {
        return problems;
    }
    let profile = if loaded.profile == Profile::Dev { Profile::Prod } else { Profile::Dev };
    let other: BTreeSet<Problem> = of(&Loaded { profile, ..loaded.clone() }).into_iter().collect();
    problems.into_iter().filter(|problem| other.contains(problem)).collect()
}

/// The stack with what the environment changes laid over it.
pub(super) fn in_environment(mut root: Node, env: &str) -> (Node, Profile) {
    let environments = take(&mut root, "environments");
    overlaid(root, environments.as_ref().and_then(|(_, all)| all.get(env)), env)
}

fn overlaid(base: Node, over: Option<&Node>, env: &str) -> (Node, Profile) {
    let default = if env == "prod" { Profile::Prod } else { Profile::Dev };
    let Some(mut over) = over.cloned() else { return (base, default) };
    let profile = match over.get("profile").map(|node| &node.data) {
        Some(Data::Scalar(Value::String(profile))) if profile == "prod" => Profile::Prod,
        Some(Data::Scalar(Value::Null)) | None => default,
        Some(_) => Profile::Dev,
    };
    if let Data::Map(entries) = &mut over.data {
        entries.retain(|(key, ..)| key != "profile");
    }
    (yaml::merge(base, &over), profile)
}

/// A section, and where its key is.
fn take(root: &mut Node, key: &str) -> Option<(Position, Node)> {
    let Data::Map(entries) = &mut root.data else { return None };
    let place = entries.iter().position(|(name, ..)| name == key)?;
    let (_, at, node) = entries.remove(place);
    Some((at, node))
}

/// More rounds than there are ways to mend a value, one after the other, up to the section around it.
const ROUNDS: usize = 12;

/// Tells every mistake of form, and leaves a tree without. Says whether that could be done.
fn validate(root: &mut Node, mended: &mut Mended, problems: &mut Vec<Problem>) -> bool {
    for _ in 0..ROUNDS {
        let (value, positions) = root.to_value();
        let all: Vec<ValidationError<'_>> = VALIDATOR.iter_errors(&value).collect();
        let errors: Vec<&ValidationError<'_>> = all.iter().flat_map(leaves).collect();
        if errors.is_empty() {
            return true;
        }
        let told = errors.iter().filter(|error| !mended.answers_for(error));
        problems.extend(told.flat_map(|error| problems_of(error, &SCHEMA, &positions)));
        if !mended.mend(root, &errors, &SCHEMA) {
            return false;
        }
    }
    false
}

/// Something optional, or of several shapes: what is wrong with it as the shape whose type it has.
fn leaves<'a>(error: &'a ValidationError<'a>) -> Vec<&'a ValidationError<'a>> {
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
        // To YAML 1.1 these were the same as the two.
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

/// What a pattern asks for, in words.
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
