//! What no schema can say: references, limits that depend on each other, and what AWS refuses as far as it can be known
//! offline (the sources are in the comments of the kinds).

mod alerts;
mod fargate;
mod health;
mod limits;
mod names;
pub(super) mod patterns;
mod routes;
mod services;
mod tags;
pub(super) mod whereabouts;

use std::collections::BTreeMap;

use super::load::similar;
use super::mend::Mended;
use super::{Loaded, Name, Span, Stack, guard};
use crate::yaml::{Position, Positions, Problem, below};

pub(super) fn check(loaded: &Loaded, mended: &Mended, problems: &mut Vec<Problem>) {
    let stack = &loaded.stack;
    let mut say = Say { positions: &loaded.positions, mended, problems };
    names::check(loaded, &mut say);
    whereabouts::check(loaded, &mut say);
    tags::check(stack, &mut say);
    queues(stack, &mut say);
    services::check(loaded, &mut say);
    routes::check(stack, &mut say);
    health::check(stack, &mut say);
    limits::check(loaded, &mut say);
    logs(stack, &mut say);
    patterns::check(loaded, &mut say);
    search(loaded, &mut say);
    guard::check(loaded, &mut say);
    alerts::check(stack, &mut say);
}

/// Whoever has made this many mistakes needs no more guesses at what was meant: each takes a look at every name.
const GUESSES: usize = 50;

/// Tells problems, but none of what was only put in the place of something else.
pub(super) struct Say<'a> {
    positions: &'a Positions,
    mended: &'a Mended,
    problems: &'a mut Vec<Problem>,
}

impl Say<'_> {
    pub(super) fn problem(&mut self, pointer: String, what: String, hint: Option<String>) {
        if !self.mended.is(&pointer) {
            self.problems.push(Problem { hint, ..Problem::new(self.positions.of(&pointer), what) });
        }
    }

    /// At the key, where the value is what it should be.
    pub(super) fn at_key(&mut self, pointer: &str, what: String, hint: &str) {
        if !self.mended.is(pointer) {
            self.problems.push(Problem::new(self.positions.key(pointer), what).hint(hint));
        }
    }

    /// The place of a value in the file.
    fn place(&self, pointer: &str) -> Position {
        self.positions.of(pointer)
    }

    /// Whether the file itself says this value and all that is in it. If not, what follows from it is no mistake of its
    /// own.
    pub(super) fn sound(&self, pointer: &str) -> bool {
        !self.mended.touches(pointer)
    }

    /// A reference to something that is not there, unless it may have been in what was taken out.
    fn dangling(&mut self, place: String, word: &Name, sections: &[&str], what: String, hint: Option<String>) {
        let lost = self.mended.knew(&word.0) || sections.iter().any(|section| self.mended.is(&format!("/{section}")));
        if !lost {
            self.problem(place, what, hint);
        }
    }

    fn meant<'a>(&self, word: &Name, known: impl Iterator<Item = &'a Name>) -> Option<String> {
        if self.problems.len() > GUESSES {
            return None;
        }
        similar(&word.0, known.map(|name| name.0.as_str())).map(|near| format!("did you mean `{near}`?"))
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
                None => {
                    let hint = say.meant(topic, stack.topics.keys());
                    let what = format!("`{topic}` is not a topic of this stack");
                    say.dangling(place, topic, &["topics"], what, hint);
                }
                Some(found) if queue.fifo && !found.fifo && say.sound(&format!("/topics/{topic}")) => {
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
    if logs.ship.is_empty() && say.sound("/logs/ship") {
        // The forwarder's role would have a statement without a resource, which IAM refuses.
        say.problem(
            "/logs/ship".into(),
            "no service's logs are shipped".into(),
            Some("name one, or leave out `logs`".into()),
        );
    }
    for name in logs.ship.keys().filter(|name| !stack.services.contains_key(name)) {
        let hint = say.meant(name, stack.services.keys());
        let what = format!("`{name}` is not a service of this stack");
        say.dangling(format!("/logs/ship/{name}"), name, &["services"], what, hint);
    }
    for (name, index) in &logs.indexes {
        let place = below("/logs/indexes", &name.0);
        if !logs.ship.contains_key(name) {
            let hint = say.meant(name, logs.ship.keys());
            let what = format!("the logs of `{name}` are not shipped");
            say.dangling(place, name, &["logs/ship"], what, hint);
        } else if !is_index(index) {
            let problem = format!("`{index}` is not the name of an index");
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
        let hint = say.meant(&logs.to, stack.search.keys());
        let what = format!("`{}` is not a search domain of this stack", logs.to);
        say.dangling("/logs/to".into(), &logs.to, &["search"], what, hint);
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
        let zones = u32::from(loaded.stack.network.zones(loaded.profile));
        let nodes = u32::from(domain.nodes(loaded.profile));
        if nodes > 1 && nodes % zones.min(nodes) != 0 && say.sound("/network/zones") {
            say.problem(
                format!("/search/{name}/nodes"),
                format!("{nodes} nodes cannot be spread evenly over {zones} zones"),
                Some(format!("a multiple of {zones}")),
            );
        }
    }
}
