//! How long Sendy takes on this machine, and how much memory, beside what was promised.
//!
//! `cargo bench --workspace --bench laptop --profile dev` measures the build that people try things with; without
//! `--profile dev` the optimised one, which takes some minutes to build; PROVISION_PROGRAM names any other. On a machine that does something else the numbers mean
//! little.
#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

/// Milliseconds.
const FIRST_UP: f64 = 8_000.0;
const LATER_UP: f64 = 2_000.0;
const DOWN: f64 = 1_000.0;
/// MiB.
const MEMORY: f64 = 250.0;

const ROUNDS: usize = 5;

fn main() {
    let home = tempfile::tempdir().unwrap();
    let stack = home.path().join("sendy.yaml");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../stacks/sendy.yaml"), &stack).unwrap();
    // The search engine that was fetched for this user; everything else is made anew.
    let user = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/provision/cache/osmem-server"));
    std::fs::create_dir_all(home.path().join("cache")).unwrap();
    if let Some(engine) = user.filter(|engine| engine.is_file()) {
        std::os::unix::fs::symlink(engine, home.path().join("cache/osmem-server")).unwrap();
    }
    let program = std::env::var_os("PROVISION_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_provision").into());
    let run = |arguments: &[&str]| {
        let (verb, rest) = arguments.split_first().unwrap();
        let mut command = Command::new(&program);
        command.arg(verb).arg(&stack).args(rest).arg("--local").env("PROVISION_HOME", home.path());
        let begin = Instant::now();
        let output = command.output().unwrap();
        let milliseconds = begin.elapsed().as_secs_f64() * 1000.0;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        (milliseconds, output.stdout)
    };
    println!("{:<42} {:>10} {:>10} {:>7}", "", "measured", "target", "ratio");
    let (first, _) = run(&["up", "--yes"]);
    let memory = memory(&run(&["status", "--json"]).1);
    row("first `up`, probe green (data directories made)", first, FIRST_UP, "ms");
    row("memory of all processes after the probe", memory, MEMORY, "MiB");
    let (mut downs, mut ups, mut agains) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        downs.push(run(&["down"]).0);
        ups.push(run(&["up", "--yes"]).0);
        agains.push(run(&["up", "--yes"]).0);
    }
    row("later `up`, probe green, median", median(&mut ups), LATER_UP, "ms");
    row("`up` without a change, probe green, median", median(&mut agains), LATER_UP, "ms");
    row("`down`, median", median(&mut downs), DOWN, "ms");
    run(&["down", "--delete-data", "--yes"]);
}

fn memory(status: &[u8]) -> f64 {
    let status: Value = serde_json::from_slice(status).unwrap();
    for part in status["parts"].as_array().unwrap() {
        let mebibytes = part["memory_kib"].as_f64().unwrap_or_default() / 1024.0;
        println!("  {:<40} {mebibytes:>6.1} MiB", part["name"].as_str().unwrap_or_default());
    }
    status["memory_kib"].as_f64().unwrap() / 1024.0
}

fn row(what: &str, measured: f64, target: f64, unit: &str) {
    println!("{what:<50} {measured:>7.0} {unit:<3} {target:>6.0} {unit:<3} {:>6.2}", measured / target);
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
