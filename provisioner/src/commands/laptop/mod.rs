//! The commands with `--local`: the same stack on this machine.

pub mod doctor;
pub mod faults;
pub mod redrive;
pub mod stacks;
pub mod status;
mod words;

mod down;
mod plan;
mod up;

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use local::engines::template::Said;
use local::hidden;
use local::supervisor::logs;
use local::supervisor::place::Place;
use local::supervisor::protocol::PartStatus;
use serde_json::Value;

pub(crate) use self::down::down;
pub(crate) use self::plan::plan;
pub(crate) use self::up::up;
use super::format::{Format, chosen, write};
use super::show::Shown;
use super::{load_text, read};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::kind::facts::Address;
use crate::local::home::{state_directory, status as live};
use crate::local::snapshot;
use crate::local::watch::delays;
use crate::plan::Plan;
use crate::plan::snapshot::Snapshot;
use crate::printer::Printer;
use crate::review::Against;
use crate::review::sources::File;
use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::here::{Ground, scope};
use crate::sections::load;
use crate::sections::machine::{Laptop, Probe};

/// Runs the background process that the arguments ask for. This program calls itself with such arguments. `None` for
/// all other arguments.
pub fn hidden() -> Option<std::process::ExitCode> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    hidden::run(&arguments)
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
/// The region, found as on AWS: the command line's, else the file's, else that of `AWS_REGION` or `AWS_DEFAULT_REGION`.
/// `None` if nothing names one. A profile is not read, because nothing here logs in.
fn region(loaded: &Loaded, global: &Global) -> Option<String> {
    let named = global.region.clone().or_else(|| loaded.stack.region.clone());
    let set = |name| std::env::var(name).ok().filter(|region| !region.is_empty());
    named.or_else(|| ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(set))
}

/// The stack for this machine. If its file has several environments and none is chosen, it is `dev`.
fn found(file: &Path, global: &Global) -> Result<(Loaded, PathBuf), Failure> {
    let text = read(file)?;
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

/// The stack as its file wants it here, and what there is of it. All was read before anything is done.
struct Looked {
    loaded: Loaded,
    state: PathBuf,
    ground: Ground,
    scope: Scope,
    laptop: Laptop,
    snapshot: Snapshot,
}

impl Looked {
    fn at(loaded: Loaded, state: PathBuf) -> Result<Looked, Failure> {
        Looked::look(loaded, state).map_err(failed)
    }

    fn look(loaded: Loaded, state: PathBuf) -> anyhow::Result<Looked> {
        let ground = Ground::look(&state, &loaded)?;
        let laptop = ground.look_at(&loaded)?;
        let scope = scope(&loaded);
        let running: Vec<PartStatus> = live(&state)?;
        let delays = delays(&state, &loaded, &running)?;
        let snapshot = snapshot::take(&state, &scope, &laptop.desired, &delays)?;
        Ok(Looked { loaded, state, ground, scope, laptop, snapshot })
    }

    /// Gives a plan for what was looked at to those who show plans.
    fn show<T>(&self, file: &Path, plan: &Plan, left_out: Vec<Address>, shown: impl FnOnce(&Shown<'_>) -> T) -> T {
        let Looked { loaded, ground, scope, laptop, snapshot, .. } = self;
        let expand = |loaded: &Loaded, built| ground.other(loaded, built);
        let of = File { loaded, scope, desired: &laptop.desired, snapshot, expand: &expand };
        shown(&Shown { of, plan, left_out, against: Against::ThisMachine, name: file.display().to_string() })
    }
}

/// Looks at a stack that runs. A stack that does not run is a failure: nobody would answer at its addresses.
fn look_running(file: &Path, global: &Global, printer: Printer) -> Result<Looked, Failure> {
    let (loaded, state) = found(file, global)?;
    if live(&state).is_ok_and(|parts| parts.is_empty()) {
        stacks::tell_strays(file, &loaded, &state, printer);
        let start = format!("`provision up --local {}` starts it", shell(&file.display().to_string()));
        return Err(Failure::of(NOTHING_RUNS).hint(start));
    }
    Looked::at(loaded, state)
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
