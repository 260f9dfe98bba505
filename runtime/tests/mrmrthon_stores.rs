//! The services of the marathons without one of their stores, or with one that answers late, not at all, or too much.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use support::mrmrthon::Mrmrthon;
use support::sendy::{Answer, send};
use support::until;

const NO_DATABASE: &str = "{\"error\":\"Internal server error\"}";
const WENT_WRONG: &str = "{\"err\":\"Something went wrong\"}";

fn said(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body.as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_store_the_answer_is_that_of_the_contract_and_what_needs_it_not_goes_on() {
    let mut stack = Mrmrthon::new().await;
    let user = stack.user(&[]);
    let mut main = stack.main(&[]);
    let (id, organizer) = user.member(1, "organizer");
    let add = |id: u64| {
        let body = format!("{{\"id\":{id},\"title\":\"x\",\"point\":20}}");
        main.ask("POST", "/marathon/add", Some(&organizer), &body).status
    };
    assert_eq!(add(1), 200);
    stack.maria.engine.kill();
    let body = "{\"login_id\":\"a\",\"password\":\"b\",\"type\":0,\"name\":\"c\"}";
    assert_eq!(said(&user.get("/user", None)), (500, NO_DATABASE));
    assert_eq!(said(&user.ask("POST", "/user/signup", None, body)), (500, NO_DATABASE));
    assert_eq!(said(&user.ask("POST", "/user/login", None, body)), (500, NO_DATABASE));
    assert_eq!(said(&user.ask("PUT", "/user/update/1", None, body)), (500, NO_DATABASE));
    assert_eq!(said(&user.ask("DELETE", "/user/1", Some(&organizer), "")), (500, NO_DATABASE));
    for path in ["/point", "/point/1", "/point/total_point", "/point/total_point/1"] {
        assert_eq!(said(&main.get(path, None)), (500, WENT_WRONG), "{path}");
    }
    // A record is taken. Its credit waits for the database.
    let record = format!("{{\"id\":1,\"user_id\":{id},\"marathon_id\":1}}");
    assert_eq!(main.ask("POST", "/official_record", Some(&organizer), &record).status, 200);
    assert_eq!([user.get("/healthz", None).status, main.get("/healthz", None).status], [200, 200]);
    stack.maria.engine.start();
    until("the database to be back", || (user.log_in("organizer", "pw1").status == 200).then_some(()));

    // A DynamoDB that refuses everything is given up in time, and what it said is in the log.
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let away = support::server(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        let body =
            "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ThrottlingException\",\"message\":\"Rate exceeded\"}";
        (400, String::new(), body.to_owned())
    });
    let endpoint = format!("http://{away}");
    let mut throttled = stack.main(&[("AWS_ENDPOINT_URL_DYNAMODB", &endpoint)]);
    assert_eq!(said(&throttled.get("/marathon", Some(&organizer))), (500, WENT_WRONG));
    assert!(seen.load(Ordering::Relaxed) > 3, "it was not tried again");
    let line = throttled.process.line("marathons.failed");
    let message = line["message"].as_str().unwrap();
    assert_eq!(message, "Scan on the table marathon-dev-marathons: 400 ThrottlingException: Rate exceeded");
    let denied = support::server(|_| {
        (400, String::new(), "{\"__type\":\"AccessDeniedException\",\"Message\":\"not authorized\"}".to_owned())
    });
    let endpoint = format!("http://{denied}");
    let refused = stack.main(&[("AWS_ENDPOINT_URL_DYNAMODB", &endpoint)]);
    assert_eq!(said(&refused.get("/marathon", Some(&organizer))), (500, WENT_WRONG));

    main.process.terminate();
    assert!(main.process.exit().success());
}

/// A write whose answer is lost is tried again, and is still the client's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_was_lost_is_not_taken_for_somebody_elses() {
    let stack = Mrmrthon::new().await;
    let user = stack.user(&[]);
    let (_, organizer) = user.member(1, "organizer");
    let aws = SocketAddr::from(([127, 0, 0, 1], stack.aws));
    let lost = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
    let counts = Arc::clone(&lost);
    // It passes each request on, and loses the first answer to each kind of write.
    let front = support::server(move |request| {
        let names = ["authorization", "x-amz-date", "x-amz-target", "x-amz-content-sha256"];
        let headers: Vec<(&str, &str)> = names.iter().filter_map(|name| Some((*name, request.header(name)?))).collect();
        let answer = send(aws, "POST", "/", &headers, std::str::from_utf8(&request.body).unwrap());
        let target = request.header("x-amz-target").unwrap().rsplit('.').next().unwrap().to_owned();
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(target.clone()).or_default();
        *count += 1;
        match (*count, target.as_str()) {
            (1, "PutItem" | "DeleteItem" | "UpdateItem") => (500, String::new(), String::new()),
            _ => (answer.status, String::new(), answer.body),
        }
    });
    let main = stack.main(&[("AWS_ENDPOINT_URL_DYNAMODB", &format!("http://{front}"))]);
    let ask = |method: &str, path: &str, body: &str| {
        let answer = main.ask(method, path, Some(&organizer), body);
        (answer.status, answer.body)
    };
    let half = "{\"id\":1,\"title\":\"서울하프\",\"point\":20}";
    assert_eq!(ask("POST", "/marathon/add", half), (200, "{}".to_owned()));
    assert_eq!(ask("POST", "/marathon/add", half).0, 409, "this one is somebody else's");
    assert_eq!(ask("PUT", "/marathon/update/1", "{\"title\":\"x\"}").0, 200);
    assert_eq!(ask("DELETE", "/marathon/1", ""), (200, "{}".to_owned()));
    assert_eq!(ask("DELETE", "/marathon/1", "").0, 404);
    assert_eq!(lost.lock().unwrap().get("PutItem"), Some(&3));
}

/// More than one page of a table: a page has 1 MB at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_whole_or_is_refused() {
    let stack = Mrmrthon::new().await;
    let user = stack.user(&[]);
    let main = stack.main(&[]);
    let put = |id: u64| {
        let item = json!({ "id": { "N": id.to_string() }, "note": { "S": "x".repeat(300_000) } });
        stack.table("PutItem", &json!({ "TableName": "marathon-dev-non-official-records", "Item": item }));
    };
    (1..=12).for_each(put);
    let list = main.get("/non_official_record", None).json();
    assert_eq!((&list["Count"], &list["ScannedCount"]), (&json!(12), &json!(12)));
    let ids: BTreeSet<u64> =
        list["Items"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (1..=12).collect());
    (13..=16).for_each(put);
    let told = "{\"err\":\"the list has more than 4 MiB\"}";
    assert_eq!(said(&main.get("/non_official_record", None)), (500, told));
    drop(user);
}
