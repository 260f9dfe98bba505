//! The roles of the bundled runtime, and what each has to be given by `uses:`.

use super::Service;
use crate::sections::Stack;
use crate::sections::words::Name;

pub struct Role {
    pub name: &'static str,
    /// Exactly one of each: with two, the variables of the environment would have other names.
    pub needs: &'static [Sort],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Database,
    Cache,
    Topic,
    Queue,
}

pub const ROLES: &[Role] = &[
    Role { name: "hello", needs: &[] },
    Role { name: "reservation", needs: &[Sort::Database, Sort::Cache, Sort::Topic] },
    Role { name: "lookup", needs: &[Sort::Database, Sort::Cache] },
    Role { name: "notification", needs: &[Sort::Database, Sort::Queue] },
];

pub fn find(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name == name)
}

pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    ROLES.iter().map(|role| role.name)
}

impl Role {
    /// What a service does not give to it, in words.
    pub fn lacks(&self, stack: &Stack, service: &Service) -> Vec<String> {
        let mut lacks = Vec::new();
        for sort in self.needs {
            let mut given: Vec<&Name> =
                service.uses.iter().chain(&service.owns).filter(|name| sort.holds(stack, name)).collect();
            given.sort();
            given.dedup();
            if given.len() != 1 {
                lacks.push(format!(
                    "the role `{}` needs one {} in `uses`, not {}",
                    self.name,
                    sort.word(),
                    given.len()
                ));
            }
        }
        lacks
    }
}

impl Sort {
    fn holds(self, stack: &Stack, name: &Name) -> bool {
        match self {
            Sort::Database => stack.databases.contains_key(name),
            Sort::Cache => stack.caches.contains_key(name),
            Sort::Topic => stack.topics.contains_key(name),
            Sort::Queue => stack.queues.contains_key(name),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Sort::Database => "database",
            Sort::Cache => "cache",
            Sort::Topic => "topic",
            Sort::Queue => "queue",
        }
    }
}
