//! The scenarios of Sendy, on a MariaDB primary and replica, Redis, and an emulator that delivers from SNS to SQS.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use support::engines::{APP, SCHEMA, pause};
use support::sendy::{Answer, Sendy, balancer, eventually, reservation, send};
use support::{connect, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_is_stored_cached_and_told() {
    let sendy = Sendy::new().await;
    let [mut write, read, mut notify] = sendy.services();

    // S0-1
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let header = format!("00-{trace}-b7ad6b7169203331-01");
    let created = write.send("POST", "/reservations", &[("traceparent", &header)], &reservation().to_string());
    assert_eq!(created.status, 201, "{created:?}");
    let row = r#"{"id":1,"departure":"서울","destination":"부산","date":"2022-06-07","user_name":"peachdo"}"#;
    assert_eq!(created.body, row);
    assert_eq!(sendy.primary.number(&format!("SELECT COUNT(*) FROM {SCHEMA}.reservations")).await, 1);
    let line = write.process.line("reservation.created");
    assert_eq!((&line["departure"], &line["reservation_id"]), (&json!("서울"), &json!(1)));
    assert_eq!(line["trace_id"], trace);

    // S0-2
    let items = notify.notifications(1);
    assert_eq!(items.len(), 1);
    assert_eq!((&items[0]["id"], &items[0]["reservationId"]), (&json!(1), &json!(1)));
    assert_eq!(items[0]["action"], "Reservations: OK");
    assert!(items[0]["dtm"].as_u64().is_some_and(|dtm| dtm > 1_700_000_000_000), "{items:?}");
    assert_eq!(
        notify.process.line("notification.stored")["trace_id"],
        trace,
        "carried through the topic and the queue"
    );
    eventually("the queue to be empty", async || sendy.depth(&sendy.queue).await == 0).await;
    assert_eq!(notify.get("/notifications?after=1").body, "[]");

    // S0-3
    for expected in ["miss", "hit", "hit"] {
        let got = read.get("/reservations/1");
        assert_eq!((got.status, got.body.as_str(), got.header("x-cache")), (200, row, Some(expected)));
    }
    let ttl = sendy.redis(&["TTL", "reservation:1"]);
    assert!(ttl.trim().parse::<i32>().is_ok_and(|ttl| (1..=600).contains(&ttl)), "{ttl}");

    // S0-4, and texts that are not an id.
    let missing = read.get("/reservations/999");
    assert_eq!((missing.status, missing.body.as_str()), (404, r#"{"message":"Not found Reservation with id 999."}"#));
    assert_eq!(read.get("/reservations/abc").body, r#"{"message":"Not found Reservation with id abc."}"#);

    // S0-5
    for wrong in [json!({}), json!(null), json!({ "departure": "서울" }), with("date", json!("2022-02-30"))] {
        let refused = write.post(&wrong);
        assert_eq!((refused.status, refused.body.as_str()), (400, r#"{"message":"Invalid input"}"#));
    }
    assert_eq!(write.send("POST", "/reservations", &[], "").status, 400);
    assert_eq!(sendy.primary.number(&format!("SELECT COUNT(*) FROM {SCHEMA}.reservations")).await, 1);
    assert_eq!(notify.notifications(1).len(), 1);

    // A mistake that the web framework finds has the same form: clients read `message` of every answer.
    let long = "9".repeat(40);
    for query in ["limit=-1", "limit=1e3", "limit=", "after=99999999999", "after=abc", "search=a&search=b", &long] {
        let (path, expected) = match query == long {
            true => (format!("/reservations/{long}"), 404),
            false => (format!("/reservations?{query}"), 400),
        };
        let refused = read.get(&path);
        assert_eq!((refused.status, refused.header("content-type")), (expected, Some("application/json")), "{path}");
        assert!(refused.json()["message"].is_string(), "{path}: {refused:?}");
    }
    for (service, method, path, expected) in [
        (&notify, "GET", "/notifications?after=abc", (400, "Invalid input")),
        (&notify, "GET", "/notifications/stream?limit=x", (400, "Invalid input")),
        (&read, "GET", "/reservations?limit=x", (400, "Invalid input")),
        (&read, "GET", "/reservations/%FF", (400, "Invalid input")),
        (&write, "DELETE", "/reservations/%C3%28", (400, "Invalid input")),
        (&write, "PATCH", "/reservations", (405, "this path has no such method")),
        (&read, "POST", "/healthz", (405, "this path has no such method")),
        (&write, "GET", "/nowhere", (404, "there is nothing under this path")),
    ] {
        let refused = service.send(method, path, &[], "");
        assert_eq!(refused.header("content-type"), Some("application/json"), "{method} {path}: {refused:?}");
        let told = refused.json();
        assert_eq!((refused.status, told["message"].as_str()), (expected.0, Some(expected.1)), "{method} {path}");
    }

    // Lists and searches are cached too, until a write.
    assert_eq!(read.get("/reservations").body, format!("[{row}]"));
    eventually("a list from the cache", async || read.get("/reservations").header("x-cache") == Some("hit")).await;
    let searched = read.get("/reservations?search=%EB%B6%80%EC%82%B0");
    assert_eq!(searched.body, format!(r#"{{"jobs":[{row}],"message":"cache miss"}}"#));
    let again = read.get("/reservations?search=%EB%B6%80%EC%82%B0");
    assert_eq!(again.body, format!(r#"{{"jobs":[{row}],"message":"data retrieved from the cache"}}"#));
    assert_eq!(read.get("/reservations?search=%25").body, r#"{"jobs":[],"message":"cache miss"}"#);
    assert_eq!(write.post(&with("departure", json!("대구"))).status, 201);
    let both: Value = read.get("/reservations").json();
    assert_eq!(both.as_array().map(Vec::len), Some(2), "{both}");
    assert_eq!(read.get("/reservations?search=%EB%8C%80%EA%B5%AC").json()["jobs"][0]["id"], 2);
    assert_eq!(read.get("/reservations?after=1&limit=5").json()[0]["id"], 2);

    for service in [&write, &read, &notify] {
        assert_eq!(service.get("/healthz").body, r#"{"status":"ok"}"#);
        assert_eq!(service.get("/").body, r#"{"message":"Hello World!"}"#);
    }

    // The metrics are written at the end too.
    assert_eq!(notify.notifications(2).len(), 2);
    eventually("the outbox to be empty", async || {
        sendy.primary.number(&format!("SELECT COUNT(*) FROM {SCHEMA}.effects")).await == 0
    })
    .await;
    write.process.terminate();
    let metrics = write.process.line("metrics");
    assert_eq!((&metrics["Writes"], &metrics["Published"]), (&json!(2), &json!(2)), "{metrics}");
    assert_eq!(metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["service"]]));
    assert_eq!(write.process.exit().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_task_takes_the_relay_over() {
    let sendy = Sendy::new().await;
    let [mut first, _, notify] = sendy.services();
    let second = sendy.start("reservation", &[]);
    second.until_ready();
    assert_eq!(second.post(&reservation()).status, 201);
    notify.notifications(1);
    first.process.kill();
    assert_eq!(second.post(&reservation()).status, 201);
    assert_eq!(notify.notifications(2).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_seen_at_once_and_told_in_order() {
    let sendy = Sendy::new().await;
    let [write, read, notify] = sendy.services();
    assert_eq!(write.post(&reservation()).status, 201);
    for (at, destination) in ["대전", "광주", "제주"].into_iter().enumerate() {
        notify.notifications(at + 1);
        read.get("/reservations/1");
        read.get("/reservations");
        let changed = write.send("PUT", "/reservations/1", &[], &with("destination", json!(destination)).to_string());
        assert_eq!((changed.status, &changed.json()["destination"]), (200, &json!(destination)));
        assert_eq!(read.get("/reservations/1").json()["destination"], destination);
        assert_eq!(read.get("/reservations").json()[0]["destination"], destination);
    }
    let items = notify.notifications(4);
    let versions: Vec<_> = items.iter().map(|item| item["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [1, 2, 3, 4]);

    let deleted = write.send("DELETE", "/reservations/1", &[], "");
    assert_eq!(
        (deleted.status, deleted.body.as_str()),
        (200, r#"{"message":"Reservation has been deleted successfully!"}"#)
    );
    assert_eq!(read.get("/reservations/1").status, 404);
    assert_eq!(read.get("/reservations").body, "[]");
    for (method, path) in [("DELETE", "/reservations/1"), ("DELETE", "/reservations/x"), ("PUT", "/reservations/1")] {
        assert_eq!(write.send(method, path, &[], &reservation().to_string()).status, 404, "{method} {path}");
    }
    assert_eq!(notify.notifications(5)[4]["action"], "Reservations: Deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_reserves_once() {
    let sendy = Sendy::new().await;
    let [write, ..] = sendy.services();
    let body = reservation().to_string();
    let (key, address) = ([("idempotency-key", "order-1")], write.address);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let sent: Vec<_> =
            (0..8).map(|_| scope.spawn(|| send(address, "POST", "/reservations", &key, &body))).collect();
        sent.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count(), 1);
    assert_eq!(sendy.primary.number(&format!("SELECT COUNT(*) FROM {SCHEMA}.reservations")).await, 1);
    let other = write.send("POST", "/reservations", &key, &with("date", json!("2022-06-08")).to_string());
    assert_eq!(other.status, 422);
    assert_eq!(write.send("POST", "/reservations", &[("idempotency-key", "a b")], &body).status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_without_its_effects_is_none() {
    let sendy = Sendy::new().await;
    let [write, ..] = sendy.services();
    let rows = format!("SELECT COUNT(*) FROM {SCHEMA}.reservations");
    sendy.primary.run(&format!("RENAME TABLE {SCHEMA}.effects TO {SCHEMA}.away")).await;
    for _ in 0..20 {
        assert_eq!(write.post(&reservation()).status, 503);
    }
    assert_eq!(sendy.primary.number(&rows).await, 0);
    sendy.primary.run(&format!("RENAME TABLE {SCHEMA}.away TO {SCHEMA}.effects")).await;
    // The next transaction brings no part of the broken one with it.
    assert_eq!(write.post(&reservation()).status, 201);
    assert_eq!(sendy.primary.number(&rows).await, 1);
}

/// Writes that come together share a transaction, and no failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_refused_takes_no_other_with_it() {
    let sendy = Sendy::new().await;
    let [write, _read, notify] = sendy.services();
    let commits = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'COM_COMMIT'";
    let before = sendy.primary.number(commits).await;
    let answers = at_once(&sendy, write.address, |at| format!("user {at}")).await;
    assert!(answers.iter().all(|(_, answer)| answer.status == 201), "{answers:?}");
    let commits = sendy.primary.number(commits).await - before;
    assert!(commits <= 3, "{commits} transactions");

    let refuse = format!(
        "CREATE TRIGGER {SCHEMA}.refuse BEFORE INSERT ON {SCHEMA}.reservations FOR EACH ROW \
         IF NEW.user_name = 'refused' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'; END IF"
    );
    sendy.primary.run(&refuse).await;
    let name = |at| if at % 13 == 5 { "refused".to_owned() } else { format!("other user {at}") };
    for (name, answer) in at_once(&sendy, write.address, name).await {
        if name == "refused" {
            assert_eq!(answer.status, 503);
            continue;
        }
        assert_eq!(answer.status, 201, "{name}: {answer:?}");
        let of = format!("SELECT id FROM {SCHEMA}.reservations WHERE user_name = '{name}'");
        assert_eq!(answer.json()["id"], sendy.primary.number(&of).await, "{name}");
    }
    assert_eq!(sendy.primary.number(&format!("SELECT COUNT(*) FROM {SCHEMA}.reservations")).await, 77);

    // If ids do not follow one by one, each reservation still gets its own.
    sendy.primary.run("SET GLOBAL auto_increment_increment = 5").await;
    let other = sendy.start("reservation", &[]);
    other.until_ready();
    for (name, answer) in at_once(&sendy, other.address, |at| format!("third user {at}")).await {
        assert_eq!(answer.status, 201, "{name}: {answer:?}");
        let of = format!("SELECT id FROM {SCHEMA}.reservations WHERE user_name = '{name}'");
        assert_eq!(answer.json()["id"], sendy.primary.number(&of).await, "{name}");
    }
    notify.notifications(117);
}

/// Makes 40 reservations. The first of them waits for the table, and the others gather behind it.
async fn at_once(sendy: &Sendy, address: SocketAddr, name: impl Fn(usize) -> String) -> Vec<(String, Answer)> {
    let mut locked = sendy.primary.root().await;
    locked.query_drop(format!("LOCK TABLES {SCHEMA}.reservations WRITE")).await.unwrap();
    let sent: Vec<_> = (0..40)
        .map(|at| {
            let name = name(at);
            let body = with("user_name", json!(name)).to_string();
            std::thread::spawn(move || (name, send(address, "POST", "/reservations", &[], &body)))
        })
        .collect();
    let waiting = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%' AND user = '{}'",
        APP.0
    );
    eventually("a write to wait", async || sendy.primary.number(&waiting).await > 0).await;
    pause(1000).await;
    assert_eq!(sendy.primary.number(&waiting).await, 1);
    locked.query_drop("UNLOCK TABLES").await.unwrap();
    sent.into_iter().map(|sent| sent.join().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_from_a_write_waits_for_what_is_away() {
    let mut sendy = Sendy::new().await;
    let [mut write, read, notify] = sendy.services();
    assert_eq!(write.post(&reservation()).status, 201);
    assert_eq!(read.get("/reservations/1").header("x-cache"), Some("miss"));
    notify.notifications(1);

    // S0-7: the topic cannot be reached. moto forgets its messages when it is killed, so it is paused.
    sendy.aws.pause(true);
    assert_eq!(write.post(&with("user_name", json!("later"))).status, 201);
    write.process.line("relay.failed");
    sendy.aws.pause(false);
    assert_eq!(notify.notifications(2)[1]["reservationId"], 2);

    // The cache cannot be reached. Reads and writes go on, and the old content of the cache is not believed afterwards.
    sendy.cache.kill();
    assert_eq!(write.send("PUT", "/reservations/1", &[], &with("destination", json!("제주")).to_string()).status, 200);
    let bypassed = read.get("/reservations/1");
    assert_eq!((bypassed.json()["destination"].as_str(), bypassed.header("x-cache")), (Some("제주"), Some("bypass")));
    sendy.cache.start();
    let back = Instant::now();
    until("the cache to be used again", || {
        (read.get("/reservations/1").header("x-cache") == Some("hit")).then_some(())
    });
    assert!(back.elapsed() < Duration::from_secs(5));
    assert_eq!(read.get("/reservations/1").json()["destination"], "제주");
    eventually("the outbox to be empty", async || {
        sendy.primary.number(&format!("SELECT COUNT(*) FROM {SCHEMA}.effects")).await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lags_is_not_believed() {
    let mut sendy = Sendy::new().await;
    let [write, read, _] = sendy.services();
    assert_eq!(write.post(&reservation()).status, 201);
    until("the row from the replica", || (read.get("/reservations/1").status == 200).then_some(()));
    sendy.replica.run("STOP SLAVE SQL_THREAD").await;
    // The replica has neither the new row nor the new version of a row.
    assert_eq!(write.post(&with("user_name", json!("new"))).status, 201);
    assert_eq!(read.get("/reservations/2").status, 200);
    for destination in ["대전", "광주"] {
        let body = with("destination", json!(destination)).to_string();
        assert_eq!(write.send("PUT", "/reservations/1", &[], &body).status, 200);
        for _ in 0..3 {
            assert_eq!(read.get("/reservations/1").json()["destination"], destination);
            assert_eq!(read.get("/reservations").json()[0]["destination"], destination);
        }
    }
    // The cache forgets everything, also the fences. The old row on the replica must not get into it.
    sendy.redis(&["FLUSHALL"]);
    sendy.redis(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    for _ in 0..5 {
        assert_eq!(read.get("/reservations/1").json()["destination"], "광주");
    }
    // An acknowledged row is never said to be missing, also while no server in reach has it.
    until("the cache again", || (read.get("/reservations/2").header("x-cache") == Some("hit")).then_some(()));
    assert_eq!(write.post(&reservation()).status, 201);
    until("the fence", || sendy.redis(&["GET", "reservation:3"]).starts_with('!').then_some(()));
    sendy.primary.engine.kill();
    assert_eq!(read.get("/reservations/3").status, 500);
    assert_eq!(read.get("/reservations/4").status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_outlive_the_primary_and_writes_come_back_with_it() {
    let mut sendy = Sendy::new().await;
    let [write, read, notify] = sendy.services();
    for name in ["a", "b"] {
        assert_eq!(write.post(&with("user_name", json!(name))).status, 201);
    }
    notify.notifications(2);
    assert_eq!(read.get("/reservations/1").status, 200);
    let caught_up = format!("SELECT COUNT(*) FROM {SCHEMA}.notifications");
    eventually("the replica", async || sendy.replica.number(&caught_up).await == 2).await;

    sendy.primary.engine.kill();
    // S0-11
    let refused = write.post(&reservation());
    let said = r#"{"message":"Some errors occured while creating the Reservation."}"#;
    assert_eq!((refused.status, refused.body.as_str()), (503, said));
    for path in ["/reservations/1", "/reservations/2", "/reservations", "/reservations?search=a"] {
        assert_eq!(read.get(path).status, 200, "{path}");
    }
    let items: Value = notify.get("/notifications?after=0").json();
    assert_eq!(items.as_array().map(Vec::len), Some(2), "the feed is read from the replica");
    for service in [&write, &read, &notify] {
        assert_eq!((service.get("/healthz").status, service.get("/readyz").status), (200, 200));
    }

    // A server that hangs is as good as one that is gone.
    sendy.primary.engine.start();
    until("writes again", || (write.post(&reservation()).status == 201).then_some(()));
    sendy.primary.engine.pause(true);
    assert_eq!(write.post(&reservation()).status, 503);
    for path in ["/reservations/1", "/reservations", "/reservations?search=a"] {
        assert_eq!(read.get(path).status, 200, "{path}");
    }
    assert_eq!(notify.get("/notifications?after=0").status, 200);
    sendy.primary.engine.pause(false);
    until("writes again", || (write.post(&reservation()).status == 201).then_some(()));
    assert!(notify.notifications(4).len() >= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_taken_once_and_poison_ends_in_the_dead_letter_queue() {
    let sendy = Sendy::new().await;
    let [_write, _read, mut notify] = sendy.services();
    let send = async |body: String| {
        sendy.sqs.send_message().queue_url(&sendy.queue).message_body(body).send().await.unwrap();
    };
    // S0-8: events come twice, in the wrong order, raw and wrapped, and one comes from the system before us.
    let event =
        |version: u32| json!({ "reservationId": 7, "version": version, "action": "Reservations: OK", "dtm": 5 });
    let wrapped = json!({ "Type": "Notification", "Message": event(2).to_string() });
    send(wrapped.to_string()).await;
    assert_eq!(notify.notifications(1)[0]["version"], 2);
    for body in [event(2), event(1), wrapped, event(2)] {
        send(body.to_string()).await;
    }
    send(r#"{"reservationId":8,"dtm":1654560000000,"action":"Reservations: OK"}"#.to_owned()).await;
    let items = notify.notifications(2);
    assert_eq!((items.len(), &items[1]["reservationId"]), (2, &json!(8)), "{items:?}");

    send("not an event: hunter2".to_owned()).await;
    let line = notify.process.line("message.poison");
    assert_eq!(line["level"], "error");
    eventually("the poison to be in the dead-letter queue", async || sendy.depth(&sendy.dead).await == 1).await;
    assert_eq!(notify.notifications(2).len(), 2);
    assert!(notify.process.seen.iter().all(|line| !line.contains("hunter2")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drivers_get_the_feed_as_a_stream_and_by_webhook() {
    let sendy = Sendy::new().await;
    let taken = std::sync::Arc::new(std::sync::Mutex::new(Vec::<Value>::new()));
    let driver = {
        let taken = std::sync::Arc::clone(&taken);
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let asked = std::sync::Arc::new(asked);
        support::server(move |request| {
            // Every second attempt fails.
            if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(2) {
                return (500, String::new(), String::new());
            }
            taken.lock().unwrap().push(serde_json::from_slice(&request.body).unwrap());
            (204, String::new(), String::new())
        })
    };
    let write = sendy.start("reservation", &[]);
    write.until_ready();
    let webhooks = json!({ "driver-1": format!("http://{driver}/hook") }).to_string();
    let mut notify = sendy.start("notification", &[("WEBHOOKS", &webhooks)]);
    notify.until_ready();
    assert_eq!(write.post(&reservation()).status, 201);
    notify.notifications(1);

    let mut stream = connect(notify.address);
    stream.write_all(b"GET /notifications/stream?after=0 HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut events = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let first = events.find(|line| line.starts_with("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&first[6..]).unwrap()["reservationId"], 1);
    for _ in 0..2 {
        assert_eq!(write.post(&reservation()).status, 201);
    }
    assert!(events.any(|line| line == "id: 3"));
    let silent = Instant::now();

    let mut resumed = connect(notify.address);
    let request = "GET /notifications HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\nlast-event-id: 2\r\n\r\n";
    resumed.write_all(request.as_bytes()).unwrap();
    let mut rest = BufReader::new(resumed).lines().map_while(Result::ok);
    assert_eq!(rest.find(|line| line.starts_with("id: ")).unwrap(), "id: 3");

    let ids = || taken.lock().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect::<Vec<_>>();
    eventually("the webhook to be told", async || ids().len() >= 3).await;
    assert_eq!(ids(), [1, 2, 3]);

    // A proxy would close a connection that is silent for a minute.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert!(events.any(|line| line.starts_with(':')));
    assert!((24..40).contains(&silent.elapsed().as_secs()), "a comment after {:?}", silent.elapsed());

    // A stop ends the streams. It does not wait for them.
    notify.process.terminate();
    assert_eq!(notify.process.line("stopped")["abandoned_connections"], 0);
    assert!(events.all(|line| !line.starts_with("id: ")));
    assert_eq!(notify.process.exit().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_walks_the_whole_way_and_leaves_everything_as_it_was() {
    let sendy = Sendy::new().await;
    let mut services = sendy.services();
    let search = support::server(|request| {
        let found = u64::from(request.line.starts_with("POST /reservations-*/_search"));
        (200, String::new(), json!({ "hits": { "total": { "value": found } } }).to_string())
    });
    let search = format!("http://{search}");
    let searched = [("SEARCH_ENDPOINT", search.as_str()), ("PROBE_INDEX", "reservations-*")];
    let mut probe = sendy.probe(balancer(&services), &searched);
    for hop in ["reservation", "primary", "replica", "notification", "lookup miss", "lookup hit", "log"] {
        let line = probe.line("probe.hop");
        assert_eq!((&line["hop"], &line["status"]), (&json!(hop), &json!("ok")), "{line}");
        assert!(line["milliseconds"].as_f64().is_some());
    }
    probe.line("probe.passed");
    assert_eq!(probe.exit().code(), Some(0));
    // Both services have counted the same event.
    let [sent, told] = [0, 2].map(|at| services[at].process.line("probe.seen")["probe"].clone());
    assert!(sent == told && sent.as_str().is_some_and(|name| name.starts_with("probe-")), "{sent} {told}");
    let come = format!("/notifications/probes/{}", sent.as_str().unwrap());
    assert_eq!(services[2].get(&come).body, r#"{"seen":true}"#);
    assert_eq!(services[2].get("/notifications/probes/another").body, r#"{"seen":false}"#);
    assert_eq!(sendy.depth(&sendy.dead).await, 0);

    // Without the notification service the walk ends there.
    let mut probe = sendy.probe(balancer(&services[..2]), &[]);
    let failed =
        until("the hop that fails", || Some(probe.line("probe.hop")).filter(|line| line["status"] == "failed"));
    assert_eq!(
        (&failed["hop"], &failed["message"]),
        (&json!("notification"), &json!("GET /notifications/probes answered 404 Not Found"))
    );
    assert_eq!(probe.exit().code(), Some(1));

    // A probe that waits in vain for its line can be stopped.
    let empty = support::server(|_| (200, String::new(), json!({ "hits": { "total": { "value": 0 } } }).to_string()));
    let empty = format!("http://{empty}");
    let mut probe = sendy.probe(balancer(&services), &[("SEARCH_ENDPOINT", empty.as_str()), ("PROBE_INDEX", "x-*")]);
    until("the last hop before the log", || Some(probe.line("probe.hop")).filter(|line| line["hop"] == "lookup hit"));
    probe.terminate();
    assert_eq!(probe.exit().code(), Some(1));

    // A name may be hostile, and may be too long to be kept.
    let hostile = format!("'); DROP TABLE probes; -- {}", "x".repeat(2000));
    let marked = services[0].send("POST", "/reservations", &[("x-probe", &hostile)], &reservation().to_string());
    assert_eq!((marked.status, marked.body.as_str()), (202, r#"{"message":"probe"}"#));
    let kept = until("it to be counted", || {
        Some(services[2].process.line("probe.seen")["probe"].clone())
            .filter(|name| name.as_str().is_some_and(|name| name.starts_with("')")))
    });
    assert!(kept.as_str().is_some_and(|name| name.len() <= 128), "{kept}");

    // Nobody can see that there were probes. The first reservation is the first, and nothing before it was told.
    assert_eq!([services[1].get("/reservations").body, services[2].get("/notifications").body], ["[]", "[]"]);
    let created = services[0].post(&reservation());
    assert_eq!(serde_json::from_str::<Value>(&created.body).unwrap()["id"], 1);
    let items = services[2].notifications(1);
    assert_eq!((&items[0]["id"], &items[0]["reservationId"]), (&json!(1), &json!(1)));
    assert_eq!(sendy.depth(&sendy.dead).await, 0);
}

fn with(name: &str, value: Value) -> Value {
    let mut body = reservation();
    body[name] = value;
    body
}
