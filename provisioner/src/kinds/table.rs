//! Writes `provisioner/KINDS.md`, which shows how far each kind and each section is covered. Nothing in it is typed by
//! hand. A cell is filled only where a table or a test in the code names the kind.
//! `PROVISION_WRITE_KINDS=1 cargo test --workspace --lib kinds::table` writes the file anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::KINDS;
use crate::image::Digests;
use crate::scope::Scope;
use crate::sections::aws::expand;
use crate::sections::list::{SECTIONS, Section};
use crate::sections::load::{environments, load};
use crate::{doctor, export};

#[test]
fn the_table_is_as_the_code_says() {
    let file = Path::new(CRATE).join("KINDS.md");
    let new = text();
    if std::env::var_os("PROVISION_WRITE_KINDS").is_some() {
        std::fs::write(&file, &new).expect("KINDS.md is written");
    }
    let old = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        old == new,
        "KINDS.md is out of date. Write it anew: PROVISION_WRITE_KINDS=1 cargo test --workspace --lib kinds::table"
    );
}

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

const HEAD: &str = "# Kinds and sections

A test writes this file from the tables and the tests in the code, and fails while it is out of date. A cell is empty where no
table and no test names the kind.

| column | filled if |
| --- | --- |
| plan | a test makes one: `tests/kinds_*.rs`, or the plan of a stack in `tests/snapshots/` |
| change | `tests/kinds_*.rs` updates or replaces one |
| drift | `tests/mutations.py` changes one by hand, and `up` sets it right |
| crash | a stack that `tests/crash.rs` kills at every write has one: the name of the stack, `bell` if nobody says another |
| export | it has a row in `export/registry.rs` |
| preflight | a check of `doctor` is about it, beside permissions, which are about all |
| explain | its file gathers evidence when it fails |
| here | the section runs on this machine too, with `--local` |

";

struct Row {
    name: &'static str,
    cells: [String; COLUMNS.len()],
}

const COLUMNS: [&str; 7] = ["plan", "change", "drift", "crash", "export", "preflight", "explain"];

fn text() -> String {
    let sections = sections();
    let rows: Vec<Row> = rows(&sections.crashed);
    let mut text = HEAD.to_owned();
    let head = |first: &str, more: &str| {
        let rule = COLUMNS.map(|_| "---").join(" | ");
        format!(
            "| {first} | {} |{more}\n| --- | {rule} |{}\n",
            COLUMNS.join(" | "),
            if more.is_empty() { "" } else { " --- |" }
        )
    };
    text.push_str(&head("kind", ""));
    for row in &rows {
        writeln!(text, "| `{}` | {} |", row.name, row.cells.join(" | ")).expect("text");
    }
    text.push_str("\nOf a section: how many of its kinds.\n\n");
    text.push_str(&head("section", " here |"));
    for (section, kinds) in &sections.kinds {
        let mine: Vec<&Row> = rows.iter().filter(|row| kinds.contains(row.name)).collect();
        let of = |column: usize| match mine.iter().filter(|row| !row.cells[column].is_empty()).count() {
            0 => String::new(),
            some if some == mine.len() => "all".to_owned(),
            some => format!("{some} of {}", mine.len()),
        };
        let cells: Vec<String> = (0..COLUMNS.len()).map(of).collect();
        let runs_here = |one: &Section| one.key == section && one.local.is_some();
        let here = if SECTIONS.iter().any(runs_here) { "yes" } else { "" };
        writeln!(text, "| `{section}` | {} | {here} |", cells.join(" | ")).expect("text");
    }
    // Empty cells have no blanks, so that editors leave the file alone.
    while text.contains("|  |") {
        text = text.replace("|  |", "| |");
    }
    text
}

fn rows(crashed: &BTreeMap<&'static str, String>) -> Vec<Row> {
    let tests = Path::new(CRATE).join("tests");
    let of = |begins: &str, folder: &Path| -> String {
        let files = sources(folder)
            .into_iter()
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins)));
        files.map(|path| read(&path)).collect()
    };
    let (made, plans) = (of("kinds_", &tests), of("stacks__", &tests.join("snapshots")));
    let drift = read(&tests.join("mutations.py"));
    let checked = doctor::kinds();
    let yes = |is: bool| if is { "yes".to_owned() } else { String::new() };
    let row = |name: &'static str| Row {
        name,
        cells: [
            yes(made.contains(&format!("create {name} ")) || plans.contains(&format!("\n{name} "))),
            yes(["update", "replace"].iter().any(|word| made.contains(&format!("{word} {name} ")))),
            yes(drift.contains(&format!("\"{name}\""))),
            crashed.get(name).cloned().unwrap_or_default(),
            yes(export::has(name)),
            yes(checked.contains(name)),
            yes(source_of(name).contains("async fn explain(")),
        ],
    };
    KINDS.iter().map(|kind| row(kind.facts().name)).collect()
}

/// Reads the source of a kind. Each kind has a file of its own.
fn source_of(kind: &str) -> String {
    let path = Path::new(CRATE).join("src/kinds").join(kind.replace('.', "/"));
    let (file, folder) = (path.with_extension("rs"), path.join("mod.rs"));
    read(if file.exists() { &file } else { &folder })
}

struct Sections {
    /// The kinds that each section asks for in some stack and environment.
    kinds: BTreeMap<String, BTreeSet<&'static str>>,
    /// For each kind, the first stack of the crash tests that has the kind.
    crashed: BTreeMap<&'static str, String>,
}

fn sections() -> Sections {
    let crash = read(&Path::new(CRATE).join("tests/crash.rs"));
    let mut sections = Sections { kinds: BTreeMap::new(), crashed: BTreeMap::new() };
    let mut stacks = sources(&Path::new(CRATE).join("../stacks"));
    let stem = |path: &PathBuf| path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    stacks.sort_by_key(|path| crash.find(&stem(path)).unwrap_or(usize::MAX));
    for stack in stacks {
        let text = read(&stack);
        for env in environments(&text) {
            let loaded = load(&text, &env).expect("a stack without mistakes");
            let scope = Scope::of(&loaded, "123456789012".into(), "eu-west-1".into());
            for wanted in expand(&loaded, &scope, &Digests::default()).desired.resources() {
                let kind = wanted.address.kind;
                let (section, _) = wanted.section.split_once('.').unwrap_or((&wanted.section, ""));
                // No section asks for the key: every stack has one.
                if section != "stack" {
                    sections.kinds.entry(section.to_owned()).or_default().insert(kind);
                }
                if names(&crash, &stem(&stack)) {
                    sections.crashed.entry(kind).or_insert_with(|| stem(&stack));
                }
            }
        }
    }
    sections
}

/// Whether a text has these words, and not only as a part of longer words.
fn names(text: &str, words: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(words).any(|(at, found)| {
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + found.len()..].chars().next())
    })
}

/// All files below a folder, sorted.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of this repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}
