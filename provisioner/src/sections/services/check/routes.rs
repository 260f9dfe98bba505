//! Checks `http:` of services: what a rule of the load balancer can say, and rules that leave nothing for another.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::sections::Stack;
use crate::sections::say::Say;
use crate::sections::services::routes::priorities;
use crate::sections::services::{Http, Service};
use crate::sections::similar::similar;
use crate::sections::wildcard::{beginning, covers};
use crate::sections::words::Name;

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The most paths and methods of one rule together (ELB user guide, quotas of Application Load Balancers, "Condition
/// values per rule").
const VALUES: usize = 5;
/// The longest path pattern, in characters (ELB API reference, `RuleCondition`).
const LONGEST: usize = 128;
const SIGNS: &str = "_-.$/~\"'@:+&*?";
/// The most comparisons for one file. A stack with as many services as a load balancer has rules takes a thousandth.
const BUDGET: usize = 3_000_000;

pub(super) fn check(stack: &Stack, say: &mut Say<'_>) {
    let mut behind = Vec::new();
    for (name, service) in &stack.services {
        if let Some(http) = &service.http
            && rule(name, http, say)
            && say.sound(&format!("/services/{name}/http"))
        {
            behind.push((name, service, http));
        }
    }
    twice(behind, say);
}

/// Tells everything that the rule of one service cannot say. Whether it is a rule.
fn rule(name: &Name, http: &Http, say: &mut Say<'_>) -> bool {
    let path = format!("/services/{name}/http");
    let mut good = true;
    let mut seen: HashSet<&str> = HashSet::new();
    for (index, method) in http.methods.iter().enumerate() {
        let place = format!("{path}/methods/{index}");
        if !METHODS.contains(&method.as_str()) {
            let near = similar(&method.to_uppercase(), METHODS.iter().copied());
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            say.problem(place, format!("`{method}` is not an HTTP method"), hint);
            good = false;
        } else if !seen.insert(method) {
            say.problem(place, format!("`{method}` is here twice"), None);
        }
    }
    for (index, pattern) in http.paths.iter().enumerate() {
        let place = format!("{path}/paths/{index}");
        if let Some((what, hint)) = no_path(pattern) {
            say.problem(place, what, Some(hint));
            good = false;
        } else if !seen.insert(pattern) {
            say.problem(place, format!("`{pattern}` is here twice"), None);
        }
    }
    // HEAD goes with GET, whether the file has it or not.
    let head = usize::from(seen.contains("GET") && !seen.contains("HEAD"));
    let values = seen.len() + head;
    if good && values > VALUES {
        let with = if head == 1 { " (GET brings HEAD)" } else { "" };
        let what = format!(
            "`{name}` has {values} paths and methods{with}, more than the {VALUES} that a rule of the load balancer takes"
        );
        let hint = "one pattern with `*` for several paths, or no `methods`, which is all of them";
        say.problem(path, what, Some(hint.into()));
    }
    good
}

/// Why a load balancer's rule cannot have this path, and the path to write in its place.
fn no_path(pattern: &str) -> Option<(String, String)> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || SIGNS.contains(c);
    let shown = |c: char| match c {
        ' ' => "a space".to_owned(),
        c => format!("a `{}`", c.escape_debug()),
    };
    if let Some(odd) = pattern.chars().find(|c| !allowed(*c)) {
        let what = format!("`{pattern}` has {} in it, which a path pattern cannot have", shown(odd));
        let hint = match odd {
            '=' if pattern.contains('?') => {
                let path = pattern.split('?').next().unwrap_or_default();
                format!("a query string is not part of a path: write `{path}`")
            }
            '{' | '}' | '(' | ')' | '[' | ']' | '<' | '>' | '^' | '|' | '\\' => format!(
                "`{{id}}` and `(.*)` are for web frameworks; here `*` stands for any text, as in `{}*`, and `?` for one \
                 character",
                plain(pattern)
            ),
            '%' | ' ' => "a request has other characters percent-encoded, and a pattern cannot have `%`: `*` stands for \
                          any text"
                .to_owned(),
            odd if !odd.is_ascii() || odd.is_whitespace() => {
                "a request has it percent-encoded, and a pattern cannot have `%` either: `*` stands for any text".to_owned()
            }
            _ => "letters and digits of ASCII and _ - . $ / ~ \" ' @ : + & are allowed; `*` stands for any text, `?` for one \
                  character"
                .to_owned(),
        };
        return Some((what, hint));
    }
    if !pattern.starts_with('/') {
        let hint = format!("write `/{pattern}`");
        return Some((format!("`{pattern}` does not begin with `/`, as every path does"), hint));
    }
    (pattern.len() > LONGEST).then(|| {
        let what = format!("a path pattern of {} characters, more than {LONGEST}", pattern.len());
        (what, "`*` stands for any text".to_owned())
    })
}

/// The beginning of a pattern, up to the first character that perhaps does not stand for itself. It is `/` if the
/// pattern does not begin with `/`.
fn plain(pattern: &str) -> &str {
    let pattern = pattern.trim_start_matches('^');
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.$/~@:+".contains(c);
    let end = pattern.find(|c| !known(c)).unwrap_or(pattern.len());
    if pattern.starts_with('/') { &pattern[..end] } else { "/" }
}

/// The patterns and methods of a rule, each once and in order. Two rules that say the same have the same value here.
fn said(http: &Http) -> (Vec<&str>, Vec<String>) {
    let mut paths: Vec<&str> = http.paths.iter().map(String::as_str).collect();
    let mut methods = http.rule_methods();
    paths.sort_unstable();
    paths.dedup();
    methods.sort();
    methods.dedup();
    (paths, methods)
}

/// Refuses a service that gets no requests, because another service, which is asked first, takes them all. It would
/// run, be healthy, and cost money.
fn twice(mut behind: Vec<(&Name, &Service, &Http)>, say: &mut Say<'_>) {
    behind.sort_by_key(|(name, ..)| say.place(&format!("/services/{name}/http")));
    let mut first: HashMap<_, &Name> = HashMap::new();
    let mut different = Vec::new();
    for one in behind {
        let (name, _, http) = one;
        match first.get(&said(http)) {
            None => {
                first.insert(said(http), name);
                different.push(one);
            }
            Some(other) => {
                let what = match http.takes_everything() {
                    true => format!("both `{other}` and `{name}` take every request"),
                    false => format!("`{name}` takes the same requests as `{other}`: one of the two gets none"),
                };
                say.problem(format!("/services/{name}/http"), what, Some("say other `paths` or `methods`".into()));
            }
        }
    }
    shadowed(&different, say);
}

/// A rule of the load balancer, as it is compared with others.
struct Rule<'a> {
    name: &'a Name,
    paths: Vec<&'a str>,
    methods: Vec<String>,
    /// A rule with a lower priority is asked earlier.
    priority: u32,
}

fn shadowed(behind: &[(&Name, &Service, &Http)], say: &mut Say<'_>) {
    let priorities: BTreeMap<String, u32> = priorities(behind).into_iter().collect();
    let mut rules = Vec::with_capacity(behind.len());
    for (name, _, http) in behind {
        let (mut paths, methods) = said(http);
        if paths.is_empty() {
            paths.push("/*");
        }
        rules.push(Rule { name, paths, methods, priority: priorities.get(&name.0).copied().unwrap_or(u32::MAX) });
    }
    // If a pattern takes every path of another, the text before its first wildcard begins the other pattern too.
    let mut by_beginning: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, rule) in rules.iter().enumerate() {
        for path in &rule.paths {
            by_beginning.entry(beginning(path)).or_default().push(index);
        }
    }
    let mut budget = BUDGET;
    for rule in &rules {
        let start = beginning(rule.paths.first().copied().unwrap_or_default());
        let starts = (0..=start.len()).filter(|end| start.is_char_boundary(*end)).map(|end| &start[..end]);
        let alike = starts.flat_map(|start| by_beginning.get(start).into_iter().flatten()).map(|index| &rules[*index]);
        let mut earlier = alike.filter(|other| other.name != rule.name && other.priority < rule.priority);
        let found = earlier.find(|other| {
            budget = budget.saturating_sub(1);
            budget > 0
                && other.takes(&rule.methods)
                && rule.paths.iter().all(|path| covers(&other.paths, path, &mut budget))
        });
        if let Some(other) = found {
            let (name, other) = (rule.name, other.name);
            let what = format!("`{name}` gets no requests: `{other}`, which is asked first, takes them all");
            say.problem(format!("/services/{name}/http"), what, Some("say other `paths` or `methods`".into()));
        }
    }
}

impl Rule<'_> {
    fn takes(&self, methods: &[String]) -> bool {
        let all = self.methods.is_empty();
        all || (!methods.is_empty() && methods.iter().all(|method| self.methods.contains(method)))
    }
}
