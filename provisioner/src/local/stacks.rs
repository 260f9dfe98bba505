//! The stacks of this machine, whether or not their files are still where they were at the start. A state directory is
//! named after the path of its file, so a file that is moved gets another one. A user who looks for the old one finds
//! it here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use local::engines::ports as files;
use local::supervisor::client;
use local::supervisor::place::Place;
use local::supervisor::protocol::PartStatus;
use serde::{Deserialize, Serialize};

use super::home::{home, made};
use crate::scope::Scope;
use crate::sections::Loaded;

/// One state directory. If a fact is missing, the program that started the stack wrote no [`Origin`].
pub(crate) struct Known {
    /// The name of the directory, which is unique.
    pub(crate) name: String,
    pub(crate) state: PathBuf,
    pub(crate) origin: Option<Origin>,
    pub(crate) parts: Vec<PartStatus>,
}

/// The origin of a stack. It is written at every `up`, before anything starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) stack: String,
    pub(crate) env: String,
    pub(crate) file: String,
}

/// Why an existing stack may be the one that somebody looks for under another path or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stray {
    /// It has the same name, and its file is gone.
    Moved,
    /// It was started from this very file, when the file had another `stack:`.
    Renamed,
}

/// Notes the origin of a stack. If the stack has no folders yet, they are made.
pub(crate) fn keep(state: &Path, file: &Path, loaded: &Loaded) -> anyhow::Result<()> {
    made(home()?)?;
    Place::open(state)?;
    let file = file.canonicalize().with_context(|| format!("finding {}", file.display()))?;
    let (stack, env) = (loaded.stack.stack.0.clone(), loaded.env.clone());
    let origin = Origin { stack, env, file: file.to_string_lossy().into_owned() };
    files::write(&state.join(FILE), &serde_json::to_vec_pretty(&origin)?)
}

/// All stacks by name, except those that were only looked at and never started.
pub(crate) fn all() -> anyhow::Result<Vec<Known>> {
    let home = home()?;
    let mut all = Vec::new();
    let entries = match std::fs::read_dir(&home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(all),
        Err(error) => return Err(error).with_context(|| format!("reading {}", home.display())),
    };
    for state in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let Some(name) = state.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        let known = Known { name, origin: origin(&state), parts: running(&state), state };
        if known.is_there() {
            all.push(known);
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

/// The stacks that may be the one of `file` under another path or name. `state` is the state directory of `file`. The
/// caller has seen that nothing runs from it.
pub(crate) fn strays(file: &Path, loaded: &Loaded, state: &Path) -> anyhow::Result<Vec<(Known, Stray)>> {
    let file = file.canonicalize().with_context(|| format!("finding {}", file.display()))?;
    let file = file.to_string_lossy();
    let (stack, env) = (loaded.stack.stack.0.as_str(), loaded.env.as_str());
    let others = all()?.into_iter().filter(|known| known.state.file_name() != state.file_name());
    let stray = |known: Known| {
        let origin = known.origin.as_ref()?;
        let stray = match () {
            () if origin.file == file && origin.stack != stack => Stray::Renamed,
            () if origin.stack == stack && origin.env == env && !origin.is_there() => Stray::Moved,
            () => return None,
        };
        Some((known, stray))
    };
    Ok(others.filter_map(stray).collect())
}

/// The stacks that somebody may mean by `name`: the name in the list, the name of the stack, alone or with its
/// environment, or the path that its file had. A name in the list means that one alone. The others have to be of `env`,
/// if it is given.
pub(crate) fn called(name: &Path, env: Option<&str>) -> anyhow::Result<Vec<Known>> {
    let path = std::path::absolute(name).unwrap_or_else(|_| name.to_owned());
    let (path, name) = (path.to_string_lossy().into_owned(), name.to_string_lossy().into_owned());
    let all = all()?;
    if let Some(at) = all.iter().position(|known| known.name == name) {
        return Ok(all.into_iter().skip(at).take(1).collect());
    }
    let means = |known: &Known| {
        let Some(Origin { stack, env: of, file }) = &known.origin else { return false };
        let is_called = *stack == name || format!("{stack}-{of}") == name || *file == path;
        is_called && env.is_none_or(|env| env == of)
    };
    Ok(all.into_iter().filter(means).collect())
}

/// The scope of a stack without its file: its name and environment as they were at the last `up`.
pub(crate) fn scope_of(state: &Path) -> Scope {
    let origin = origin(state);
    let name = || state.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (stack, env) = origin.map_or_else(|| (name(), String::new()), |Origin { stack, env, .. }| (stack, env));
    Scope { account: String::new(), region: String::new(), stack, env, tags: BTreeMap::new() }
}

/// Whether anything runs. This includes what a killed supervisor had started.
pub(crate) fn runs(state: &Path) -> bool {
    let journal = || Place::find(state).is_ok_and(|place| place.journal().exists());
    client::running(state).is_some() || journal()
}

/// Whether a stack was ever started in this state directory. It may have left data there.
pub(crate) fn has_data(state: &Path) -> bool {
    state.join("data").exists() || state.join(FILE).exists()
}

impl Known {
    /// Whether any part of the stack has a process.
    pub(crate) fn is_running(&self) -> bool {
        self.parts.iter().any(|part| part.pid.is_some())
    }

    fn is_there(&self) -> bool {
        self.is_running() || has_data(&self.state)
    }
}

impl Origin {
    /// Whether the stack file is still where it was at the last `up`.
    pub(crate) fn is_there(&self) -> bool {
        Path::new(&self.file).exists()
    }
}

fn origin(state: &Path) -> Option<Origin> {
    serde_json::from_slice(&std::fs::read(state.join(FILE)).ok()?).ok()
}

fn running(state: &Path) -> Vec<PartStatus> {
    client::running(state).and_then(|client| client.status().ok()).unwrap_or_default()
}

const FILE: &str = "origin.json";
