//! The forwarder as a role of its own, for a machine without Lambda. It follows files of log lines, or reads a log
//! group, until it is told to stop. If it is ended at any moment, the next run goes on from there.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use pattern::Pattern;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::pause::Pause;
use super::payload::Events;
use super::tail::Tail;
use super::{Forwarder, Time, poll};
use crate::telemetry;

#[derive(clap::Args)]
pub struct Arguments {
    /// The log group that the lines belong to, or, without files, that is read
    #[arg(long)]
    group: String,
    /// Which events are shipped: a filter pattern of CloudWatch Logs
    #[arg(long, default_value = "")]
    pattern: String,
    /// A file of lines to follow
    #[arg(long, requires = "state")]
    file: Vec<PathBuf>,
    /// The file that keeps how far the others were read
    #[arg(long)]
    state: Option<PathBuf>,
}

pub async fn run(forwarder: &Forwarder, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { group, pattern, file: files, state } = arguments;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let work = async {
        match state {
            Some(state) if !files.is_empty() => {
                let pattern: Pattern = pattern.parse().context("--pattern")?;
                let mut tail = Tail::open(files, state)?;
                telemetry::info("following", &json!({ "log_group": group }));
                lines(forwarder, &group, &pattern, &mut tail).await
            }
            _ => poll::run(forwarder, &group, &pattern).await,
        }
    };
    tokio::select! {
        outcome = work => outcome,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// Sends events until each is stored, or is known never to be. The log says so of the latter.
pub async fn store(forwarder: &Forwarder, events: &Events) {
    let mut pause = Pause::new(forwarder.config.first_pause);
    loop {
        let time = Time::within(A_WHILE);
        let message = match forwarder.store(events, time).await {
            Ok(tally) => {
                if !tally.refused.is_empty() {
                    telemetry::error("refused", &json!({ "log_stream": events.log_stream, "tally": tally }));
                }
                if tally.unsent.is_empty() {
                    return;
                }
                json!(tally.unsent).to_string()
            }
            Err(error) => format!("{error:#}"),
        };
        telemetry::warn("not_stored_yet", &json!({ "log_stream": events.log_stream, "message": message }));
        pause.wait(time.to_store + A_WHILE).await;
    }
}

/// If events are not stored for so long, the log says so, and they are sent again.
const A_WHILE: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_millis(250);

async fn lines(forwarder: &Forwarder, group: &str, pattern: &Pattern, tail: &mut Tail) -> anyhow::Result<()> {
    loop {
        let Some(lines) = tail.next()? else {
            tokio::time::sleep(PERIOD).await;
            continue;
        };
        let mut log_events = lines.events;
        log_events.retain(|event| pattern.matches(&event.message));
        if !log_events.is_empty() {
            let events = Events { log_group: group.to_owned(), log_stream: lines.path, log_events };
            store(forwarder, &events).await;
        }
        tail.done();
    }
}
