//! Checks functions inside the VPC: the way to what they use outside of it, and the size of their environment.

use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::functions::{Function, migrates, migration};
use crate::sections::logs::shipping::MOST;
use crate::sections::network::Nat;
use crate::sections::say::Say;
use crate::sections::search::Search;
use crate::sections::uses::{Given, User, Value, given, used};
use crate::sections::words::Name;

pub(super) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    for (name, function) in &loaded.stack.functions {
        if loaded.is_inside(function) && loaded.nat() == Nat::None {
            way_out(loaded, name, function, say);
        }
        let env = function.env.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        environment(loaded, (&format!("/functions/{name}/env"), &name.0), function.user(), env, say);
    }
    for (owned, owner, _) in loaded.stack.owned_by_functions() {
        let place = format!("/functions/{owner}/owns");
        environment(loaded, (&place, &migration(&owned.0)), migrates(owned), std::iter::empty(), say);
    }
}

/// Tells what a function uses that no interface endpoint leads to.
fn way_out(loaded: &Loaded, name: &Name, function: &Function, say: &mut Say<'_>) {
    let things = used(&loaded.stack, function.user());
    let searches = if Search::is_inside(loaded.profile) { Vec::new() } else { things.searches };
    let outside: Vec<&str> = things.functions.into_iter().chain(things.services).chain(searches).collect();
    for (index, thing) in function.uses.iter().enumerate().filter(|(_, thing)| outside.contains(&thing.0.as_str())) {
        let what =
            format!("`{name}` is inside the VPC, because it uses a database or a cache, and `{thing}` is outside");
        let hint = "`network: {nat: one}` makes a way out, which costs by the hour";
        say.problem(format!("/functions/{name}/uses/{index}"), what, Some(hint.into()));
    }
}

/// Counts the variables with the longest values that they can have, as Lambda does: as one JSON object. Lambda's refusal
/// repeats all of them, so it must never come to it.
fn environment<'a>(
    loaded: &Loaded,
    (place, name): (&str, &str),
    user: User<'_>,
    env: impl Iterator<Item = (&'a str, &'a str)>,
    say: &mut Say<'_>,
) {
    let scope = Scope::widest(loaded);
    let mut all = serde_json::Map::new();
    let mut set = |key: String, value: String| all.insert(key, value.into());
    for given in given(&loaded.stack, user) {
        if given.is_secret() {
            set(format!("{}_SECRET", given.name()), longest_secret(loaded, &scope, &given));
            set(format!("{}_VERSION", given.name()), "x".repeat(36));
        } else {
            set(given.name(), longest(&scope, &given));
        }
    }
    set("SERVICE_NAME".to_owned(), name.to_owned());
    for (key, value) in env {
        set(key.to_owned(), value.to_owned());
    }
    let bytes = serde_json::Value::Object(all).to_string().len();
    if bytes > MOST {
        let what = format!("the variables of `{name}` may have {bytes} bytes, more than the {MOST} that Lambda allows");
        say.problem(place.to_owned(), what, Some("fewer things in `uses`, or shorter texts".into()));
    }
}

/// The longest ARN that a secret can have.
fn longest_secret(loaded: &Loaded, scope: &Scope, given: &Given<'_>) -> String {
    let from = match given.value {
        Value::Secret(name) => loaded.stack.existing_secrets().find(|(other, _)| *other == name),
        _ => None,
    };
    match from {
        Some((_, arn)) if arn.starts_with("arn:") => arn.to_owned(),
        Some((_, name)) => scope.arn("secretsmanager", &format!("secret:{name}-xxxxxx")),
        None => scope.arn("secretsmanager", &format!("secret:{}/{}-xxxxxx", scope.prefix(), "x".repeat(40))),
    }
}

/// The longest value that a variable can have.
fn longest(scope: &Scope, given: &Given<'_>) -> String {
    match given.value {
        Value::TopicArn(_) => scope.arn("sns", &"x".repeat(80)),
        Value::QueueUrl(_) => {
            format!("https://sqs.{}.amazonaws.com/{}/{}", scope.region, scope.account, "x".repeat(80))
        }
        // The longest is the host of a database: 63 characters, 12 of AWS's, the region.
        _ => format!("{}.xxxxxxxxxxxx.{}.rds.amazonaws.com", "x".repeat(63), scope.region),
    }
}
