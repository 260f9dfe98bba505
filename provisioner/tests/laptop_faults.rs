//! Failures on demand: what `provision local …` does to Sendy on this machine, and what people see of it.

#![allow(dead_code, reason = "shared by several tests")]

#[path = "support/laptop.rs"]
mod support;

use std::process::Command;

use serde_json::Value;
use support::{Laptop, reservation, send, until};

fn id(answer: &str) -> String {
    let body: Value =
        serde_json::from_str(&answer[answer.find("\r\n\r\n").map_or(0, |at| at + 4)..]).unwrap_or_default();
    body["id"].to_string()
}

#[test]
fn a_dead_primary_is_replaced_and_comes_back_as_the_replica() {
    let laptop = Laptop::new("failover");
    laptop.done(&["up", "--yes"]);
    let address = laptop.address();
    let reserve =
        |name: &str| send(&address, "POST", "/reservations", &[("idempotency-key", name)], &reservation(name));
    let reserved = |name: &str| until(name, || reserve(name).filter(|answer| answer.status == 201));
    let read = |id: &str| send(&address, "GET", &format!("/reservations/{id}"), &[], "");
    let first: Value = serde_json::from_str(&reserved("first").body).unwrap();
    let first = first["id"].to_string();

    // Without a primary all can be read, and nothing can be written.
    let told = laptop.done(&["local", "stop", "reservations"]);
    assert!(
        told.contains("you will see: reads are answered") && told.contains("to undo it: provision local resume"),
        "{told}"
    );
    assert_eq!(laptop.part("reservations")["state"], "held");
    until("the replica to miss it", || laptop.part("reservations-replica")["replication"]["why"].as_str().map(drop));
    until("a read without a primary", || read(&first).filter(|answer| answer.status == 200));
    assert!(
        until("a list", || send(&address, "GET", "/reservations?search=first", &[], "").filter(|it| it.status == 200))
            .body
            .contains("first")
    );
    assert_eq!(until("a refusal", || reserve("second").filter(|answer| answer.status != 201)).status, 503);
    laptop.told(&["local", "lag", "reservations-replica", "5s"], 1, "a delay is changed while it runs");

    // The replica takes over at the same address, and the services go on as they are.
    let services = |laptop: &Laptop| -> Vec<(String, u64)> {
        let roles = ["reservation", "lookup", "notification"];
        laptop.pids().into_iter().filter(|(name, _)| roles.contains(&name.as_str())).collect()
    };
    let before = services(&laptop);
    laptop.told(
        &["local", "promote", "reservations"],
        1,
        "`reservations` is not a replica; there is: reservations-replica",
    );
    let told = laptop.done(&["local", "promote", "reservations-replica"]);
    assert!(told.contains("to undo it: provision local rejoin"), "{told}");
    let second: Value = serde_json::from_str(&reserved("second").body).unwrap();
    assert_eq!(until("the first", || read(&first).filter(|answer| answer.status == 200)).status, 200);
    assert_eq!(laptop.part("reservations"), Value::Null);
    assert_eq!(laptop.status()["out_of_service"], serde_json::json!(["reservations"]));
    assert_eq!(laptop.part("reservations-replica")["kind"], "mariadb primary");

    // The new roles hold for a plan, for the next `up`, and after a stop.
    assert!(laptop.done(&["plan", "--exit-code"]).contains("No changes"));
    laptop.done(&["local", "rejoin", "reservations"]);
    let follower = laptop.part("reservations");
    assert_eq!(
        (&follower["kind"], &follower["replication"]["replicating"]),
        (&"mariadb replica".into(), &true.into()),
        "{follower}"
    );
    assert_eq!(services(&laptop), before, "no service was restarted for it");
    laptop.done(&["probe"]);
    laptop.done(&["down"]);
    laptop.done(&["up", "--yes"]);
    assert!(laptop.ask("GET", &format!("/reservations/{}", second["id"]), "").contains("second"));

    // The roles change back, this time with a primary that runs. Nothing is lost on the way.
    reserved("third");
    laptop.done(&["local", "promote", "reservations"]);
    laptop.done(&["local", "rejoin", "reservations-replica"]);
    reserved("fourth");
    // By now both have been the primary, and have written as such.
    laptop.done(&["local", "promote", "reservations-replica"]);
    laptop.done(&["local", "rejoin", "reservations"]);
    reserved("fifth");
    let list = laptop.ask("GET", "/reservations", "");
    for name in ["first", "second", "third", "fourth", "fifth"] {
        assert_eq!(list.matches(&format!("\"{name}\"")).count(), 1, "{name}: {list}");
    }
    laptop.told(&["local", "rejoin", "lookups"], 1, "`lookups` is not an old primary");
}

#[test]
fn a_slow_replica_a_frozen_cache_and_a_stopped_queue_are_seen_and_undone() {
    let laptop = Laptop::new("slow");
    laptop.done(&["up", "--yes"]);
    let address = laptop.address();
    let get = |id: &str| send(&address, "GET", &format!("/reservations/{id}"), &[], "").unwrap();

    // A client that has written reads its own write, however slow the replica is.
    laptop.done(&["local", "lag", "reservations-replica", "30s"]);
    let created = id(&laptop.ask("POST", "/reservations", &reservation("slow")));
    let answer = get(&created);
    assert!(answer.status == 200 && answer.body.contains("slow"), "{}{}", answer.head, answer.body);
    until("a hit", || get(&created).head.contains("x-cache: hit").then_some(()));
    let held_back = || laptop.part("reservations-replica")["replication"].clone();
    assert_eq!(held_back()["delay_seconds"], 30);
    until("the lag", || held_back()["lag_seconds"].as_u64().filter(|lag| *lag > 0));
    let plan = laptop.done(&["plan"]);
    let held = "~ change  local.process reservations-replica\n      delay_seconds: 30 -> 0";
    assert!(plan.contains(held), "{plan}");

    // A paused cache is passed over. Messages wait.
    laptop.done(&["local", "pause", "lookups"]);
    until("a bypass", || get(&created).head.contains("x-cache: bypass").then_some(()));
    laptop.done(&["local", "stop", "messaging"]);
    let waiting = id(&laptop.ask("POST", "/reservations", &reservation("waiting")));
    assert!(!laptop.ask("GET", "/notifications?after=0", "").contains(&format!("\"reservationId\":{waiting}")));
    assert_eq!(laptop.part("lookups")["state"], "paused");

    // The next `up` undoes all of it.
    laptop.done(&["up", "--yes"]);
    until("the notification", || {
        laptop.ask("GET", "/notifications?after=0", "").contains(&format!("\"reservationId\":{waiting}")).then_some(())
    });
    until("the replica", || (held_back()["delay_seconds"] == 0 && held_back()["lag_seconds"] == 0).then_some(()));
    until("a hit again", || get(&created).head.contains("x-cache: hit").then_some(()));
    assert!(laptop.done(&["plan", "--exit-code"]).contains("No changes"));
    laptop.told(&["local", "kill", "nothing"], 1, "there is no part `nothing`");
}

#[test]
fn rows_that_only_the_old_primary_has_are_said_and_thrown_away_only_when_asked() {
    let laptop = Laptop::new("stray");
    laptop.done(&["up", "--yes"]);
    laptop.ask("POST", "/reservations", &reservation("before"));
    until("the replica", || (laptop.part("reservations-replica")["replication"]["lag_seconds"] == 0).then_some(()));
    // The replica gets nothing any more, and the primary stops with a row that it never sent.
    let states = std::fs::read_dir(laptop.home().join("stacks")).unwrap();
    let socket = states.flatten().next().unwrap().path().join("run/reservations-replica.s");
    let mut client = Command::new("mariadb");
    let status = client.arg("--socket").arg(socket).args(["--user=root", "--execute=STOP SLAVE IO_THREAD"]).status();
    assert!(status.unwrap().success());
    laptop.ask("POST", "/reservations", &reservation("stray"));
    laptop.done(&["local", "stop", "reservations"]);
    laptop.done(&["local", "promote", "reservations-replica"]);
    laptop.ask("POST", "/reservations", &reservation("after"));
    let said = laptop.told(&["local", "rejoin", "reservations"], 1, "transactions that its primary never got");
    assert!(said.contains("--discard"), "{said}");
    laptop.told(&["local", "rejoin", "reservations", "--discard"], 64, "there is no terminal to ask on");
    laptop.done(&["local", "rejoin", "reservations", "--discard", "--yes"]);
    assert_eq!(laptop.part("reservations")["replication"]["replicating"], true);
    let list = laptop.ask("GET", "/reservations?after=0", "");
    assert!(list.contains("before") && list.contains("after") && !list.contains("stray"), "{list}");
    laptop.done(&["probe"]);
}
