//! `provision probe --local`: one marked event on its whole way, each hop with its time. Everybody counts it, and nobody
//! applies it.
//!
//! The runtime follows the event through services. The way through functions is followed here: a request that only reads
//! to each function with `http`, an event to the topic, and the line by which each function says that it has counted it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use local::dashboard::messages;
use local::http;
use local::supervisor::place::Place;
use serde_json::Value;

use super::looked::look_running;
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::local::home::status;
use crate::printer::Printer;
use crate::sections::Loaded;
use crate::sections::functions::API;
use crate::sections::functions::probe::{ATTRIBUTE, SEEN, Way, name, way};
use crate::sections::machine::{Probe, named, scope};
use crate::sections::queues::MESSAGING;
use crate::wait::pause_here;

/// Runs the probe, which is also the last step of `up`.
pub(crate) fn probe(file: &Path, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let looked = look_running(file, global, printer)?;
    match all(&looked.loaded, &looked.state, looked.laptop.probe.as_ref(), Patience::Whole, printer) {
        Some(true) => Ok(Exit::Done),
        Some(false) => Ok(Exit::Failed),
        None => {
            let what = "nothing in this stack takes part in a probe";
            Err(Failure::usage(what)
                .hint("a service with the role `reservation` does, and functions that count its event"))
        }
    }
}

/// How long a probe may wait.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Patience {
    /// For every hop.
    Whole,
    /// Not for a hop that a queue holds up, because that is how the stack is meant.
    WithoutDelays,
}

/// Runs each probe that the stack has, and says whether all were ok. `None` if it has none.
pub(super) fn all(
    loaded: &Loaded,
    state: &Path,
    probe: Option<&Probe>,
    patience: Patience,
    printer: Printer,
) -> Option<bool> {
    let told = |walked: anyhow::Result<bool>| {
        walked.unwrap_or_else(|error| {
            printer.error(format!("{error:#}"));
            false
        })
    };
    let services = probe.map(|probe| told(walk(probe, printer)));
    let functions = way(&loaded.stack).map(|way| told(through_functions(loaded, state, &way, patience, printer)));
    [services, functions].into_iter().flatten().reduce(|one, other| one && other)
}

/// Sends one marked event on its way through the functions, and prints each hop as it is done.
fn through_functions(
    loaded: &Loaded,
    state: &Path,
    way: &Way<'_>,
    patience: Patience,
    printer: Printer,
) -> anyhow::Result<bool> {
    printer.talk(BEGIN);
    let parts = status(state)?;
    let port = |part: &str| {
        let found = parts.iter().find(|status| status.name == part).and_then(|status| status.port);
        found.with_context(|| format!("`{part}` does not run"))
    };
    let mut hops = Hops { printer, ok: true };
    for (name, path) in &way.reads {
        let begun = Instant::now();
        let asked = http::ask(port(API)?, "GET", path, &[], None, WITHIN);
        let told = asked.and_then(|answer| match answer.status {
            200..=299 => Ok(()),
            status => bail!("`GET {path}` was answered {status}"),
        });
        hops.tell(name, begun, told);
    }
    let place = Place::find(state)?;
    // Only what comes after is read.
    let logs: BTreeMap<&str, u64> = way
        .counts
        .iter()
        .map(|(name, _)| (*name, std::fs::metadata(place.log(name)).map_or(0, |log| log.len())))
        .collect();
    let probe = name()?;
    let begun = Instant::now();
    for topic in &way.topics {
        let arn = scope(loaded).arn("sns", &named(loaded, topic, false));
        let sent = messages::publish(port(MESSAGING)?, &arn, "{}", (ATTRIBUTE, &probe));
        hops.tell(topic, begun, sent);
    }
    for (name, held) in &way.counts {
        if patience == Patience::WithoutDelays && *held > 0 {
            hops.skip(name, &format!("its queue holds events up for {held} s"));
            continue;
        }
        let until = begun + WITHIN + Duration::from_secs(*held);
        let counted = seen(&place.log(name), logs[name], &probe, until);
        hops.tell(name, begun, counted);
    }
    Ok(hops.ok)
}

/// Waits until a function's log says that it has counted the event.
fn seen(log: &Path, from: u64, probe: &str, until: Instant) -> anyhow::Result<()> {
    loop {
        let mut text = String::new();
        if let Ok(mut file) = std::fs::File::open(log) {
            file.seek(SeekFrom::Start(from))?;
            file.read_to_string(&mut text)?;
        }
        if text.lines().any(|line| line.contains(SEEN) && line.contains(probe)) {
            return Ok(());
        }
        if Instant::now() >= until {
            bail!("it has not counted the event in time");
        }
        pause_here(Duration::from_millis(20));
    }
}

/// What is said first.
const BEGIN: &str = "probe: one event that everybody counts and nobody applies";
/// The time for a request, and for the event until it is counted everywhere.
const WITHIN: Duration = Duration::from_secs(30);

struct Hops {
    printer: Printer,
    ok: bool,
}

impl Hops {
    fn tell(&mut self, hop: &str, begun: Instant, result: anyhow::Result<()>) {
        let (status, message) = match result {
            Ok(()) => ("ok", String::new()),
            Err(error) => ("failed", format!("{error:#}")),
        };
        self.ok &= status == "ok";
        let time = format!("{:.1} ms", begun.elapsed().as_secs_f64() * 1000.0);
        self.printer.talk(row(hop, status, &time, &message));
    }

    fn skip(&self, hop: &str, why: &str) {
        self.printer.talk(row(hop, "skipped", "", why));
    }
}

fn row(hop: &str, status: &str, time: &str, message: &str) -> String {
    format!("  {hop:<14} {status:<8} {time:>10}  {message}").trim_end().to_owned()
}

/// Sends one marked event on its way through the services, and prints each hop as it is done.
fn walk(probe: &Probe, printer: Printer) -> anyhow::Result<bool> {
    let child = Command::new(&probe.program)
        .arg("probe")
        .env_clear()
        .envs(&probe.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.with_context(|| format!("starting {}", probe.program.display()))?;
    printer.talk(BEGIN);
    let lines = child.stdout.take().map(BufReader::new);
    for line in lines.into_iter().flat_map(|lines| lines.lines().map_while(Result::ok)) {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        if line["event"] != "probe.hop" {
            continue;
        }
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let milliseconds = line["milliseconds"].as_f64().map_or_else(String::new, |ms| format!("{ms:.1} ms"));
        printer.talk(row(&text("hop"), &text("status"), &milliseconds, &text("message")));
    }
    Ok(child.wait().is_ok_and(|status| status.success()))
}
