//! Where programs are, and what to say if they are not.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Where to look, in this order.
#[derive(Debug, Clone)]
pub struct Places {
    pub path: OsString,
    pub usual: Vec<PathBuf>,
}

/// What to install, by the name that each package manager knows it under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Install {
    pub apt: &'static str,
    pub brew: &'static str,
}

/// The error for a program that is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name for people, in backticks where it is one to type.
    pub what: String,
    pub install: Install,
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

/// A program that another one calls by its place and not by the path: from the same package, or the system's.
pub fn beside(caller: &Path, name: &str) -> Option<PathBuf> {
    let real = caller.canonicalize().unwrap_or_else(|_| caller.to_owned());
    let own = [caller, &real].into_iter().filter_map(Path::parent);
    let places = own.flat_map(|place| [place.to_owned(), place.join("../bin")]).chain([PathBuf::from("/usr/bin")]);
    places.map(|place| place.join(name)).find(|program| is_program(program))
}

impl Install {
    /// The error for what was not found.
    pub fn missing<T>(self, what: &str) -> Result<T> {
        Err(Missing { what: what.to_owned(), install: self }.into())
    }
}

impl std::error::Error for Missing {}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&not_installed(std::slice::from_ref(self)))
    }
}

/// All of them in one sentence, with one command that gets all.
pub fn not_installed(missing: &[Missing]) -> String {
    let names: Vec<&str> = missing.iter().map(|missing| missing.what.as_str()).collect();
    let packages = |name: fn(&Install) -> &'static str| {
        let mut words: Vec<&str> = Vec::new();
        for word in missing.iter().flat_map(|missing| name(&missing.install).split(' ')) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.join(" ")
    };
    let (apt, brew) = (packages(|install| install.apt), packages(|install| install.brew));
    let names = match names.split_last() {
        Some((last, [])) => format!("{last} is"),
        Some((last, others)) => format!("{} and {last} are", others.join(", ")),
        None => return String::new(),
    };
    format!("{names} not installed: `apt-get install -y --no-install-recommends {apt}`, or `brew install {brew}`")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_one_sentence_with_one_command() {
        let database = Install { apt: "server client", brew: "database" };
        let cache = Install { apt: "tools", brew: "cache" };
        let missing = |what: &str, install| Missing { what: what.into(), install };
        let all = [missing("A", database), missing("B", cache), missing("`c`", database)];
        assert_eq!(
            not_installed(&all),
            "A, B and `c` are not installed: `apt-get install -y --no-install-recommends server client tools`, or \
             `brew install database cache`"
        );
        assert!(all[2].to_string().starts_with("`c` is not installed: `apt-get install"));
    }

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
