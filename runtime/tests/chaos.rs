//! Makes reservations under load while every part is killed and started again at random. Each reservation that was
//! answered must be there once, and must have been told once.
//!
//! There are 400 of them. `RUNTIME_CHAOS=1000 cargo test --test chaos` makes more. The queue emulator gets slower with
//! every message that waits, so that many more are no use: `laptop_kills` sends thousands through the laptop's
//! endpoint. The seed is printed, and `RUNTIME_SEED` sets it.

#![allow(clippy::print_stderr, reason = "which seed, and how many kills it was, is for who runs it")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use support::engines::{SCHEMA, pause};
use support::sendy::{Sendy, Service, eventually, reservation, send};

const CLIENTS: usize = 8;
/// The patience of a client with one request. After that the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_happens_twice() {
    let wanted: usize = number("RUNTIME_CHAOS").unwrap_or(400);
    let seed = number("RUNTIME_SEED").unwrap_or_else(|| std::process::id() as usize);
    eprintln!("RUNTIME_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed as u64);

    let mut sendy = Sendy::new().await;
    let mut services = sendy.services();
    let write = services[0].address;
    let next = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let next = Arc::clone(&next);
            std::thread::spawn(move || {
                let mut answered = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= wanted {
                        return answered;
                    }
                    answered.push((number, reserve(write, number)));
                    // The load runs for so long that a part is killed under it.
                    std::thread::sleep(Duration::from_millis(100));
                }
            })
        })
        .collect();

    let mut kills = BTreeMap::<&str, u32>::new();
    while clients.iter().any(|client| !client.is_finished()) {
        pause(random.u64(50..400)).await;
        let victim =
            ["reservation", "lookup", "notification", "primary", "replica", "cache", "queue"][random.usize(..7)];
        *kills.entry(victim).or_default() += 1;
        let down = random.u64(0..600);
        match victim {
            "primary" => {
                sendy.primary.engine.kill();
                pause(down).await;
                sendy.primary.engine.start();
            }
            "replica" => {
                sendy.replica.engine.kill();
                pause(down).await;
                sendy.replica.engine.start();
            }
            "cache" => {
                sendy.cache.kill();
                pause(down).await;
                sendy.cache.start();
            }
            // The emulator keeps its messages in memory. So it is paused, and not killed.
            "queue" => {
                sendy.aws.pause(true);
                pause(down).await;
                sendy.aws.pause(false);
            }
            role => {
                let service = services.iter_mut().find(|service| service.role == role).unwrap();
                service.process.kill();
                pause(down).await;
                *service = sendy.start_on(role, service.address.port(), &[]);
            }
        }
    }
    let mut answered: Vec<(usize, i64)> = Vec::new();
    for client in clients {
        answered.extend(client.join().unwrap());
    }
    eprintln!("{wanted} reservations, kills: {kills:?}");
    check(&sendy, &services, wanted, &answered).await;
}

/// Sends the same request until it is answered: the client that an outage needs.
fn reserve(address: std::net::SocketAddr, number: usize) -> i64 {
    let key = format!("chaos-{number}");
    let mut body = reservation();
    body["user_name"] = json!(key);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = send_if_up(address, &key, &body);
        match answer.as_ref().map_or(0, |answer| answer.status) {
            201 => return answer.unwrap().json()["id"].as_i64().unwrap(),
            // No other answer means "not now".
            0 | 503 => {}
            status => panic!("{number}: {status} {answer:?}"),
        }
        assert!(Instant::now() < deadline, "{number} was never answered; last {answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn send_if_up(address: std::net::SocketAddr, key: &str, body: &Value) -> Option<support::sendy::Answer> {
    std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    std::panic::catch_unwind(|| send(address, "POST", "/reservations", &[("idempotency-key", key)], &body.to_string()))
        .ok()
}

async fn check(sendy: &Sendy, services: &[Service; 3], wanted: usize, answered: &[(usize, i64)]) {
    let ids: BTreeSet<i64> = answered.iter().map(|(_, id)| *id).collect();
    assert_eq!((answered.len(), ids.len()), (wanted, wanted), "an id was given twice");
    let rows: Vec<(i64, String)> =
        sendy.primary.root().await.query(format!("SELECT id, user_name FROM {SCHEMA}.reservations")).await.unwrap();
    let of_rows: BTreeMap<i64, String> = rows.iter().cloned().collect();
    for (number, id) in answered {
        assert_eq!(of_rows.get(id), Some(&format!("chaos-{number}")), "{number} was answered and is not there");
    }
    assert_eq!(rows.len(), wanted, "a reservation is there twice");
    let outbox = format!("SELECT COUNT(*) FROM {SCHEMA}.effects");
    // The emulator takes its time for thousands of messages. While they become fewer, it is waited for.
    loop {
        let left = sendy.primary.number(&outbox).await;
        if left == 0 {
            break;
        }
        eprintln!("{left} effects are still to come");
        eventually("the outbox to become shorter", async || sendy.primary.number(&outbox).await < left).await;
    }
    let items = services[2].notifications(wanted);
    let mut told = BTreeMap::<i64, u32>::new();
    for item in &items {
        *told.entry(item["reservationId"].as_i64().unwrap()).or_default() += 1;
    }
    assert_eq!(told.keys().copied().collect::<BTreeSet<_>>(), ids, "not everything was told");
    assert!(told.values().all(|times| *times == 1), "something was told twice");
    assert!(items.iter().enumerate().all(|(at, item)| item["id"] == at as u64 + 1), "the feed has a gap");
    for id in ids.iter().step_by(50) {
        assert_eq!(services[1].get(&format!("/reservations/{id}")).status, 200);
    }
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}
