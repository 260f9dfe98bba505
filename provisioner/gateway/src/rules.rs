//! Faults on order: which calls a rule matches, and what it does to them.

use crate::answer::Common;
use crate::chance::Chance;
use crate::request::Request;
use anyhow::{Context, Result};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// One rule. If every field that is set matches a call, the effect happens. All rules that match a call apply, in
/// order.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// A glob over botocore's service names (`rds`, `elb*`).
    pub service: Option<String>,
    /// A glob over actions, or `@write`, `@read`.
    pub action: Option<String>,
    /// A regular expression that is looked for in the decoded parameters (`DBInstanceIdentifier=main`,
    /// `"cluster":"c"`).
    pub params: Option<String>,
    /// Which of the calls that match the fields above, counted from 1.
    pub nth: Option<Nth>,
    /// Each k-th of the matching calls.
    pub every: Option<u64>,
    /// This share of the matching calls, drawn from the gateway's seed.
    pub probability: Option<f64>,
    /// The most calls that the rule applies to.
    pub max: Option<u64>,
    /// Whether to count calls to the lease table too. Experiments otherwise never touch it.
    pub with_lease: bool,
    pub effect: Effect,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Nth {
    One(u64),
    Range { from: u64, to: u64 },
    These(Vec<u64>),
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The rule only counts.
    #[default]
    Nothing,
    Throttle,
    /// HTTP 500.
    Internal,
    /// HTTP 503.
    Unavailable,
    Denied,
    Expired,
    Error {
        status: u16,
        code: String,
        message: String,
    },
    Latency {
        ms: u64,
    },
    /// The connection closes. The call was not executed.
    ResetBefore,
    /// The call is executed, then the connection closes.
    ResetAfter,
    /// The gateway holds the call for so long, and then closes the connection. The call was not executed.
    Hang {
        ms: u64,
    },
    /// The gateway throttles the call if the bucket is empty.
    Bucket {
        rate: f64,
        burst: f64,
    },
    /// The victim gets SIGKILL. The call is not executed.
    KillBefore,
    /// The call is executed. Then the victim gets SIGKILL before it sees the answer.
    KillAfter,
}

/// A rule with what it has counted.
#[derive(Debug)]
pub(crate) struct Armed {
    rule: Rule,
    params: Option<Regex>,
    seen: u64,
    fired: u64,
    tokens: f64,
    last: Option<Instant>,
}

impl Armed {
    pub(crate) fn new(rule: Rule) -> Result<Self> {
        let params = match &rule.params {
            Some(pattern) => Some(Regex::new(pattern).with_context(|| format!("rule with params {pattern:?}"))?),
            None => None,
        };
        let tokens = if let Effect::Bucket { burst, .. } = rule.effect { burst } else { 0.0 };
        Ok(Armed { rule, params, seen: 0, fired: 0, tokens, last: None })
    }

    /// Counts the call. Gives the effect that it gets, if any.
    pub(crate) fn apply(&mut self, request: &Request, chance: &mut Chance) -> Option<Effect> {
        let rule = &self.rule;
        if request.lease() && !rule.with_lease {
            return None;
        }
        if !rule.service.as_deref().is_none_or(|pattern| glob(pattern, &request.service)) {
            return None;
        }
        let action = match rule.action.as_deref() {
            None => true,
            Some("@write") => request.write(),
            Some("@read") => !request.write(),
            Some(pattern) => glob(pattern, &request.action),
        };
        if !action || !self.params.as_ref().is_none_or(|pattern| pattern.is_match(&request.everything())) {
            return None;
        }
        self.seen += 1;
        let seen = self.seen;
        let counted = match &rule.nth {
            None => true,
            Some(Nth::One(n)) => seen == *n,
            Some(Nth::Range { from, to }) => (*from..=*to).contains(&seen),
            Some(Nth::These(list)) => list.contains(&seen),
        };
        if !counted || rule.every.is_some_and(|k| !seen.is_multiple_of(k)) || rule.max.is_some_and(|max| self.fired >= max) {
            return None;
        }
        if rule.probability.is_some_and(|p| chance.fraction() >= p) {
            return None;
        }
        if let Effect::Bucket { rate, burst } = rule.effect {
            let now = Instant::now();
            let passed = self.last.map_or(Duration::ZERO, |last| now - last).as_secs_f64();
            self.last = Some(now);
            self.tokens = (self.tokens + passed * rate).min(burst);
            if self.tokens >= 1.0 {
                self.tokens -= 1.0;
                return None;
            }
        }
        self.fired += 1;
        Some(rule.effect.clone())
    }
}

impl Effect {
    pub(crate) fn common(&self) -> Option<Common> {
        match self {
            Effect::Throttle | Effect::Bucket { .. } => Some(Common::Throttle),
            Effect::Internal => Some(Common::Internal),
            Effect::Unavailable => Some(Common::Unavailable),
            Effect::Denied => Some(Common::Denied),
            Effect::Expired => Some(Common::Expired),
            _ => None,
        }
    }
}

/// Whether a text fits a pattern. `*` stands for any text, and every other character for itself.
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).any(|at| text.is_char_boundary(at) && glob(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::{form, json};

    fn effects(rule: Rule, calls: &[Request]) -> Vec<bool> {
        let mut armed = Armed::new(rule).expect("a good rule");
        let mut chance = Chance::of(1, "test");
        calls.iter().map(|call| armed.apply(call, &mut chance).is_some()).collect()
    }

    #[test]
    fn globs() {
        assert!(
            glob("Create*", "CreateVpc") && glob("*", "") && glob("a*c", "abc") && !glob("a*c", "abd") && !glob("rds", "rdsx")
        );
    }

    #[test]
    fn nth_write() {
        let write = form("ec2", "Action=CreateVpc");
        let read = form("ec2", "Action=DescribeVpcs");
        let lease = json("dynamodb", "PutItem", serde_json::json!({"TableName": "provision-leases"}));
        let rule = Rule { action: Some("@write".into()), nth: Some(Nth::One(2)), effect: Effect::KillAfter, ..Rule::default() };
        assert_eq!(effects(rule, &[write.clone(), read, lease, write.clone(), write]), [false, false, false, true, false]);
    }

    #[test]
    fn params_and_max() {
        let one = form("rds", "Action=CreateDBInstance&DBInstanceIdentifier=main");
        let other = form("rds", "Action=CreateDBInstance&DBInstanceIdentifier=other");
        let rule =
            Rule { params: Some("DBInstanceIdentifier=main".into()), max: Some(1), effect: Effect::Throttle, ..Rule::default() };
        assert_eq!(effects(rule, &[other, one.clone(), one]), [false, true, false]);
    }

    #[test]
    fn bucket_empties() {
        let call = form("ec2", "Action=CreateVpcEndpoint");
        let rule = Rule { effect: Effect::Bucket { rate: 0.001, burst: 2.0 }, ..Rule::default() };
        assert_eq!(effects(rule, &[call.clone(), call.clone(), call]), [false, false, true]);
    }

    #[test]
    fn rules_are_json() {
        let rule: Rule =
            serde_json::from_str(r#"{"service":"rds","nth":{"from":2,"to":3},"effect":{"latency":{"ms":5}}}"#).expect("a rule");
        assert_eq!(rule.effect, Effect::Latency { ms: 5 });
        assert!(serde_json::from_str::<Rule>(r#"{"effect":"reset_after","nth":1}"#).is_ok());
    }
}
