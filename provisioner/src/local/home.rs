//! The folders where stacks of this machine keep their state.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use local::supervisor::client;
use local::supervisor::place::private_directory;
use local::supervisor::protocol::PartStatus;
use sha2::{Digest, Sha256};

use crate::scope::hex;
use crate::sections::Loaded;

/// The state directory of one stack file. Two files are two stacks, also two copies in two folders.
pub(crate) fn state_directory(file: &Path, loaded: &Loaded) -> anyhow::Result<PathBuf> {
    let file = file.canonicalize().with_context(|| format!("finding {}", file.display()))?;
    let digest = Sha256::digest(file.as_os_str().as_encoded_bytes());
    Ok(home()?.join(format!("{}-{}-{}", loaded.stack.stack, loaded.env, hex(&digest[..4]))))
}

/// The folder for the states of all stacks, and for things that can be made again: templates, programs that were
/// fetched.
pub(crate) fn home() -> anyhow::Result<PathBuf> {
    from("PROVISION_HOME", "XDG_STATE_HOME", ".local/state").map(|home| home.join("stacks"))
}

pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    from("PROVISION_HOME", "XDG_CACHE_HOME", ".cache").map(|home| home.join("cache"))
}

fn from(own: &str, xdg: &str, usual: &str) -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || set("HOME").context("neither PROVISION_HOME nor HOME is set").map(|home| home.join(usual));
    let all = set(own).map(Ok).or_else(|| set(xdg).map(|xdg| Ok(xdg.join("provision"))));
    let directory = all.unwrap_or_else(|| home().map(|home| home.join("provision")))?;
    // The path becomes part of configuration files and arguments.
    ensure!(
        directory.to_str().is_some(),
        "`{}` is a path that is not UTF-8: set PROVISION_HOME to one that is",
        directory.display()
    );
    Ok(directory)
}

/// Makes the folder, for this user only, if it is missing.
pub(crate) fn made(directory: PathBuf) -> anyhow::Result<PathBuf> {
    private_directory(&directory).with_context(|| format!("making {}", directory.display()))?;
    Ok(directory)
}

/// The running parts. The list is empty if nothing runs.
pub(crate) fn status(state: &Path) -> anyhow::Result<Vec<PartStatus>> {
    client::running(state).map_or_else(|| Ok(Vec::new()), |client| client.status())
}
