//! Checks `uses:` of a service or a function.

use std::collections::BTreeSet;

use super::{Given, User, given};
use crate::sections::Stack;
use crate::sections::say::Say;
use crate::sections::words::{Name, variable};

/// Tells the names that are not in the stack, functions and services that have no address, and secrets whose variable has another
/// meaning. `path` is the service or the function in the file. `refused` says which variables it cannot have.
pub(crate) fn check(
    stack: &Stack,
    (path, user): (&str, User<'_>),
    known: &BTreeSet<&Name>,
    refused: &dyn Fn(&str) -> bool,
    say: &mut Say<'_>,
) {
    let variables: Vec<String> = given(stack, user).iter().map(Given::name).collect();
    for (index, thing) in user.uses.iter().enumerate() {
        let place = format!("{path}/uses/{index}");
        if !known.contains(thing) {
            let hint = say.meant(thing, known.iter().copied());
            say.dangling(place, thing, SECTIONS, format!("`{thing}` is not in this stack"), hint);
        } else if stack.without_address(thing) {
            let what = format!("`{thing}` has no `http`, so it has no address");
            say.problem(place, what, Some(format!("give `{thing}` an `http`, or leave it out")));
        } else if stack.services.contains_key(thing) && !stack.network.has_own_address() {
            let what = format!("`{thing}` is reached by https, under a name that the certificate is for");
            let hint = "say the name: `network: {domain: api.example.com}`, and point it at the load balancer";
            say.problem(place, what, Some(hint.into()));
        } else if stack.secrets.contains_key(thing) {
            let variable = variable(&thing.0);
            let before = format!("{thing}-previous");
            if user.uses.iter().any(|other| other.0 == before) {
                let what =
                    format!("the secret `{before}` would be the variable in which the earlier value of `{thing}` is");
                say.problem(place.clone(), what, Some(format!("take another name for `{before}`")));
            }
            let is_twice = variables.iter().filter(|other| **other == variable).count() > 1;
            if is_twice || variable == "HOST" || refused(&variable) {
                let what =
                    format!("the secret `{thing}` would be the variable `{variable}`, which has another meaning");
                say.problem(place, what, Some("take another name for the secret".into()));
            }
        }
    }
}

/// The sections whose names `uses:` can hold.
const SECTIONS: &[&str] =
    &["databases", "caches", "topics", "queues", "tables", "search", "secrets", "functions", "services"];
