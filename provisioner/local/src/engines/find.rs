//! Where programs are, and what to say if they are not.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Where to look, in this order.
#[derive(Debug, Clone)]
pub struct Places {
    pub path: OsString,
    pub usual: Vec<PathBuf>,
}

/// What to install, by the name that each package manager knows it under.
#[derive(Debug, Clone, Copy)]
pub struct Install {
    pub apt: &'static str,
    pub brew: &'static str,
}

impl Places {
    pub fn of_this_machine() -> Places {
        let usual = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin", "/opt/homebrew/sbin"];
        Places { path: std::env::var_os("PATH").unwrap_or_default(), usual: usual.map(PathBuf::from).to_vec() }
    }

    /// The first of the names that is anywhere: a name earlier in the list beats a place earlier in the path.
    pub fn find(&self, names: &[&str]) -> Option<PathBuf> {
        names.iter().find_map(|name| {
            let places = std::env::split_paths(&self.path).chain(self.usual.iter().cloned());
            places.map(|place| place.join(name)).find(|program| program.is_absolute() && is_program(program))
        })
    }
}

impl Install {
    /// The error for what was not found.
    pub fn missing<T>(self, what: &str) -> Result<T> {
        let Install { apt, brew } = self;
        bail!("{what} is not installed: `apt-get install -y --no-install-recommends {apt}`, or `brew install {brew}`")
    }
}

/// One that the user names must be there: another one in its stead would surprise.
pub fn configured(program: &Path) -> Result<PathBuf> {
    match is_program(program) {
        true => Ok(std::path::absolute(program)?),
        false => bail!("`{}` is not a program", program.display()),
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
