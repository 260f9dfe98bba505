//! Large stacks: the commands that work offline take as many times longer as the stack file is larger, and not the square of
//! that.
#![allow(clippy::print_stderr, reason = "numbers to look at")]

mod support;

use std::fmt::Write;
use std::process::{Command, Stdio};

use support::binary::{path, written};

const FEW: usize = 1_500;
const TIMES: usize = 8;
/// How many times the seconds may be. Where every resource is compared with every other, they are more than 30.
const MOST: f64 = 2.0 * TIMES as f64;

/// One test, because the seconds of all processes that this one has started are counted together.
#[test]
fn the_time_grows_with_the_file() {
    let of_size = |queues: usize, topic: &str| {
        let mut text = String::from("stack: scale\nregion: eu-west-1\ntopics:\n  events: {}\nqueues:\n");
        for number in 0..queues {
            writeln!(text, "  queue-{number}: {{from: [{topic}], max_receives: 3}}").expect("written");
        }
        written(&text)
    };
    let sizes = [FEW, TIMES * FEW];
    let (right, wrong) = (sizes.map(|size| of_size(size, "events")), sizes.map(|size| of_size(size, "evnets")));
    for (words, files, exit) in [
        (&["check"][..], &right, 0),
        (&["check"], &wrong, 1),
        (&["check", "--json"], &wrong, 1),
        (&["plan", "--offline"], &right, 0),
        (&["plan", "--offline", "--json"], &right, 0),
        (&["graph"], &right, 0),
        (&["graph", "--by", "resource", "--format", "dot"], &right, 0),
    ] {
        let [few, many] = files.each_ref().map(|file| {
            let before = seconds_of_children();
            let status = Command::new(env!("CARGO_BIN_EXE_provision"))
                .args(words)
                .arg(path(file))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            assert_eq!(status.expect("the binary runs").code(), Some(exit), "{words:?}");
            seconds_of_children() - before
        });
        eprintln!("{words:?}: {few:.2} s, {many:.2} s");
        assert!(many < MOST * few.max(0.05), "{words:?}: {few} s, and {many} s for {TIMES} times the queues");
    }
}

/// The seconds that processors have worked for the processes that this one has started and waited for. See
/// proc_pid_stat(5).
fn seconds_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: f64 = fields[13..15].iter().map(|ticks| ticks.parse::<f64>().expect("a number")).sum();
    ticks / 100.0
}
