//! The scenarios of Sendy, by their names, through the one address that a user of `--local` has.

#![allow(dead_code, reason = "shared by several tests")]

#[path = "support/laptop.rs"]
mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Answer, Laptop, send, until};

#[test]
fn sendy_through_its_entry() {
    let laptop = Laptop::new("sendy");
    // A poison message is received five times, and nobody wants to wait half a minute for each.
    laptop.change("    max_receives: 5\n", "    max_receives: 5\n    visibility_timeout: 1s\n");
    laptop.done(&["up", "--yes"]);
    let entry = Entry(laptop.address());

    // `up` ends with a probe, and here is another one. Nobody can see that they were there.
    let probe = laptop.done(&["probe"]);
    for hop in ["reservation", "primary", "replica", "notification", "lookup miss", "lookup hit", "log"] {
        let is_ok =
            |line: &str| line.trim_start().strip_prefix(hop).is_some_and(|rest| rest.trim_start().starts_with("ok "));
        assert!(probe.lines().any(is_ok), "{hop}: {probe}");
    }
    assert_eq!((entry.rows(), entry.items()), (0, 0));

    // S0-1: the row comes back as it was sent, with the first id.
    let created = entry.post("peachdo");
    let id = 1;
    let row =
        format!(r#"{{"id":{id},"departure":"서울","destination":"부산","date":"2022-06-07","user_name":"peachdo"}}"#);
    assert_eq!((created.status, created.body.as_str()), (201, row.as_str()));

    // S0-2: one item comes within five seconds, and nothing is left in the queue.
    let before = Instant::now();
    let told = until("the notification", || Some(entry.told(id)).filter(|told| !told.is_empty()));
    assert!(before.elapsed() < Duration::from_secs(5));
    assert_eq!((told.len(), &told[0]["action"]), (1, &json!("Reservations: OK")));
    assert_eq!(told[0]["id"], 1, "the probes have taken no id of the feed");
    assert!(told[0]["dtm"].as_u64().unwrap() > 1_600_000_000_000, "{}", told[0]);
    let queue = || laptop.status()["queues"][0].clone();
    until("the queue to be empty", || (queue()["visible"] == 0 && queue()["in_flight"] == 0).then_some(()));

    // S0-3: there is a miss, then a hit, with the same row; also in the list and in a search.
    let path = format!("/reservations/{id}");
    for mark in ["miss", "hit"] {
        let answer = entry.get(&path);
        assert_eq!((answer.status, answer.body.as_str(), cached(&answer)), (200, row.as_str(), mark));
    }
    let found = |path: &str| entry.get(path).json();
    let is_in = |rows: &Value| rows.as_array().unwrap().iter().filter(|row| row["id"] == id).count() == 1;
    assert!(is_in(&found("/reservations")));
    for message in ["cache miss", "data retrieved from the cache"] {
        let searched = found("/reservations?search=peachdo");
        assert!(is_in(&searched["jobs"]) && searched["message"] == message, "{searched}");
    }

    // A probe of a stack in use leaves the ids as they are too.
    laptop.done(&["probe"]);
    assert_eq!((entry.rows(), entry.items()), (1, 1));
    let second = entry.post("second").json()["id"].as_i64().unwrap();
    assert_eq!(second, 2);
    let told = until("the second notification", || entry.told(second).pop());
    assert_eq!(told["id"], 2);

    // S0-4
    let missing = entry.get("/reservations/999999");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.body, r#"{"message":"Not found Reservation with id 999999."}"#);

    // S0-5: a body that is not a reservation is refused, and has no effect.
    let (rows, items) = (entry.rows(), entry.items());
    for body in ["", "{}", "[]", "{", r#"{"departure":"a","destination":"b","date":"2022-02-30","user_name":"c"}"#] {
        let refused = entry.send("POST", "/reservations", &[], body);
        assert_eq!((refused.status, refused.body.as_str()), (400, r#"{"message":"Invalid input"}"#), "{body}");
    }
    assert_eq!((entry.rows(), entry.items()), (rows, items));

    // Changes and deletions work, which the earlier system had, and so does a key that is used again.
    let changed = entry.send("PUT", &path, &[], &body("changed"));
    assert_eq!((changed.status, &changed.json()["user_name"]), (200, &json!("changed")));
    assert_eq!(entry.get(&path).json()["user_name"], "changed");
    let removed = entry.send("DELETE", &path, &[], "");
    assert_eq!(removed.body, r#"{"message":"Reservation has been deleted successfully!"}"#);
    assert_eq!(entry.get(&path).status, 404);
    let key = [("idempotency-key", "order-1")];
    let [first, again] = [(); 2].map(|()| entry.send("POST", "/reservations", &key, &body("once")));
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));

    // A driver who listens is told at once.
    let mut stream = TcpStream::connect(&entry.0).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let last = entry.all_items().last().unwrap()["id"].clone();
    write!(stream, "GET /notifications/stream?after={last} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(": connected")));
    let live = entry.post("live").json()["id"].clone();
    let mut items = lines.filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    assert!(items.any(|item| item["reservationId"] == live), "the stream ended without it");

    // S0-7: events that cannot be published wait.
    laptop.done(&["local", "stop", "messaging"]);
    let waiting = entry.post("waiting");
    assert_eq!(waiting.status, 201);
    let waiting = waiting.json()["id"].as_i64().unwrap();
    assert!(entry.told(waiting).is_empty());
    laptop.done(&["local", "resume", "messaging"]);
    until("what waited", || (entry.told(waiting).len() == 1).then_some(()));

    // S0-8: the process that takes messages is killed in between, and each message is told once. A poison message goes
    // aside.
    let ids: Vec<i64> = (0..30)
        .map(|at| {
            if at % 10 == 5 {
                until("it to run, and be killed", || {
                    laptop.run(&["local", "kill", "notification"]).status.success().then_some(())
                });
            }
            entry.post(&format!("during {at}")).json()["id"].as_i64().unwrap()
        })
        .collect();
    until("all of them", || ids.iter().all(|id| entry.told(*id).len() == 1).then_some(()));
    let outputs = laptop.done(&["outputs"]);
    let output = |name: &str| outputs.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).unwrap();
    let url = output("queues.notifications.url");
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let headers = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "AmazonSQS.SendMessage"),
        ("authorization", "AWS4-HMAC-SHA256 Credential=any/20220607/us-east-1/sqs/aws4_request"),
    ];
    let poison = json!({ "QueueUrl": url, "MessageBody": "poison" }).to_string();
    assert_eq!(send(host, "POST", "/", &headers, &poison).unwrap().status, 200);
    until("the poison to be aside", || (queue()["dead_letters"] == 1).then_some(()));
    // The poison message goes back, and aside again: nobody understands it.
    assert!(laptop.done(&["redrive", "notifications", "--yes"]).contains("done: 1 went back to `notifications`"));
    until("the poison to be aside again", || (queue()["dead_letters"] == 1).then_some(()));
    laptop.told(&["redrive", "notification", "--yes"], 64, "did you mean `notifications`?");
    assert!(ids.iter().all(|id| entry.told(*id).len() == 1));

    // S0-10: an event is found by a field, and only the events that were to be shipped are there.
    let search = output("search.logs.endpoint").strip_prefix("http://").unwrap();
    let find = |query: Value| -> u64 {
        let headers = [("content-type", "application/json")];
        let found = send(search, "POST", "/reservations-*/_search", &headers, &json!({ "query": query }).to_string());
        found
            .filter(|found| found.status == 200)
            .map_or(0, |found| found.json()["hits"]["total"]["value"].as_u64().unwrap())
    };
    until("its log line", || (find(json!({ "match": { "user_name": "peachdo" } })) > 0).then_some(()));
    assert!(find(json!({ "match": { "departure": "서울" } })) > 30);
    assert_eq!(find(json!({ "match": { "service": "lookup" } })), 0);

    // S0-11: without its primary the service still reads, says that it cannot write, and later writes again.
    let kept = format!("/reservations/{}", ids[0]);
    laptop.done(&["local", "stop", "reservations"]);
    until("a read", || Some(entry.get(&kept)).filter(|answer| answer.status == 200));
    assert_eq!(entry.post("nobody").status, 503);
    laptop.done(&["local", "resume", "reservations"]);
    until("a write", || Some(entry.post("again")).filter(|answer| answer.status == 201));
}

struct Entry(String);

impl Entry {
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        until(&format!("{method} {path}"), || send(&self.0, method, path, headers, body))
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    fn post(&self, name: &str) -> Answer {
        self.send("POST", "/reservations", &[("content-type", "application/json")], &body(name))
    }

    fn rows(&self) -> usize {
        self.get("/reservations").json().as_array().unwrap().len()
    }

    fn items(&self) -> usize {
        self.all_items().len()
    }

    fn all_items(&self) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or(0, |item| item["id"].as_u64().unwrap());
            let answer = until("the feed", || {
                Some(self.get(&format!("/notifications?after={after}"))).filter(|answer| answer.status == 200)
            });
            let page = answer.json();
            let page = page.as_array().unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page.iter().cloned());
        }
    }

    /// The items of the feed about a new reservation.
    fn told(&self, id: i64) -> Vec<Value> {
        let mut items = self.all_items();
        items.retain(|item| item["reservationId"] == id && item["action"] == "Reservations: OK");
        items
    }
}

fn body(name: &str) -> String {
    json!({ "departure": "서울", "destination": "부산", "date": "2022-06-07", "user_name": name }).to_string()
}

fn cached(answer: &Answer) -> &str {
    answer.head.lines().find_map(|line| line.strip_prefix("x-cache: ")).unwrap_or("nothing")
}
