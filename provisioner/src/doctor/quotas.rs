//! Whether there is room for the resources that the plan makes. The codes are Service Quotas' own, as
//! `aws service-quotas list-service-quotas` shows them. A new account has least of these: 5 addresses, 5 networks, 6
//! vCPU on Fargate.

use futures_util::future::BoxFuture;

use super::{Finding, Scene};
use crate::aws::{Cx, Error, each};
use crate::kind::Kind;
use crate::kinds::{ec2, ecs, elasticache, elbv2, lambda, opensearch, rds};
use crate::plan::desired::{Desired, Wanted};

const NAME: &str = "quotas";

struct Quota {
    service: &'static str,
    code: &'static str,
    what: &'static str,
    /// The kind that takes from the quota.
    kind: &'static str,
    /// The amount that one resource of the kind takes.
    takes: fn(&Desired, &Wanted) -> f64,
    /// The amount that is taken in the whole account. `None` if only AWS knows it.
    taken: Option<for<'a> fn(&'a Cx) -> Counted<'a>>,
}

type Counted<'a> = BoxFuture<'a, Result<usize, Error>>;

const QUOTAS: &[Quota] = &[
    Quota {
        service: "vpc",
        code: "L-F678F1CE",
        what: "VPCs",
        kind: ec2::Vpc::FACTS.name,
        takes: |_, _| 1.0,
        taken: Some(|cx| Box::pin(vpcs(cx))),
    },
    Quota {
        service: "vpc",
        code: "L-A4707A72",
        what: "internet gateways",
        kind: ec2::InternetGateway::FACTS.name,
        takes: |_, _| 1.0,
        taken: Some(|cx| Box::pin(internet_gateways(cx))),
    },
    Quota {
        service: "ec2",
        code: "L-0263D0A3",
        what: "elastic IP addresses",
        kind: ec2::ElasticIp::FACTS.name,
        takes: |_, _| 1.0,
        taken: Some(|cx| Box::pin(addresses(cx))),
    },
    Quota {
        service: "elasticloadbalancing",
        code: "L-53DA6B97",
        what: "load balancers",
        kind: elbv2::LoadBalancer::FACTS.name,
        takes: |_, _| 1.0,
        taken: Some(|cx| Box::pin(load_balancers(cx))),
    },
    Quota {
        service: "rds",
        code: "L-7B6409FD",
        what: "database instances",
        kind: rds::Instance::FACTS.name,
        takes: |_, _| 1.0,
        taken: Some(|cx| Box::pin(database_instances(cx))),
    },
    Quota {
        service: "elasticache",
        code: "L-DFE45DF3",
        what: "cache nodes",
        kind: elasticache::ReplicationGroup::FACTS.name,
        takes: |_, wanted| wanted.spec.get("nodes").as_f64().unwrap_or(1.0),
        taken: Some(|cx| Box::pin(cache_nodes(cx))),
    },
    Quota {
        service: "es",
        code: "L-076D529E",
        what: "search domains",
        kind: opensearch::Domain::FACTS.name,
        takes: |_, _| 1.0,
        taken: Some(|cx| Box::pin(search_domains(cx))),
    },
    Quota {
        service: "fargate",
        code: "L-3032A538",
        what: "vCPU on Fargate",
        kind: ecs::Service::FACTS.name,
        takes: |desired, wanted| vcpu(desired, wanted).unwrap_or(0.0),
        taken: None,
    },
    Quota {
        service: "lambda",
        code: "L-B99A9384",
        what: "calls of functions at a time",
        kind: lambda::Function::FACTS.name,
        takes: |_, wanted| wanted.spec.get("concurrency").as_f64().unwrap_or(0.0),
        taken: Some(|cx| Box::pin(reserved(cx))),
    },
];

/// The calls at a time that no function can reserve (Lambda developer guide, "Configuring reserved concurrency").
const UNRESERVED: i32 = 100;

pub(super) async fn check(scene: &Scene<'_>) -> Result<Vec<Finding>, Error> {
    let taken: Vec<(&'static Quota, f64)> =
        QUOTAS.iter().map(|quota| (quota, needed(scene, quota))).filter(|(_, needed)| *needed > 0.0).collect();
    let taken = &taken;
    let found = each((0..taken.len()).collect(), |index| async move {
        let (quota, needed) = taken[index];
        match room(scene.cx, quota).await {
            Ok((limit, used)) => judge(quota, needed, limit, used),
            Err(error) => Finding::unknown(NAME, &format!("the quota of {}", quota.what), error),
        }
    });
    let found = found.await;
    // All quotas that are in order share one line.
    let (fine, rest): (Vec<Finding>, Vec<Finding>) =
        found.into_iter().partition(|one| one.todo.is_none() && one.level == super::Level::Ok);
    let fine: Vec<String> = fine.into_iter().map(|one| one.what).collect();
    let fine = (!fine.is_empty()).then(|| Finding::ok(NAME, fine.join("; ")));
    Ok(fine.into_iter().chain(rest).collect())
}

#[cfg(test)]
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    QUOTAS.iter().map(|quota| quota.kind)
}

/// The amount of a quota that the plan takes.
fn needed(scene: &Scene<'_>, quota: &Quota) -> f64 {
    let made = scene.made(quota.kind);
    let wanted = made.iter().filter_map(|step| scene.desired.get(&step.address));
    wanted.map(|wanted| (quota.takes)(scene.desired, wanted)).sum()
}

/// The vCPUs of all tasks that a service starts with.
fn vcpu(desired: &Desired, wanted: &Wanted) -> Option<f64> {
    let spec: <ecs::Service as Kind>::Spec = wanted.spec.read().ok()?;
    let task = wanted.refers_to.iter().find(|address| address.kind == ecs::TaskDefinition::FACTS.name)?;
    let units = desired.get(task)?.spec.get("cpu").as_f64()?;
    Some(f64::from(spec.tasks) * units / 1024.0)
}

/// The quota, and the amount that is taken. `None` if only AWS knows the amount.
async fn room(cx: &Cx, quota: &Quota) -> Result<(f64, Option<usize>), Error> {
    let taken = async {
        match quota.taken {
            Some(taken) => taken(cx).await.map(Some),
            None => Ok(None),
        }
    };
    let (limit, taken) = tokio::join!(limit(cx, quota), taken);
    Ok((limit?, taken?))
}

/// The account's own quota, or AWS's default if nobody has ever changed it.
async fn limit(cx: &Cx, quota: &Quota) -> Result<f64, Error> {
    let own = cx.quotas.get_service_quota().service_code(quota.service).quota_code(quota.code).send().await;
    let own = Error::unless_gone(own, &["NoSuchResourceException"])?.and_then(|answer| answer.quota?.value);
    if let Some(value) = own {
        return Ok(value);
    }
    let call = cx.quotas.get_aws_default_service_quota().service_code(quota.service).quota_code(quota.code);
    let default = call.send().await?.quota.and_then(|quota| quota.value);
    default.ok_or_else(|| Error::ours("AWS does not say"))
}

async fn vpcs(cx: &Cx) -> Result<usize, Error> {
    Ok(cx.ec2.describe_vpcs().into_paginator().items().send().try_collect().await?.len())
}

async fn internet_gateways(cx: &Cx) -> Result<usize, Error> {
    Ok(cx.ec2.describe_internet_gateways().into_paginator().items().send().try_collect().await?.len())
}

async fn addresses(cx: &Cx) -> Result<usize, Error> {
    Ok(cx.ec2.describe_addresses().send().await?.addresses().len())
}

async fn load_balancers(cx: &Cx) -> Result<usize, Error> {
    Ok(cx.elbv2.describe_load_balancers().into_paginator().items().send().try_collect().await?.len())
}

async fn database_instances(cx: &Cx) -> Result<usize, Error> {
    Ok(cx.rds.describe_db_instances().into_paginator().items().send().try_collect().await?.len())
}

async fn cache_nodes(cx: &Cx) -> Result<usize, Error> {
    Ok(cx.elasticache.describe_cache_clusters().into_paginator().items().send().try_collect().await?.len())
}

async fn search_domains(cx: &Cx) -> Result<usize, Error> {
    Ok(cx.opensearch.list_domain_names().send().await?.domain_names().len())
}

/// The calls at a time that functions have reserved, and those that nobody may reserve.
async fn reserved(cx: &Cx) -> Result<usize, Error> {
    let limit = cx.lambda.get_account_settings().send().await?.account_limit;
    let limit = limit.ok_or_else(|| Error::ours("AWS does not say"))?;
    let unreserved = limit.unreserved_concurrent_executions().unwrap_or(limit.concurrent_executions());
    Ok(usize::try_from(limit.concurrent_executions() - unreserved + UNRESERVED).unwrap_or_default())
}

#[allow(clippy::cast_precision_loss, reason = "counts of resources")]
fn judge(quota: &Quota, needed: f64, limit: f64, used: Option<usize>) -> Finding {
    let taken = used.unwrap_or(0) as f64;
    let what = match used {
        Some(used) => format!("{}: {used} of {limit} taken, {needed} more", quota.what),
        None => format!("{}: {needed} of {limit}, others not counted", quota.what),
    };
    if taken + needed <= limit {
        return Finding::ok(NAME, what);
    }
    let desired = (taken + needed).ceil();
    Finding::stop(
        NAME,
        format!("{what}, which is too many"),
        format!(
            "ask for more: aws service-quotas request-service-quota-increase --service-code {} --quota-code {} --desired-value {desired}",
            quota.service, quota.code
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_stops() {
        let judged = |needed, used| judge(&QUOTAS[2], needed, 5.0, used);
        assert_eq!(judged(2.0, Some(3)).what, "elastic IP addresses: 3 of 5 taken, 2 more");
        let stop = judged(3.0, Some(3));
        assert_eq!(stop.level, super::super::Level::Stop);
        assert!(
            stop.todo
                .is_some_and(|todo| todo.ends_with("--service-code ec2 --quota-code L-0263D0A3 --desired-value 6"))
        );
        assert_eq!(judge(&QUOTAS[7], 0.75, 6.0, None).what, "vCPU on Fargate: 0.75 of 6, others not counted");
    }
}
