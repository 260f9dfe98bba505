//! `provision logs`: prints what the services say, from CloudWatch Logs, oldest first.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::session::open;
use crate::aws::{Cx, Error, each};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::kind::Kind;
use crate::kinds::logs::LogGroup;
use crate::printer::Printer;

/// The choice of lines.
pub(crate) struct Which {
    /// The services to show, or all if the list is empty.
    pub(crate) services: Vec<String>,
    /// Whether to go on until interrupted.
    pub(crate) follow: bool,
    /// How far back to begin, in seconds.
    pub(crate) since: u64,
}

struct Event {
    at: i64,
    id: String,
    from: String,
    message: String,
}

/// The IAM actions of this file.
pub(crate) const ACTIONS: &[&str] = &["logs:FilterLogEvents"];

/// CloudWatch Logs shows an event a few seconds late, so while following each look goes this far back.
const OVERLAP_MILLISECONDS: i64 = 30_000;
const LOOK_EVERY_SECONDS: f64 = 2.0;

pub(crate) async fn logs(file: &Path, global: &Global, which: &Which, printer: Printer) -> Result<Exit, Failure> {
    let session = open(file, global).await?;
    let known: Vec<(String, String)> = session
        .expanded
        .desired
        .resources()
        .iter()
        .filter(|wanted| wanted.address.kind == LogGroup::FACTS.name)
        .map(|wanted| (wanted.address.name.clone(), wanted.spec.get("path").as_str().unwrap_or_default().to_owned()))
        .collect();
    if let Some(unknown) = which.services.iter().find(|name| !known.iter().any(|(other, _)| other == *name)) {
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Failure::usage(format!("nothing called `{unknown}` writes a log in this stack"))
            .hint(format!("there are: {}", names.join(", "))));
    }
    let wanted = |name: &String| which.services.is_empty() || which.services.contains(name);
    let groups: Vec<(String, String)> = known.into_iter().filter(|(name, _)| wanted(name)).collect();
    let mut since = now() - i64::try_from(which.since).unwrap_or(i64::MAX / 1000) * 1000;
    let mut shown: BTreeSet<String> = BTreeSet::new();
    loop {
        let looked_at = now();
        let events = read(&session.cx, &groups, since).await;
        for event in events.map_err(|error| Failure::of(format!("reading the logs: {error}")))? {
            if shown.insert(event.id.clone()) {
                print(&event, global.json, printer);
            }
        }
        if !which.follow || printer.is_over() {
            return Ok(Exit::Done);
        }
        since = since.max(looked_at - OVERLAP_MILLISECONDS);
        tokio::select! {
            () = session.cx.clock.sleep(LOOK_EVERY_SECONDS) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Interrupted),
        }
    }
}

fn print(event: &Event, as_json: bool, printer: Printer) {
    match as_json {
        true => printer.data(json!({"at": event.at, "from": event.from, "message": event.message})),
        // An event may have several lines. Each says where it is from, so that none looks like an event of another service.
        false => event.message.trim_end().split('\n').for_each(|line| {
            printer.data(format!("{}  {}", event.from, line.trim_end()));
        }),
    }
}

async fn read(cx: &Cx, groups: &[(String, String)], since: i64) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    for found in each(groups.to_vec(), |(name, path)| of_group(cx, name, path, since)).await {
        events.extend(found?);
    }
    events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    Ok(events)
}

/// Reads the new events of one log group. A group that does not exist yet, or does not exist any more, has none.
async fn of_group(cx: &Cx, name: String, path: String, since: i64) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    let mut pages = cx.logs.filter_log_events().log_group_name(path).start_time(since).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = match page.map_err(Error::from) {
            Ok(page) => page,
            Err(error) if error.is(&["ResourceNotFoundException"]) => return Ok(events),
            Err(error) => return Err(error),
        };
        events.extend(page.events.unwrap_or_default().into_iter().map(|event| Event {
            at: event.timestamp.unwrap_or_default(),
            id: event.event_id.unwrap_or_default(),
            from: name.clone(),
            message: event.message.unwrap_or_default(),
        }));
    }
    Ok(events)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or_default()
}
