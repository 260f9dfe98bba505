//! The same SQL runs on MySQL 8.4 and on MariaDB. So our statements have nothing that only one of them knows.

use std::path::{Path, PathBuf};

/// A text that only one of them knows, and the one that refuses it.
const ONE_SIDED: &[(&str, &str)] = &[
    ("->'", "MariaDB"),
    ("->>", "MariaDB"),
    (" AS NEW ON DUPLICATE", "MariaDB"),
    ("UUID_TO_BIN", "MariaDB"),
    ("BIN_TO_UUID", "MariaDB"),
    ("UTF8MB4_0900", "MariaDB"),
    ("FOR SHARE", "MariaDB"),
    ("LATERAL", "MariaDB"),
    ("KEY((", "MariaDB"),
    ("KEY ((", "MariaDB"),
    ("EXPLAIN ANALYZE", "MariaDB"),
    ("@@TRANSACTION_ISOLATION", "MariaDB"),
    ("@@TX_ISOLATION", "MySQL"),
    ("REGEXP_LIKE", "MariaDB"),
    ("ANY_VALUE", "MariaDB"),
    ("MEMBER OF", "MariaDB"),
    ("GROUPING(", "MariaDB"),
    ("SET PERSIST", "MariaDB"),
    ("SUPER_READ_ONLY", "MariaDB"),
    ("CHANGE REPLICATION SOURCE", "MariaDB"),
    ("CHANGE MASTER", "MySQL"),
    ("SHOW BINARY LOG STATUS", "MariaDB"),
    ("SHOW MASTER STATUS", "MySQL"),
    ("CACHING_SHA2_PASSWORD", "MariaDB"),
    (" RETURNING ", "MySQL"),
    ("MASTER_GTID_WAIT", "MySQL"),
    ("UTF8MB3", "MySQL"),
    ("CREATE SEQUENCE", "MySQL"),
    ("CREATE OR REPLACE TABLE", "MySQL"),
    ("ADD COLUMN IF NOT EXISTS", "MySQL"),
    ("CREATE INDEX IF NOT EXISTS", "MySQL"),
];

#[test]
fn every_statement_runs_on_both() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "migrations"] {
        collect(&root.join(folder), &mut files);
    }
    let mut statements = 0;
    let mut problems = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_sql = file.extension().is_some_and(|extension| extension == "sql");
        for statement in if is_sql { vec![(0, text)] } else { literals(&text) } {
            let (line, statement) = statement;
            let upper = statement.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
            if !is_sql && !looks_like_sql(&upper) {
                continue;
            }
            statements += 1;
            for (word, refusing) in ONE_SIDED {
                if format!(" {upper} ").contains(word) {
                    problems.push(format!("{}:{line}: {refusing} has no `{}`", file.display(), word.trim()));
                }
            }
        }
    }
    assert!(statements >= 20, "only {statements} statements were found");
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_lint_finds_what_it_looks_for() {
    let found = literals("let a = \"SELECT a->>'$.b'\";\n// \"x\"\nlet b = \"one\\\" two\";");
    assert_eq!(found, [(1, "SELECT a->>'$.b'".to_owned()), (3, "one\\\" two".to_owned())]);
    assert!(looks_like_sql("SELECT 1") && !looks_like_sql("SELECTED"));
}

fn looks_like_sql(upper: &str) -> bool {
    let verbs = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "ALTER ", "GRANT ", "SET ", "DROP "];
    verbs.iter().any(|verb| upper.starts_with(verb))
}

/// The string literals of a Rust source and the lines that they begin in. It is good enough for our sources, which have
/// no raw strings with SQL.
fn literals(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(at) = rest.find(['"', '/', '\'', '\n']) {
        let (c, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = after;
        match c {
            b'\n' => line += 1,
            b'/' if after.starts_with('/') => rest = &after[after.find('\n').unwrap_or(after.len())..],
            b'\'' if after.starts_with("\"'") || after.starts_with("\\\"'") => {
                rest = &after[after.find("'").unwrap() + 1..]
            }
            b'"' => {
                let mut end = 0;
                while let Some(c) = after[end..].chars().next() {
                    match c {
                        '"' => break,
                        '\\' => end += 1 + after[end + 1..].chars().next().map_or(0, char::len_utf8),
                        c => end += c.len_utf8(),
                    }
                }
                found.push((line, after[..end].to_owned()));
                line += after[..end].matches('\n').count();
                rest = &after[(end + 1).min(after.len())..];
            }
            _ => {}
        }
    }
    found
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
