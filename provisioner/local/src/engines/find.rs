//! Finds programs, and says how to install them if they are missing.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The folders to look in, in this order.
#[derive(Debug, Clone)]
pub struct Places {
    pub path: OsString,
    pub usual: Vec<PathBuf>,
}

/// The package to install, by the name that each package manager has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Install {
    pub apt: &'static str,
    pub brew: &'static str,
}

/// The error for a program that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The program's name for people. If it is a name to type, it is in backticks.
    pub what: String,
    pub install: Install,
}

impl Places {
    pub fn of_this_machine() -> Places {
        let usual = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin", "/opt/homebrew/sbin"];
        Places { path: std::env::var_os("PATH").unwrap_or_default(), usual: usual.map(PathBuf::from).to_vec() }
    }

    /// Finds the first of the names that is anywhere. A name earlier in the list wins over a place earlier in the path.
    pub fn find(&self, names: &[&str]) -> Option<PathBuf> {
        names.iter().find_map(|name| {
            let places = std::env::split_paths(&self.path).chain(self.usual.iter().cloned());
            places.map(|place| place.join(name)).find(|program| program.is_absolute() && is_program(program))
        })
    }
}

/// Finds a program that `caller` calls by a fixed place and not by PATH. The places are the folder of `caller`, the
/// `bin` beside that folder, and `/usr/bin`. `None` if it is in none of them.
pub fn beside(caller: &Path, name: &str) -> Option<PathBuf> {
    let real = caller.canonicalize().unwrap_or_else(|_| caller.to_owned());
    let own = [caller, &real].into_iter().filter_map(Path::parent);
    let places = own.flat_map(|place| [place.to_owned(), place.join("../bin")]).chain([PathBuf::from("/usr/bin")]);
    places.map(|place| place.join(name)).find(|program| is_program(program))
}

impl Install {
    /// The error for a program that was not found.
    pub fn missing<T>(self, what: &str) -> Result<T> {
        Err(Missing { what: what.to_owned(), install: self }.into())
    }
}

impl std::error::Error for Missing {}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Missing { what, install: Install { apt, brew } } = self;
        let apt = format!("apt-get install -y --no-install-recommends {apt}");
        write!(f, "{what} is not installed: `{apt}`, or `brew install {brew}`")
    }
}

/// A program that the user names. It must be there: another one in its place would be a surprise.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_calls_is_looked_for_where_the_script_does() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for place in ["cellar/scripts", "cellar/bin", "bin"] {
            std::fs::create_dir_all(at(place)).unwrap();
        }
        for program in ["cellar/scripts/install", "cellar/bin/helper"] {
            std::fs::write(at(program), "").unwrap();
            std::fs::set_permissions(at(program), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        symlink(at("cellar/scripts/install"), at("bin/install")).unwrap();
        let found = beside(&at("bin/install"), "helper").unwrap();
        assert_eq!(found.canonicalize().unwrap(), at("cellar/bin/helper").canonicalize().unwrap());
        assert_eq!(beside(&at("bin/install"), "no-such-helper"), None);
    }
}
