//! Sendy on this machine under load, while all of its processes are killed at random. Each acknowledged reservation is
//! there, once, and was told, once. In the end no process is left.
//!
//! There are 12 kills. `LAPTOP_KILLS=100 cargo test --workspace --test laptop_kills -- --nocapture` makes more. The
//! seed is printed, and `LAPTOP_SEED` sets it.

#![allow(dead_code, reason = "shared by several tests")]
#![allow(clippy::print_stderr, reason = "which seed, and what was killed, is for who runs it")]

#[path = "support/laptop.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Laptop, reservation, said, send, until};

const WRITERS: usize = 3;
/// The patience of a client with one request. After that the test fails.
const PATIENCE: Duration = Duration::from_secs(180);

/// Ends the load, also if the test fails. Otherwise the scope would wait for it for ever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_acknowledged_is_lost_nothing_is_doubled_and_nothing_is_left() {
    let kills = number("LAPTOP_KILLS").unwrap_or(12);
    let seed = number("LAPTOP_SEED").unwrap_or_else(|| std::process::id() as usize);
    eprintln!("LAPTOP_SEED={seed}");
    let mut random = Random(seed as u64 | 1);
    let laptop = Laptop::new("죽음의 집");
    laptop.done(&["up", "--yes"]);
    let address = laptop.address();
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));

    let acknowledged: Vec<(String, i64)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(|| write(&address, &next, &stop))).collect();
        scope.spawn(|| read(&address, &stop));
        let stopped = Stop(&stop);
        let mut killed = BTreeMap::<String, u32>::new();
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(random.below(900)));
            let victim = kill_one(&laptop, &mut random);
            *killed.entry(victim).or_default() += 1;
        }
        eprintln!("killed: {killed:?}");
        up(&laptop);
        drop(stopped);
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    eprintln!("{} reservations were acknowledged", acknowledged.len());
    assert!(acknowledged.len() > kills, "there was hardly any load");
    check(&laptop, &address, &acknowledged);

    laptop.done(&["down"]);
    until("every process to be gone", || laptop.processes().is_empty().then_some(()));
    let states: Vec<_> = std::fs::read_dir(laptop.home().join("stacks")).unwrap().flatten().collect();
    assert!(states.iter().all(|state| !state.path().join("run").exists()), "a socket is left");
    // The acknowledged reservations outlive the stop as well.
    laptop.done(&["up", "--yes"]);
    check(&laptop, &address, &acknowledged);
}

/// Kills one of all processes, the supervisor and a running `up` included. Returns its name. If a part gives up, or
/// ends with the supervisor, it is brought back as people would do it.
fn kill_one(laptop: &Laptop, random: &mut Random) -> String {
    if random.below(8) == 0 {
        let mut client = laptop.command(&["up", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random.below(600)));
        client.kill().unwrap();
        client.wait().unwrap();
        return "up".to_owned();
    }
    let status = laptop.status();
    let mut victims: Vec<(String, u64)> = status["parts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|part| Some((part["name"].as_str()?.to_owned(), part["pid"].as_u64()?)))
        .collect();
    victims.extend(status["supervisor"]["pid"].as_u64().map(|pid| ("supervisor".to_owned(), pid)));
    if victims.is_empty() {
        up(laptop);
        return "nobody".to_owned();
    }
    let (name, pid) = victims.swap_remove(random.below(victims.len() as u64) as usize);
    Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status().unwrap();
    let gave_up = status["parts"].as_array().unwrap().iter().any(|part| part["state"] == "failed");
    if name == "supervisor" || gave_up {
        up(laptop);
    }
    name
}

/// Runs `up`. It may find engines that still recover from a kill. Then it is run again.
fn up(laptop: &Laptop) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let output = laptop.run(&["up", "--yes"]);
        if output.status.success() {
            return;
        }
        eprintln!("up again: {}", said(&output));
        assert!(Instant::now() < deadline, "it does not come up again");
    }
}

/// Sends each request until it is answered, with its key. A client needs to do this in an outage.
fn write(address: &str, next: &AtomicUsize, stop: &AtomicBool) -> Vec<(String, i64)> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let name = format!("kills-{}", next.fetch_add(1, Ordering::Relaxed));
        let deadline = Instant::now() + PATIENCE;
        let id = loop {
            let answer = send(address, "POST", "/reservations", &[("idempotency-key", &name)], &reservation(&name));
            match answer {
                Some(answer) if answer.status == 201 => {
                    break serde_json::from_str::<Value>(&answer.body).unwrap()["id"].as_i64().unwrap();
                }
                Some(answer) if answer.status < 500 => panic!("{name}: {} {}", answer.head, answer.body),
                _ => assert!(Instant::now() < deadline, "{name} was never answered"),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        // An acknowledged reservation can be read, or cannot be read at the moment: without a primary the replica may
        // not have it yet.
        loop {
            match send(address, "GET", &format!("/reservations/{id}"), &[], "") {
                Some(answer) if answer.status == 200 => break,
                Some(answer) if answer.status < 500 && answer.status != 404 => panic!("{name}: {}", answer.head),
                _ => assert!(Instant::now() < deadline, "{name} was acknowledged and cannot be read"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        acknowledged.push((name, id));
        std::thread::sleep(Duration::from_millis(30));
    }
    acknowledged
}

fn read(address: &str, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for path in ["/reservations?search=kills-1", "/notifications?after=0"] {
            if let Some(answer) = send(address, "GET", path, &[], "") {
                assert!(answer.status == 200 || answer.status >= 500, "{path}: {}", answer.head);
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn check(laptop: &Laptop, address: &str, acknowledged: &[(String, i64)]) {
    let get = |path: &str| -> Vec<Value> {
        let answer = until(path, || send(address, "GET", path, &[], "").filter(|answer| answer.status == 200));
        serde_json::from_str(&answer.body).unwrap()
    };
    // A page has at most 10,000 items.
    let all = |path: &str| -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or(0, |last| last["id"].as_i64().unwrap());
            match get(&format!("{path}?after={after}")) {
                page if page.is_empty() => return all,
                page => all.extend(page),
            }
        }
    };
    let rows = all("/reservations");
    for (name, id) in acknowledged {
        let found: Vec<_> = rows.iter().filter(|row| row["user_name"] == *name).map(|row| row["id"].as_i64()).collect();
        assert_eq!(found, [Some(*id)], "{name}");
    }
    // The probe of each `up` makes none.
    assert_eq!(rows.len(), acknowledged.len(), "there are more than were acknowledged");
    let told = until("every notification", || {
        let mut told = BTreeMap::<i64, u32>::new();
        for item in all("/notifications") {
            *told.entry(item["reservationId"].as_i64()?).or_default() += 1;
        }
        acknowledged.iter().all(|(_, id)| told.contains_key(id)).then_some(told)
    });
    let twice: Vec<_> = told.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "these were told twice: {twice:?}");
    assert_eq!(told.len(), acknowledged.len(), "something else was told");
    let queue = &laptop.status()["queues"][0];
    assert_eq!(queue["dead_letters"], 0, "{queue}");
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Random numbers that are good enough to choose victims. The same seed gives the same numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
