//! The state that one gateway remembers between calls.

use crate::Options;
use crate::account::Account;
use crate::answer::{Answer, Fault, fault};
use crate::chance::Chance;
use crate::gaps::Repairs;
use crate::lifecycle::{self, Pace, Services};
use crate::mutate::{self, hidden};
use crate::refusals::{self, Verdict};
use crate::request::Request;
use crate::rights::Rights;
use crate::rules::{Armed, Effect, Rule};
use anyhow::Result;
use serde::{Deserialize, Serialize, Serializer};
use std::time::{Duration, Instant};

/// One call that passed.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// The number of the call, counted from 1. Only a reset begins again at 1.
    pub n: u64,
    /// The time since the gateway's start.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    pub service: String,
    pub action: String,
    pub region: String,
    pub write: bool,
    /// The status. None while the call is under way, and if no answer was given.
    pub status: Option<u16>,
    /// `ok`, `under way`, `error CODE`, `refused NAME`, or the effect of a rule.
    pub outcome: String,
    /// A parameter that says what the call is about, if one is recognised.
    pub target: Option<String>,
    pub lease: bool,
}

/// A call that AWS would have refused.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Refusal {
    /// The name of the rule that AWS would have applied.
    pub rule: String,
    /// The number of the call.
    pub call: u64,
    pub action: String,
    pub code: String,
    pub message: String,
}

fn seconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) began: Instant,
    pub(crate) count: u64,
    pub(crate) calls: Vec<Call>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) victim: Option<u32>,
    pub(crate) account: Account,
    pub(crate) services: Services,
    pub(crate) pace: Pace,
    pub(crate) repairs: Repairs,
    pub(crate) rights: Rights,
    rules: Vec<Armed>,
    chance: Chance,
    hiding: Chance,
    shuffles: Chance,
}

impl State {
    pub(crate) fn new(options: Options) -> Self {
        State {
            began: Instant::now(),
            count: 0,
            calls: Vec::new(),
            refusals: Vec::new(),
            victim: None,
            account: Account::default(),
            services: Services::default(),
            pace: Pace { on: options.lifecycles, scale: options.scale, fails: Vec::new() },
            repairs: Repairs::default(),
            rights: Rights::default(),
            rules: Vec::new(),
            chance: Chance::of(options.seed, "rules"),
            hiding: Chance::of(options.seed, "hiding"),
            shuffles: Chance::of(options.seed, "shuffles"),
            options,
        }
    }

    pub(crate) fn set_rules(&mut self, rules: Vec<Rule>) -> Result<()> {
        self.rules = rules.into_iter().map(Armed::new).collect::<Result<_>>()?;
        Ok(())
    }

    /// Counts a call, and gives what the rules do to it.
    pub(crate) fn arrive(&mut self, request: &Request) -> (u64, Vec<Effect>) {
        self.count += 1;
        self.calls.push(Call {
            n: self.count,
            at: self.began.elapsed(),
            service: request.service.clone(),
            action: request.action.clone(),
            region: request.region.clone(),
            write: request.write(),
            status: None,
            outcome: "under way".to_owned(),
            target: request.about(),
            lease: request.lease(),
        });
        let chance = &mut self.chance;
        let effects = self.rules.iter_mut().filter_map(|rule| rule.apply(request, chance)).collect();
        (self.count, effects)
    }

    pub(crate) fn depart(&mut self, n: u64, status: Option<u16>, outcome: String) {
        // The call is not found after clear_calls.
        if let Some(call) = self.calls.iter_mut().rev().find(|call| call.n == n) {
            call.status = status;
            call.outcome = outcome;
        }
    }

    pub(crate) fn refused(&mut self, n: u64, request: &Request, rule: &str, fault: &Fault) {
        self.refusals.push(Refusal {
            rule: rule.to_owned(),
            call: n,
            action: request.action.clone(),
            code: fault.code.clone(),
            message: fault.message.clone(),
        });
    }

    /// The refusal that AWS would give now: the fault, and the outcome to note.
    pub(crate) fn refuse(&mut self, n: u64, request: &Request) -> Option<(Fault, String)> {
        self.account.sweep();
        if self.options.lifecycles
            && let Some(fault) = lifecycle::guard(&self.account, request)
        {
            self.refused(n, request, "state", &fault);
            return Some((fault, "refused state".to_owned()));
        }
        if !self.options.refuse {
            return None;
        }
        match refusals::judge(&self.account, &self.pace, request)? {
            Verdict::Refuse(rule, fault) => {
                self.refused(n, request, rule, &fault);
                Some((fault, format!("refused {rule}")))
            }
            Verdict::Later(fault) => Some((fault, "not yet".to_owned())),
            Verdict::Notice(rule, message) => {
                self.refused(n, request, rule, &fault(200, "", message));
                None
            }
        }
    }

    /// The refusal of a call that the policies of the caller do not allow.
    pub(crate) fn forbid(&mut self, n: u64, request: &Request) -> Option<Fault> {
        let (refused, told) = self.rights.refusal(request)?;
        self.refused(n, request, "rights", &fault(refused.status, &refused.code, told));
        Some(refused)
    }

    pub(crate) fn learn_rights(&mut self, request: &Request, answer: &Answer) {
        let scale = self.options.scale;
        self.rights.learn(request, answer, scale);
    }

    /// Answers a call that is played without the emulator.
    pub(crate) fn one_off(&mut self, request: &Request) -> Option<Answer> {
        match request.action.as_str() {
            "RunTask" => Some(self.services.one_offs.run(&self.pace, request)),
            "StopTask" => Some(self.services.one_offs.stop(&self.pace, request)),
            _ => None,
        }
    }

    /// Learns from the emulator's answer, and turns it into the answer of AWS.
    pub(crate) fn learn(&mut self, request: &Request, answer: &mut Answer) {
        if answer.ok() && request.write() {
            let new = lifecycle::observe(&mut self.account, &self.pace, request, answer);
            for (kind, id) in new {
                let reads = if self.options.mutate { hidden::reads(kind, &mut self.hiding) } else { 0 };
                if let Some(thing) = self.account.get_mut(&request.home, kind, &id) {
                    thing.hidden = reads;
                }
            }
        }
        self.services.play(&self.pace, request, answer);
        lifecycle::dress(&mut self.account, request, answer);
        if self.options.mutate {
            hidden::hide(&mut self.account, request, answer);
            mutate::reword(&self.account, &mut self.shuffles, request, answer);
        }
    }
}
