//! The gateway's own small picture of the account: which things exist and who uses them. It is learned from the calls
//! that passed.

mod details;
mod tables;

use crate::answer::Answer;
use crate::request::Request;
use crate::xml::Element;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
pub(crate) use tables::{Id, Known, known, last_part, service_id, service_key};

/// The phase of a thing's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Creating,
    Modifying,
    Deleting,
    Ready,
    /// It ended in the failed state, as `Gateway::fail` asked.
    Failed,
    Gone,
}

/// How the last answer showed a thing. It is shown again while the emulator has already dropped the thing.
#[derive(Clone, Debug)]
pub(crate) enum Picture {
    Xml(Element),
    Json(Value),
}

#[derive(Clone, Debug)]
pub(crate) struct Thing {
    /// The kind: `rds.instance`, `ec2.subnet`, ...
    pub(crate) kind: &'static str,
    /// The id by which others refer to it: an id, an ARN, or a lower-cased name.
    pub(crate) id: String,
    pub(crate) home: String,
    /// The parameters of its create, with those of later modifies on top.
    pub(crate) params: Map<String, Value>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The things that each parameter refers to: ids, ARNs, and `kind:name` for a thing that is referred to by name.
    pub(crate) uses: BTreeMap<String, BTreeSet<String>>,
    pub(crate) picture: Option<Picture>,
    /// The number of reads that will not see it yet.
    pub(crate) hidden: u64,
    pub(crate) fails: bool,
    /// Whether it is gone for Describe, while its network interfaces still hold the things that it uses.
    pub(crate) lingers: bool,
    phase: Phase,
    pub(crate) since: Instant,
    pub(crate) until: Instant,
}

impl Thing {
    pub(crate) fn phase(&self) -> Phase {
        if Instant::now() < self.until {
            return self.phase;
        }
        match self.phase {
            Phase::Creating | Phase::Modifying if self.fails => Phase::Failed,
            Phase::Creating | Phase::Modifying => Phase::Ready,
            Phase::Deleting => Phase::Gone,
            settled => settled,
        }
    }

    pub(crate) fn enter(&mut self, phase: Phase, lasts: Duration) {
        self.phase = phase;
        self.since = Instant::now();
        self.until = self.since + lasts;
    }

    /// Whether nothing can be done with it any more, though some of it may still be there.
    pub(crate) fn going(&self) -> bool {
        matches!(self.phase(), Phase::Deleting | Phase::Gone)
    }

    pub(crate) fn text(&self, param: &str) -> Option<&str> {
        self.params.get(param)?.as_str()
    }

    pub(crate) fn flag(&self, param: &str) -> bool {
        match self.params.get(param) {
            Some(Value::Bool(b)) => *b,
            Some(Value::String(s)) => s.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// Whether `kind:name` is this very thing.
    fn is(&self, what: &str) -> bool {
        what.strip_prefix(self.kind).and_then(|rest| rest.strip_prefix(':')) == Some(&self.id)
    }

    pub(crate) fn refers_to(&self, what: &str) -> bool {
        self.uses.values().any(|set| set.contains(what))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Account {
    things: BTreeMap<(String, &'static str, String), Thing>,
    /// When names were last deleted, by (home, `kind:name`).
    pub(crate) deleted: BTreeMap<(String, String), Instant>,
}

impl Account {
    pub(crate) fn get(&self, home: &str, kind: &'static str, id: &str) -> Option<&Thing> {
        self.things.get(&(home.to_owned(), kind, id.to_owned())).filter(|thing| thing.phase() != Phase::Gone)
    }

    pub(crate) fn get_mut(&mut self, home: &str, kind: &'static str, id: &str) -> Option<&mut Thing> {
        self.things.get_mut(&(home.to_owned(), kind, id.to_owned())).filter(|thing| thing.phase() != Phase::Gone)
    }

    /// All things that exist in a region, in any phase.
    pub(crate) fn all<'a>(&'a self, home: &'a str) -> impl Iterator<Item = &'a Thing> {
        self.things.values().filter(move |thing| thing.home == home && thing.phase() != Phase::Gone)
    }

    pub(crate) fn of_kind<'a>(&'a self, home: &'a str, kind: &'static str) -> impl Iterator<Item = &'a Thing> {
        self.all(home).filter(move |thing| thing.kind == kind)
    }

    pub(crate) fn all_mut<'a>(&'a mut self, home: &'a str) -> impl Iterator<Item = &'a mut Thing> {
        self.things.values_mut().filter(move |thing| thing.home == home && thing.phase() != Phase::Gone)
    }

    /// Keeps the things of one region that pass.
    fn retain(&mut self, home: &str, keep: impl Fn(&Thing) -> bool) {
        self.things.retain(|_, thing| thing.home != home || keep(thing));
    }

    pub(crate) fn of_kind_mut<'a>(&'a mut self, home: &'a str, kind: &'static str) -> impl Iterator<Item = &'a mut Thing> {
        self.things.values_mut().filter(move |thing| thing.home == home && thing.kind == kind && thing.phase() != Phase::Gone)
    }

    /// Finds a thing of IAM. IAM has one account for all regions, so the thing may be in any region for which its calls
    /// were signed.
    pub(crate) fn anywhere(&self, kind: &'static str, id: &str) -> Option<&Thing> {
        self.things.values().find(|thing| thing.kind == kind && thing.id == id && thing.phase() != Phase::Gone)
    }

    /// The things that use it.
    pub(crate) fn users<'a>(&'a self, home: &'a str, what: &str) -> Vec<&'a Thing> {
        self.all(home).filter(|thing| thing.id != what && !thing.is(what) && thing.refers_to(what)).collect()
    }

    pub(crate) fn add(&mut self, request: &Request, kind: &'static str, id: String) -> &mut Thing {
        let now = Instant::now();
        let thing = Thing {
            kind,
            id: id.clone(),
            home: request.home.clone(),
            params: request.params.as_object().cloned().unwrap_or_default(),
            tags: request.tags().into_iter().collect(),
            uses: references(request),
            picture: None,
            hidden: 0,
            fails: false,
            lingers: false,
            phase: Phase::Ready,
            since: now,
            until: now,
        };
        let key = (request.home.clone(), kind, id);
        self.things.insert(key.clone(), thing);
        self.things.entry(key).or_insert_with(|| unreachable!("inserted above"))
    }

    /// Lets a modify's parameters and references replace those of the same name.
    pub(crate) fn update(&mut self, request: &Request, kind: &'static str, id: &str) -> Option<&mut Thing> {
        let thing = self.get_mut(&request.home, kind, id)?;
        // These are the parameters that this modify asks for, apart from those of earlier calls.
        thing.params.retain(|name, _| !name.starts_with("pending."));
        for (name, value) in request.params.as_object().into_iter().flatten() {
            thing.params.insert(name.clone(), value.clone());
            thing.params.insert(format!("pending.{name}"), value.clone());
        }
        for name in request.params.as_object().into_iter().flatten().map(|(name, _)| base(name)) {
            thing.uses.remove(name);
        }
        thing.uses.extend(references(request));
        Some(thing)
    }

    pub(crate) fn remove(&mut self, home: &str, kind: &'static str, id: &str) {
        self.things.remove(&(home.to_owned(), kind, id.to_owned()));
        self.deleted.insert((home.to_owned(), format!("{kind}:{id}")), Instant::now());
    }

    /// Removes the things of a kind that belong to a thing and go with it.
    pub(crate) fn remove_users(&mut self, home: &str, kind: &'static str, of: &str) {
        self.things.retain(|_, thing| !(thing.home == home && thing.kind == kind && thing.refers_to(of)));
    }

    /// Forgets the things that are gone.
    pub(crate) fn sweep(&mut self) {
        let Account { things, deleted } = self;
        things.retain(|(home, kind, id), thing| {
            let gone = thing.phase() == Phase::Gone;
            if gone {
                deleted.entry((home.clone(), format!("{kind}:{id}"))).or_insert(thing.until);
            }
            !gone
        });
    }

    /// Learns from a call that succeeded. Creates add a thing, modifies update it, deletes remove it. Life cycles take
    /// longer.
    pub(crate) fn observe(&mut self, request: &Request, answer: &Answer) {
        match known(request) {
            Some(Known::Create(kind, id)) => {
                for id in id.of(request, answer) {
                    self.deleted.remove(&(request.home.clone(), format!("{kind}:{id}")));
                    self.add(request, kind, id);
                }
            }
            Some(Known::Put(kind, id)) => {
                for id in id.of(request, answer) {
                    self.add(request, kind, id);
                }
            }
            Some(Known::Modify(kind, id)) => {
                for id in id.of(request, answer) {
                    self.update(request, kind, &id);
                }
            }
            Some(Known::Delete(kind, id)) => {
                for id in id.of(request, answer) {
                    self.remove(&request.home, kind, &id);
                }
            }
            None => {}
        }
        details::observe(self, request, answer);
    }

    /// Learns the details beside the thing itself, if a life cycle decides about the thing.
    pub(crate) fn observe_details(&mut self, request: &Request, answer: &Answer) {
        details::observe(self, request, answer);
    }
}

/// The key of a security group's reference to another. It is the same for the grant and for its revocation.
fn rule_key<'a>(owner: &str, egress: bool, part: impl Fn(&'static str) -> Option<&'a str>, other: &str) -> String {
    let port = |name| part(name).unwrap_or("-1");
    format!("{owner}/{egress}/{}/{}/{}/{other}", part("ipProtocol").unwrap_or("-1"), port("fromPort"), port("toPort"))
}

/// The part of a form's parameter name that says what it is: `Subnets` of `Subnets.member.1`.
fn base(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// The things that a request refers to, by parameter.
fn references(request: &Request) -> BTreeMap<String, BTreeSet<String>> {
    static IDS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"\b(?:vpc|subnet|sg|eipalloc|igw|nat|eni)-[0-9a-f]{8,}\b|arn:aws:elasticloadbalancing:[^\s"\\]+"#)
            .unwrap_or_else(|why| unreachable!("a constant pattern: {why}"))
    });
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in request.params.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let set = uses.entry(base(name).to_owned()).or_default();
        set.extend(IDS.find_iter(&text).map(|found| found.as_str().to_owned()));
        for (param, kind) in tables::NAMED {
            if base(name) == *param {
                let name = text.rsplit([':', '/']).next().unwrap_or(&text).to_lowercase();
                set.insert(format!("{kind}:{name}"));
            }
        }
    }
    uses.retain(|_, set| !set.is_empty());
    uses
}
