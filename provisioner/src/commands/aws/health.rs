//! Reads what people want to know about a stack that runs, beyond whether each resource is ready: a function per
//! section. It does its best. A value that cannot be found out is unknown, and never a failure.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use aws_sdk_elasticloadbalancingv2::types::TargetHealthStateEnum::Healthy;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::aws::{Cx, Error, each};
use crate::kind::any::AnyLive;
use crate::kind::json::Json;
use crate::kind::{Kind, Status};
use crate::kinds::{apigatewayv2, ecs, elasticache, lambda, opensearch, rds, sqs};
use crate::plan::desired::{Desired, Wanted};
use crate::plan::snapshot::Snapshot;
use crate::printer::Printer;

/// The IAM actions that this file calls. Without them `status` still works, and shows less.
pub const ACTIONS: &[&str] = &[
    "cloudwatch:GetMetricData",
    "ecs:DescribeServices",
    "elasticloadbalancing:DescribeTargetHealth",
    "sqs:GetQueueAttributes",
];

/// How far back to look for a metric. RDS sends one value a minute, some minutes late.
const RECENT: Duration = Duration::from_secs(300);
/// The time for which the events of a function are counted.
const HOUR: Duration = Duration::from_secs(3600);

/// The health of a resource. A value that is `None`, and `null` in JSON, is unknown. A value that a resource cannot
/// have is left out.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Health {
    Database {
        version: Option<String>,
        class: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        replica: Option<Replica>,
    },
    Cache {
        engine: Option<String>,
        version: Option<String>,
        nodes: Option<u64>,
    },
    Queue {
        visible: Option<u64>,
        in_flight: Option<u64>,
    },
    Service {
        running: Option<i32>,
        desired: Option<i32>,
        revision: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        targets: Option<Targets>,
    },
    Search {
        version: Option<String>,
        state: String,
    },
    /// The events of the last hour.
    Function {
        invocations: Option<u64>,
        errors: Option<u64>,
        throttles: Option<u64>,
        /// The longest of them. It is left out if there was none.
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    Source {
        last_result: Option<String>,
    },
    Api {
        url: Option<String>,
        deployment: Option<String>,
    },
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Replica {
    lag_seconds: Option<f64>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Targets {
    healthy: Option<usize>,
    all: Option<usize>,
}

/// Reads the health of all wanted, live resources of ours whose kinds have more to tell than whether they are ready.
pub(crate) async fn take<'a>(
    cx: &Cx,
    desired: &'a Desired,
    snapshot: &Snapshot,
    printer: Printer,
) -> Vec<(&'a Wanted, Health)> {
    let live = desired.resources().iter().filter_map(|wanted| Some((wanted, snapshot.live.get(&wanted.address)?)));
    let ours = live.filter(|(_, live)| live.owner.is_ours()).collect();
    let found = each(ours, |(wanted, live)| async move { Some((wanted, of(cx, live, printer).await?)) }).await;
    found.into_iter().flatten().collect()
}

/// The kinds with more to tell than whether a resource is ready. For every other kind, the record of its service says
/// why there is no more.
const TOLD: &[Told] = &[
    Told { kind: rds::Instance::FACTS.name, of: |cx, live, printer| Box::pin(database(cx, live, printer)) },
    Told { kind: elasticache::ReplicationGroup::FACTS.name, of: |_, live, _| Box::pin(async { cache(live) }) },
    Told { kind: sqs::Queue::FACTS.name, of: |cx, live, printer| Box::pin(queue(cx, live, printer)) },
    Told { kind: ecs::Service::FACTS.name, of: |cx, live, printer| Box::pin(service(cx, live, printer)) },
    Told { kind: opensearch::Domain::FACTS.name, of: |_, live, _| Box::pin(async { search(live) }) },
    Told { kind: lambda::Function::FACTS.name, of: |cx, live, printer| Box::pin(function(cx, live, printer)) },
    Told { kind: lambda::Source::FACTS.name, of: |_, live, _| Box::pin(async { source(live) }) },
    Told { kind: apigatewayv2::Api::FACTS.name, of: |_, live, _| Box::pin(async { api(live) }) },
];

struct Told {
    kind: &'static str,
    of: for<'a> fn(&'a Cx, &'a AnyLive, Printer) -> BoxFuture<'a, Health>,
}

async fn of(cx: &Cx, live: &AnyLive, printer: Printer) -> Option<Health> {
    let told = TOLD.iter().find(|told| told.kind == live.address.kind)?;
    Some((told.of)(cx, live, printer).await)
}

async fn database(cx: &Cx, live: &AnyLive, printer: Printer) -> Health {
    let is_replica = text(&live.state, "source").is_some();
    let replica = match text(&live.output, "identifier").filter(|_| is_replica) {
        Some(identifier) => Some(Replica { lag_seconds: known(lag(cx, &identifier).await, live, printer).flatten() }),
        None => None,
    };
    Health::Database { version: text(&live.state, "engine_version"), class: text(&live.state, "class"), replica }
}

fn cache(live: &AnyLive) -> Health {
    Health::Cache {
        engine: text(&live.state, "engine"),
        version: text(&live.state, "version"),
        nodes: live.state.get("nodes").as_u64(),
    }
}

async fn queue(cx: &Cx, live: &AnyLive, printer: Printer) -> Health {
    let (waiting, taken) = (Attribute::ApproximateNumberOfMessages, Attribute::ApproximateNumberOfMessagesNotVisible);
    let call = cx.sqs.get_queue_attributes().set_queue_url(text(&live.output, "url"));
    let call = call.attribute_names(waiting.clone()).attribute_names(taken.clone());
    let attributes = known(call.send().await, live, printer).and_then(|answer| answer.attributes);
    let count = |which| attributes.as_ref().and_then(|all| all.get(&which)?.parse().ok());
    Health::Queue { visible: count(waiting), in_flight: count(taken) }
}

async fn service(cx: &Cx, live: &AnyLive, printer: Printer) -> Health {
    let call = cx.ecs.describe_services().set_cluster(text(&live.state, "cluster"));
    let call = call.set_services(text(&live.output, "name").map(|name| vec![name]));
    let answer = known(call.send().await, live, printer);
    let found = answer.as_ref().and_then(|answer| answer.services().first());
    let definition = text(&live.state, "task_definition");
    Health::Service {
        running: found.map(|service| service.running_count()),
        desired: found.map(|service| service.desired_count()),
        revision: definition.and_then(|arn| arn.rsplit(':').next()?.parse().ok()),
        targets: targets(cx, live, printer).await,
    }
}

/// The domain itself says whether it is being changed. Only users who may log in to it can ask about its indices.
fn search(live: &AnyLive) -> Health {
    let state = match &live.status {
        Status::Ready => "active",
        Status::Busy(word) => word,
        Status::Failed(_) => "failed",
        Status::Deleting => "deleting",
    };
    let version = text(&live.state, "version");
    let version = version.map(|version| version.trim_start_matches("OpenSearch_").to_owned());
    Health::Search { version, state: state.to_owned() }
}

/// The result of the last batch. Lambda says `PROBLEM: …` if the function failed or may not be called.
fn source(live: &AnyLive) -> Health {
    Health::Source { last_result: text(&live.state, "last_result") }
}

fn api(live: &AnyLive) -> Health {
    Health::Api { url: text(&live.output, "url"), deployment: text(&live.state, "deployment") }
}

/// The targets in all target groups of a service. `None` if it is not behind a load balancer.
async fn targets(cx: &Cx, live: &AnyLive, printer: Printer) -> Option<Targets> {
    let groups = live.state.get("targets");
    let groups = groups.as_array().filter(|groups| !groups.is_empty())?;
    let (mut healthy, mut all) = (0, 0);
    for group in groups {
        let call = cx.elbv2.describe_target_health().set_target_group_arn(group["group"].as_str().map(str::to_owned));
        let Some(answer) = known(call.send().await, live, printer) else {
            return Some(Targets { healthy: None, all: None });
        };
        for target in answer.target_health_descriptions() {
            all += 1;
            healthy += usize::from(target.target_health().and_then(|health| health.state()) == Some(&Healthy));
        }
    }
    Some(Targets { healthy: Some(healthy), all: Some(all) })
}

/// The events of a function in the last hour. Where Lambda has measured nothing, there was nothing.
async fn function(cx: &Cx, live: &AnyLive, printer: Printer) -> Health {
    let name = text(&live.output, "name").unwrap_or_default();
    let measured = known(hour(cx, &name).await, live, printer);
    let sum = |id: &str| Some(measured.as_ref()?.get(id).copied().unwrap_or_default().round() as u64);
    let longest = measured.as_ref().and_then(|measured| measured.get("duration")).map(|longest| longest.round() as u64);
    Health::Function {
        invocations: sum("invocations"),
        errors: sum("errors"),
        throttles: sum("throttles"),
        duration_ms: longest,
    }
}

async fn hour(cx: &Cx, function: &str) -> Result<BTreeMap<String, f64>, Error> {
    let dimension = Dimension::builder().name("FunctionName").value(function).build();
    let query = |(id, metric, statistic): (&str, &str, &str)| {
        let metric =
            Metric::builder().namespace("AWS/Lambda").metric_name(metric).dimensions(dimension.clone()).build();
        let measured = MetricStat::builder().metric(metric).period(3600).stat(statistic).build();
        MetricDataQuery::builder().id(id).metric_stat(measured).build()
    };
    let queries = [
        ("invocations", "Invocations", "Sum"),
        ("errors", "Errors", "Sum"),
        ("throttles", "Throttles", "Sum"),
        ("duration", "Duration", "Maximum"),
    ];
    let now = SystemTime::now();
    let call = cx.cloudwatch.get_metric_data().set_metric_data_queries(Some(queries.map(query).to_vec()));
    let answer = call.start_time((now - HOUR).into()).end_time(now.into()).send().await?;
    // An hour of the clock may begin within the last hour, and has a value of its own.
    let whole = |id: &str, values: &[f64]| match id {
        "duration" => values.iter().copied().fold(0.0, f64::max),
        _ => values.iter().sum(),
    };
    let results = answer.metric_data_results().iter().filter(|result| !result.values().is_empty());
    let named = results.filter_map(|result| Some((result.id()?.to_owned(), whole(result.id()?, result.values()))));
    Ok(named.collect())
}

/// The newest value of the lag. A negative value means that the replica does not replicate, so it is left out.
async fn lag(cx: &Cx, identifier: &str) -> Result<Option<f64>, Error> {
    let dimension = Dimension::builder().name("DBInstanceIdentifier").value(identifier).build();
    let metric = Metric::builder().namespace("AWS/RDS").metric_name("ReplicaLag").dimensions(dimension).build();
    let measured = MetricStat::builder().metric(metric).period(60).stat("Maximum").build();
    let query = MetricDataQuery::builder().id("lag").metric_stat(measured).build();
    let now = SystemTime::now();
    let call = cx.cloudwatch.get_metric_data().metric_data_queries(query).scan_by(ScanBy::TimestampDescending);
    let answer = call.start_time((now - RECENT).into()).end_time(now.into()).send().await?;
    let newest = answer.metric_data_results().first().and_then(|result| result.values().first());
    Ok(newest.copied().filter(|lag| *lag >= 0.0))
}

/// The answer, or `None` if the call failed. `-v` shows why.
fn known<T>(result: Result<T, impl Into<Error>>, live: &AnyLive, printer: Printer) -> Option<T> {
    match result.map_err(Into::into) {
        Ok(answer) => Some(answer),
        Err(error) => {
            printer.detail(format!("{}: {error}", live.address));
            None
        }
    }
}

fn text(value: &Json, field: &str) -> Option<String> {
    value.get(field).as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Database { version, class, replica } => {
                write!(f, "MySQL {}, class {}", said(version), said(class))?;
                match replica {
                    None => Ok(()),
                    Some(Replica { lag_seconds: Some(lag) }) => write!(f, ", {lag} s behind"),
                    Some(Replica { lag_seconds: None }) => write!(f, ", lag unknown"),
                }
            }
            Health::Cache { engine, version, nodes } => {
                write!(f, "engine: {} {}, nodes: {}", said(engine), said(version), said(nodes))
            }
            Health::Queue { visible, in_flight } => {
                write!(f, "messages: {} visible, {} in flight", said(visible), said(in_flight))
            }
            Health::Service { running, desired, revision, targets } => {
                write!(f, "tasks: {} of {} run, revision {}", said(running), said(desired), said(revision))?;
                match targets {
                    None => Ok(()),
                    Some(Targets { healthy, all }) => {
                        write!(f, ", targets: {} of {} healthy", said(healthy), said(all))
                    }
                }
            }
            Health::Search { version, state } => write!(f, "OpenSearch {}, {state}", said(version)),
            Health::Function { invocations, errors, throttles, duration_ms } => {
                let (all, failed, waited) = (said(invocations), said(errors), said(throttles));
                write!(f, "last hour: {all} events, {failed} failed, {waited} had no room")?;
                duration_ms.map_or(Ok(()), |longest| write!(f, ", the longest {longest} ms"))
            }
            Health::Source { last_result } => write!(f, "last batch: {}", said(last_result)),
            Health::Api { url, deployment } => write!(f, "{}, {}", said(url), said(deployment)),
        }
    }
}

fn said<T: fmt::Display>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| "unknown".to_owned(), T::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::facts::Address;
    use crate::kind::owner::Owner;
    use crate::kinds::{KINDS, find, service_of};
    use serde_json::json;

    fn live(kind: &'static str, status: Status, state: serde_json::Value) -> AnyLive {
        let address = Address { kind, name: "x".into() };
        let (state, output) = (Json::of(&state), Json::of(&json!({})));
        AnyLive { address, id: String::new(), owner: Owner::Child, state, output, ready: None, status }
    }

    /// The health as people and as programs see it.
    fn shown(all: &[Health]) -> String {
        all.iter().map(|health| format!("{health}\n  {}", json!(health))).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn of_every_kind_there_is_more_to_know_or_a_reason_why_not() {
        for kind in KINDS {
            let name = kind.facts().name;
            let is_told = TOLD.iter().any(|told| told.kind == name);
            let service = service_of(name).expect("a record");
            assert!(is_told || !service.only_ready.is_empty(), "{name}: what does `status` tell of it?");
        }
        assert!(TOLD.iter().all(|told| find(told.kind).is_some()));
    }

    #[test]
    fn what_is_known() {
        let word = |word: &str| Some(word.to_owned());
        let version = word("8.4.3");
        let database = |replica| Health::Database { version: version.clone(), class: word("db.t4g.micro"), replica };
        let service = |targets| Health::Service { running: Some(1), desired: Some(2), revision: Some(3), targets };
        let all = [
            database(None),
            database(Some(Replica { lag_seconds: Some(0.0) })),
            Health::Queue { visible: Some(12), in_flight: Some(0) },
            service(None),
            service(Some(Targets { healthy: Some(1), all: Some(2) })),
        ];
        insta::assert_snapshot!(shown(&all), @r#"
        MySQL 8.4.3, class db.t4g.micro
          {"class":"db.t4g.micro","version":"8.4.3"}
        MySQL 8.4.3, class db.t4g.micro, 0 s behind
          {"class":"db.t4g.micro","replica":{"lag_seconds":0.0},"version":"8.4.3"}
        messages: 12 visible, 0 in flight
          {"in_flight":0,"visible":12}
        tasks: 1 of 2 run, revision 3
          {"desired":2,"revision":3,"running":1}
        tasks: 1 of 2 run, revision 3, targets: 1 of 2 healthy
          {"desired":2,"revision":3,"running":1,"targets":{"all":2,"healthy":1}}
        "#);
    }

    #[test]
    fn what_is_unknown() {
        let all = [
            Health::Database { version: None, class: None, replica: Some(Replica { lag_seconds: None }) },
            cache(&live(elasticache::ReplicationGroup::FACTS.name, Status::Ready, json!({}))),
            Health::Queue { visible: None, in_flight: None },
            Health::Service {
                running: None,
                desired: None,
                revision: None,
                targets: Some(Targets { healthy: None, all: None }),
            },
            search(&live(opensearch::Domain::FACTS.name, Status::Ready, json!({}))),
            source(&live(lambda::Source::FACTS.name, Status::Ready, json!({}))),
            api(&live(apigatewayv2::Api::FACTS.name, Status::Ready, json!({}))),
        ];
        insta::assert_snapshot!(shown(&all), @r#"
        MySQL unknown, class unknown, lag unknown
          {"class":null,"replica":{"lag_seconds":null},"version":null}
        engine: unknown unknown, nodes: unknown
          {"engine":null,"nodes":null,"version":null}
        messages: unknown visible, unknown in flight
          {"in_flight":null,"visible":null}
        tasks: unknown of unknown run, revision unknown, targets: unknown of unknown healthy
          {"desired":null,"revision":null,"running":null,"targets":{"all":null,"healthy":null}}
        OpenSearch unknown, active
          {"state":"active","version":null}
        last batch: unknown
          {"last_result":null}
        unknown, unknown
          {"deployment":null,"url":null}
        "#);
    }

    #[test]
    fn what_the_snapshot_tells() {
        let domain =
            |status| search(&live(opensearch::Domain::FACTS.name, status, json!({"version": "OpenSearch_2.19"})));
        let state = json!({"engine": "valkey", "version": "8.0", "nodes": 2});
        let all = [
            cache(&live(elasticache::ReplicationGroup::FACTS.name, Status::Ready, state)),
            domain(Status::Ready),
            domain(Status::Busy("modifying".into())),
            domain(Status::Failed("AWS has isolated the domain".into())),
        ];
        insta::assert_snapshot!(shown(&all), @r#"
        engine: valkey 8.0, nodes: 2
          {"engine":"valkey","nodes":2,"version":"8.0"}
        OpenSearch 2.19, active
          {"state":"active","version":"2.19"}
        OpenSearch 2.19, modifying
          {"state":"modifying","version":"2.19"}
        OpenSearch 2.19, failed
          {"state":"failed","version":"2.19"}
        "#);
    }
}
