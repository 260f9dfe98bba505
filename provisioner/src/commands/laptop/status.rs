//! `provision status --local`, in short `ps`: shows processes, replication and queues.

use std::path::Path;

use local::dashboard::part::address_at;
use local::supervisor::protocol::State;
use serde_json::json;

use super::looked::found;
use super::strays::tell_strays;
use super::words::{failed, mib};
use crate::commands::document;
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::local::watch::{Part as WatchedPart, Watched, watch};
use crate::printer::Printer;

pub(crate) fn status(file: &Path, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let (loaded, state) = found(file, global)?;
    let watched = watch(&state, &loaded).map_err(failed)?;
    if watched.parts.is_empty() {
        tell_strays(file, &loaded, &state, printer);
    }
    match global.json {
        true => {
            let mut told = json!(watched);
            told["version"] = json!(document::VERSION);
            printer.document(&document::pretty(&told));
        }
        false => text(&watched, printer),
    }
    if let Some(address) = address_at(&state).filter(|_| !watched.parts.is_empty()) {
        printer.talk(format!("dashboard: {address}"));
    }
    let is_ill = |part: &WatchedPart| matches!(part.status.state, State::Failed | State::BackOff);
    Ok(if watched.parts.iter().any(is_ill) { Exit::Failed } else { Exit::Done })
}

fn text(watched: &Watched, printer: Printer) {
    let Watched { supervisor, parts, queues, memory_kib, out_of_service } = watched;
    if parts.is_empty() {
        printer.data("nothing of this stack runs here");
    }
    for part in parts {
        printer.data(line(part, printer).trim_end());
        if let Some(error) = part.status.last_error.as_ref().filter(|_| part.status.state != State::Ready) {
            printer.data(format!("          {}", error.lines().next().unwrap_or_default()));
        }
    }
    for queue in queues {
        let depth = &queue.depth;
        let dead = match queue.dead_letters {
            0 => "no dead letters".to_owned(),
            1 => printer.red("1 dead letter"),
            count => printer.red(format!("{count} dead letters")),
        };
        printer.data(format!(
            "queue     {:<26} {} visible, {} in flight, {} delayed, {dead}",
            queue.name, depth.visible, depth.in_flight, depth.delayed
        ));
    }
    for out in out_of_service {
        printer.data(format!("{:<9} {out:<26} with its data, since its replica was promoted", "out"));
    }
    if let Some(supervisor) = supervisor {
        let pid = supervisor.pid;
        printer.data(format!(
            "in all    {} processes and the supervisor (pid {pid}), {}",
            parts.len(),
            mib(*memory_kib)
        ));
    }
}

fn line(part: &WatchedPart, printer: Printer) -> String {
    let WatchedPart { status, uptime_seconds, replication, position } = part;
    let state = format!("{:<9}", json!(status.state).as_str().unwrap_or_default().replace('_', " "));
    let state = if status.state == State::Ready { printer.green(state) } else { printer.yellow(state) };
    let port = status.port.map_or_else(String::new, |port| format!("127.0.0.1:{port}"));
    let pid = status.pid.map_or_else(String::new, |pid| format!("pid {pid}"));
    let memory = status.memory_kib.map_or_else(String::new, mib);
    let uptime = uptime_seconds.map_or_else(String::new, |seconds| format!("up {}", span(seconds)));
    let mut more = Vec::new();
    match status.restarts {
        0 => {}
        1 => more.push("restarted once".to_owned()),
        times => more.push(format!("restarted {times} times")),
    }
    if let Some(replication) = replication {
        more.push(match (&replication.why, replication.lag_seconds) {
            (Some(why), _) => printer.red(format!("not replicating: {why}")),
            (None, Some(lag)) => format!("replicating, {lag} s behind, at {}", replication.position),
            (None, None) => format!("replicating, at {}", replication.position),
        });
        if replication.delay_seconds > 0 {
            more.push(format!("held back {} s by hand", replication.delay_seconds));
        }
    }
    more.extend(position.as_ref().filter(|position| !position.is_empty()).map(|position| format!("at {position}")));
    let (name, kind, more) = (&status.name, &status.kind, more.join("; "));
    format!("{state} {name:<26} {kind:<26} {port:<16} {pid:<12} {memory:>9} {uptime:>8}  {more}")
}

fn span(seconds: u64) -> String {
    match seconds {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}
