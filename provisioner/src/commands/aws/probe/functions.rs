//! The probe of a stack of functions: a request that only reads to each function with `http`, one marked event to the
//! topic, and the line in the log of each function that has counted it. Nothing is applied, so nobody sees the probe.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_sns::types::MessageAttributeValue;
use serde_json::json;

use super::Seen;
use crate::aws::{Cx, Error, plain};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::kind::Kind;
use crate::kinds::lambda::{Function, FunctionSpec};
use crate::kinds::sns::topic_name;
use crate::plan::desired::Desired;
use crate::printer::Printer;
use crate::sections::functions::probe::{ATTRIBUTE, SEEN, Way, name};
use crate::sections::logs::shipping;
use crate::sections::services::roles;

/// The IAM actions of this file. Whoever publishes to an encrypted topic also uses its key (SNS developer guide, key
/// management).
pub(crate) const ACTIONS: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey", "logs:FilterLogEvents", "sns:Publish"];

/// Whether a function of the stack counts the event of a probe.
pub(crate) fn is_possible(desired: &Desired) -> bool {
    let functions = desired.resources().iter().filter(|one| one.address.kind == Function::FACTS.name);
    let mut specs = functions.filter_map(|one| one.spec.read::<FunctionSpec>().ok());
    specs.any(|spec| roles::find(&spec.handler).is_some_and(|role| role.counts_probes))
}

/// The time for one request, in real seconds.
const ASKED_WITHIN: Duration = Duration::from_secs(35);
/// The time until every function has counted the event and CloudWatch Logs shows it, in seconds, beyond the delays of
/// queues.
const COUNTED_WITHIN: f64 = 120.0;
const LOOK_EVERY_SECONDS: f64 = 2.0;
/// How far back the line of an event can be.
const EARLIER: Duration = Duration::from_secs(900);

pub(super) async fn probe(
    cx: &Cx,
    global: &Global,
    (way, address): (&Way<'_>, &str),
    printer: Printer,
) -> Result<Exit, Failure> {
    let table = !global.json && printer.is_table();
    let mut seen = Seen::default();
    let mut hop = |name: &str, milliseconds: f64, result: Result<(), String>| {
        let status = if result.is_ok() { "ok" } else { "failed" };
        let message = result.err().unwrap_or_default();
        let line = json!({
            "event": "probe.hop", "hop": name, "status": status, "milliseconds": milliseconds, "message": message,
        });
        seen.line(&line.to_string(), global.json, table, printer);
        status == "ok"
    };
    let mut passed = true;
    for (name, path) in &way.reads {
        let begun = std::time::Instant::now();
        let answer = plain::get(&format!("{address}{path}"), ASKED_WITHIN).await;
        let told = answer.and_then(|status| match status {
            200..=299 => Ok(()),
            status => Err(format!("`GET {path}` was answered {status}")),
        });
        passed &= hop(name, begun.elapsed().as_secs_f64() * 1000.0, told);
    }
    let probe = name().map_err(|error| Failure::of(error.to_string()))?;
    let begun = std::time::Instant::now();
    let milliseconds = || cx.clock.since(begun) * 1000.0;
    for topic in &way.topics {
        let sent = publish(cx, topic, &probe).await.map_err(|error| error.to_string());
        passed &= hop(topic, milliseconds(), sent);
    }
    let mut open: BTreeSet<(u64, &str)> = way.counts.iter().map(|(name, held)| (*held, *name)).collect();
    while passed && !open.is_empty() {
        for (held, name) in open.clone() {
            let told = match counted(cx, name, &probe).await {
                Ok(true) => Ok(()),
                Err(error) => Err(format!("reading its log: {error}")),
                Ok(false) if cx.clock.since(begun) < COUNTED_WITHIN + held as f64 => continue,
                Ok(false) => Err("it has not counted the event in time".to_owned()),
            };
            open.remove(&(held, name));
            passed &= hop(name, milliseconds(), told);
        }
        if cx.stop.reason().is_some() {
            printer.talk("interrupted: the event goes on, and nobody applies it");
            return Ok(Exit::Interrupted);
        }
        if !open.is_empty() {
            cx.clock.sleep(LOOK_EVERY_SECONDS).await;
        }
    }
    if global.json {
        printer.data(json!({"event": "probe.ended", "version": 1, "passed": passed}));
    }
    match passed {
        true => {
            printer.talk(format!("{} in {:.1} s", printer.green("passed"), cx.clock.since(begun)));
            Ok(Exit::Done)
        }
        false => Err(Failure::of("the probe failed")
            .hint("`provision status` shows what is not well, `provision logs` what the functions say")),
    }
}

async fn publish(cx: &Cx, topic: &str, probe: &str) -> Result<(), Error> {
    let mark = MessageAttributeValue::builder().data_type("String").string_value(probe).build()?;
    let arn = cx.scope.arn("sns", &topic_name(&cx.scope, topic, false));
    cx.sns.publish().topic_arn(arn).message("{}").message_attributes(ATTRIBUTE, mark).send().await?;
    Ok(())
}

/// Whether the log of a function has the line by which it says that it has counted the event.
async fn counted(cx: &Cx, function: &str, probe: &str) -> Result<bool, Error> {
    let group = format!("{}{function}", shipping::log_groups(&cx.scope));
    // The clock here may be some minutes ahead. Older lines would all be read.
    let since = i64::try_from((SystemTime::now() - EARLIER).duration_since(UNIX_EPOCH).unwrap_or_default().as_millis());
    let call = cx.logs.filter_log_events().log_group_name(group).filter_pattern(format!("\"{probe}\""));
    let call = call.start_time(since.unwrap_or_default());
    let mut pages = call.into_paginator().send();
    while let Some(page) = pages.next().await {
        let events = page?.events.unwrap_or_default();
        if events.iter().filter_map(|event| event.message()).any(|line| line.contains(SEEN) && line.contains(probe)) {
            return Ok(true);
        }
    }
    Ok(false)
}
