//! The paths of one state directory.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::hex;

/// The longest path of a socket. It may have 108 bytes on Linux and 104 on macOS, with the ending zero.
const SOCKET_PATH: usize = 103;

/// The longest name of a socket in the directory of sockets.
const SOCKET_NAME: usize = 24;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    state: PathBuf,
    sockets: PathBuf,
}

impl Place {
    /// Makes the missing directories, for this user only.
    pub fn open(state: &Path) -> Result<Place> {
        private_directory(state).with_context(|| format!("state directory `{}`", state.display()))?;
        let place = Place::find(state)?;
        private_directory(&place.state.join("logs"))?;
        if !place.sockets.starts_with(&place.state) {
            private_directory(&place.sockets)?;
            // Others can write in the folder above. So this directory must be the one that this user made.
            let made = place.sockets.symlink_metadata()?;
            let ours = made.is_dir() && made.uid() == rustix::process::geteuid().as_raw() && made.mode() & 0o077 == 0;
            ensure!(ours, "`{}` belongs to somebody else", place.sockets.display());
        }
        private_directory(&place.sockets)?;
        Ok(place)
    }

    /// The paths of an existing state directory. Changes nothing.
    pub fn find(state: &Path) -> Result<Place> {
        Place::at(state.canonicalize().with_context(|| format!("state directory `{}`", state.display()))?)
    }

    fn at(state: PathBuf) -> Result<Place> {
        let inside = state.join("run");
        let sockets = match inside.as_os_str().len() + 1 + SOCKET_NAME <= SOCKET_PATH {
            true => inside,
            false => {
                // Each user has a folder, so that two users do not need each other's.
                let user = rustix::process::geteuid().as_raw();
                runtime_directory().join(format!("provision-{user}-{}", instance(&state)))
            }
        };
        Ok(Place { state, sockets })
    }

    /// The paths that a state directory has, or would have if it were made. Changes nothing.
    pub fn would_be(state: &Path) -> Result<Place> {
        match Place::find(state) {
            Ok(place) => Ok(place),
            Err(_) => {
                let above = state.ancestors().skip(1).find(|above| above.exists());
                let above = above.with_context(|| format!("state directory `{}`", state.display()))?;
                Place::at(above.canonicalize()?.join(state.strip_prefix(above)?))
            }
        }
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The mark that the processes of this state directory carry in their environment.
    pub fn instance(&self) -> String {
        instance(&self.state)
    }

    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    pub fn journal(&self) -> PathBuf {
        self.state.join("journal")
    }

    pub fn log(&self, part: &str) -> PathBuf {
        self.state.join("logs").join(format!("{part}.log"))
    }

    pub fn chronicle(&self) -> PathBuf {
        self.state.join("chronicle")
    }

    /// The log of the supervisor itself. No part has this name, because of the capital letter.
    pub fn supervisor_log(&self) -> PathBuf {
        self.log("Supervisor")
    }

    pub fn control(&self) -> PathBuf {
        self.sockets.join("control")
    }

    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// A path for a part's own socket. It is short enough whatever the part's name is.
    pub fn socket(&self, part: &str) -> PathBuf {
        let name = match part.len() + 2 <= SOCKET_NAME {
            true => format!("{part}.s"),
            false => format!("{}.s", hex(&Sha256::digest(part)[..8])),
        };
        self.sockets.join(name)
    }
}

pub fn private_directory(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn instance(state: &Path) -> String {
    hex(&Sha256::digest(state.as_os_str().as_encoded_bytes())[..8])
}

fn runtime_directory() -> PathBuf {
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    named.filter(|path| path.is_dir() && path.as_os_str().len() < 40).unwrap_or_else(|| PathBuf::from("/tmp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_short_paths_wherever_the_state_is() {
        let directory = tempfile::tempdir().unwrap();
        for depth in [0, 1, 30] {
            let state = directory.path().join("아주 긴 이름/".repeat(depth));
            let would_be = Place::would_be(&state).unwrap();
            let place = Place::open(&state).unwrap();
            assert_eq!(would_be, place);
            for socket in [place.control(), place.socket("primary"), place.socket(&"x".repeat(64))] {
                assert!(socket.as_os_str().len() <= SOCKET_PATH, "{socket:?}");
                drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
            }
            assert_eq!(place.sockets.starts_with(&place.state), depth < 2);
            assert_eq!(Place::find(&state).unwrap(), place);
            if depth > 1 {
                std::fs::remove_dir_all(place.sockets()).unwrap();
            }
        }
    }
}
