//! The cost of a purchase of `stacks/noted.yaml` on this machine.
//!
//!     cargo bench --workspace --bench selling --profile dev
//!
//! Without `--profile dev` the optimised build is measured, which takes some minutes to build; PROVISION_PROGRAM names
//! any other. There are three measurements:
//!
//! 1. The load of the system before this one: 20, then 15, then no users, over 60 s, each with a pause of 0.1 s after its
//!    `POST /checkout`. Percentiles of the answers, errors, and the processor time of the function for each purchase.
//! 2. The same handler in this process, called without Lambda's protocol: its processor time for each purchase.
//! 3. A stock of 1,000,000, and 8 users without a pause for 20 s: purchases per second, and per second of a core.
//!
//! Only the processor times are good for comparisons. The other numbers say what this machine had left.
#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use runtime::config::Environment;
use runtime::functions::Invocation;
use runtime::systems::{self, Run};
use serde_json::{Value, json};

/// The users at the end of each stage. The first stage begins with one.
const STAGES: [f64; 3] = [20.0, 15.0, 0.0];
const STAGE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);
const BUYERS: usize = 8;
const RUSH: Duration = Duration::from_secs(20);
const CALLS: u32 = 2_000;
/// Seconds of a clock tick, the unit of `/proc`.
const TICK: f64 = 0.01;
const BODY: &str = r#"{"MessageAttributeFactoryId": "FF-500293"}"#;

/// The argument with which this program calls the handler in its own process.
const ALONE: &str = "--without-protocol";

fn main() {
    if std::env::args().any(|argument| argument == ALONE) {
        return println!("{}", called());
    }
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let stack = home.path().join("noted.yaml");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../stacks/noted.yaml"), &stack).unwrap();
    let program = std::env::var_os("PROVISION_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_provision").into());
    let run = |arguments: &[&str]| {
        let (verb, rest) = arguments.split_first().unwrap();
        let mut command = Command::new(&program);
        command.arg(verb).arg(&stack).args(rest).arg("--local").env("PROVISION_HOME", home.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    run(&["up", "--yes"]);
    let outputs: Value = serde_json::from_slice(&run(&["outputs", "--json"])).unwrap();
    let api = outputs["functions.address"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let key = key(home.path());
    credit(&api, &key, "bench-1", 100_000);

    let before = cpu(home.path(), Some("sales"));
    let (mut times, errors) = load(&api);
    let spent = cpu(home.path(), Some("sales")) - before;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("20 -> 15 -> 0 users, 60 s, pause 0.1 s");
    println!("  {:<44} {:>10}", "purchases", times.len());
    println!("  {:<44} {:>10}", "errors", errors);
    for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
        println!("  {name:<44} {:>7.1} ms", at(share));
    }
    let with = spent * 1e6 / times.len() as f64;
    println!("  {:<44} {with:>7.0} us", "CPU of the function for each purchase");

    let without = without_protocol(home.path());
    println!("  {:<44} {without:>7.0} us", "CPU of the handler without Lambda's protocol");
    println!("  {:<44} {:>7.2}", "ratio", with / without);

    credit(&api, &key, "bench-2", 1_000_000);
    let (before, of_all) = (cpu(home.path(), Some("sales")), cpu(home.path(), None));
    let (sold, failed, seconds) = rush(&api);
    let (function, all) = (cpu(home.path(), Some("sales")) - before, cpu(home.path(), None) - of_all);
    println!("a stock of 1,000,000, {BUYERS} users without a pause");
    println!("  {:<44} {:>10.0}", "purchases per second", sold as f64 / seconds);
    println!("  {:<44} {failed:>10}", "errors");
    println!("  {:<44} {:>10.0}", "purchases per second of a core, the function", sold as f64 / function);
    println!("  {:<44} {:>10.0}", "purchases per second of a core, all processes", sold as f64 / all);
    run(&["down", "--delete-data", "--yes"]);
}

/// Runs the users of all stages, and gives the milliseconds of each good answer, and how many were not good.
fn load(api: &str) -> (Vec<f64>, usize) {
    let (times, errors) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let began = Instant::now();
    let wanted = || {
        let elapsed = began.elapsed().as_secs_f64() / STAGE.as_secs_f64();
        let stage = elapsed as usize;
        let to = *STAGES.get(stage)?;
        let from = if stage == 0 { 1.0 } else { STAGES[stage - 1] };
        Some(from + (to - from) * elapsed.fract())
    };
    std::thread::scope(|scope| {
        for user in 0..20 {
            let (times, errors, wanted) = (&times, &errors, &wanted);
            scope.spawn(move || {
                while let Some(users) = wanted() {
                    if f64::from(user) >= users {
                        std::thread::sleep(Duration::from_millis(20));
                        continue;
                    }
                    let asked = Instant::now();
                    match post(api, "/checkout", &[], BODY) {
                        Some((200, _)) => times.lock().unwrap().push(asked.elapsed().as_secs_f64() * 1e3),
                        _ => {
                            errors.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    std::thread::sleep(PAUSE);
                }
            });
        }
    });
    (times.into_inner().unwrap(), errors.into_inner())
}

/// Buys without a pause. Gives what was sold, what failed, and the seconds that it took.
fn rush(api: &str) -> (usize, usize, f64) {
    let (sold, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..BUYERS {
            scope.spawn(|| {
                while began.elapsed() < RUSH {
                    let is_sold = post(api, "/checkout", &[], BODY).is_some_and(|(_, body)| body.contains("구매 완료"));
                    if is_sold { &sold } else { &failed }.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    (sold.into_inner(), failed.into_inner(), began.elapsed().as_secs_f64())
}

/// Has another process of this program call the handler, in the environment that the function has. The handler logs to
/// standard output; the last line is the measurement.
fn without_protocol(home: &Path) -> f64 {
    let process = processes(home).into_iter().find(|process| handler(process).as_deref() == Some("sales")).unwrap();
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let output = alone.arg(ALONE).env_clear().envs(environment(&process)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().last().unwrap().parse().unwrap()
}

/// Calls the handler again and again, and gives the microseconds of the processor for each purchase.
fn called() -> f64 {
    let environment = Environment::of_this_process();
    let Some(Run::Function(make)) = systems::role("sales") else { panic!("no role `sales`") };
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/checkout", "rawQueryString": "",
        "headers": { "host": "x", "content-type": "application/json" },
        "requestContext": { "stage": "$default", "requestId": "id", "http": { "method": "POST", "path": "/checkout" } },
        "body": BODY, "isBase64Encoded": false
    });
    let event = event.to_string();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let function = make(&environment).await.unwrap();
        let call = || {
            let (request_id, event) = ("id".to_owned(), event.clone().into());
            (function.handle)(Invocation { request_id, event, left: Duration::from_secs(10) })
        };
        call().await.unwrap();
        let before = spent(Path::new("/proc/self"));
        for _ in 0..CALLS {
            let answer: Value = serde_json::from_slice(&call().await.unwrap()).unwrap();
            assert_eq!(answer["statusCode"], 200, "{answer}");
        }
        (spent(Path::new("/proc/self")) - before) * 1e6 / f64::from(CALLS)
    })
}

fn credit(api: &str, key: &str, job: &str, count: u32) {
    let body = json!({ "MessageAttributeProductCnt": count }).to_string();
    let answer = post(api, "/product/donut", &[("x-api-key", key), ("x-job-id", job)], &body).unwrap();
    assert_eq!(answer.0, 200, "{}", answer.1);
}

fn key(home: &Path) -> String {
    let state = std::fs::read_dir(home.join("stacks")).unwrap().flatten().next().unwrap().path();
    let keys: Value = serde_json::from_slice(&std::fs::read(state.join("keys.json")).unwrap()).unwrap();
    keys["admin-key"].as_str().unwrap().to_owned()
}

/// The processes of the stack: those with the home in their command line or in their environment, and those that they
/// have started.
fn processes(home: &Path) -> Vec<PathBuf> {
    let home = home.display().to_string();
    let has = |file: PathBuf| std::fs::read(file).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(&home));
    let all: Vec<PathBuf> = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).collect();
    let (mut ours, mut others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|process| has(process.join("cmdline")) || has(process.join("environ")));
    loop {
        let is_child = |process: &PathBuf| parent(process).is_some_and(|parent| ours.contains(&parent));
        let (children, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(is_child);
        if children.is_empty() {
            return ours;
        }
        ours.extend(children);
        others = rest;
    }
}

fn parent(process: &Path) -> Option<PathBuf> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(Path::new("/proc").join(rest.split_whitespace().nth(1)?))
}

fn environment(process: &Path) -> BTreeMap<String, String> {
    let bytes = std::fs::read(process.join("environ")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn handler(process: &Path) -> Option<String> {
    environment(process).remove("_HANDLER")
}

/// The seconds of the processor that the processes of the stack have spent: of one function, or all.
fn cpu(home: &Path, of: Option<&str>) -> f64 {
    let mut all = processes(home);
    all.retain(|process| of.is_none() || handler(process).as_deref() == of);
    all.iter().map(|process| spent(process)).sum()
}

fn spent(process: &Path) -> f64 {
    let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    // The name of the program may have spaces in it. It is in brackets.
    let Some((_, rest)) = stat.rsplit_once(')') else { return 0.0 };
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) * TICK
}

/// Posts JSON on a connection of its own, and gives the status and the body.
fn post(api: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(api).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {api}\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}\
         content-length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
