//! Checks `functions:`.

mod inside;

use std::collections::{BTreeMap, BTreeSet};

use ::roles::{Event, Runs};

use super::{API, FAILED, FIREWALL, Function, MIGRATE, On, migration, routes};
use crate::sections::network::ENDPOINTS;
use crate::sections::say::Say;
use crate::sections::services::check::no_variable;
use crate::sections::services::roles;
use crate::sections::similar::similar;
use crate::sections::uses::{self, Given, given};
use crate::sections::words::Name;
use crate::sections::{Loaded, Stack};
use crate::yaml::below;

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    names(stack, say);
    let known: BTreeSet<&Name> = stack.usable().into_iter().map(|(_, name)| name).collect();
    let refused = |variable: &str| no_variable(variable).is_some() || reserved(variable).is_some();
    for (name, function) in &stack.functions {
        let path = format!("/functions/{name}");
        role(stack, (name, function), &known, say);
        uses::check::check(stack, (&path, function.user()), &known, &refused, say);
        owns(stack, name, function, say);
        source(stack, name, function, say);
        limits(name, function, say);
        variables(name, function, say);
    }
    takers(stack, say);
    paths(stack, say);
    inside::check(loaded, say);
}

/// Refuses names that the parts which `provision` makes for functions have.
fn names(stack: &Stack, say: &mut Say<'_>) {
    let migrations: BTreeSet<String> = stack.owned_by_functions().map(|(owned, ..)| migration(&owned.0)).collect();
    let queues: BTreeSet<String> = stack.failed_queues().map(|(queue, _)| queue).collect();
    let taken = |name: &Name| migrations.contains(&name.0) || queues.contains(&name.0) || name.0 == API;
    for (section, name) in stack.usable().into_iter().filter(|(_, name)| taken(name)) {
        say.taken(section, name);
    }
    // A service has a firewall group of its name.
    for name in stack.services.keys().filter(|name| [FIREWALL, ENDPOINTS].contains(&name.0.as_str())) {
        say.taken("services", name);
    }
    for name in stack.functions.keys() {
        let ours = name.0.ends_with(MIGRATE) || name.0.ends_with(FAILED) || name.0.starts_with("forward-");
        if ours || ["web", "redirect", "forwarder", "flow-logs", "messaging"].contains(&name.0.as_str()) {
            say.taken("functions", name);
        }
    }
}

fn role(stack: &Stack, (name, function): (&Name, &Function), known: &BTreeSet<&Name>, say: &mut Say<'_>) {
    let place = format!("/functions/{name}/role");
    let names = || ::roles::ROLES.iter().filter(|role| role.runs == Runs::Function).map(|role| role.name);
    let Some(role) = roles::find(&function.role) else {
        let hint = similar(&function.role, names()).map(|near| format!("did you mean `{near}`?"));
        let all = || format!("there are: {}", names().collect::<Vec<_>>().join(", "));
        return say.problem(
            place,
            format!("the runtime has no role `{}`", function.role),
            hint.or_else(|| Some(all())),
        );
    };
    if role.runs != Runs::Function {
        let what = format!("the role `{}` is a service, and no function can have it", role.name);
        return say.problem(place, what, None);
    }
    for (given, event, words) in [
        (function.http.is_some(), Event::Http, "requests"),
        (function.queue().is_some(), Event::Queue, "messages of a queue"),
        (function.table().is_some(), Event::Table, "changes of a table"),
        (function.topic().is_some(), Event::Topic, "messages of a topic"),
        (function.every_minutes().is_some(), Event::Schedule, "the events of a schedule"),
    ] {
        if given && !role.takes.contains(&event) {
            say.problem(place.clone(), format!("the role `{}` does not take {words}", role.name), None);
        }
    }
    let unknown = function.uses.iter().chain(&function.owns).any(|thing| !known.contains(thing));
    if unknown || !say.sound(&format!("/functions/{name}/uses")) {
        return;
    }
    for lack in roles::lacks_of(role, stack, function.user()) {
        say.problem(place.clone(), lack, None);
    }
    let has: BTreeSet<String> =
        given(stack, function.user()).iter().map(Given::name).chain(function.env.keys().cloned()).collect();
    for variable in role.variables.iter().filter(|variable| !has.contains(**variable)) {
        let hint = match variable.strip_suffix("_URL") {
            Some(of) => format!("use the function `{}`", of.to_lowercase().replace('_', "-")),
            None => format!("use a secret `{}`", variable.to_lowercase().replace('_', "-")),
        };
        say.problem(place.clone(), format!("the role `{}` needs `{variable}`", role.name), Some(hint));
    }
}

fn owns(stack: &Stack, name: &Name, function: &Function, say: &mut Say<'_>) {
    let path = format!("/functions/{name}");
    let schema = roles::find(&function.role).is_some_and(|role| role.schema.is_some());
    if !function.owns.is_empty() && !schema && say.sound(&format!("{path}/role")) {
        let what = format!("the role `{}` has no schema to migrate", function.role);
        say.problem(format!("{path}/owns"), what, Some("the owner is a function whose role has one".into()));
    } else if function.owns.len() > 1 {
        let what = format!("`{name}` owns {} databases, and its role has one schema", function.owns.len());
        say.problem(format!("{path}/owns"), what, None);
    }
    for (index, thing) in function.owns.iter().enumerate() {
        let place = format!("{path}/owns/{index}");
        let other = stack.functions.iter().find(|(other, it)| *other < name && it.owns.contains(thing));
        let service = stack.services.iter().find(|(_, service)| service.owns.contains(thing));
        let owner = other.map(|(other, _)| other).or(service.map(|(service, _)| service));
        if !stack.databases.contains_key(thing) {
            let hint = say.meant(thing, stack.databases.keys());
            say.dangling(place, thing, &["databases"], format!("`{thing}` is not a database of this stack"), hint);
        } else if let Some(other) = owner {
            let what = format!("`{thing}` is owned by `{other}` already");
            say.problem(place, what, Some("one owner migrates a schema".into()));
        }
    }
}

fn source(stack: &Stack, name: &Name, function: &Function, say: &mut Say<'_>) {
    let path = format!("/functions/{name}/on");
    let Some(on) = &function.on else {
        if function.http.is_none() && say.sound(&format!("/functions/{name}")) {
            let what = format!("`{name}` gets no events: it has neither `http` nor `on`");
            say.problem(format!("/functions/{name}"), what, Some("`http: {}` is every request".into()));
        }
        return;
    };
    let sources = [on.queue.is_some(), on.table.is_some(), on.topic.is_some(), on.every.is_some()];
    let sources = sources.into_iter().filter(|is| *is).count();
    if sources != 1 && say.sound(&path) {
        let what = format!("`on` of `{name}` has {sources} sources");
        say.problem(path.clone(), what, Some("one of `queue`, `table`, `topic` and `every`".into()));
    }
    if let Some(queue) = on.queue.as_ref().filter(|queue| !stack.queues.contains_key(queue)) {
        let hint = say.meant(queue, stack.queues.keys());
        say.dangling(
            format!("{path}/queue"),
            queue,
            &["queues"],
            format!("`{queue}` is not a queue of this stack"),
            hint,
        );
    }
    if let Some(table) = on.table.as_ref() {
        of_table(stack, &path, table, say);
    }
    if let Some(topic) = on.topic.as_ref() {
        match stack.topics.get(topic) {
            None => {
                let hint = say.meant(topic, stack.topics.keys());
                let what = format!("`{topic}` is not a topic of this stack");
                say.dangling(format!("{path}/topic"), topic, &["topics"], what, hint);
            }
            Some(found) if found.fifo => {
                let hint = "a FIFO queue between the two";
                say.problem(
                    format!("{path}/topic"),
                    format!("`{topic}` is a FIFO topic, which calls no function"),
                    Some(hint.into()),
                );
            }
            Some(_) => {}
        }
    }
    for (given, key, source) in [
        (on.batch.is_some() && on.queue.is_none() && on.table.is_none(), "batch", "a queue or a table"),
        (on.window.is_some() && on.queue.is_none() && on.table.is_none(), "window", "a queue or a table"),
        (on.from.is_some() && on.table.is_none(), "from", "a table"),
        (on.retries.is_some() && on.table.is_none(), "retries", "a table"),
        (on.filter.is_some() && on.topic.is_none(), "filter", "a topic"),
    ] {
        if given {
            say.problem(format!("{path}/{key}"), format!("`{key}` is for {source}"), None);
        }
    }
    if let Some(every) = &on.every {
        let seconds = every.seconds();
        if seconds % 60 != 0 || !(60..=86_400).contains(&seconds) {
            say.problem(
                format!("{path}/every"),
                format!("`every` is {}, and has to be whole minutes, 1m to 24h", every.0),
                None,
            );
        }
    }
    if on.window_seconds() > 300 {
        say.problem(format!("{path}/window"), "a window is at most 5m".to_owned(), None);
    }
    if on.queue.is_some() && on.batch() > 10 && on.window_seconds() == 0 {
        let what = format!("a batch of {} messages needs a `window` of at least 1s", on.batch());
        say.problem(format!("{path}/batch"), what, None);
    }
    if on.filter.as_ref().is_some_and(|filter| !filter.is_object()) {
        let hint = "for example `{kind: [order]}`";
        say.problem(
            format!("{path}/filter"),
            "a filter is a map from attributes to lists".to_owned(),
            Some(hint.into()),
        );
    }
    if let Some(queue) = on.queue.as_ref().and_then(|queue| stack.queues.get(queue)) {
        against_queue(stack, name, (function, on), queue, say);
    }
}

/// Refuses a table that is not there or has no stream.
fn of_table(stack: &Stack, path: &str, table: &Name, say: &mut Say<'_>) {
    match stack.tables.get(table) {
        None => {
            let hint = say.meant(table, stack.tables.keys());
            let what = format!("`{table}` is not a table of this stack");
            say.dangling(format!("{path}/table"), table, &["tables"], what, hint);
        }
        Some(found) if found.stream.is_none() && say.sound(&format!("/tables/{table}")) => {
            let hint = format!("give it one: `tables: {{{table}: {{stream: new-image}}}}`");
            say.problem(format!("{path}/table"), format!("`{table}` has no stream"), Some(hint));
        }
        Some(_) => {}
    }
}

/// Compares a function with the queue that it takes.
fn against_queue(
    stack: &Stack,
    name: &Name,
    (function, on): (&Function, &On),
    queue: &crate::sections::queues::Queue,
    say: &mut Say<'_>,
) {
    let path = format!("/functions/{name}/on");
    let Some(queue_name) = &on.queue else { return };
    let hidden = stack.hidden_seconds(queue_name, queue);
    if hidden < function.timeout_seconds() {
        let what = format!(
            "`{queue_name}` hides a message for {hidden} s, less than the {} s that `{name}` may take for it",
            function.timeout_seconds()
        );
        let hint = "leave `visibility_timeout` out: then it is six times the timeout";
        say.problem(format!("/queues/{queue_name}/visibility_timeout"), what, Some(hint.into()));
    }
    if hidden > 43_200 {
        let what = format!("`{queue_name}` would hide a message for {hidden} s, more than the 12h that SQS allows");
        say.problem(format!("{path}/window"), what, Some("set its `visibility_timeout`".into()));
    }
    if queue.fifo && on.window_seconds() > 0 {
        say.problem(format!("{path}/window"), format!("`{queue_name}` is a FIFO queue, which has no window"), None);
    }
    if queue.fifo && on.batch() > 10 {
        say.problem(format!("{path}/batch"), format!("`{queue_name}` is a FIFO queue: at most 10"), None);
    }
    if function.concurrency == Some(1) {
        let what = "a queue has at least 2 events at a time".to_owned();
        say.problem(format!("/functions/{name}/concurrency"), what, Some("2 to 1000, or none".into()));
    }
}

fn limits(name: &Name, function: &Function, say: &mut Say<'_>) {
    let path = format!("/functions/{name}");
    let timeout = function.timeout_seconds();
    if !(1..=900).contains(&timeout) {
        say.problem(format!("{path}/timeout"), "a timeout is 1s to 15m".to_owned(), None);
    }
}

fn variables(name: &Name, function: &Function, say: &mut Say<'_>) {
    let path = format!("/functions/{name}");
    for key in function.env.keys() {
        let place = below(&format!("{path}/env"), key);
        if let Some((what, hint)) = no_variable(key) {
            say.problem(place, what, hint.map(str::to_owned));
        } else if let Some(what) = reserved(key) {
            say.problem(place, what, None);
        }
    }
}

/// Why Lambda does not take a variable of this name (Lambda developer guide, environment variables).
fn reserved(name: &str) -> Option<String> {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = name.len() >= 2 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(letters);
    let ours = ["_HANDLER", "AWS_REGION", "AWS_DEFAULT_REGION", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"];
    match () {
        () if ours.contains(&name) || name.starts_with("AWS_LAMBDA_") => {
            Some(format!("`{name}` is a variable that Lambda sets itself"))
        }
        () if !is_name => {
            Some(format!("Lambda takes no variable `{}`: a letter, then letters, digits and `_`", name.escape_debug()))
        }
        () => None,
    }
}

/// Refuses two functions on one queue: each message would come to one of them, by chance.
fn takers(stack: &Stack, say: &mut Say<'_>) {
    let mut seen: BTreeMap<&Name, &Name> = BTreeMap::new();
    for (name, function) in &stack.functions {
        let Some(queue) = function.queue() else { continue };
        if let Some(other) = seen.insert(queue, name) {
            let what = format!("`{other}` takes the messages of `{queue}` already");
            say.problem(format!("/functions/{name}/on/queue"), what, Some("one queue for each, from one topic".into()));
        }
        let used = stack.services.iter().find(|(_, service)| service.uses.contains(queue));
        if let Some((service, _)) = used {
            let what = format!("the service `{service}` uses `{queue}` too: each message would come to one of the two");
            say.problem(format!("/functions/{name}/on/queue"), what, Some("one queue for each, from one topic".into()));
        }
    }
}

fn paths(stack: &Stack, say: &mut Say<'_>) {
    let mut seen: BTreeMap<String, (&Name, String)> = BTreeMap::new();
    let mut count = 0;
    for (name, function) in &stack.functions {
        let Some(http) = &function.http else { continue };
        let path = format!("/functions/{name}/http");
        let wrong: Vec<_> =
            http.paths.iter().enumerate().filter_map(|(index, it)| Some((index, routes::problem(it)?))).collect();
        let is_sound = wrong.is_empty();
        for (index, (what, hint)) in wrong {
            say.problem(format!("{path}/paths/{index}"), what, Some(hint.to_owned()));
        }
        for (index, method) in http.methods.iter().enumerate() {
            if !routes::METHODS.contains(&method.as_str()) {
                let hint = format!("one of {}", routes::METHODS.join(", "));
                say.problem(
                    format!("{path}/methods/{index}"),
                    format!("`{method}` is not a method of a route"),
                    Some(hint),
                );
            }
        }
        if !is_sound {
            continue;
        }
        for key in routes::keys(http) {
            count += 1;
            if let Some((other, first)) = seen.insert(routes::without_names(&key), (name, key.clone())) {
                let what = match other == name {
                    true => format!("`{key}` is the same route as `{first}`"),
                    false => format!("`{name}` and `{other}` both take `{key}`"),
                };
                say.problem(path.clone(), what, Some("say other `paths` or `methods`".into()));
            }
        }
    }
    if count > routes::MOST {
        let what = format!("{count} routes, more than the {} of an HTTP API", routes::MOST);
        say.problem("/functions".into(), what, Some("a last `/*` for everything below a path".into()));
    }
}
