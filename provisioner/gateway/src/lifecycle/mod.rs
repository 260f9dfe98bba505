//! The life cycles of things. On AWS it takes time to create, modify and delete. Emulators answer "available" at once.
//! This module plays the time in between, on a scaled clock: it rewrites the answers of Describe, and refuses calls
//! that AWS refuses meanwhile.

mod dynamodb;
mod ecs;
mod ecs_documents;
mod elasticache;
mod elbv2;
mod lambda;
mod mapping;
mod nat;
mod one_off;
mod opensearch;
mod rds;
mod rollout;

use crate::account::{Account, Known, Phase, Picture, Thing, known};
use crate::answer::{Answer, Fault};
use crate::request::Request;
use crate::rules::glob;
use crate::xml::Element;
pub(crate) use ecs::Services;
pub use one_off::Script;
use std::time::Duration;

/// Simulated seconds of each kind: kind, create, modify, delete.
pub const LIVES: &[(&str, u64, u64, u64)] = &[
    ("rds.instance", 420, 120, 240),
    ("elasticache.replication_group", 480, 300, 300),
    ("opensearch.domain", 1200, 900, 600),
    ("elbv2.load_balancer", 150, 0, 0),
    ("ec2.nat_gateway", 120, 0, 60),
    ("ecs.service", 120, 180, 60),
    ("lambda.function", 5, 5, 0),
    ("lambda.mapping", 5, 5, 5),
    ("dynamodb.table", 8, 6, 5),
];

/// How long the network interfaces of a deleted thing still hold its subnets and groups: kind, simulated seconds.
const LINGERS: &[(&str, u64)] = &[("elbv2.load_balancer", 60), ("lambda.function", 600)];

/// The pace of time, and the things that are to fail.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    pub(crate) on: bool,
    pub(crate) scale: f64,
    /// The things that are to fail: (kind, glob of ids).
    pub(crate) fails: Vec<(String, String)>,
}

impl Pace {
    pub(crate) fn real(&self, simulated: u64) -> Duration {
        if !self.on || self.scale <= 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(simulated as f64 / self.scale)
    }

    /// Whether the outcome of a call is to be a failure, by the id, the name, or our own tag.
    fn fails_for(&self, request: &Request, kind: &str, id: &str) -> bool {
        let named = ["Name", "GroupName"].iter().filter_map(|name| request.text(name)).any(|name| self.fails(kind, name));
        let tagged = request.tags().iter().any(|(key, value)| key == "provision:name" && self.fails(kind, value));
        self.fails(kind, id) || named || tagged
    }

    pub(crate) fn fails(&self, kind: &str, id: &str) -> bool {
        // ECS services are known as cluster/service; the service's own name is enough to name one.
        let short = id.rsplit('/').next().unwrap_or(id);
        self.on && self.fails.iter().any(|(k, pattern)| k == kind && (glob(pattern, id) || glob(pattern, short)))
    }

    fn lasts(&self, request: &Request, kind: &str, phase: Phase) -> Duration {
        let Some((_, create, modify, delete)) = LIVES.iter().find(|(k, ..)| *k == kind) else { return Duration::ZERO };
        let seconds = match phase {
            Phase::Creating if request.action == "CreateDBInstanceReadReplica" => 480,
            Phase::Creating => *create,
            Phase::Modifying if request.service == "opensearch" => opensearch::modify_seconds(request, *modify),
            Phase::Modifying if request.service == "rds" => rds::modify_seconds(request, *modify),
            Phase::Modifying => *modify,
            _ => *delete,
        };
        self.real(seconds)
    }
}

/// Learns from a call that succeeded, and starts the phases that it begins. Gives the new things, by kind and id.
pub(crate) fn observe(account: &mut Account, pace: &Pace, request: &Request, answer: &Answer) -> Vec<(&'static str, String)> {
    let mut new = Vec::new();
    if request.flag("DryRun") == Some(true) {
        return new;
    }
    let home = request.home.as_str();
    match known(request) {
        Some(Known::Delete(kind, id)) => {
            let lasts = pace.lasts(request, kind, Phase::Deleting);
            let lingers = LINGERS.iter().find(|(k, _)| *k == kind).map_or(Duration::ZERO, |(_, s)| pace.real(*s));
            if lasts.is_zero() && lingers.is_zero() {
                account.observe(request, answer);
                return new;
            }
            account.observe_details(request, answer);
            for id in id.of(request, answer) {
                if kind == "elbv2.load_balancer" {
                    let listeners: Vec<String> = account.users(home, &id).iter().map(|user| user.id.clone()).collect();
                    for listener in &listeners {
                        account.remove_users(home, "elbv2.rule", listener);
                    }
                    account.remove_users(home, "elbv2.listener", &id);
                }
                if let Some(thing) = account.get_mut(home, kind, &id)
                    && thing.phase() != Phase::Deleting
                {
                    thing.lingers = lasts.is_zero();
                    thing.enter(Phase::Deleting, lasts.max(lingers));
                }
            }
        }
        Some(Known::Create(kind, id)) => {
            for id in id.of(request, answer) {
                // If names say that a thing exists already, creating it answers the same thing again.
                if account.get(home, kind, &id).is_none_or(|thing| thing.lingers) {
                    new.push((kind, id));
                }
            }
            if new.is_empty() {
                return new;
            }
            account.observe(request, answer);
            for (kind, id) in &new {
                let fails = pace.fails_for(request, kind, id);
                if let Some(thing) = account.get_mut(home, kind, id) {
                    thing.fails = fails;
                    thing.enter(Phase::Creating, pace.lasts(request, kind, Phase::Creating));
                }
            }
        }
        Some(Known::Modify(kind, id)) => {
            account.observe(request, answer);
            let lasts = pace.lasts(request, kind, Phase::Modifying);
            for id in id.of(request, answer) {
                let fails = pace.fails_for(request, kind, &id);
                if let Some(thing) = account.get_mut(home, kind, &id)
                    && !lasts.is_zero()
                    && thing.phase() != Phase::Creating
                {
                    thing.fails = fails;
                    thing.enter(Phase::Modifying, lasts);
                }
            }
        }
        Some(Known::Put(..)) | None => account.observe(request, answer),
    }
    new
}

/// The refusal of a call because of the phase that a thing is in, as on AWS.
pub(crate) fn guard(account: &Account, request: &Request) -> Option<Fault> {
    match request.service.as_str() {
        "rds" => rds::guard(account, request),
        "elasticache" => elasticache::guard(account, request),
        "opensearch" => opensearch::guard(account, request),
        "lambda" => lambda::guard(account, request).or_else(|| mapping::guard(account, request)),
        "dynamodb" => dynamodb::guard(account, request),
        "ec2" => nat::guard(account, request),
        "ecs" => ecs::guard(account, request),
        _ => None,
    }
}

/// Rewrites the answer as AWS would give it at this moment.
pub(crate) fn dress(account: &mut Account, request: &Request, answer: &mut Answer) {
    match request.service.as_str() {
        "rds" => rds::dress(account, request, answer),
        "elasticache" => elasticache::dress(account, request, answer),
        "opensearch" => opensearch::dress(account, request, answer),
        "elbv2" => elbv2::dress(account, request, answer),
        "lambda" if request.action.contains("EventSourceMapping") => mapping::dress(account, request, answer),
        "lambda" => lambda::dress(account, request, answer),
        "dynamodb" => dynamodb::dress(account, request, answer),
        "ec2" => nat::dress(account, request, answer),
        _ => {}
    }
}

/// A kind that is described in XML.
struct XmlKind {
    kind: &'static str,
    id: &'static str,
    status: &'static str,
    container: &'static str,
    member: &'static str,
    describe: &'static str,
    /// The parameter of Describe that names a thing.
    asks: &'static str,
}

/// Calls `put` for each element of the kind in the answer, keeps its picture, and shows the things that the emulator
/// already dropped.
fn dress_xml(account: &mut Account, request: &Request, answer: &mut Answer, shape: &XmlKind, put: &dyn Fn(&mut Element, &Thing)) {
    let home = request.home.as_str();
    if request.action == shape.describe {
        haunt(account, request, answer, shape);
    }
    if !answer.ok() {
        return;
    }
    let Some(root) = answer.xml_body_mut() else { return };
    let status = shape.status.split('/').next().unwrap_or(shape.status);
    root.walk_mut(&mut |element| {
        let (Some(id), Some(_)) = (element.at(shape.id).map(str::to_owned), element.child(status)) else { return };
        let id = if id.starts_with("arn:") { id } else { id.to_lowercase() };
        if let Some(thing) = account.get_mut(home, shape.kind, &id) {
            thing.picture = Some(Picture::Xml(element.clone()));
            if !thing.lingers {
                put(element, thing);
            }
        }
    });
}

/// Puts the things that are still being deleted into a Describe answer.
fn haunt(account: &Account, request: &Request, answer: &mut Answer, shape: &XmlKind) {
    let asked =
        request.text(shape.asks).map(|id| crate::account::Id::Name(shape.asks).asked(request).pop().unwrap_or(id.to_owned()));
    if request.text("Marker").is_some() {
        return;
    }
    let ghosts: Vec<Element> = account
        .of_kind(&request.home, shape.kind)
        .filter(|thing| thing.phase() == Phase::Deleting && !thing.lingers && asked.as_ref().is_none_or(|id| *id == thing.id))
        .filter_map(|thing| match &thing.picture {
            Some(Picture::Xml(element)) => Some(element.clone()),
            _ => None,
        })
        .collect();
    if ghosts.is_empty() {
        return;
    }
    if !answer.ok() && asked.is_some() {
        *answer = Answer::xml(request, vec![Element::new(shape.container)]);
    }
    let Some(list) = answer.xml_body_mut().and_then(|root| root.find_mut(shape.container)) else { return };
    for mut ghost in ghosts {
        let same = |element: &Element| element.at(shape.id).map(str::to_lowercase) == ghost.at(shape.id).map(str::to_lowercase);
        if !list.children.iter().any(same) {
            ghost.name = shape.member.to_owned();
            list.children.push(ghost);
        }
    }
}
