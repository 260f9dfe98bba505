//! `--local`: Sendy on this machine, on real engines, from the first `up` to `down --delete-data`.

#![allow(dead_code, reason = "shared by several tests")]

#[path = "support/laptop.rs"]
mod support;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Laptop, program, reservation};

#[test]
fn from_the_first_up_to_the_last_down() {
    let laptop = Laptop::new("a");
    let plan = laptop.run(&["plan", "--exit-code"]);
    assert_eq!(plan.status.code(), Some(2));

    let said = laptop.done(&["up", "--yes"]);
    for hop in ["reserve", "primary", "replica", "notification", "lookup miss", "lookup hit", "delete"] {
        assert!(said.lines().any(|line| line.trim_start().starts_with(hop) && line.contains(" ok ")), "{hop}: {said}");
    }
    assert!(laptop.done(&["plan", "--exit-code"]).starts_with("No changes"));
    assert!(laptop.done(&["probe"]).contains("lookup hit"));
    let body = reservation("peachdo");
    let created = laptop.ask("POST", "/reservations", &body);
    assert!(created.contains("201") && created.contains("부산"), "{created}");
    assert!(laptop.ask("GET", "/notifications?after=0", "").contains("Reservations: OK"));

    // The page knows the whole stack, and none of its passwords.
    let stack: Value = serde_json::from_str(&laptop.dashboard("api/stack")).unwrap();
    let links: Vec<String> = stack["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| ["from", "verb", "to"].map(|name| link[name].as_str().unwrap()).join(" "))
        .collect();
    for link in [
        "web routes to lookup",
        "reservation owns reservations",
        "reservation publishes to topic:events",
        "topic:events delivers to queue:notifications",
        "queue:notifications feeds notification",
        "reservations replicates to reservations-replica",
    ] {
        assert!(links.iter().any(|it| it == link), "{link}: {links:?}");
    }
    let connections = stack["connections"].to_string();
    assert!(connections.contains("mysql://owner:••••••••@127.0.0.1:"), "{connections}");
    let state: Value = serde_json::from_str(&laptop.dashboard("api/state")).unwrap();
    assert_eq!(state["queues"]["queue:notifications"]["dead"], 0, "{state}");
    let status = laptop.status();
    for part in status["parts"].as_array().unwrap() {
        let whole = part["pid"].is_u64() && part["memory_kib"].is_u64() && part["uptime_seconds"].is_u64();
        assert!(whole && part["state"] == "ready" && part["restarts"] == 0, "{part}");
    }
    let replication = &laptop.part("reservations-replica")["replication"];
    assert_eq!((&replication["replicating"], &replication["lag_seconds"]), (&true.into(), &0.into()), "{replication}");
    assert!(replication["position"].as_str().unwrap().starts_with("0-"), "{replication}");
    let depth = r#"{"dead_letters":0,"delayed":0,"in_flight":0,"name":"notifications","visible":0}"#;
    assert_eq!(status["queues"][0].to_string(), depth);
    let text = laptop.done(&["ps"]);
    for words in
        ["replicating, 0 s behind, at 0-", "no dead letters", "mariadb primary", " processes and the supervisor"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }

    // Only what changed is restarted.
    let before = laptop.pids();
    laptop.change(
        "    uses: [reservations, lookups]\n",
        "    uses: [reservations, lookups]\n    env: { LOG_LEVEL: warn }\n",
    );
    let plan = laptop.done(&["plan"]);
    assert!(plan.contains("~ restart lookup:") && plan.contains("environment.LOG_LEVEL: (unset) -> warn"), "{plan}");
    assert!(plan.contains("Plan: 1 of "), "{plan}");
    laptop.done(&["up", "--yes"]);
    let changed: Vec<String> =
        laptop.pids().into_iter().filter(|part| !before.contains(part)).map(|(name, _)| name).collect();
    assert_eq!(changed, ["lookup"]);

    // A primary that is killed comes back with what it had; so does everything after a stop.
    laptop.done(&["local", "kill", "reservations"]);
    assert!(laptop.ask("GET", "/reservations?search=peachdo", "").contains("부산"));
    assert!(laptop.ask("POST", "/reservations", &body).contains("201"));
    laptop.done(&["down"]);
    assert!(laptop.pids().is_empty());
    laptop.done(&["up", "--yes"]);
    let list = laptop.ask("GET", "/reservations", "");
    assert_eq!(list.matches("peachdo").count(), 2, "{list}");

    let state = laptop.home.path().join("home/stacks");
    laptop.done(&["down", "--delete-data", "--yes"]);
    assert_eq!(std::fs::read_dir(state).unwrap().count(), 0);
}

/// At a terminal, because only there it asks: `script` of util-linux makes one.
#[test]
fn what_was_shown_is_what_is_applied_whatever_the_file_says_by_then() {
    let before = "stack: bell\ntopics: {rings: {}}\n";
    let laptop = Laptop::of("asked", before);
    let mut asking = Command::new("script");
    asking.arg("-qec").arg(format!("'{}' up '{}' --local", program().display(), laptop.stack.display()));
    asking.arg("/dev/null").env("PROVISION_HOME", laptop.home()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut asking = asking.spawn().unwrap();
    let (mut screen, mut told, mut bytes) = (asking.stdout.take().unwrap(), Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&told).contains("Go ahead? [y/N]") {
        let count = screen.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&told));
        told.extend_from_slice(&bytes[..count]);
    }
    std::fs::write(&laptop.stack, "stack: bell\ntopics: {rings: {}}\nqueues: {answers: {from: [rings]}}\n").unwrap();
    let mut keyboard = asking.stdin.take().unwrap();
    keyboard.write_all(b"y\n").unwrap();
    let _ = screen.read_to_end(&mut told);
    let told = String::from_utf8_lossy(&told);
    assert!(asking.wait().unwrap().success(), "{told}");
    assert!(told.contains("topics.rings.arn") && !told.contains("queues.answers"), "{told}");
    // The new line of the file is a difference still.
    assert!(laptop.status()["queues"].as_array().unwrap().is_empty());
    assert_eq!(laptop.run(&["plan", "--exit-code"]).status.code(), Some(2));
    std::fs::write(&laptop.stack, before).unwrap();
    assert!(laptop.done(&["plan", "--exit-code"]).starts_with("No changes"));
}

#[test]
fn two_stacks_side_by_side_and_odd_paths() {
    let one = Laptop::new("a b");
    let other = one.beside("예약 스택/it's");
    one.done(&["up", "--yes"]);
    other.done(&["up", "--yes"]);
    assert_ne!(one.address(), other.address());
    one.ask("POST", "/reservations", &reservation("one"));
    assert!(!other.ask("GET", "/reservations", "").contains("one"));
    one.done(&["local", "stop", "reservations"]);
    one.done(&["down", "--delete-data", "--yes"]);
    other.done(&["probe"]);
    // What it says to type can be typed.
    let told = other.done(&["local", "pause", "lookup"]);
    let command = told.lines().find_map(|line| line.split("to undo it: provision ").nth(1)).unwrap();
    let script = format!("{} {command}", program().display());
    let undone = Command::new("sh").args(["-c", &script]).env("PROVISION_HOME", other.home()).output().unwrap();
    assert!(undone.status.success(), "{script}: {undone:?}");
    assert_eq!(other.part("lookup")["state"], "ready");
}

#[test]
fn what_cannot_be_is_one_clear_error() {
    let laptop = Laptop::new("a");
    laptop.told(&["local", "kill", "lookup"], 1, "nothing of this stack runs here");
    laptop.told(&["down", "--snapshot-data"], 64, "on this machine data is kept");
    laptop.told(&["policy"], 64, "this has no meaning with --local");
    laptop.told(&["up"], 64, "there is no terminal to ask on");
    let file = Path::new("/nowhere/sendy.yaml");
    let output = Command::new(program()).arg("up").arg(file).arg("--local").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}
