//! Which requests go to which group. It is a value, or a JSON file that may be replaced while the balancer runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub rules: Vec<Rule>,
    pub groups: BTreeMap<String, Group>,
}

/// A rule. Among the rules whose every condition holds, the one with the lowest priority counts. An empty condition
/// always holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub priority: u32,
    /// The patterns of paths. `*` is any number of characters, `?` is one. Case counts.
    #[serde(default)]
    pub paths: Vec<String>,
    #[serde(default)]
    pub methods: Vec<String>,
    /// The patterns of hosts. They are like paths, but case does not count.
    #[serde(default)]
    pub hosts: Vec<String>,
    pub group: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub targets: Vec<SocketAddr>,
    pub health: Health,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    pub path: String,
    pub interval_ms: u64,
    pub timeout_ms: u64,
    /// The successful checks in a row that make an unhealthy target healthy. A new target needs one.
    pub healthy_after: u32,
    pub unhealthy_after: u32,
    /// The ranges of status codes that are a success: the first and the last of each.
    pub success: Vec<(u16, u16)>,
    /// For this many milliseconds after a target has begun to listen, a failed check does not count against it.
    pub grace_ms: u64,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            path: "/".into(),
            interval_ms: 5_000,
            timeout_ms: 2_000,
            healthy_after: 2,
            unhealthy_after: 2,
            success: vec![(200, 200)],
            grace_ms: 0,
        }
    }
}

impl Config {
    pub fn parse(bytes: &[u8]) -> Result<Config> {
        let mut config: Config = serde_json::from_slice(bytes)?;
        config.rules.sort_by_key(|rule| rule.priority);
        for rule in &config.rules {
            let group = &rule.group;
            ensure!(
                config.groups.contains_key(group),
                "rule {} sends to `{group}`, which is not a group",
                rule.priority
            );
        }
        for pair in config.rules.windows(2) {
            ensure!(pair[0].priority != pair[1].priority, "two rules have priority {}", pair[0].priority);
        }
        for (name, group) in &config.groups {
            hyper::Uri::try_from(&group.health.path).with_context(|| format!("health path of `{name}`"))?;
            ensure!(group.health.interval_ms > 0 && group.health.timeout_ms > 0, "`{name}` is checked without a pause");
        }
        Ok(config)
    }

    /// The name of the group that a request goes to.
    pub fn route(&self, method: &str, host: &str, path: &str) -> Option<&str> {
        let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let holds = |rule: &&Rule| {
            let paths = rule.paths.is_empty() || rule.paths.iter().any(|pattern| matches(pattern, path));
            let methods = rule.methods.is_empty() || rule.methods.iter().any(|allowed| allowed == method);
            let hosts = rule.hosts.is_empty() || rule.hosts.iter().any(|it| matches(&it.to_ascii_lowercase(), &host));
            paths && methods && hosts
        };
        self.rules.iter().find(holds).map(|rule| rule.group.as_str())
    }
}

/// Whether the text matches the pattern. The time grows with the product of the lengths, whatever the pattern is.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // The place of the last `*`, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_an_alb() {
        let yes =
            [("/a/*", "/a/"), ("/a/*", "/a/b/c"), ("*", "/"), ("/?/x", "/a/x"), ("/*/b*c", "/a/b/bbc"), ("/a", "/a")];
        let no =
            [("/a/*", "/a"), ("/A/*", "/a/b"), ("/?", "/"), ("/?", "/ab"), ("/a", "/a/"), ("/*b", "/abc"), ("", "/")];
        for (pattern, path) in yes {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in no {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        assert!(!matches(&"*a".repeat(30), &"a".repeat(20_000)[..19_999].replace('a', "b")));
    }

    #[test]
    fn the_lowest_priority_wins_and_methods_count() {
        let text = br#"{"rules": [
            {"priority": 20, "paths": ["/r*"], "group": "all"},
            {"priority": 10, "paths": ["/r", "/r/*"], "methods": ["GET"], "hosts": ["*.Example.com"], "group": "get"}],
            "groups": {"all": {"targets": [], "health": HEALTH}, "get": {"targets": ["127.0.0.1:1"], "health": HEALTH}}}"#;
        let health = serde_json::to_string(&Health::default()).unwrap();
        let config = Config::parse(String::from_utf8_lossy(text).replace("HEALTH", &health).as_bytes()).unwrap();
        assert_eq!(config.route("GET", "A.example.com:80", "/r/1"), Some("get"));
        assert_eq!(config.route("GET", "example.com", "/r/1"), Some("all"));
        assert_eq!(config.route("POST", "a.example.com", "/r/1"), Some("all"));
        assert_eq!(config.route("GET", "a.example.com", "/x"), None);
        let error = Config::parse(br#"{"rules": [{"priority": 1, "group": "g"}], "groups": {}}"#).unwrap_err();
        assert_eq!(error.to_string(), "rule 1 sends to `g`, which is not a group");
    }
}
