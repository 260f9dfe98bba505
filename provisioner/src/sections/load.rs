//! Makes a [`Stack`] from text. It parses, chooses the environment, validates against the schema, and then finds the
//! mistakes that no schema can find.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::check::check;
use super::form::{leaves, problems_of};
use super::mend::{Mended, as_name};
use super::tables::key::keep_order;
use super::words::Profile;
use super::{Loaded, Stack};
use crate::yaml::{self, Data, Node, Position, Problem};

/// The most environments. Each is a load of the whole file, so a file with thousands of them would take hours to check.
const ENVIRONMENTS: usize = 50;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(Stack).to_value());
/// The validator. It is compiled once, because that takes longer than to validate a small stack.
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

/// Loads several environments from one reading. Gives either all of them, or every mistake in any of them, each once.
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

/// Loads one environment. Gives either a stack, or every mistake that there is, of form and of meaning. If a value has
/// the wrong form, another value stands in for it, so that the meaning can be checked too.
pub fn load(text: &str, env: &str) -> Result<Loaded, Vec<Problem>> {
    let whole = Whole::of(text)?;
    let (loaded, problems) = whole.in_environment(env);
    let problems = whole.with(problems);
    match loaded {
        Some(loaded) if problems.is_empty() => Ok(loaded),
        _ => Err(problems),
    }
}

/// A file before an environment is chosen. Mistakes of form in what all environments share have been mended.
struct Whole {
    text: Arc<str>,
    base: Node,
    environments: Option<Node>,
    /// Whether `base` has the form of a stack after it was mended.
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

    /// The stack in one environment, as far as there is one, and the mistakes that are there and not everywhere.
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
        keep_order(&merged, &mut value);
        match serde_json::from_value(value) {
            Ok(stack) => {
                let (text, positions) = (Arc::clone(&self.text), Arc::new(positions));
                let loaded = Loaded { stack, env: env.to_owned(), profile, text, positions };
                problems.extend(meaning(&loaded, &mended));
                (Some(loaded), problems)
            }
            // The schema lets a text through that does not make a stack.
            Err(error) => {
                if problems.is_empty() && self.of_form.is_empty() {
                    problems.push(Problem::new(Position { line: 1, column: 1 }, error.to_string()));
                }
                (None, problems)
            }
        }
    }

    /// Adds the mistakes that are everywhere, in order. If a value is not what it seems, no other mistake of it is
    /// told.
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

/// The mistakes that no schema can find. If an environment's profile is neither `dev` nor `prod`, nobody knows which is
/// meant. Then these are only the mistakes that the stack has with both.
fn meaning(loaded: &Loaded, mended: &Mended) -> Vec<Problem> {
    let of = |loaded: &Loaded| {
        let mut problems = Vec::new();
        check(loaded, mended, &mut problems);
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

/// The stack with the changes of the environment laid over it.
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

/// Takes a section out. Gives it and the place of its key.
fn take(root: &mut Node, key: &str) -> Option<(Position, Node)> {
    let Data::Map(entries) = &mut root.data else { return None };
    let place = entries.iter().position(|(name, ..)| name == key)?;
    let (_, at, node) = entries.remove(place);
    Some((at, node))
}

/// The most rounds of mending. There are fewer ways to mend a value, one after the other, up to the section around it.
const ROUNDS: usize = 12;

/// Tells every mistake of form, and mends the tree so that it has none. Whether that could be done.
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

/// Makes floats like `256.0` integers. To a JSON Schema they are integers, to serde they are not.
pub(super) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0) {
                // Above this number a float has no last digit. Every limit of the schema is far below.
                if float.abs() < 9e15 {
                    *value = Value::from(float as i64);
                }
            }
        }
        _ => {}
    }
}
