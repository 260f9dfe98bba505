//! This benchmark measures the first page of the ranking with 10,000 users, and a signup. The service has one core. The
//! database and the client have the other.
//!
//!     cargo bench -p runtime --profile runtime --bench ranking
//!
//! It prints the times, which are this machine's, and the rows that the database reads for a page, which are not. It needs
//! `taskset` and MariaDB (provisioner/setup.sh).

#![allow(clippy::print_stdout, reason = "what was measured goes to standard output")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::time::Instant;

use support::mrmrthon::{Mrmrthon, Service};

const USERS: u32 = 10_000;
const PAGES: usize = 2_000;
const SIGNUPS: usize = 100;

fn main() {
    // Without a test harness cargo still passes `--bench`; with `cargo test --benches` there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // This process, and everything that it starts, runs on the second core until it is told otherwise.
    pin(1, std::process::id());
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(bench());
}

async fn bench() {
    let stack = Mrmrthon::new().await;
    let user = stack.user(&[]);
    let main = stack.main(&[]);
    stack
        .maria
        .run(&format!(
            "INSERT INTO runners.users (type, login_id, password, name, phone, total_point) \
             SELECT 0, CONCAT('u', seq), 'x', CONCAT('이름', seq), '', seq MOD 977 FROM runners.seq_1_to_{USERS}"
        ))
        .await;
    stack.maria.run("ANALYZE TABLE runners.users").await;
    pin(0, user.process.id());
    pin(0, main.process.id());
    println!("{:<44} {:>9} {:>9} {:>9}", "", "p50 ms", "p95 ms", "p99 ms");
    times(&format!("first page of the ranking of {USERS}"), PAGES, |_| page(&main, "/point/total_point"));
    times("a page in the middle", PAGES, |_| page(&main, "/point/total_point?after=488:5000"));
    times("1,000 places", PAGES / 10, |_| page(&main, "/point/total_point?limit=1000"));
    times("signup", SIGNUPS, |at| assert_eq!(user.sign_up(0, &format!("bench {at}")).status, 200));
    println!(
        "rows that the database reads for the first page: {}",
        stack.rows_read(|| page(&main, "/point/total_point")).await
    );
}

fn page(main: &Service, path: &str) {
    assert_eq!(main.get(path, None).status, 200);
}

/// Prints the quantiles of the time that a request takes, each on a connection of its own.
fn times(name: &str, count: usize, request: impl Fn(usize)) {
    let warm = count / 10;
    let mut times: Vec<f64> = (0..warm + count)
        .map(|at| {
            let begun = Instant::now();
            request(at);
            begun.elapsed().as_secs_f64() * 1e3
        })
        .skip(warm)
        .collect();
    times.sort_by(f64::total_cmp);
    let of = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!("{name:<44} {:>9.2} {:>9.2} {:>9.2}", of(50), of(95), of(99));
}

fn pin(core: u32, process: u32) {
    let (core, process) = (core.to_string(), process.to_string());
    let pinned = Command::new("taskset").args(["-a", "-cp", &core, &process]).stdout(Stdio::null()).status();
    assert!(pinned.unwrap().success());
}
