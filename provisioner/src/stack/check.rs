//! What no schema can say: references, limits that depend on each other, and what AWS refuses as far as it can be known
//! offline (the sources are in the comments of the kinds).

mod health;
mod limits;
pub(super) mod patterns;
mod services;
mod tags;

use std::collections::{BTreeMap, BTreeSet};

use super::load::similar;
use super::{Loaded, Name, Profile, Span, Stack};
use crate::scope::PREFIX_LIMIT;
use crate::yaml::{Positions, Problem, below};

pub(super) fn check(loaded: &Loaded, positions: &Positions, problems: &mut Vec<Problem>) {
    let stack = &loaded.stack;
    let mut say = Say { positions, problems };
    names(loaded, &mut say);
    boundary(stack, &mut say);
    tags::check(stack, &mut say);
    reserved(stack, &mut say);
    queues(stack, &mut say);
    services::check(loaded, &mut say);
    health::check(stack, &mut say);
    limits::check(loaded, &mut say);
    logs(stack, &mut say);
    search(loaded, &mut say);
    if let Some(alerts) = &stack.alerts {
        let mut seen = BTreeSet::new();
        for (index, address) in alerts.email.iter().enumerate() {
            let place = format!("/alerts/email/{index}");
            if !address.contains('@') {
                say.problem(place, format!("`{address}` is no e-mail address"), None);
            } else if !seen.insert(address) {
                say.problem(place, format!("`{address}` is here twice"), None);
            }
        }
    }
}

/// Whoever has made this many mistakes needs no more guesses at what was meant: each takes a look at every name.
const GUESSES: usize = 200;

struct Say<'a> {
    positions: &'a Positions,
    problems: &'a mut Vec<Problem>,
}

impl Say<'_> {
    fn problem(&mut self, pointer: String, what: String, hint: Option<String>) {
        self.problems.push(Problem { hint, ..Problem::new(self.positions.of(&pointer), what) });
    }

    fn meant<'a>(&self, word: &Name, known: impl Iterator<Item = &'a Name>) -> Option<String> {
        if self.problems.len() > GUESSES {
            return None;
        }
        similar(&word.0, known.map(|name| name.0.as_str())).map(|near| format!("did you mean `{near}`?"))
    }
}

fn names(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    let length = stack.stack.0.len() + 1 + loaded.env.len();
    if length > PREFIX_LIMIT {
        let what = format!(
            "`{}-{}` has {length} characters, more than the {PREFIX_LIMIT} that leave room in AWS's shortest names",
            stack.stack, loaded.env
        );
        say.problem("/stack".into(), what, Some("take a shorter name for the stack or the environment".into()));
    }
    // `uses:` names a thing without saying of which section, so a name is used once.
    let mut seen: BTreeMap<&Name, &str> = BTreeMap::new();
    for (section, name) in used(stack) {
        match seen.get(name) {
            Some(first) => say.problem(
                format!("/{section}/{name}"),
                format!("`{name}` is also the name of one of the {first}"),
                Some("`uses` needs different names".into()),
            ),
            None => {
                seen.insert(name, section);
            }
        }
    }
    // A key of the schema's maps has a pattern, but no length.
    let all = used(stack).into_iter().chain(stack.services.keys().map(|name| ("services", name)));
    for (section, name) in all.filter(|(_, name)| name.0.len() > LONGEST) {
        let what = format!("`{name}` has {} characters, more than the {LONGEST} of a name", name.0.len());
        say.problem(format!("/{section}/{name}"), what, None);
    }
}

const LONGEST: usize = 40;

/// A role takes only boundaries of its own account, and AWS's.
fn boundary(stack: &Stack, say: &mut Say<'_>) {
    let owner = stack.permissions_boundary.as_deref().and_then(|policy| policy.split(':').nth(4));
    if let (Some(owner), Some(account)) = (owner, &stack.account)
        && ![account.as_str(), "aws"].contains(&owner)
    {
        say.problem(
            "/permissions_boundary".into(),
            format!("the policy is of account {owner}, and the stack's roles are of {account}"),
            Some("the name alone means the stack's own account".into()),
        );
    }
}

/// Names that the stack's own parts have.
fn reserved(stack: &Stack, say: &mut Say<'_>) {
    let mut taken = |section: &str, name: &Name| {
        say.problem(
            format!("/{section}/{name}"),
            format!("`{name}` is the name of a part that provision makes itself"),
            None,
        );
    };
    for name in stack.services.keys() {
        let prefixed = ["database-", "cache-", "search-"].iter().any(|prefix| name.0.starts_with(prefix));
        if prefixed || ["web", "redirect", "forwarder", "flow-logs"].contains(&name.0.as_str()) {
            taken("services", name);
        }
    }
    for name in stack.topics.keys().filter(|name| name.0 == "alerts") {
        taken("topics", name);
    }
    for name in stack.queues.keys().filter(|name| name.0 == "forwarder-failed" || name.0.ends_with("-dead-letter")) {
        taken("queues", name);
    }
    for name in stack.databases.keys().filter(|name| name.0.ends_with("-replica")) {
        taken("databases", name);
    }
}

/// Everything that `uses:` can name.
fn used(stack: &Stack) -> Vec<(&'static str, &Name)> {
    let mut all = Vec::new();
    all.extend(stack.databases.keys().map(|name| ("databases", name)));
    all.extend(stack.caches.keys().map(|name| ("caches", name)));
    all.extend(stack.topics.keys().map(|name| ("topics", name)));
    all.extend(stack.queues.keys().map(|name| ("queues", name)));
    all.extend(stack.search.keys().map(|name| ("search", name)));
    all
}

fn queues(stack: &Stack, say: &mut Say<'_>) {
    let mut subscribed: BTreeMap<String, (&Name, &Name)> = BTreeMap::new();
    for (name, queue) in &stack.queues {
        let path = format!("/queues/{name}");
        for (index, topic) in queue.from.iter().enumerate() {
            let place = format!("{path}/from/{index}");
            match stack.topics.get(topic) {
                None => say.problem(
                    place,
                    format!("`{topic}` is not a topic of this stack"),
                    say.meant(topic, stack.topics.keys()),
                ),
                Some(found) if queue.fifo && !found.fifo => {
                    say.problem(
                        place,
                        format!(
                            "`{name}` is a FIFO queue, and the topic `{topic}` is not FIFO: SNS does not deliver to it"
                        ),
                        Some("set `fifo: true` on both".into()),
                    );
                }
                Some(_) => match subscribed.insert(format!("{topic}-to-{name}"), (topic, name)) {
                    Some(other) if other == (topic, name) => {
                        say.problem(place, format!("`{topic}` is here twice"), None)
                    }
                    // `a` to `b-to-c` and `a-to-b` to `c`.
                    Some((other, fed)) => say.problem(
                        place,
                        format!("from `{topic}` to `{name}` would have the same name as from `{other}` to `{fed}`"),
                        Some("take another name for one of them".into()),
                    ),
                    None => {}
                },
            }
        }
        let mut within = |key: &str, span: &Option<Span>, from: u64, to: u64, words: &str| {
            if let Some(span) = span.as_ref().filter(|span| !(from..=to).contains(&span.seconds())) {
                say.problem(
                    format!("{path}/{key}"),
                    format!("`queues.{name}.{key}` is {}, outside of {words}", span.0),
                    None,
                );
            }
        };
        within("visibility_timeout", &queue.visibility_timeout, 0, 43_200, "0s to 12h");
        within("retention", &queue.retention, 60, 1_209_600, "60s to 14d");
        within("delay", &queue.delay, 0, 900, "0s to 15m");
    }
}

/// What OpenSearch allows, less what it merely tolerates; the day comes behind it.
fn is_index(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=200).contains(&name.len()) && name.starts_with(plain) && name.chars().all(|c| plain(c) || "-_.".contains(c))
}

/// Retentions that CloudWatch Logs takes, in days (PutRetentionPolicy).
const RETENTIONS: &[u32] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

fn logs(stack: &Stack, say: &mut Say<'_>) {
    let Some(logs) = &stack.logs else { return };
    if logs.ship.is_empty() {
        // The forwarder's role would have a statement without a resource, which IAM refuses.
        say.problem(
            "/logs/ship".into(),
            "no service's logs are shipped".into(),
            Some("name one, or leave out `logs`".into()),
        );
    }
    for name in logs.ship.keys().filter(|name| !stack.services.contains_key(name)) {
        say.problem(
            format!("/logs/ship/{name}"),
            format!("`{name}` is not a service of this stack"),
            say.meant(name, stack.services.keys()),
        );
    }
    for (name, index) in &logs.indexes {
        let place = below("/logs/indexes", &name.0);
        if !logs.ship.contains_key(name) {
            let problem = format!("the logs of `{name}` are not shipped");
            say.problem(place, problem, say.meant(name, logs.ship.keys()));
        } else if !is_index(index) {
            let problem = format!("`{index}` is no name of an index");
            let rule = "lower-case letters, digits, `-`, `_` and `.`, the first a letter or digit, at most 200";
            say.problem(place, problem, Some(rule.into()));
        }
    }
    let indexes: Vec<(&Name, &str)> = logs.ship.keys().map(|name| (name, logs.index_of(name))).collect();
    for (name, index) in &indexes {
        // The template of the one would be for the indexes of the other too, and OpenSearch refuses the second.
        let within =
            |other: &str| *index != other && index.strip_prefix(other).is_some_and(|rest| rest.starts_with('-'));
        if let Some((_, other)) = indexes.iter().find(|(_, other)| within(other)) {
            let given = logs.indexes.contains_key(*name);
            let place = if given { below("/logs/indexes", &name.0) } else { below("/logs/ship", &name.0) };
            let problem = format!("the indexes `{index}-*` are among `{other}-*`");
            say.problem(place, problem, Some("give one of them another name under `indexes`".into()));
        }
    }
    if !stack.search.contains_key(&logs.to) {
        say.problem(
            "/logs/to".into(),
            format!("`{}` is not a search domain of this stack", logs.to),
            say.meant(&logs.to, stack.search.keys()),
        );
    }
    if let Some(days) = logs.keep_days.filter(|days| !RETENTIONS.contains(days)) {
        say.problem(
            "/logs/keep_days".into(),
            format!("CloudWatch Logs cannot keep logs for {days} days"),
            Some(format!("it can for {RETENTIONS:?}")),
        );
    }
}

fn search(loaded: &Loaded, say: &mut Say<'_>) {
    for (name, domain) in &loaded.stack.search {
        let zones =
            u32::from(loaded.stack.network.zones.unwrap_or(if loaded.profile == Profile::Prod { 3 } else { 2 }));
        let nodes = u32::from(domain.nodes.unwrap_or(if loaded.profile == Profile::Prod { 3 } else { 1 }));
        if nodes > 1 && nodes % zones.min(nodes) != 0 {
            say.problem(
                format!("/search/{name}/nodes"),
                format!("{nodes} nodes cannot be spread evenly over {zones} zones"),
                Some(format!("a multiple of {zones}")),
            );
        }
    }
}
