//! The parts that should run. A client makes this value, and the supervisor goes towards it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::probe::Probe;
use crate::hex;

/// All parts that should run for one stack. A running part that is missing here is stopped.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Wanted {
    pub parts: Vec<Part>,
    /// The names of parts that are left as they are, whatever state they are in.
    #[serde(default)]
    pub kept: BTreeSet<String>,
}

/// One process. It has no `Debug`, because its environment and its probe may hold secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct Part {
    /// The name of the part, and of its log file: lower-case letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The kind of the part, for people: `mariadb primary`.
    pub kind: String,
    /// The section of the stack file that asks for the part: `caches.lookups`.
    #[serde(default)]
    pub section: String,
    pub program: PathBuf,
    /// The arguments. Everybody sees them in the process list, so they never hold a secret.
    pub args: Vec<String>,
    /// All variables that it gets, besides `PATH`, `HOME`, `USER`, `LANG` and `TMPDIR`.
    pub env: BTreeMap<String, String>,
    /// The variables of `env` whose values are masked when lines of its log are put into an error.
    pub secrets: BTreeSet<String>,
    pub cwd: PathBuf,
    pub port: Option<u16>,
    pub ready: Probe,
    pub ready_within_ms: u64,
    /// Parts that are ready before this one starts, and stop after it.
    pub after: Vec<String>,
    pub stop: Stop,
    /// A text that changes whenever a file changes that the part reads at its start.
    pub generation: String,
}

/// A part as people may see it. No secret is in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    pub kind: String,
    pub section: String,
    pub program: String,
    pub arguments: Vec<String>,
    /// The environment without the variables that hold secrets.
    pub environment: BTreeMap<String, String>,
    /// A hash of the secrets. `None` if there are none. Every secret is random and long, so the hash tells nothing of it.
    pub secrets: Option<String>,
    pub directory: String,
    pub configuration: String,
    pub after: Vec<String>,
    pub ready_within_seconds: u64,
}

/// How a part is asked to end. If it does not, it is killed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Stop {
    pub signal: StopSignal,
    pub within_ms: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopSignal {
    Term,
    Int,
    Quit,
}

impl Part {
    pub fn new(name: impl Into<String>, kind: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Part {
            name: name.into(),
            kind: kind.into(),
            section: String::new(),
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            secrets: BTreeSet::new(),
            cwd: PathBuf::from("/"),
            port: None,
            ready: Probe::Running,
            ready_within_ms: 30_000,
            after: Vec::new(),
            stop: Stop { signal: StopSignal::Term, within_ms: 10_000 },
            generation: String::new(),
        }
    }

    /// The fingerprint. Two parts with the same one need no restart between them. The probe and the way of stopping are
    /// not in it.
    pub fn fingerprint(&self) -> String {
        let Part { name: _, kind: _, section: _, program, args, env, secrets: _, cwd, port: _, generation, .. } = self;
        let all = serde_json::to_vec(&(program, args, env, cwd, generation)).expect("text has a JSON form");
        hex(&Sha256::digest(all)[..12])
    }
}

impl Part {
    pub fn view(&self) -> View {
        let (secret, plain): (BTreeMap<_, _>, BTreeMap<_, _>) = self
            .env
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .partition(|(name, _)| self.secrets.contains(name));
        let hash = || hex(&Sha256::digest(serde_json::to_vec(&secret).expect("text has a JSON form"))[..12]);
        View {
            kind: self.kind.clone(),
            section: self.section.clone(),
            program: self.program.display().to_string(),
            arguments: self.args.clone(),
            environment: plain,
            secrets: (!secret.is_empty()).then(hash),
            directory: self.cwd.display().to_string(),
            configuration: self.generation.clone(),
            after: self.after.clone(),
            ready_within_seconds: self.ready_within_ms / 1000,
        }
    }
}

impl Wanted {
    /// All mistakes in the wanted parts, at once.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        let names: BTreeSet<&str> =
            self.parts.iter().map(|part| part.name.as_str()).chain(self.kept.iter().map(String::as_str)).collect();
        for part in &self.parts {
            let name = &part.name;
            if !is_name(name) {
                problems.push(format!("`{name}` is not a name for a part"));
            }
            if self.kept.contains(name) {
                problems.push(format!("`{name}` is to be left as it is, and to be another one"));
            }
            if !seen.insert(name) {
                problems.push(format!("there are two parts `{name}`"));
            }
            if !part.program.is_absolute() {
                problems.push(format!("the program of `{name}` needs its whole path: `{}`", part.program.display()));
            }
            for after in part.after.iter().filter(|after| !names.contains(after.as_str())) {
                problems.push(format!("`{name}` starts after `{after}`, which is not a part"));
            }
        }
        if problems.is_empty() && self.in_order().is_none() {
            problems.push("some parts wait for each other".into());
        }
        problems
    }

    /// The longest time until each part is ready or has been given up once. It is the sum of `ready_within_ms` along
    /// the longest chain of parts that wait for each other. `None` if they wait in a circle.
    pub fn longest_wait(&self) -> Option<Duration> {
        let mut until: BTreeMap<&str, u64> = BTreeMap::new();
        for name in self.in_order()? {
            let part = self.parts.iter().find(|part| part.name == name)?;
            let before = part.after.iter().filter_map(|after| until.get(after.as_str())).max().copied().unwrap_or(0);
            until.insert(name, before + part.ready_within_ms);
        }
        Some(Duration::from_millis(until.into_values().max().unwrap_or(0)))
    }

    /// Names with the dependencies first, or `None` if they go in a circle.
    fn in_order(&self) -> Option<Vec<&str>> {
        let mut order: Vec<&str> = Vec::new();
        while order.len() < self.parts.len() {
            let next = self.parts.iter().find(|part| {
                let is_there = |after: &String| self.kept.contains(after) || order.contains(&after.as_str());
                !order.contains(&part.name.as_str()) && part.after.iter().all(is_there)
            })?;
            order.push(&next.name);
        }
        Some(order)
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, after: &[&str]) -> Part {
        Part { after: after.iter().map(|name| (*name).to_owned()).collect(), ..Part::new(name, "fake", "/bin/sleep") }
    }

    #[test]
    fn every_problem_is_said() {
        let wanted = Wanted {
            parts: vec![part("a", &["c"]), part("a", &[]), part("../b", &[]), Part::new("d", "fake", "sleep")],
            ..Wanted::default()
        };
        assert_eq!(
            wanted.problems(),
            [
                "`a` starts after `c`, which is not a part",
                "there are two parts `a`",
                "`../b` is not a name for a part",
                "the program of `d` needs its whole path: `sleep`"
            ]
        );
        let circle = Wanted { parts: vec![part("a", &["b"]), part("b", &["a"])], ..Wanted::default() };
        assert_eq!(circle.problems(), ["some parts wait for each other"]);
        let wanted = |parts| Wanted { parts, ..Wanted::default() };
        assert!(wanted(vec![part("b", &["a"]), part("a", &[])]).problems().is_empty());
        let kept = Wanted { kept: BTreeSet::from(["a".to_owned()]), ..wanted(vec![part("b", &["a"])]) };
        assert!(kept.problems().is_empty() && kept.longest_wait().is_some());
        let both = Wanted { parts: vec![part("a", &[])], ..kept };
        assert_eq!(both.problems(), ["`a` is to be left as it is, and to be another one"]);
    }

    #[test]
    fn what_starts_one_after_the_other_may_take_the_time_of_all() {
        let mut slow = part("slow", &["a"]);
        slow.ready_within_ms = 600_000;
        let wanted = |parts| Wanted { parts, ..Wanted::default() };
        let web = wanted(vec![part("web", &["slow", "b"]), slow, part("b", &[]), part("a", &[])]);
        assert_eq!(web.longest_wait(), Some(Duration::from_secs(660)));
        assert_eq!(Wanted::default().longest_wait(), Some(Duration::ZERO));
        assert_eq!(wanted(vec![part("a", &["b"]), part("b", &["a"])]).longest_wait(), None);
    }

    #[test]
    fn a_view_has_everything_but_the_secrets() {
        let mut first = part("a", &[]);
        first.env =
            BTreeMap::from([("PASSWORD", "pa55"), ("HOST", "h")].map(|(name, value)| (name.into(), value.into())));
        first.secrets.insert("PASSWORD".into());
        let view = first.view();
        assert!(!format!("{view:?}").contains("pa55") && view.environment.len() == 1 && view.secrets.is_some());
        first.env.insert("PASSWORD".into(), "other".into());
        assert_ne!(first.view(), view);
    }

    #[test]
    fn the_fingerprint_is_of_what_needs_a_restart() {
        let first = part("a", &[]);
        let mut second = first.clone();
        second.ready_within_ms = 1;
        second.kind = "other".into();
        assert_eq!(first.fingerprint(), second.fingerprint());
        second.env.insert("PASSWORD".into(), "new".into());
        assert_ne!(first.fingerprint(), second.fingerprint());
    }
}
