//! Notes about functions that are allowed, and may be more than a database takes.

use crate::sections::Loaded;
use crate::sections::databases::connections;
use crate::yaml::Problem;

/// The notes about a file without problems: databases of which functions may open more connections than their class
/// takes. A function opens one for each event that it handles at a time.
pub fn notes(loaded: &Loaded) -> Vec<Problem> {
    let stack = &loaded.stack;
    let mut notes = Vec::new();
    for (name, database) in &stack.databases {
        let users = stack.functions.values().filter(|function| {
            let user = function.user();
            user.uses.iter().chain(user.owns).any(|thing| thing == name)
        });
        let most: u64 = users.filter_map(|function| function.concurrency).map(u64::from).sum();
        let class = database.class(loaded.profile);
        if let Some(takes) = connections(class).filter(|takes| most > *takes) {
            let what = format!(
                "functions may open {most} connections to `{name}`, and a {class} takes about {takes} in environment `{}`",
                loaded.env
            );
            let at = loaded.positions.of(&format!("/databases/{name}"));
            notes.push(Problem::new(at, what).hint("a larger `class`, or less `concurrency` of the functions"));
        }
    }
    notes
}
