//! Words that several of the commands for this machine print, and the failures of this machine.

use std::io::ErrorKind;

use local::engines::template::Said;

use crate::commands::failure::Failure;

/// The answer of commands that need a stack that runs.
pub(super) const NOTHING_RUNS: &str = "nothing of this stack runs here";

pub(super) fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

/// The failure for an error of this machine, with what helps against it.
pub(super) fn failed(error: anyhow::Error) -> Failure {
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
pub(super) fn shell(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
