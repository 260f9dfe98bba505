//! How `check` and the pure parts of `plan` grow with the stack: the same work for 100, 1,000 and 10,000 queues, each in a
//! process of its own, so that its peak of memory is its own. The test of the same name compares whole commands.
//!
//! `cargo bench -p provision --bench scale`, or without a release build `cargo test -p provision --bench scale`. Ratios to the
//! smallest are what to look at: ten times the queues should take about ten times as long, in whatever profile. The review of
//! few queues is no measure: it tries each line of the file, which the review of many does not.
#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::time::Instant;

use provision::image::Digests;
use provision::kind::any::AnyLive;
use provision::kind::board::{Board, Published};
use provision::kind::json::Json;
use provision::kind::owner::Owner;
use provision::kind::{Late, Status};
use provision::plan::Plan;
use provision::plan::desired::Desired;
use provision::plan::snapshot::Snapshot;
use provision::review::sources::{File, Sources};
use provision::review::{Against, Review};
use provision::scope::Scope;
use provision::sections::aws::{expand, other};
use provision::sections::{Loaded, load};

const SIZES: [usize; 3] = [100, 1_000, 10_000];
/// What the largest may take.
const MOST_MEGABYTES: f64 = 200.0;
const PHASES: [&str; 4] = ["check", "plan, nothing is live", "plan, everything is live", "the review of a first plan"];

fn main() {
    let mut arguments = std::env::args().skip(1).skip_while(|argument| argument != "measure").skip(1);
    if let (Some(phase), Some(size)) = (arguments.next(), arguments.next()) {
        let (Ok(phase), Ok(size)) = (phase.parse(), size.parse()) else {
            panic!("`measure <phase> <size>`, both numbers");
        };
        return println!("{}", measure(phase, size));
    }
    println!("{:<26} {:>7} {:>9} {:>10} {:>7} {:>7}", "", "queues", "resources", "ms", "ratio", "MB");
    for (phase, name) in PHASES.iter().enumerate() {
        let mut smallest = None;
        for size in SIZES {
            let line = in_a_process(phase, size);
            let numbers: Vec<f64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
            let [resources, milliseconds, megabytes] = numbers[..] else {
                panic!("measured `{line}`");
            };
            let ratio = milliseconds / *smallest.get_or_insert(milliseconds);
            println!("{name:<26} {size:>7} {resources:>9} {milliseconds:>10.1} {ratio:>7.1} {megabytes:>7.0}");
            assert!(megabytes < MOST_MEGABYTES, "{name} of {size} queues takes more than {MOST_MEGABYTES} MB");
        }
    }
}

fn in_a_process(phase: usize, size: usize) -> String {
    let this = std::env::current_exe().expect("this program has a path");
    let arguments = ["measure".to_owned(), phase.to_string(), size.to_string()];
    let output = std::process::Command::new(this).args(arguments).output().expect("this program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The number of resources (none are made to check), the milliseconds of the best of three runs, and the peak of memory in MB.
fn measure(phase: usize, size: usize) -> String {
    let text = generated(size);
    // What is compiled once is no part of what grows.
    assert!(load::load("stack: s\n", "dev").is_ok());
    let (mut best, mut resources) = (f64::INFINITY, 0);
    let live = if phase == 2 { all_live(&text) } else { Snapshot::default() };
    for _ in 0..3 {
        let started = Instant::now();
        let loaded = load::load(&text, "dev").unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut spent = started.elapsed();
        if phase > 0 {
            let started = Instant::now();
            let (scope, desired) = expanded(&loaded);
            resources = desired.resources().len();
            let plan = Plan::new(&scope, &desired, &live);
            spent = started.elapsed();
            assert_eq!(plan.changes().count(), if phase == 2 { 0 } else { resources });
            if phase == 3 {
                let started = Instant::now();
                let expand = |loaded: &Loaded, built| other(loaded, &scope, &Digests::default(), built);
                let (loaded, snapshot) = (&loaded, &live);
                let file = File { loaded, scope: &scope, desired: &desired, snapshot, expand: &expand };
                let review = Review::new(&scope, &plan, &desired, &Sources::find(&file, &plan), Against::Nothing);
                spent = started.elapsed();
                assert_eq!(review.items().count(), resources);
            }
        }
        best = best.min(spent.as_secs_f64() * 1000.0);
    }
    format!("{resources} {best:.3} {:.1}", peak())
}

fn generated(queues: usize) -> String {
    let mut text = String::from("stack: scale\nregion: eu-west-1\ntopics:\n  events: {}\nqueues:\n");
    for number in 0..queues {
        text.push_str(&format!("  queue-{number}: {{from: [events], max_receives: 3, retention: 3d}}\n"));
    }
    text
}

fn expanded(loaded: &Loaded) -> (Scope, Desired) {
    let scope = Scope::of(loaded, "123456789012".into(), "eu-west-1".into());
    let desired = expand(loaded, &scope, &Digests::default()).desired;
    (scope, desired)
}

/// As if everything had been made just as it is wanted.
fn all_live(text: &str) -> Snapshot {
    let loaded = load::load(text, "dev").unwrap_or_else(|problems| panic!("{problems:?}"));
    let (scope, desired) = expanded(&loaded);
    let (mut snapshot, mut board) = (Snapshot::default(), Board::default());
    for wanted in desired.in_order() {
        let (output, ready) = wanted.kind.blank();
        let (output, ready) = (Json::of(&output), Json::of(&ready));
        let (address, outputs) = (&wanted.address, board.outputs(Late::IsAwaited));
        let state = wanted.kind.want(&scope, &address.name, &wanted.spec, &outputs).expect("dependencies come first");
        board.publish(address, Published { output: output.clone(), ready: Some(ready.clone()) });
        let live = AnyLive {
            address: address.clone(),
            id: address.to_string(),
            owner: Owner::Tagged(Default::default()),
            state,
            output,
            ready: Some(ready),
            status: Status::Ready,
        };
        snapshot.live.insert(address.clone(), live);
    }
    snapshot
}

/// Linux says how much memory a process had at most.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}
