//! Notes about text that is allowed and seldom meant: other tools fill it in or take it apart.

use crate::sections::Loaded;
use crate::yaml::{Problem, below};

/// The notes about a file without problems. If a file has problems, they are told and the notes are not.
pub fn notes(loaded: &Loaded) -> Vec<Problem> {
    let positions = &loaded.positions;
    let mut notes = Vec::new();
    for (name, service) in &loaded.stack.services {
        let path = format!("/services/{name}");
        let patterns = service.http.iter().flat_map(|http| &http.paths).enumerate();
        for (index, pattern) in patterns {
            if let Some(variable) = variable(pattern) {
                let at = positions.of(&format!("{path}/http/paths/{index}"));
                let what = format!("`:{variable}` in `{pattern}` stands for itself");
                let other = pattern.replacen(&format!(":{variable}"), "*", 1);
                notes.push(Problem::new(at, what).hint(format!("`{other}` takes any text in its place")));
            }
        }
        for (key, value) in service.env.iter().filter(|(_, value)| is_filled_in(value)) {
            let at = positions.of(&below(&format!("{path}/env"), key));
            let what = format!("`{name}` gets `{value}` as it stands: this file has no variables");
            notes.push(Problem::new(at, what).hint("`uses:` gives a service the variables for things of the stack"));
        }
    }
    notes
}

/// The variable in a path of a web framework: `id` of `/users/:id`.
fn variable(pattern: &str) -> Option<&str> {
    let names = pattern.split('/').filter_map(|part| part.strip_prefix(':'));
    names.into_iter().find(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// Whether a value has text for another tool to fill in: `${NAME}` of shells and Compose, `{{ name }}` of templates.
fn is_filled_in(value: &str) -> bool {
    let between = |open: &str, close: &str| value.split_once(open).is_some_and(|(_, rest)| rest.contains(close));
    between("${", "}") || between("{{", "}}")
}
