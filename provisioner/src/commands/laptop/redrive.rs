//! `provision redrive --local`: moves dead letters back to the queue that they came from, or calls a function again with
//! the events that it failed at.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use local::dashboard::config::Queue;
use local::dashboard::messages;
use local::functions::{again, ask};
use local::supervisor::protocol::State;
use serde_json::json;

use super::looked::found;
use super::words::failed;
use crate::commands::failed_events::{self, Done, event_of};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::commands::{agree, document};
use crate::local::home::status;
use crate::printer::Printer;
use crate::sections::Loaded;
use crate::sections::functions::{self, Function};
use crate::sections::here::Ground;
use crate::sections::machine::{named, scope};
use crate::sections::queues::{MESSAGING, dead_letter_name};
use crate::sections::similar::similar;
use crate::sections::tables::ENGINE;
use crate::sections::words::Name;

pub(crate) fn redrive(file: &Path, global: &Global, name: &str, printer: Printer) -> Result<Exit, Failure> {
    let (loaded, state) = found(file, global)?;
    if let Some(function) = failed_events::function(&loaded.stack, name)? {
        return events(&loaded, &state, global, (name, function), printer);
    }
    let Some(known) = loaded.stack.queues.get(&Name(name.to_owned())) else {
        let names = || loaded.stack.queues.keys().map(|name| name.0.as_str());
        let hint = match similar(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        return Err(Failure::usage(format!("`{name}` is not a queue of this stack")).hint(hint));
    };
    let laptop = Ground::look(&state, &loaded).and_then(|ground| ground.look_at(&loaded)).map_err(failed)?;
    let url = laptop.outputs.get(&format!("queues.{name}.url")).and_then(|url| url.as_str());
    let port = url.and_then(port).context("the queue has no URL")?;
    let [main, dead] = [name, &dead_letter_name(name)].map(|name| named(&loaded, name, known.fifo));
    let queue = Queue { id: name.to_owned(), main, dead_letters: Some(dead.clone()) };

    let asked = |error: anyhow::Error| {
        failed(error.context("asking for the topics and queues of this stack"))
            .hint("`provision up --local` starts them")
    };
    let begun = Instant::now();
    let count = messages::depth(port, &queue).map_err(asked)?.dead;
    let moved = match count {
        0 => 0,
        _ => {
            agree(global, &format!("Move {count} dead letters back to `{name}`? [y/N]"), printer)?;
            messages::redrive(port, &queue).map_err(asked)?
        }
    };
    if global.json {
        printer.document(&document::pretty(&json!({
            "version": document::VERSION, "stack": loaded.stack.stack.0, "env": loaded.env, "queue": name,
            "from": dead, "to": queue.main, "status": "completed", "moved": moved, "to_move": count, "why": null,
            "seconds": begun.elapsed().as_secs_f64(),
        })));
    }
    match (count, moved) {
        (0, _) => printer.talk(format!("there is nothing to move back to `{name}`")),
        (_, moved) => printer.talk(format!("{}: {moved} went back to `{name}`", printer.green("done"))),
    }
    Ok(Exit::Done)
}

/// Calls a function with each event that it failed at. What it handles is deleted, and the others are kept.
fn events(
    loaded: &Loaded,
    state: &Path,
    global: &Global,
    (name, function): (&str, &Function),
    printer: Printer,
) -> Result<Exit, Failure> {
    let parts = status(state).map_err(failed)?;
    let port = |part: &str| {
        let found = parts.iter().find(|status| status.name == part && status.state == State::Ready);
        let off = || Failure::of(format!("`{part}` does not run")).hint("`provision up --local` starts it");
        found.and_then(|status| status.port).ok_or_else(off)
    };
    let (messages_port, function_port) = (port(MESSAGING)?, port(name)?);
    let scope = scope(loaded);
    let queue = scope.name(&functions::failed(name), 75);
    let asked = |error: anyhow::Error| failed(error.context(format!("reading the events that `{name}` failed at")));
    let all = Queue { id: queue.clone(), main: queue.clone(), dead_letters: None };
    let count = messages::depth(messages_port, &all).map_err(asked)?.waiting;
    let mut done = Done::default();
    if count > 0 {
        let events = if count == 1 { "1 event".to_owned() } else { format!("{count} events") };
        agree(global, &format!("Call `{name}` again with {events}? [y/N]"), printer)?;
    }
    let within = Duration::from_secs(function.timeout_seconds() + 10);
    let tables_port = function.table().map(|_| port(ENGINE)).transpose()?;
    let name_there = scope.name(name, 64);
    let called = again::Function { port: function_port, name: &name_there, partial: tables_port.is_some(), within };
    // As many as there were: an event that fails again comes back at the end.
    let mut kept = Vec::new();
    let mut trouble = None;
    for _ in 0..count {
        let message = match messages::receive(messages_port, &queue, HIDDEN) {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(error) => {
                trouble = Some(error);
                break;
            }
        };
        match once(&called, tables_port, &message.body) {
            Ok(again) => match messages::delete(messages_port, &message) {
                Ok(()) => {
                    done.handled += usize::from(again.handled > 0);
                    done.gone.extend(again.gone);
                }
                Err(error) => {
                    trouble = Some(error);
                    break;
                }
            },
            Err(error) => {
                (done.failed, done.why) = (done.failed + 1, Some(format!("{error:#}")));
                kept.push(message);
            }
        }
    }
    for message in &kept {
        // Otherwise the message comes back by itself.
        let _ = messages::give_back(messages_port, message);
    }
    if let Some(error) = trouble {
        return Err(asked(error));
    }
    if global.json {
        printer.document(&document::pretty(&json!({
            "version": document::VERSION, "stack": loaded.stack.stack.0, "env": loaded.env, "function": name,
            "from": queue, "handled": done.handled, "failed": done.failed, "why": done.why, "gone": done.gone,
        })));
    }
    failed_events::tell(name, &done, false, printer)
}

/// Calls the function with the event that a message was made of. Changes of a table are read from its stream again.
fn once(function: &again::Function<'_>, tables: Option<u16>, body: &str) -> anyhow::Result<again::Again> {
    if let Some(tables) = tables
        && let Some(again) = again::redrive(tables, function, body)?
    {
        return Ok(again);
    }
    ask::invoke(function.port, function.name, &event_of(body).to_string(), function.within)?;
    Ok(again::Again { handled: 1, gone: None })
}

/// An event stays hidden while the others are tried.
const HIDDEN: Duration = Duration::from_secs(3600);

/// The port of `http://127.0.0.1:PORT/…`.
fn port(url: &str) -> Option<u16> {
    url.strip_prefix("http://")?.split('/').next()?.rsplit(':').next()?.parse().ok()
}
