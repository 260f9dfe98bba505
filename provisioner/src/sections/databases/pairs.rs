//! Which server of a pair is the primary, once somebody has promoted the replica. This is kept beside the data, because
//! it is a fact about the data: the stack file says that there is a pair, never which of the two is the primary.
//!
//! An address belongs to a role and not to a server, as an endpoint of RDS does: the server that becomes the primary
//! gets the port that the services know.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use local::engines::ports as files;
use serde::{Deserialize, Serialize};

use crate::sections::Loaded;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Roles(BTreeMap<String, Promoted>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Promoted {
    primary: String,
    /// Whether the old primary follows the new one. Until somebody says so it is out of service, with its data.
    follows: bool,
}

/// The parts of one database.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    pub(crate) database: String,
    pub(crate) primary: String,
    pub(crate) replica: Option<String>,
    /// The old primary after a promotion, while it is out of service.
    pub(crate) out: Option<String>,
}

impl Roles {
    pub(crate) fn load(state: &Path) -> anyhow::Result<Roles> {
        let path = state.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Roles::default()),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    pub(crate) fn keep(&self, state: &Path) -> anyhow::Result<()> {
        files::write(&state.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    pub(crate) fn pair(&self, database: &str, replicated: bool) -> Pair {
        let (first, second) = (database.to_owned(), format!("{database}-replica"));
        let pair = |primary, replica, out| Pair { database: database.to_owned(), primary, replica, out };
        match self.0.get(database) {
            None => pair(first, replicated.then_some(second), None),
            Some(promoted) => {
                let other = if promoted.primary == first { second } else { first };
                match (replicated, promoted.follows) {
                    (true, false) => pair(promoted.primary.clone(), None, Some(other)),
                    (true, true) => pair(promoted.primary.clone(), Some(other), None),
                    (false, _) => pair(promoted.primary.clone(), None, None),
                }
            }
        }
    }

    pub(crate) fn pairs(&self, loaded: &Loaded) -> Vec<Pair> {
        loaded.stack.databases.iter().map(|(name, database)| self.pair(&name.0, database.replica)).collect()
    }

    pub(crate) fn promote(&mut self, database: &str, replica: &str) {
        self.0.insert(database.to_owned(), Promoted { primary: replica.to_owned(), follows: false });
    }

    pub(crate) fn rejoin(&mut self, database: &str) {
        if let Some(promoted) = self.0.get_mut(database) {
            promoted.follows = true;
        }
    }
}

const FILE: &str = "roles.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promotion_holds_and_can_be_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut roles = Roles::load(directory.path()).unwrap();
        let text = |pair: Pair| format!("{} {:?} {:?}", pair.primary, pair.replica, pair.out);
        assert_eq!(text(roles.pair("a", true)), r#"a Some("a-replica") None"#);
        assert_eq!(text(roles.pair("a", false)), "a None None");
        roles.promote("a", "a-replica");
        roles.keep(directory.path()).unwrap();
        let mut roles = Roles::load(directory.path()).unwrap();
        assert_eq!(text(roles.pair("a", true)), r#"a-replica None Some("a")"#);
        assert_eq!(text(roles.pair("a", false)), "a-replica None None");
        roles.rejoin("a");
        assert_eq!(text(roles.pair("a", true)), r#"a-replica Some("a") None"#);
        roles.promote("a", "a");
        roles.rejoin("a");
        assert_eq!(roles.pair("a", true), Roles::default().pair("a", true));
        std::fs::write(directory.path().join(FILE), "{").unwrap();
        assert!(Roles::load(directory.path()).is_err());
    }
}
