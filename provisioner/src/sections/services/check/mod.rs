//! Checks `services:`.

mod health;
mod routes;

use std::collections::{BTreeMap, BTreeSet};

use super::{Service, fargate, roles};
use crate::sections::say::Say;
use crate::sections::similar::similar;
use crate::sections::uses::{self, Given, given};
use crate::sections::words::Name;
use crate::sections::{Loaded, Stack};
use crate::yaml::below;

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    own_names(stack, say);
    each(loaded, say);
    variables(stack, say);
    routes::check(stack, say);
    health::check(stack, say);
}

/// Refuses services with the name of another part of the stack: a service has a firewall group, a log group and a
/// process of its name.
fn own_names(stack: &Stack, say: &mut Say<'_>) {
    for name in stack.services.keys() {
        let prefixed = ["database-", "cache-", "search-"].iter().any(|prefix| name.0.starts_with(prefix));
        if prefixed || ["web", "redirect", "forwarder", "flow-logs"].contains(&name.0.as_str()) {
            say.taken("services", name);
        }
    }
}

fn each(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    let known: BTreeSet<&Name> = stack.usable().into_iter().map(|(_, name)| name).collect();
    let mut owners: BTreeMap<&Name, &Name> = BTreeMap::new();
    for (name, service) in &stack.services {
        let path = format!("/services/{name}");
        uses::check::check(stack, (&path, service.user()), &known, &|name| no_variable(name).is_some(), say);
        for (index, thing) in service.owns.iter().enumerate() {
            let place = format!("{path}/owns/{index}");
            if !stack.databases.contains_key(thing) {
                let hint = say.meant(thing, stack.databases.keys());
                let what = format!("`{thing}` is not a database of this stack");
                say.dangling(place, thing, &["databases"], what, hint);
            } else if let Some(other) = owners.insert(thing, name).filter(|other| *other != name) {
                say.problem(
                    place,
                    format!("`{thing}` is owned by `{other}` already"),
                    Some("one service migrates a schema".into()),
                );
            }
        }
        match (&service.role, &service.image) {
            // An unknown key may have been meant for one of the two.
            (None, None) if !say.sound(&path) => {}
            (None, None) => say.problem(
                path.clone(),
                format!("`{name}` has neither a `role` nor an `image`"),
                Some("`role: hello` runs the bundled runtime".into()),
            ),
            (Some(_), Some(_)) => {
                say.problem(format!("{path}/image"), format!("`{name}` has both a `role` and an `image`"), None)
            }
            (Some(role), None) => match roles::find(role) {
                Some(role) if roles::refuses(role).is_some() => {
                    say.problem(format!("{path}/role"), roles::refuses(role).unwrap_or_default(), None);
                }
                Some(role) => lacks(role, stack, (name, service), &known, say),
                None => {
                    let hint = similar(role, roles::names()).map(|near| format!("did you mean `{near}`?"));
                    let all = || format!("there are: {}", roles::names().collect::<Vec<_>>().join(", "));
                    let problem = format!("the runtime has no role `{role}`");
                    say.problem(format!("{path}/role"), problem, hint.or_else(|| Some(all())));
                }
            },
            (None, Some(_)) => {}
        }
        if let Some(user) = &service.user {
            let place = format!("{path}/user");
            if service.role.is_some() && service.image.is_none() && say.sound(&format!("{path}/image")) {
                let what = "the bundled runtime has its own user, which is not root".to_owned();
                say.problem(place, what, Some("`user` is for an `image` of your own".into()));
            } else if user.split(':').next().and_then(|uid| uid.parse::<u32>().ok()).unwrap_or(0) == 0 {
                let what = format!("`{name}` would run as root");
                say.problem(place, what, Some("a number from 1 to 4294967295, with or without `:` and a group".into()));
            }
        }
        if let Some(odd) = service.image.as_deref().and_then(|image| image.chars().find(|c| "${}<>\"'`|".contains(*c)))
        {
            let what = format!("an image with a `{odd}` in its name");
            let hint = "this file has no variables: write the name itself, with its tag or digest";
            say.problem(format!("{path}/image"), what, Some(hint.into()));
        }
        let (cpu, memory) = (service.cpu(), service.memory());
        let place = format!("{path}/{}", if service.cpu.is_some() { "cpu" } else { "memory" });
        if let Some((what, hint)) = fargate::problem(cpu, memory)
            && say.sound(&format!("{path}/cpu"))
            && say.sound(&format!("{path}/memory"))
        {
            say.problem(place, what, Some(hint));
        }
        let already: BTreeSet<String> = given(stack, service.user()).iter().map(Given::name).collect();
        for key in service.env.keys() {
            let place = below(&format!("{path}/env"), key);
            if let Some((what, hint)) = no_variable(key) {
                say.problem(place, what, hint.map(str::to_owned));
            } else if already.contains(key) {
                let what = format!("`{key}` is a variable that `{name}` gets by what it uses");
                say.problem(place, what, Some("take another name for it".into()));
            }
        }
        let (min, max) = (service.scale.min(loaded.profile), service.scale.max);
        if max.is_some_and(|max| max < min) && say.sound(&format!("{path}/scale/min")) {
            say.problem(
                format!("{path}/scale/max"),
                format!("the most tasks of `{name}` are fewer than the least, {min}"),
                None,
            );
        }
    }
}

/// Tells what the role of a service lacks. If the service names at least as many unknown things as the role lacks, it
/// tells nothing, because the role may lack just those.
fn lacks(
    role: &roles::Role,
    stack: &Stack,
    (name, service): (&Name, &Service),
    known: &BTreeSet<&Name>,
    say: &mut Say<'_>,
) {
    let path = format!("/services/{name}");
    let unknown = service.uses.iter().chain(&service.owns).filter(|thing| !known.contains(thing)).count();
    let lacks = roles::lacks(role, stack, service);
    let explained = unknown >= lacks.len() && unknown > 0;
    if !explained && say.sound(&format!("{path}/uses")) && say.sound(&format!("{path}/owns")) {
        for lack in lacks {
            say.problem(format!("{path}/role"), lack, None);
        }
    }
}

/// The most bytes of a task definition as JSON, environment files aside (ECS developer guide, service quotas).
const TASK_DEFINITION: usize = 64 * 1024;

/// Refuses services whose variables alone are larger than a task definition may be.
fn variables(stack: &Stack, say: &mut Say<'_>) {
    for (name, service) in &stack.services {
        let bytes: usize = service
            .env
            .iter()
            .map(|(key, value)| serde_json::json!({"name": key, "value": value}).to_string().len() + 1)
            .sum();
        if bytes > TASK_DEFINITION {
            let what = format!(
                "the variables of `{name}` have {bytes} bytes, more than the {TASK_DEFINITION} that ECS allows for a whole task \
                 definition"
            );
            say.problem(format!("/services/{name}/env"), what, Some("put long values into a file of the image".into()));
        }
    }
}

/// Why a stack file cannot set a variable of this name, with a hint if there is one. `None` if it can.
pub(crate) fn no_variable(name: &str) -> Option<(String, Option<&'static str>)> {
    if name.is_empty() || name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
        return Some((format!("`{}` is not the name of an environment variable", name.escape_debug()), None));
    }
    if ["PORT", "SERVICE_NAME"].contains(&name) {
        return Some((format!("`{name}` is a variable that provision sets itself"), None));
    }
    // ECS developer guide: task metadata, task IAM role, environment of a container.
    if AGENTS.contains(&name) || name.starts_with("ECS_CONTAINER_METADATA_URI") {
        return Some((format!("`{name}` is a variable that ECS sets itself"), None));
    }
    KEYS.contains(&name).then(|| {
        let what = format!("with `{name}` the service would not have the rights that `uses` gives it");
        (what, Some("the task's role has keys of its own, which change"))
    })
}

const AGENTS: &[&str] = &[
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_EXECUTION_ENV",
    "ECS_AGENT_URI",
];
/// Every SDK takes credentials from these variables before it asks for those of the task's role.
const KEYS: &[&str] = &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
