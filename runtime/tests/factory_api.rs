//! The factory over real connections: its jobs in a real database, and callbacks to servers of the test.

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::engines::{APP, Maria, OWNER, sql};
use support::sendy::{Answer, send};
use support::{Process, server, until};

struct Factory {
    maria: Maria,
    _directory: tempfile::TempDir,
}

struct Served {
    process: Process,
    address: SocketAddr,
}

impl Factory {
    async fn new() -> Factory {
        let directory = tempfile::tempdir().unwrap();
        let maria = Maria::new(&directory.path().join("m"), 1, &[]);
        let (owner, password) = (OWNER.0, sql(OWNER.1));
        for statement in [
            "CREATE DATABASE jobs".to_owned(),
            format!("CREATE USER {owner}@'%' IDENTIFIED BY {password}"),
            format!("GRANT ALL ON *.* TO {owner}@'%' WITH GRANT OPTION"),
        ] {
            maria.run(&statement).await;
        }
        Factory { maria, _directory: directory }
    }

    fn serve(&self, more: &[(&str, &str)]) -> Served {
        let port = self.maria.engine.port.to_string();
        let variables = [
            ("PORT", "0"),
            ("DATABASE_HOST", "127.0.0.1"),
            ("DATABASE_PORT", &port),
            ("DATABASE_NAME", "jobs"),
            ("DATABASE_USER", APP.0),
            ("DATABASE_PASSWORD", APP.1),
            ("DATABASE_OWNER_USER", OWNER.0),
            ("DATABASE_OWNER_PASSWORD", OWNER.1),
            ("DATABASE_TLS", "off"),
            ("FACTORY_STEP_SECONDS", "0"),
        ];
        let mut process = Process::start(&["serve", "factory-api"], &[&variables[..], more].concat());
        let listening: SocketAddr = process.line("listening")["address"].as_str().unwrap().parse().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], listening.port()));
        until("the factory to be ready", || (send(address, "GET", "/readyz", &[], "").status == 200).then_some(()));
        Served { process, address }
    }
}

impl Served {
    fn order(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        send(self.address, "POST", path, headers, body)
    }

    fn page(&self) -> String {
        send(self.address, "GET", "/factory", &[], "").body
    }
}

const HERE: (&str, &str) = ("HOST", "127.0.0.1");

/// The calls that a server has got: each with its key and its body.
type Calls = Arc<Mutex<Vec<(String, String)>>>;

/// A server that somebody is called back at: it answers with the statuses in turn, the last one again and again.
fn called(statuses: &'static [u16]) -> (String, Calls) {
    let seen = Calls::default();
    let calls = Arc::clone(&seen);
    let address = server(move |request| {
        let key = request.header("idempotency-key").unwrap_or_default().to_owned();
        let mut calls = calls.lock().unwrap();
        calls.push((key, String::from_utf8(request.body.clone()).unwrap()));
        let status = statuses[(calls.len() - 1).min(statuses.len() - 1)];
        (status, "location: http://127.0.0.1:1/\r\n".to_owned(), String::new())
    });
    (format!("http://{address}/back?token=abc"), seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_a_job_and_comes_back_word_for_word() {
    let factory = Factory::new().await;
    let served = factory.serve(&[HERE]);
    let (url, seen) = called(&[500, 302, 404, 200]);
    // The spaces, the order of the names and a field that nobody knows stay as they are.
    let body = format!(
        "{{ \"MessageGroupId\":\"stock-arrival-group\", \"MessageAttributeProductId\":\"CP-502101\",\
         \"MessageAttributeProductCnt\":\"10\",\"MessageAttributeRequester\":\"홍길동\",\"z\":1,\"a\":[2],\"CallbackUrl\":\"{url}\"}}"
    );
    let answer = served.order("/api/manufactures", &[], &body);
    let id = answer.json()["data"]["id"].as_str().unwrap().to_owned();
    let expected = format!("{{\"data\":{{\"id\":\"{id}\",\"reqestor\":\"홍길동\",\"data\":{body}}}}}");
    assert_eq!((answer.status, answer.body), (201, expected));
    let calls = until("the callback to be taken", || {
        let calls = seen.lock().unwrap().clone();
        (calls.len() == 4).then_some(calls)
    });
    assert!(calls.iter().all(|call| *call == (id.clone(), body.clone())), "{calls:?}");
    until("the line to end", || served.page().contains("called back (4)").then_some(()));
    assert!(!served.page().contains("token"), "{}", served.page());

    // The path of the API reference, nobody to call, and nobody who asks.
    let bare = served.order("/api/manufacture", &[], "{}");
    let id = bare.json()["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(bare.body, format!("{{\"data\":{{\"id\":\"{id}\",\"reqestor\":null,\"data\":{{}}}}}}"));
    until("the line to end", || served.page().contains("nobody asked to be called back").then_some(()));
    for wrong in ["", "[]", "null", "\"x\"", "{", &format!("{{\"CallbackUrl\":\"http://h/{}\"}}", "x".repeat(2048))] {
        let answer = served.order("/api/manufactures", &[], wrong);
        assert_eq!((answer.status, answer.body.as_str()), (400, "{\"message\":\"Invalid input\"}"), "{wrong:.40}");
    }

    // Under one key there is one job.
    let keyed = |body: &str| served.order("/api/manufactures", &[("idempotency-key", "order-1")], body);
    let first = keyed("{\"a\":1}");
    let again = keyed("{\"a\":1}");
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
    assert_eq!(keyed("{\"a\":2}").status, 422);
    assert_eq!(factory.maria.number("SELECT COUNT(*) FROM jobs.jobs").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_goes_on_by_itself_by_hand_and_after_a_kill() {
    let factory = Factory::new().await;
    let slow = [HERE, ("FACTORY_STEP_SECONDS", "3600")];
    let mut served = factory.serve(&slow);
    let (url, seen) = called(&[200]);
    let body = json!({ "CallbackUrl": url }).to_string();
    let id = served.order("/api/manufactures", &[], &body).json()["data"]["id"].as_str().unwrap().to_owned();
    let at =
        |served: &Served, step: &str| until(step, || served.page().contains(&format!("<td>{step}</td>")).then_some(()));
    at(&served, "시작");
    for step in ["준비", "생산"] {
        let moved = served.order(&format!("/factory/{id}"), &[], "");
        assert_eq!((moved.status, moved.header("location")), (303, Some("/factory")));
        at(&served, step);
    }
    assert_eq!(served.order("/factory/nothing", &[], "").status, 404);
    served.process.kill();
    let mut served = factory.serve(&slow);
    at(&served, "생산");
    for step in ["포장", "종료"] {
        served.order(&format!("/factory/{id}"), &[], "");
        at(&served, step);
    }
    until("the callback", || (seen.lock().unwrap().len() == 1).then_some(()));
    until("the line to end", || served.page().contains("called back (1)").then_some(()));
    assert_eq!(served.order(&format!("/factory/{id}"), &[], "").status, 404, "it has ended");

    // Its steps would be too slow for what follows.
    served.process.kill();

    // Two tasks side by side: each job is called back once.
    let (one, other) = (factory.serve(&[HERE]), factory.serve(&[HERE]));
    let jobs: Vec<Value> =
        (0..20).map(|job| [&one, &other][job % 2].order("/api/manufactures", &[], &body).json()).collect();
    until("all callbacks", || (seen.lock().unwrap().len() == 21).then_some(()));
    let mut keys: Vec<String> = seen.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!((keys.len(), jobs.len()), (21, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_called_whom_the_factory_should_not_call() {
    let factory = Factory::new().await;
    // As on AWS: it listens on every address.
    let served = factory.serve(&[("FACTORY_CALLBACK_HOSTS", "localhost,127.0.0.1,10.0.0.7")]);
    let (url, seen) = called(&[200]);
    let port = url.split([':', '/']).nth(4).unwrap().to_owned();
    let final_ones = [
        url.clone(),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://169.254.170.2/v2/credentials".to_owned(),
        "http://192.168.0.1/".to_owned(),
        "ftp://example.com/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "http://user:secret@127.0.0.1/".to_owned(),
        "not a URL".to_owned(),
        "//example.com".to_owned(),
    ];
    for url in &final_ones {
        let taken = served.order("/api/manufactures", &[], &json!({ "CallbackUrl": url }).to_string());
        assert_eq!(taken.status, 201, "{url}");
    }
    until("all to be given up", || (served.page().matches("not called: ").count() == final_ones.len()).then_some(()));
    // A name is looked at after it is resolved, and so are the ways in which C libraries write addresses.
    for host in ["localhost", "127.1", "0x7f000001", "2130706433"] {
        let body = json!({ "CallbackUrl": format!("http://{host}:{port}/") }).to_string();
        assert_eq!(served.order("/api/manufactures", &[], &body).status, 201, "{host}");
    }
    until("all to be tried", || (served.page().matches("not reached").count() == 4).then_some(()));
    assert!(seen.lock().unwrap().is_empty(), "{seen:?}");
    // The page is no way to look around in the network.
    let page = served.page();
    for told in ["refused", "not a public", "127.0.0.1 of"] {
        assert!(!page.contains(told), "{told}: {page}");
    }
}
