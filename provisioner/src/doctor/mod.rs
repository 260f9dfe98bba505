//! Looks for the problems that would stop a plan half-way, before its first change. Each check has a file, and a line
//! in [`CHECKS`].
//!
//! A check says `stop` only if AWS itself says that it would refuse. If a check could not find something out, it gives
//! a warning with the reason: an emulator does not have the call, or an identity may not ask.

mod cache;
mod certificate;
mod database;
mod image;
mod names;
mod permissions;
mod quotas;
mod search;
pub mod zones;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use serde::Serialize;

use crate::aws::{Cx, Error};
use crate::kind::Kind;
use crate::kinds::ec2::Subnet;
use crate::kinds::{ecr, ecs, elasticache, elbv2, lambda, opensearch, rds};
use crate::plan::desired::{Desired, Wanted};
use crate::plan::snapshot::Snapshot;
use crate::plan::{Action, Plan, Step};
use crate::wait::pause;

/// The IAM actions of this folder, besides those of the kinds. Without them `doctor` still works, and gives a warning
/// about each check that it could not make.
pub const ACTIONS: &[&str] = &[
    "ec2:DescribeAvailabilityZones",
    "ecr:DescribeImages",
    "elasticloadbalancing:DescribeLoadBalancers",
    "iam:GetRole",
    "iam:SimulatePrincipalPolicy",
    "servicequotas:GetAWSDefaultServiceQuota",
    "servicequotas:GetServiceQuota",
];

/// The actions that are about one kind only, and are needed if the stack has it.
pub const ACTIONS_OF: &[(&str, &[&str])] = &[
    (rds::Instance::FACTS.name, &["rds:DescribeDBEngineVersions", "rds:DescribeOrderableDBInstanceOptions"]),
    (
        elasticache::ReplicationGroup::FACTS.name,
        &[
            "elasticache:DescribeCacheClusters",
            "elasticache:DescribeCacheEngineVersions",
            "elasticache:DescribeReservedCacheNodesOfferings",
        ],
    ),
    (opensearch::Domain::FACTS.name, &["es:ListInstanceTypeDetails", "es:ListVersions"]),
    (elbv2::Listener::FACTS.name, &["acm:DescribeCertificate"]),
    (lambda::Function::FACTS.name, &["lambda:GetAccountSettings"]),
];

type Checked<'a> = BoxFuture<'a, Result<Vec<Finding>, Error>>;

/// One check. The findings are told in this order.
struct Check {
    name: &'static str,
    /// If the stack has none of these kinds, there is nothing to check. An empty list means that the check is about
    /// everything in the plan.
    about: &'static [&'static str],
    run: for<'a> fn(&'a Scene<'a>) -> Checked<'a>,
}

const CHECKS: &[Check] = &[
    Check { name: "permissions", about: &[], run: |scene| Box::pin(permissions::check(scene)) },
    Check { name: "zones", about: &[Subnet::FACTS.name], run: |scene| Box::pin(zones::check(scene)) },
    Check { name: "quotas", about: &[], run: |scene| Box::pin(quotas::check(scene)) },
    Check { name: "databases", about: &[rds::Instance::FACTS.name], run: |scene| Box::pin(database::check(scene)) },
    Check {
        name: "caches",
        about: &[elasticache::ReplicationGroup::FACTS.name],
        run: |scene| Box::pin(cache::check(scene)),
    },
    Check { name: "search", about: &[opensearch::Domain::FACTS.name], run: |scene| Box::pin(search::check(scene)) },
    Check { name: "names", about: &[], run: |scene| Box::pin(names::check(scene)) },
    Check {
        name: "certificate",
        about: &[elbv2::Listener::FACTS.name],
        run: |scene| Box::pin(certificate::check(scene)),
    },
    Check { name: "images", about: IMAGES, run: |scene| Box::pin(image::check(scene)) },
];

const IMAGES: &[&str] = &[ecr::Image::FACTS.name, ecs::TaskDefinition::FACTS.name, lambda::Function::FACTS.name];

/// The longest time of a check, in real seconds.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Ok,
    Warning,
    /// AWS would refuse the plan.
    Stop,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub level: Level,
    pub what: String,
    /// The action that the user can take.
    pub todo: Option<String>,
}

impl Finding {
    pub fn ok(check: &'static str, what: impl Into<String>) -> Finding {
        Finding { check, level: Level::Ok, what: what.into(), todo: None }
    }

    pub fn warning(check: &'static str, what: impl Into<String>, todo: impl Into<String>) -> Finding {
        Finding { check, level: Level::Warning, what: what.into(), todo: Some(todo.into()) }
    }

    pub fn stop(check: &'static str, what: impl Into<String>, todo: impl Into<String>) -> Finding {
        Finding { check, level: Level::Stop, what: what.into(), todo: Some(todo.into()) }
    }

    /// A finding about something unknown. It is neither bad nor good.
    fn unknown(check: &'static str, what: &str, why: impl std::fmt::Display) -> Finding {
        Finding { check, level: Level::Warning, what: format!("{what} could not be checked: {why}"), todo: None }
    }
}

/// The subject of the checks.
pub struct Scene<'a> {
    pub cx: &'a Cx,
    /// The ARN of the caller.
    pub principal: &'a str,
    pub desired: &'a Desired,
    pub plan: &'a Plan,
    pub snapshot: &'a Snapshot,
    /// Whether the whole stack is checked, and not only the changes of the plan.
    pub whole: bool,
}

/// Runs all checks at the same time.
pub async fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let there: BTreeSet<&str> = scene.desired.resources().iter().map(|wanted| wanted.address.kind).collect();
    let is_about = |check: &&Check| check.about.is_empty() || check.about.iter().any(|kind| there.contains(kind));
    let each = CHECKS.iter().filter(is_about).map(|check| async {
        let found = tokio::select! {
            found = (check.run)(scene) => found,
            () = pause(DEADLINE) => Err(Error::ours(format!("no answer within {} s", DEADLINE.as_secs()))),
        };
        found.unwrap_or_else(|error| vec![Finding::unknown(check.name, "this", error)])
    });
    let mut findings: Vec<Finding> = join_all(each).await.into_iter().flatten().collect();
    // Two resources with the same finding have one line.
    findings.dedup();
    findings
}

/// The kinds for which a check looks at more than whether `provision` may make its calls.
#[cfg(test)]
pub(crate) fn kinds() -> BTreeSet<&'static str> {
    let about = CHECKS.iter().flat_map(|check| check.about).copied();
    about.chain(quotas::kinds()).chain(names::kinds()).collect()
}

impl Scene<'_> {
    /// The resources of one kind that are checked, with the kind's own spec.
    fn of<K: Kind>(&self) -> Vec<(&Wanted, K::Spec)> {
        let mine = self.desired.resources().iter().filter(|wanted| wanted.address.kind == K::FACTS.name);
        let touched = mine.filter(|wanted| self.whole || self.step(wanted).is_some_and(|step| step.action.is_change()));
        touched.filter_map(|wanted| Some((wanted, wanted.spec.read().ok()?))).collect()
    }

    fn step(&self, wanted: &Wanted) -> Option<&Step> {
        self.plan.get(&wanted.address)
    }

    /// The steps of the plan that make resources of a kind.
    fn made(&self, kind: &str) -> Vec<&Step> {
        let makes = |step: &&Step| matches!(step.action, Action::Create { .. } | Action::Replace { .. });
        self.plan.steps.iter().filter(|step| step.address.kind == kind).filter(makes).collect()
    }

    /// The names of the zones that the stack uses: those of its subnets, or those that the first ones will get.
    async fn zones(&self) -> Result<Vec<String>, Error> {
        let wanted = self.desired.resources().iter().filter(|wanted| wanted.address.kind == Subnet::FACTS.name);
        let (mut zones, mut places) = (Vec::new(), Vec::new());
        for subnet in wanted {
            let live = self
                .snapshot
                .live
                .get(&subnet.address)
                .and_then(|live| live.output.get("zone").as_str().map(str::to_owned));
            match (live.filter(|zone| !zone.is_empty()), subnet.spec.get("zone").as_u64()) {
                (Some(zone), _) => zones.push(zone),
                (None, Some(place)) => places.push(place),
                (None, None) => {}
            }
        }
        if !places.is_empty() {
            let all = Subnet::zones(self.cx).await?;
            let named = places.into_iter().filter_map(|place| all.get(usize::try_from(place).ok()?).cloned());
            zones.extend(named);
        }
        zones.sort();
        zones.dedup();
        Ok(zones)
    }
}

/// `a, b and c`, each once.
fn list(items: impl IntoIterator<Item = impl Into<String>>) -> String {
    let mut items: Vec<String> = items.into_iter().map(Into::into).collect();
    items.sort();
    items.dedup();
    match items.split_last() {
        None => "none".to_owned(),
        Some((one, [])) => one.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
