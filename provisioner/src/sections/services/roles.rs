//! Compares a service of a stack file with the role of the runtime that it names. The roles themselves are a list that
//! the runtime has too.

use ::roles::{Need, Runs, Sort};
pub use ::roles::{Role, find, probed, servers};

use super::Service;
use crate::sections::Stack;
use crate::sections::uses::User;
use crate::sections::words::Name;

pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    servers().map(|role| role.name)
}

/// Whether the probe of a system can run in the place of the service.
pub fn is_probed(service: &Service) -> bool {
    service.role.as_deref().and_then(find).is_some_and(|role| role.probe)
}

/// Why no service can have the role, in words. `None` if one can.
pub fn refuses(role: &Role) -> Option<String> {
    match role.runs {
        Runs::Server => None,
        Runs::Function => Some(format!("the role `{}` is a Lambda function, and no service can have it", role.name)),
    }
}

/// The things that a service does not give to its role, in words.
pub fn lacks(role: &Role, stack: &Stack, service: &Service) -> Vec<String> {
    lacks_of(role, stack, service.user())
}

/// The things that a service or a function does not give to its role, in words.
pub(crate) fn lacks_of(role: &Role, stack: &Stack, user: User<'_>) -> Vec<String> {
    let name = role.name;
    let mut lacks = Vec::new();
    for need in role.needs {
        let sort = need.sort();
        let word = sort.word();
        let mut given: Vec<&Name> = user.uses.iter().chain(user.owns).filter(|name| holds(sort, stack, name)).collect();
        given.sort();
        given.dedup();
        match need {
            // With two things of the sort, the variables of the environment would have other names.
            Need::One(_) if given.len() != 1 => {
                lacks.push(format!("the role `{name}` needs one {word} in `uses`, not {}", given.len()));
            }
            Need::Named(_, called) if given.iter().all(|given| given.0 != *called) => {
                lacks.push(format!("the role `{name}` needs the {word} `{called}` in `uses`"));
            }
            Need::One(_) | Need::Named(..) => {}
        }
    }
    lacks
}

fn holds(sort: Sort, stack: &Stack, name: &Name) -> bool {
    match sort {
        Sort::Database => stack.databases.contains_key(name),
        Sort::Cache => stack.caches.contains_key(name),
        Sort::Topic => stack.topics.contains_key(name),
        Sort::Queue => stack.queues.contains_key(name),
        Sort::Table => stack.tables.contains_key(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sections::load::load;

    const STACK: &str = "
stack: shop
region: eu-west-1
topics:
  orders: {}
  deliveries: {}
queues:
  work: {}
services:
  both: {role: hello, uses: [orders, deliveries, work]}
  one: {role: hello, uses: [orders]}
";

    const MADE_UP: Role = Role {
        name: "made-up",
        system: "none",
        about: "",
        runs: Runs::Server,
        takes: &[],
        needs: &[Need::Named(Sort::Topic, "orders"), Need::Named(Sort::Topic, "deliveries"), Need::One(Sort::Queue)],
        variables: &[],
        schema: None,
        reads: None,
        counts_probes: false,
        probe: false,
    };

    #[test]
    fn a_named_need_is_the_thing_of_that_name() {
        let loaded = load(STACK, "dev").unwrap();
        let lacks = |service: &str| {
            let service = &loaded.stack.services[&Name(service.to_owned())];
            lacks(&MADE_UP, &loaded.stack, service)
        };
        assert_eq!(lacks("both"), Vec::<String>::new());
        assert_eq!(
            lacks("one"),
            [
                "the role `made-up` needs the topic `deliveries` in `uses`",
                "the role `made-up` needs one queue in `uses`, not 0"
            ]
        );
    }

    #[test]
    fn a_function_is_not_the_role_of_a_service() {
        let function = Role { runs: Runs::Function, ..MADE_UP };
        let said = "the role `made-up` is a Lambda function, and no service can have it";
        assert_eq!((refuses(&MADE_UP), refuses(&function).as_deref()), (None, Some(said)));
    }
}
