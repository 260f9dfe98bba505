//! Checks `logs:`.

use super::{Shipping, patterns, shipping};
use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::network::Nat;
use crate::sections::say::Say;
use crate::sections::search::Search;
use crate::sections::words::Name;
use crate::yaml::below;

/// Retentions that CloudWatch Logs takes, in days (PutRetentionPolicy).
const RETENTIONS: &[u32] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    let Some(logs) = &stack.logs else { return };
    if let Some(days) = logs.keep_days.filter(|days| !RETENTIONS.contains(days)) {
        say.problem(
            "/logs/keep_days".into(),
            format!("CloudWatch Logs cannot keep logs for {days} days"),
            Some(format!("it can for {RETENTIONS:?}")),
        );
    }
    let Some(shipping) = logs.shipping() else {
        let ships = !logs.ship.is_empty() || !logs.indexes.is_empty() || logs.keep_days.is_none();
        if ships && say.sound("/logs") && say.sound("/logs/to") && say.sound("/logs/keep_days") {
            let hint = "`to` names a search domain; with `keep_days` alone, nothing is shipped";
            say.problem("/logs".into(), "no search domain gets the logs".into(), Some(hint.into()));
        }
        return;
    };
    if logs.ship.is_empty() && say.sound("/logs/ship") {
        // Otherwise the forwarder's role would have a statement without a resource, which IAM refuses.
        say.problem(
            "/logs/ship".into(),
            "no service's logs are shipped".into(),
            Some("name one, or leave out `to`".into()),
        );
    }
    let writes = |name: &Name| stack.services.contains_key(name) || stack.functions.contains_key(name);
    for name in logs.ship.keys().filter(|name| !writes(name)) {
        let hint = say.meant(name, stack.services.keys().chain(stack.functions.keys()));
        let what = format!("`{name}` is not a service or a function of this stack");
        say.dangling(format!("/logs/ship/{name}"), name, &["services", "functions"], what, hint);
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
    let indexes: Vec<(&Name, &str)> = logs.ship.keys().map(|name| (name, shipping.index_of(name))).collect();
    for (name, index) in &indexes {
        // The template for the shorter name would also fit the indexes of the longer name, and OpenSearch refuses the
        // second template.
        let within =
            |other: &str| *index != other && index.strip_prefix(other).is_some_and(|rest| rest.starts_with('-'));
        if let Some((_, other)) = indexes.iter().find(|(_, other)| within(other)) {
            let given = logs.indexes.contains_key(*name);
            let place = if given { below("/logs/indexes", &name.0) } else { below("/logs/ship", &name.0) };
            let problem = format!("the indexes `{index}-*` are among `{other}-*`");
            say.problem(place, problem, Some("give one of them another name under `indexes`".into()));
        }
    }
    if Search::is_inside(loaded.profile) && loaded.nat() == Nat::None && say.sound("/network/nat") {
        let what =
            "the log forwarder is inside the VPC, as search is, and has no way out to queues and logs".to_owned();
        say.problem("/logs".into(), what, Some("`network: {nat: one}` makes a way out".into()));
    }
    let to = shipping.to;
    if !stack.search.contains_key(to) {
        let hint = say.meant(to, stack.search.keys());
        let what = format!("`{to}` is not a search domain of this stack");
        say.dangling("/logs/to".into(), to, &["search"], what, hint);
    }
    limits(loaded, shipping, say);
    patterns::check(loaded, say);
}

/// Checks limits that AWS counts over all shipped services together. AWS would refuse only half-way through an `up`.
/// Nobody can have these limits raised.
fn limits(loaded: &Loaded, logs: Shipping<'_>, say: &mut Say<'_>) {
    let scope = Scope::widest(loaded);
    let bytes = shipping::bytes(loaded, &scope, logs);
    if bytes > shipping::MOST {
        let what = format!(
            "the log forwarder's environment would have {bytes} bytes, more than the {} that Lambda allows for all names \
             and values together",
            shipping::MOST
        );
        say.problem("/logs/ship".into(), what, Some(FEWER.into()));
    }
    let characters = shipping::policy(&scope, logs);
    if characters > shipping::MOST_OF_POLICY {
        let what = format!(
            "the policy of the log forwarder's role would have {characters} characters, more than the {} that IAM allows",
            shipping::MOST_OF_POLICY
        );
        say.problem("/logs/ship".into(), what, Some(FEWER.into()));
    }
}

const FEWER: &str = "ship the logs of fewer services, or give them shorter names";

/// Whether a text can be the name of an index, before the day. OpenSearch tolerates some more characters; they are
/// refused here.
fn is_index(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=200).contains(&name.len()) && name.starts_with(plain) && name.chars().all(|c| plain(c) || "-_.".contains(c))
}
