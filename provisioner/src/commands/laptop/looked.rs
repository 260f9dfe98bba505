//! Looks at a stack on this machine: what its file wants, and what there is of it.

use std::path::{Path, PathBuf};

use local::supervisor::protocol::PartStatus;

use super::strays::tell_strays;
use super::words::{NOTHING_RUNS, failed, shell};
use crate::commands::failure::Failure;
use crate::commands::files::read_stack;
use crate::commands::load_text;
use crate::commands::options::Global;
use crate::commands::show::Shown;
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
use crate::sections::here::Ground;
use crate::sections::load;
use crate::sections::machine::{Laptop, scope};

/// The region, found as on AWS: the command line's, else the file's, else that of `AWS_REGION` or `AWS_DEFAULT_REGION`.
/// `None` if nothing names one. A profile is not read, because nothing here logs in.
fn region(loaded: &Loaded, global: &Global) -> Option<String> {
    let named = global.region.clone().or_else(|| loaded.stack.region.clone());
    let set = |name| std::env::var(name).ok().filter(|region| !region.is_empty());
    named.or_else(|| ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(set))
}

/// The stack for this machine. If its file has several environments and none is chosen, it is `dev`.
pub(super) fn found(file: &Path, global: &Global) -> Result<(Loaded, PathBuf), Failure> {
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

/// The stack as its file wants it here, and what there is of it. All was read before anything is done.
pub(super) struct Looked {
    pub(super) loaded: Loaded,
    pub(super) state: PathBuf,
    pub(super) ground: Ground,
    pub(super) scope: Scope,
    pub(super) laptop: Laptop,
    pub(super) snapshot: Snapshot,
}

impl Looked {
    pub(super) fn at(loaded: Loaded, state: PathBuf) -> Result<Looked, Failure> {
        Looked::look(loaded, state).map_err(failed)
    }

    pub(super) fn look(loaded: Loaded, state: PathBuf) -> anyhow::Result<Looked> {
        let ground = Ground::look(&state, &loaded)?;
        let laptop = ground.look_at(&loaded)?;
        let scope = scope(&loaded);
        let running: Vec<PartStatus> = live(&state)?;
        let delays = delays(&state, &loaded, &running)?;
        let snapshot = snapshot::take(&state, &scope, &laptop.desired, (&running, &delays))?;
        Ok(Looked { loaded, state, ground, scope, laptop, snapshot })
    }

    /// Gives a plan for what was looked at to those who show plans.
    pub(super) fn show<T>(
        &self,
        file: &Path,
        plan: &Plan,
        left_out: Vec<Address>,
        shown: impl FnOnce(&Shown<'_>) -> T,
    ) -> T {
        let Looked { loaded, ground, scope, laptop, snapshot, .. } = self;
        let expand = |loaded: &Loaded, built| ground.other(loaded, built);
        let of = File { loaded, scope, desired: &laptop.desired, snapshot, expand: &expand };
        shown(&Shown { of, plan, left_out, against: Against::ThisMachine, name: file.display().to_string() })
    }
}

/// Looks at a stack that runs. A stack that does not run is a failure: nobody would answer at its addresses.
pub(super) fn look_running(file: &Path, global: &Global, printer: Printer) -> Result<Looked, Failure> {
    let (loaded, state) = found(file, global)?;
    if live(&state).is_ok_and(|parts| parts.is_empty()) {
        tell_strays(file, &loaded, &state, printer);
        let start = format!("`provision up --local {}` starts it", shell(&file.display().to_string()));
        return Err(Failure::of(NOTHING_RUNS).hint(start));
    }
    Looked::at(loaded, state)
}
