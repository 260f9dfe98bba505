//! Finds the programs that a stack is run with, all before anything is started. A stack needs only the programs that
//! its sections ask for.

use anyhow::bail;
use local::engines::find::Places;
use local::engines::{mariadb, redis};

use super::Stack;
use super::machine::Programs;
use super::search::engine::{self as search, Search};
use super::services::local::{self as services, needs_runtime};

/// Finds the programs that the stack needs. One error names all that are missing.
pub(crate) fn find(places: &Places, stack: &Stack) -> anyhow::Result<Programs> {
    let mut lack = Lack(Vec::new());
    let database = || mariadb::find(places, &mariadb::Choice::Auto);
    let database = if stack.databases.is_empty() { None } else { lack.note(database()) };
    let cache = if stack.caches.is_empty() { None } else { lack.note(redis::find(places, None)) };
    let search = || search::choice().and_then(|choice| search::find(places, choice));
    let search = if stack.search.is_empty() { None } else { lack.note(search()) };
    let runtime = if needs_runtime(stack) { lack.note(services::runtime()) } else { None };
    lack.all()?;
    Ok(Programs { database, cache, search: search.unwrap_or(Search::None), runtime })
}

/// The messages about programs that were not found, each with the command that gets the program.
struct Lack(Vec<String>);

impl Lack {
    fn note<T>(&mut self, found: anyhow::Result<T>) -> Option<T> {
        found.map_err(|error| self.0.push(format!("{error:#}"))).ok()
    }

    fn all(self) -> anyhow::Result<()> {
        if self.0.is_empty() { Ok(()) } else { bail!("{}", self.0.join("; ")) }
    }
}
