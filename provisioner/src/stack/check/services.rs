//! What services cannot be.

use std::collections::{BTreeMap, BTreeSet};

use super::super::load::similar;
use super::{Say, used};
use crate::roles;
use crate::stack::{Given, Loaded, Name, Nat, Profile, given};
use crate::yaml::below;

pub(super) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    let known: BTreeSet<&Name> = used(stack).into_iter().map(|(_, name)| name).collect();
    let mut owners: BTreeMap<&Name, &Name> = BTreeMap::new();
    for (name, service) in &stack.services {
        let path = format!("/services/{name}");
        for (index, thing) in service.uses.iter().enumerate().filter(|(_, thing)| !known.contains(thing)) {
            say.problem(
                format!("{path}/uses/{index}"),
                format!("`{thing}` is not in this stack"),
                say.meant(thing, known.iter().copied()),
            );
        }
        for (index, thing) in service.owns.iter().enumerate() {
            let place = format!("{path}/owns/{index}");
            if !stack.databases.contains_key(thing) {
                say.problem(
                    place,
                    format!("`{thing}` is not a database of this stack"),
                    say.meant(thing, stack.databases.keys()),
                );
            } else if let Some(other) = owners.insert(thing, name).filter(|other| *other != name) {
                say.problem(
                    place,
                    format!("`{thing}` is owned by `{other}` already"),
                    Some("one service migrates a schema".into()),
                );
            }
        }
        match (&service.role, &service.image) {
            (None, None) => say.problem(
                path.clone(),
                format!("`{name}` has neither a `role` nor an `image`"),
                Some("`role: hello` runs the bundled runtime".into()),
            ),
            (Some(_), Some(_)) => {
                say.problem(format!("{path}/image"), format!("`{name}` has both a `role` and an `image`"), None)
            }
            (Some(role), None) => match roles::find(role) {
                Some(role) => {
                    for lack in role.lacks(stack, service) {
                        say.problem(format!("{path}/role"), lack, None);
                    }
                }
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
            if service.image.is_none() {
                let what = "the bundled runtime has its own user, which is not root".to_owned();
                say.problem(place, what, Some("`user` is for an `image` of your own".into()));
            } else if user.split(':').next().and_then(|uid| uid.parse::<u32>().ok()).unwrap_or(0) == 0 {
                let what = format!("`{name}` would run as root");
                say.problem(place, what, Some("a number from 1 to 4294967295, with or without `:` and a group".into()));
            }
        }
        let (cpu, memory) = (service.cpu.unwrap_or(256), service.memory.unwrap_or(512));
        if !fargate(cpu, memory) {
            let place = if service.cpu.is_some() { "cpu" } else { "memory" };
            say.problem(format!("{path}/{place}"), format!("Fargate has no tasks with {cpu} CPU units and {memory} MiB"), Some("256: 512, 1024, 2048; 512: 1024 to 4096; 1024: 2048 to 8192; 2048: 4096 to 16384; 4096: 8192 to 30720".into()));
        }
        let already: BTreeSet<String> = given(stack, service).iter().map(Given::name).collect();
        for key in service.env.keys() {
            let place = below(&format!("{path}/env"), key);
            if let Some(what) = no_variable(key) {
                say.problem(place, what, None);
            } else if already.contains(key) {
                let what = format!("`{key}` is a variable that `{name}` gets by what it uses");
                say.problem(place, what, Some("take another name for it".into()));
            }
        }
        let least = if loaded.profile == Profile::Prod { 2 } else { 1 };
        let (min, max) = (service.scale.min.unwrap_or(least), service.scale.max);
        if max.is_some_and(|max| max < min) {
            say.problem(
                format!("{path}/scale/max"),
                format!("the most tasks of `{name}` are fewer than the least, {min}"),
                None,
            );
        }
        if let Some(http) = &service.http {
            for (index, method) in http.methods.iter().enumerate() {
                if !METHODS.contains(&method.as_str()) {
                    let hint = similar(&method.to_uppercase(), METHODS.iter().copied())
                        .map(|near| format!("did you mean `{near}`?"));
                    say.problem(format!("{path}/http/methods/{index}"), format!("`{method}` is no HTTP method"), hint);
                }
            }
            for (index, pattern) in
                http.paths.iter().enumerate().filter(|(_, path)| !path.starts_with('/') || path.len() > 128)
            {
                say.problem(
                    format!("{path}/http/paths/{index}"),
                    format!("`{pattern}` is no path pattern"),
                    Some("it starts with `/` and has at most 128 characters".into()),
                );
            }
            let heads = usize::from(http.methods.iter().any(|method| method == "GET"));
            if http.paths.len() + http.methods.len() + heads > 5 {
                say.problem(
                    format!("{path}/http"),
                    format!(
                        "`{name}` has more than the 5 paths and methods that a listener rule takes (GET counts twice, for HEAD)"
                    ),
                    None,
                );
            }
        }
    }
    if loaded.stack.network.nat == Some(Nat::None) && !stack.services.is_empty() {
        say.problem(
            "/network/nat".into(),
            "services without a NAT gateway cannot fetch their image or their secrets".into(),
            Some("`one` or `per-zone`".into()),
        );
    }
    let mut whole: Vec<&Name> = Vec::new();
    for (name, service) in &stack.services {
        if service.http.as_ref().is_some_and(|http| http.paths.is_empty() && http.methods.is_empty()) {
            whole.push(name);
        }
    }
    if let [first, second, ..] = whole[..] {
        say.problem(
            format!("/services/{second}/http"),
            format!("both `{first}` and `{second}` take every request"),
            Some("say `paths` or `methods`".into()),
        );
    }
}

/// CPU units and the MiB that go with them on Fargate (ECS developer guide, task definition parameters).
fn fargate(cpu: u32, memory: u32) -> bool {
    match cpu {
        256 => matches!(memory, 512 | 1024 | 2048),
        512 => (1024..=4096).contains(&memory) && memory.is_multiple_of(1024),
        1024 => (2048..=8192).contains(&memory) && memory.is_multiple_of(1024),
        2048 => (4096..=16_384).contains(&memory) && memory.is_multiple_of(1024),
        4096 => (8192..=30_720).contains(&memory) && memory.is_multiple_of(1024),
        _ => false,
    }
}

/// What is wrong with the name of an environment variable.
fn no_variable(name: &str) -> Option<String> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Some(format!("`{name}` is no name of an environment variable"));
    }
    let taken = ["PORT", "SERVICE_NAME"].contains(&name);
    taken.then(|| format!("`{name}` is a variable that provision sets itself"))
}

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
