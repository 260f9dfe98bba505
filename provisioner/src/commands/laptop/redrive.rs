//! `provision redrive --local`: moves dead letters back to the queue that they came from.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use local::dashboard::config::Queue;
use local::dashboard::messages;
use serde_json::json;

use super::looked::found;
use super::words::failed;
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::commands::{agree, document};
use crate::printer::Printer;
use crate::sections::here::Ground;
use crate::sections::machine::named;
use crate::sections::queues::dead_letter_name;
use crate::sections::similar::similar;
use crate::sections::words::Name;

pub(crate) fn redrive(file: &Path, global: &Global, name: &str, printer: Printer) -> Result<Exit, Failure> {
    let (loaded, state) = found(file, global)?;
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

/// The port of `http://127.0.0.1:PORT/…`.
fn port(url: &str) -> Option<u16> {
    url.strip_prefix("http://")?.split('/').next()?.rsplit(':').next()?.parse().ok()
}
