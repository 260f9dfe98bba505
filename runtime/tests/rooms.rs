//! The rooms of the runtime. Only the folder of the systems knows systems, and the list of the roles agrees with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use roles::Runs;
use runtime::systems::{Run, SYSTEMS};

/// Words by which a system would be known, besides its name.
const WORDS: &[&str] = &["reservation", "lookup", "notification", "msa"];
/// SNS itself calls its messages notifications.
const ALLOWED: &[(&str, &str)] = &[
    ("events/envelope.rs", "notification"),
    ("functions/queue.rs", "notification"),
    ("functions/topic.rs", "notification"),
];
/// The names of systems that are plain words too. Nobody is known by them.
const PLAIN: &[&str] = &["noted"];

#[test]
fn nothing_outside_of_the_systems_names_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let names = SYSTEMS.iter().map(|system| system.name).filter(|name| !PLAIN.contains(name));
    let words: BTreeSet<&str> = names.chain(WORDS.iter().copied()).collect();
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 40, "only {} files were found", files.len());
    let mut problems = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().display().to_string();
        // The list of the systems names them, and each folder below it belongs to one.
        if path.starts_with("systems/") {
            continue;
        }
        for (number, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
            for word in named(line, &words) {
                if !ALLOWED.contains(&(path.as_str(), word)) {
                    problems.push(format!("{path}:{}: `{word}`", number + 1));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_word_is_found_whatever_it_stands_in() {
    let words = BTreeSet::from(["sendy", "reservation"]);
    for line in ["reservation_id", "/// Reservations:", "\"reservation:1\"", "newReservation(", "struct ReservationRow"]
    {
        assert_eq!(named(line, &words), ["reservation"], "{line}");
    }
    for line in ["preservation", "reserve", "sender"] {
        assert!(named(line, &words).is_empty(), "{line}");
    }
}

#[test]
fn the_list_of_the_roles_is_what_the_systems_have() {
    let listed: BTreeSet<(&str, &str, bool)> =
        roles::ROLES.iter().map(|role| (role.system, role.name, role.runs == Runs::Server)).collect();
    let mut run = BTreeSet::new();
    for system in SYSTEMS {
        for role in system.roles {
            assert!(run.insert((system.name, role.name, matches!(role.run, Run::Server(_)))), "{} twice", role.name);
        }
        let schemas: Vec<_> = system.databases.iter().map(|schema| schema.name).collect();
        for role in roles::ROLES.iter().filter(|role| role.system == system.name) {
            assert!(role.schema.is_none_or(|schema| schemas.contains(&schema)), "the schema of {}", role.name);
        }
        let probed: Vec<_> = roles::probed().filter(|role| role.system == system.name).collect();
        assert_eq!(system.probe.is_some(), !probed.is_empty(), "the probe of {}", system.name);
    }
    assert_eq!(listed, run);
}

#[test]
fn each_system_and_each_of_its_schemas_is_found_by_its_name() {
    let names: BTreeSet<&str> = SYSTEMS.iter().map(|system| system.name).collect();
    assert_eq!(names.len(), SYSTEMS.len());
    let schemas: Vec<_> = SYSTEMS.iter().flat_map(|system| system.databases).map(|schema| schema.name).collect();
    assert_eq!(schemas.iter().collect::<BTreeSet<_>>().len(), schemas.len(), "{schemas:?}");
    for name in schemas {
        assert_eq!(runtime::systems::schema(Some(name)).unwrap().name, name);
    }
    for asked in [
        runtime::systems::schema(Some("nothing")).map(|_| ()),
        runtime::systems::probe(Some("nothing")).map(|_| ()),
        runtime::systems::probe(Some("hello")).map(|_| ()),
    ] {
        let said = asked.unwrap_err().to_string();
        assert!(said.contains("of this name; there are: ") && !said.contains("nothing"), "{said}");
    }
}

/// The words in a line, alone or as a part of a name: as `Word`, `word_` or `words`.
fn named<'a>(line: &str, words: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let mut parts = vec![String::new()];
    for c in line.chars() {
        if !c.is_alphabetic() || c.is_uppercase() {
            parts.push(String::new());
        }
        if c.is_alphabetic() {
            parts.last_mut().unwrap().extend(c.to_lowercase());
        }
    }
    let is_named =
        |word: &&&str| parts.iter().any(|part| part.strip_suffix('s').unwrap_or(part) == **word || part == **word);
    words.iter().filter(is_named).copied().collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false => files.push(path),
        }
    }
}
