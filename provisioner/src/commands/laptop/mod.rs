//! The commands with `--local`: the same stack on this machine.

pub mod doctor;
pub mod faults;
pub mod redrive;
pub mod stacks;
pub mod status;
mod words;

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use local::engines::replica;
use local::engines::template::Said;
use local::hidden;
use local::supervisor::part::Wanted;
use local::supervisor::place::Place;
use local::supervisor::protocol::{Outcome, PartStatus};
use local::supervisor::{client, logs};
use serde_json::{Value, json};

use super::files::read_stack;
use super::format::{Format, chosen, write};
use super::{GIVE_YES, agree, answer, document, load_text};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::{DataFlags, Global};
use crate::local::home::{state_directory, status as live};
use crate::local::plan::{Action, Described, Difference, differences};
use crate::local::watch::delays;
use crate::local::{stacks as known, tools};
use crate::printer::Printer;
use crate::sections::Loaded;
use crate::sections::here::prepare;
use crate::sections::load;
use crate::sections::machine::{Laptop, Probe, Purpose};

/// Runs the background process that the arguments ask for. This program calls itself with such arguments. `None` for
/// all other arguments.
pub fn hidden() -> Option<std::process::ExitCode> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    hidden::run(&arguments)
}

pub(crate) fn plan(file: &Path, global: &Global, exit_code: bool, printer: Printer) -> Result<Exit, Failure> {
    let Looked { laptop, differences } = look(file, global)?;
    match global.json {
        true => printer.document(&document::pretty(&document(&differences))),
        false => text(&laptop, &differences, printer).iter().for_each(|line| printer.data(line)),
    }
    Ok(if exit_code && !differences.is_empty() { Exit::Difference } else { Exit::Done })
}

pub(crate) fn up(file: &Path, global: &Global, install: bool, printer: Printer) -> Result<Exit, Failure> {
    let (loaded, state) = found(file, global)?;
    if install {
        doctor::complete(&loaded.stack, global, printer)?;
    }
    if !known::runs(&state) {
        stacks::tell_strays(file, &loaded, &state, printer);
    }
    let Looked { laptop, differences } = look_at(&loaded, &state).map_err(|failure| {
        let can_install = || tools::of_stack(&loaded.stack).is_ok_and(|tools| !tools::installable(&tools).is_empty());
        match !install && can_install() {
            true => failure.hint("`up --local --install` gets what is missing, after asking"),
            false => failure,
        }
    })?;
    for note in &laptop.notes {
        printer.talk(printer.dim(format!("note: {note}")));
    }
    text(&laptop, &differences, printer).iter().for_each(|line| printer.talk(line));
    if !differences.is_empty() {
        agree(global, "Go ahead? [y/N]", printer)?;
    }
    let started = Instant::now();
    // The stack is noted first. Whatever becomes of this run, people can find out what it was.
    let made = known::keep(&state, file, &loaded).and_then(|()| make_so(&state, &loaded, printer));
    let (laptop, outcome) = made.map_err(|error| match known::runs(&state) {
        true => failed(error)
            .hint("`provision status --local` shows what runs, `logs` what it says; the same `up` goes on from here"),
        false => failed(error),
    })?;
    let seconds = started.elapsed().as_secs_f64();
    for failure in &outcome.failed {
        printer.error(format!("{}: {}", failure.part, failure.cause()));
        failure.error.lines().skip(1).for_each(|line| printer.detail(line));
    }
    for skipped in &outcome.skipped {
        printer.talk(format!("{} was not started: it comes after {}", skipped.part, skipped.after));
    }
    let complete = outcome.failed.is_empty() && outcome.skipped.is_empty();
    let probe = laptop.probe.as_ref().filter(|_| complete);
    let probed = probe.map(|probe| {
        walk(probe, printer).unwrap_or_else(|error| {
            printer.error(format!("{error:#}"));
            false
        })
    });
    if global.json {
        printer.document(&document::pretty(&json!({
            "version": document::VERSION, "complete_seconds": complete.then_some(seconds), "probe": probed,
            "ready": outcome.ready, "failed": outcome.failed, "outputs": laptop.outputs,
        })));
    } else if complete {
        printer.talk(format!("{}: ready after {seconds:.1} s", printer.green("done")));
        write(&laptop.outputs, Format::Text, printer)?;
    }
    match complete && probed != Some(false) {
        true => Ok(Exit::Done),
        false => {
            match outcome.failed.first() {
                Some(failure) => printer.hint(format!(
                    "`provision logs --local {} {}` shows more of what it said; what runs goes on, and the same `up` goes on \
                     from here",
                    shell(&file.display().to_string()),
                    failure.part
                )),
                None => printer.hint("`provision logs --local` shows what the parts say"),
            }
            Ok(Exit::Failed)
        }
    }
}

/// Runs the probe, which is also the last step of `up`.
pub(crate) fn probe(file: &Path, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let Some(probe) = look_running(file, global, printer)?.laptop.probe else {
        let what = "no service of this stack has the role `reservation`, which a probe begins with";
        return Err(Failure::usage(what));
    };
    match walk(&probe, printer)? {
        true => Ok(Exit::Done),
        false => Ok(Exit::Failed),
    }
}

pub(crate) fn down(file: &Path, global: &Global, data: &DataFlags, printer: Printer) -> Result<Exit, Failure> {
    let (loaded, state) = stacks::chosen(file, global)?;
    if data.snapshot_data || data.delete_data.as_ref().is_some_and(|names| names.iter().any(|name| name != "*")) {
        let what = "on this machine data is kept (the default), or deleted with the whole stack: --delete-data";
        return Err(Failure::usage(what));
    }
    let (runs, delete) = (known::runs(&state), data.delete_data.is_some());
    if !runs {
        printer.talk(NOTHING_RUNS);
        if let Some(loaded) = &loaded {
            stacks::tell_strays(file, loaded, &state, printer);
        }
        if !delete || !known::has_data(&state) {
            if known::has_data(&state) {
                printer.talk("its data is kept: --delete-data deletes it");
            }
            return Ok(Exit::Done);
        }
    }
    if delete && answer(global, "Delete all data of this stack? [y/N]", printer) != Some(true) {
        return Err(Failure::usage("nothing was deleted").hint(GIVE_YES));
    }
    let started = Instant::now();
    client::stop_all(&state, Duration::from_secs(90), |event| printer.detail(event)).map_err(failed)?;
    if delete && state.exists() {
        let sockets = Place::find(&state).map(|place| place.sockets().to_owned());
        let removed = sockets
            .and_then(|sockets| if sockets.exists() { Ok(std::fs::remove_dir_all(sockets)?) } else { Ok(()) })
            .and_then(|()| Ok(std::fs::remove_dir_all(&state)?));
        removed.with_context(|| format!("deleting {}", state.display())).map_err(failed)?;
    }
    let what = match (runs, delete) {
        (true, true) => "stopped, and its data deleted",
        (true, false) => "stopped; its data is kept",
        (false, _) => "its data is deleted",
    };
    printer.talk(format!("{}: {what}, after {:.1} s", printer.green("done"), started.elapsed().as_secs_f64()));
    Ok(Exit::Done)
}

pub(crate) fn outputs(file: &Path, global: &Global, format: Option<Format>, printer: Printer) -> Result<Exit, Failure> {
    let format = chosen(format, global)?;
    write(&look_running(file, global, printer)?.laptop.outputs, format, printer)
}

/// Prints the last lines of each part. With `follow` it goes on with all new lines.
pub(crate) fn logs(
    file: &Path,
    global: &Global,
    parts: &[String],
    follow: bool,
    printer: Printer,
) -> Result<Exit, Failure> {
    let (_, state) = found(file, global)?;
    let known: Vec<String> = live(&state).unwrap_or_default().into_iter().map(|part| part.name).collect();
    if let Some(unknown) = parts.iter().find(|part| !known.contains(part)) {
        return Err(Failure::usage(format!("nothing with the name `{unknown}` runs here"))
            .hint(format!("there are: {}", known.join(", "))));
    }
    let chosen: Vec<String> = known.into_iter().filter(|part| parts.is_empty() || parts.contains(part)).collect();
    let Ok(place) = Place::find(&state) else {
        printer.talk(NOTHING_RUNS);
        return Ok(Exit::Done);
    };
    let goes_on = || follow && !printer.is_over();
    logs::follow(&place, &chosen, LINES, goes_on, |part, line| printer.data(format!("{part} | {line}")));
    Ok(Exit::Done)
}

/// The answer of commands that need a stack that runs.
const NOTHING_RUNS: &str = "nothing of this stack runs here";
const LINES: usize = 20;
/// Everything has to run within this time, including parts that restart meanwhile. If the time that the parts may take
/// and `APPLY_MORE` are longer together, they are the limit.
const APPLY: Duration = Duration::from_secs(120);
const APPLY_MORE: Duration = Duration::from_secs(60);

/// The region, found as on AWS: the command line's, else the file's, else that of `AWS_REGION` or `AWS_DEFAULT_REGION`.
/// `None` if nothing names one. A profile is not read, because nothing here logs in.
fn region(loaded: &Loaded, global: &Global) -> Option<String> {
    let named = global.region.clone().or_else(|| loaded.stack.region.clone());
    let set = |name| std::env::var(name).ok().filter(|region| !region.is_empty());
    named.or_else(|| ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(set))
}

/// The stack for this machine. If its file has several environments and none is chosen, it is `dev`.
fn found(file: &Path, global: &Global) -> Result<(Loaded, PathBuf), Failure> {
    let text = read_stack(file)?;
    let mut global = global.clone();
    if global.env.is_none() {
        let known = load::environments(&text);
        global.env = known.len().gt(&1).then(|| "dev".to_owned()).filter(|dev| known.contains(dev));
    }
    let mut loaded = load_text(file, &text, &global)?;
    loaded.stack.region = region(&loaded, &global);
    let state = state_directory(file, &loaded).map_err(failed)?;
    Ok((loaded, state))
}

/// The stack as its file wants it here, and how the running parts differ from it. Both were read before anything is
/// done.
struct Looked {
    laptop: Laptop,
    differences: Vec<Difference>,
}

fn look(file: &Path, global: &Global) -> Result<Looked, Failure> {
    let (loaded, state) = found(file, global)?;
    look_at(&loaded, &state)
}

fn look_at(loaded: &Loaded, state: &Path) -> Result<Looked, Failure> {
    let laptop = prepare(state, loaded, Purpose::Look).map_err(failed)?;
    let running: Vec<PartStatus> = live(state).map_err(failed)?;
    let delays = delays(state, loaded, &running).map_err(failed)?;
    let differences = differences(&laptop, &running, &delays);
    Ok(Looked { laptop, differences })
}

/// Looks at a stack that runs. A stack that does not run is a failure: nobody would answer at its addresses.
fn look_running(file: &Path, global: &Global, printer: Printer) -> Result<Looked, Failure> {
    let (loaded, state) = found(file, global)?;
    if live(&state).is_ok_and(|parts| parts.is_empty()) {
        stacks::tell_strays(file, &loaded, &state, printer);
        let start = format!("`provision up --local {}` starts it", shell(&file.display().to_string()));
        return Err(Failure::of(NOTHING_RUNS).hint(start));
    }
    look_at(&loaded, &state)
}

fn make_so(state: &Path, loaded: &Loaded, printer: Printer) -> anyhow::Result<(Laptop, Outcome)> {
    let laptop = prepare(state, loaded, Purpose::Run)?;
    let client = client::ensure(laptop.place.state())?;
    let wanted = Wanted { parts: laptop.parts.clone() };
    let within = wanted.longest_wait().map_or(APPLY, |longest| APPLY.max(longest + APPLY_MORE));
    let outcome = client.apply(&wanted, within, |event| printer.talk(format!("  {event}")))?;
    Described::of(&laptop.parts).keep(laptop.place.state())?;
    for servers in laptop.databases.iter().filter(|servers| outcome.ready.contains(&servers.primary.name)) {
        replica::open(&servers.primary)?;
    }
    // Parts that were told by hand to hold data back do not hold it back any more.
    let held_back = delays(state, loaded, &client.status()?)?;
    for servers in &laptop.databases {
        if let Some(replica) = servers.replica.as_ref().filter(|replica| held_back.contains_key(&replica.name)) {
            replica::delay(&servers.program, replica, 0)?;
        }
    }
    Ok((laptop, outcome))
}

/// Runs one reservation on its whole way, and prints each hop as it is done.
fn walk(probe: &Probe, printer: Printer) -> anyhow::Result<bool> {
    let child = Command::new(&probe.program)
        .arg("probe")
        .env_clear()
        .envs(&probe.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.with_context(|| format!("starting {}", probe.program.display()))?;
    printer.talk("probe: one reservation on its whole way");
    let lines = child.stdout.take().map(BufReader::new);
    for line in lines.into_iter().flat_map(|lines| lines.lines().map_while(Result::ok)) {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        if line["event"] != "probe.hop" {
            continue;
        }
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let milliseconds = line["milliseconds"].as_f64().map_or_else(String::new, |ms| format!("{ms:.1} ms"));
        printer.talk(
            format!("  {:<14} {:<8} {milliseconds:>10}  {}", text("hop"), text("status"), text("message")).trim_end(),
        );
    }
    Ok(child.wait().is_ok_and(|status| status.success()))
}

fn text(laptop: &Laptop, differences: &[Difference], printer: Printer) -> Vec<String> {
    let mut lines = Vec::new();
    for difference in differences {
        let Difference { part, kind, section, action, changes } = difference;
        let verb = match action {
            Action::Start => printer.green("+ start  "),
            Action::Restart => printer.yellow("~ restart"),
            Action::Resume => printer.yellow("~ resume "),
            Action::Stop => printer.red("- stop   "),
        };
        let why = if section.is_empty() { "nothing asks for it" } else { section };
        lines.push(format!("  {verb} {part}: {kind} {}", printer.dim(format!("({why})"))));
        lines.extend(changes.iter().map(|change| format!("      {}: {} -> {}", change.path, change.from, change.to)));
    }
    lines.push(match differences.len() {
        0 => format!("No changes: {} parts run as the stack file says.", laptop.parts.len()),
        count => format!("Plan: {count} of {} parts change.", laptop.parts.len()),
    });
    lines
}

fn document(differences: &[Difference]) -> Value {
    json!({ "version": document::VERSION, "target": "local", "changes": differences.len(), "steps": differences })
}

/// The failure for an error of this machine, with what helps against it.
fn failed(error: anyhow::Error) -> Failure {
    let mut failure = Failure::of(format!("{error:#}"));
    if let Some(said) = error.chain().find_map(|cause| cause.downcast_ref::<Said>()) {
        failure = failure.detail(&said.whole).hint("-v shows all that it said");
    }
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    match io.and_then(|error| remedy(error.kind())) {
        Some(remedy) => failure.hint(remedy),
        None => failure,
    }
}

/// The hint that makes a folder usable after this error, or `None` if there is no hint.
fn remedy(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some(
            "this user has to be able to write there; or let PROVISION_HOME name another folder for what runs here",
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some("make room there, or let PROVISION_HOME name another folder for what runs here")
        }
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            Some("there is a file where a folder is needed: move it away, or let PROVISION_HOME name another folder")
        }
        _ => None,
    }
}

/// The word as one would type it in a shell, in quotes where it needs them.
fn shell(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
