//! `stacks/mrmrthon.yaml` on this machine: signups, tokens, records that become points, and a channel that hears of them.

#![allow(dead_code, reason = "shared by several tests")]

#[path = "support/selling.rs"]
mod selling;
#[path = "support/laptop.rs"]
mod support;

use std::thread;
use std::time::Duration;

use selling::Factory;
use serde_json::{Value, json};
use support::{Answer, Laptop, said, send, until};

const RUNNER: &str = r#"{"type":0,"login_id":"runner","password":"pw1","name":"나혜","phone":"010-0000-0000"}"#;
const ONLY_ORGANIZERS: &str = r#""제한된 접근! 대회 주최자만 접근 가능합니다.""#;
const ONLY_RUNNERS: &str = r#""제한된 접근! 개인 사용자만 접근 가능합니다.""#;

struct Marathons {
    laptop: Laptop,
    host: String,
}

impl Marathons {
    fn open(changes: &[(&str, &str)]) -> Marathons {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../stacks/mrmrthon.yaml");
        let laptop = Laptop::of("mrmrthon", &std::fs::read_to_string(file).unwrap());
        for (from, to) in changes {
            laptop.change(from, to);
        }
        laptop.done(&["up", "--yes"]);
        Marathons { host: laptop.address(), laptop }
    }

    fn try_to_ask(&self, method: &str, path: &str, token: &str, body: &str) -> Option<Answer> {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("content-type", "application/json")];
        if !token.is_empty() {
            headers.push(("authorization", &bearer));
        }
        send(&self.host, method, path, &headers, body)
    }

    fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> Answer {
        self.try_to_ask(method, path, token, body).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    /// The status and the body of an answer.
    fn told(&self, method: &str, path: &str, token: &str, body: &str) -> String {
        let answer = self.ask(method, path, token, body);
        format!("{} {}", answer.status, answer.body)
    }

    /// Signs a user up, and logs him in.
    fn token(&self, sort: u8, login: &str) -> String {
        let body = json!({"type": sort, "login_id": login, "password": "pw", "name": login, "phone": "010-1"});
        self.ask("POST", "/user/signup", "", &body.to_string());
        let answer = self.ask("POST", "/user/login", "", &json!({"login_id": login, "password": "pw"}).to_string());
        answer.json()["message"].as_str().unwrap().split("Token: ").nth(1).unwrap().to_owned()
    }

    fn total(&self, user: u64) -> Option<u64> {
        let answer = self.try_to_ask("GET", &format!("/point/total_point/{user}"), "", "")?;
        serde_json::from_str::<Value>(&answer.body).ok()?[0]["total_point"].as_u64()
    }

    fn dead_letters(&self, queue: &str) -> u64 {
        let all = self.laptop.status()["queues"].take();
        let found = all.as_array().unwrap().iter().find(|it| it["name"] == queue).cloned().unwrap_or_default();
        found["dead"].as_u64().or(found["dead_letters"].as_u64()).unwrap_or(0)
    }
}

/// S1-1 to S1-8 and S1-14, to the byte.
#[test]
fn a_record_becomes_points() {
    let stack = Marathons::open(&[]);
    assert_eq!(
        stack.told("POST", "/user/signup", "", RUNNER),
        r#"200 {"message":"회원가입 완료! 나혜님 환영합니다."}"#
    );
    assert_eq!(stack.ask("POST", "/user/signup", "", RUNNER).status, 409);
    for (method, path) in [("GET", "/users/login"), ("GET", "/user/login"), ("POST", "/user/login")] {
        let told = stack.told(method, path, "", r#"{"login_id":"runner","password":"pw1"}"#);
        assert!(told.starts_with(r#"200 {"message":"로그인 성공! 개인 사용자님 환영합니다. Token: "#), "{told}");
    }
    assert_eq!(
        stack.told("POST", "/user/login", "", r#"{"login_id":"runner","password":"no"}"#),
        r#"401 {"error":"로그인 실패! 아이디와 패스워드를 확인하세요."}"#
    );
    let (runner, organizer) = (stack.token(0, "second"), stack.token(1, "boss"));
    let users = stack.ask("GET", "/user", "", "").body;
    assert!(!users.contains("pw") && !users.contains("argon2"), "{users}");

    let half = r#"{"id":1,"title":"서울하프","point":20}"#;
    assert_eq!(stack.told("POST", "/marathon/add", "", half), format!("401 {ONLY_ORGANIZERS}"));
    assert_eq!(stack.told("POST", "/marathon/add", &runner, half), format!("403 {ONLY_ORGANIZERS}"));
    assert_eq!(stack.told("POST", "/marathon/add", &organizer, half), "200 {}");
    assert_eq!(stack.ask("POST", "/marathon/add", &organizer, half).status, 409);
    let listed = stack.ask("GET", "/marathon", &organizer, "").json();
    assert_eq!(listed, json!({"Items": [{"id": 1, "title": "서울하프", "point": 20}], "Count": 1, "ScannedCount": 1}));
    let changed = stack.ask("PUT", "/marathon/update/1", &organizer, r#"{"title":"서울풀"}"#).json();
    assert_eq!(changed, json!({"Attributes": {"id": 1, "title": "서울풀", "point": 20}}));

    let player = r#"{"id":1,"user_id":2,"marathon_id":1}"#;
    assert_eq!(stack.told("POST", "/player/add", &organizer, player), format!("403 {ONLY_RUNNERS}"));
    assert_eq!(stack.told("POST", "/player/add", &runner, player), "200 {}");
    assert_eq!(stack.ask("GET", "/player", &organizer, "").json()["Count"], 1);
    let other = stack.token(0, "third");
    assert_eq!(stack.ask("DELETE", "/player/1", &other, "").status, 403);
    assert_eq!(stack.told("DELETE", "/player/1", &runner, ""), "200 {}");
    assert_eq!(stack.told("POST", "/non_official_record/add", &runner, r#"{"id":1,"record":4.5}"#), "200 {}");
    assert_eq!(stack.ask("DELETE", "/non_official_record/1", &other, "").status, 403);
    assert_eq!(stack.told("DELETE", "/non_official_record/1", &runner, ""), "200 {}");

    let record = r#"{"id":1,"user_id":1,"marathon_id":1,"record":3.25}"#;
    assert_eq!(stack.told("POST", "/official_record", &runner, record), format!("403 {ONLY_ORGANIZERS}"));
    assert_eq!(stack.told("POST", "/official_record", &organizer, record), r#"200 "user_id : 1, marathon_id : 1""#);
    until("the points", || (stack.total(1) == Some(20)).then_some(()));
    let rows = stack.ask("GET", "/point/1", "", "").json();
    assert_eq!(rows, json!([{"user_id": 1, "point": 20, "marathon_id": 1}]));
    // A changed record is worth nothing more, and neither is a deleted one.
    assert_eq!(stack.ask("PUT", "/official_record/1", &organizer, r#"{"record":3.0}"#).status, 200);
    assert_eq!(stack.told("DELETE", "/official_record/1", &organizer, ""), "200 {}");
    let another = r#"{"id":2,"user_id":2,"marathon_id":1,"record":3.5}"#;
    assert_eq!(stack.ask("POST", "/official_record", &organizer, another).status, 200);
    until("the points of the next record", || (stack.total(2) == Some(20)).then_some(()));
    assert_eq!(stack.total(1), Some(20));
    let ranking = stack.ask("GET", "/point/total_point", "", "").json();
    assert_eq!(ranking[0]["total_point"], 20);
    assert_eq!(ranking.as_array().unwrap().len(), 4);
    stack.laptop.told(&["plan", "--exit-code"], 0, "");
}

/// Changes of a table that the function fails at are kept as places in the stream, and a redrive reads them again.
#[test]
fn a_record_that_fails_is_read_again_from_the_stream() {
    let stack = Marathons::open(&[("from: oldest, batch: 100", "from: oldest, batch: 100, retries: 1")]);
    let (organizer, _) = (stack.token(1, "boss"), stack.token(0, "runner"));
    let half = r#"{"id":7,"title":"h","point":20}"#;
    stack.ask("POST", "/marathon/add", &organizer, half);
    stack.laptop.done(&["local", "stop", "official-record"]);
    for id in 1..=3 {
        let record = json!({"id": id, "user_id": 2, "marathon_id": 7, "record": 1.5});
        assert_eq!(stack.ask("POST", "/official_record", &organizer, &record.to_string()).status, 200);
    }
    assert_eq!(stack.told("DELETE", "/marathon/7", &organizer, ""), "200 {}");
    stack.laptop.done(&["local", "restart", "official-record"]);
    thread::sleep(Duration::from_secs(8));
    assert_eq!(stack.total(2), Some(0));
    stack.ask("POST", "/marathon/add", &organizer, half);
    let told = until("the redrive", || {
        let output = stack.laptop.run(&["redrive", "official-record", "--yes"]);
        (output.status.code() == Some(0)).then(|| said(&output)).filter(|told| told.contains("handled"))
    });
    assert!(told.contains("`official-record` handled"), "{told}");
    until("the points", || {
        stack.laptop.run(&["redrive", "official-record", "--yes"]);
        (stack.total(2) == Some(60)).then_some(())
    });
}

/// S1-13: the channel hears of each credit once, and its failure does not matter to the points.
#[test]
fn the_channel_hears_of_each_credit() {
    let channel = Factory::open();
    channel.answers("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n");
    let url = format!("DISCORD_WEBHOOK_URL: \"{}/hook\"", channel.url);
    let stack = Marathons::open(&[("DISCORD_WEBHOOK_URL: \"\"", &url)]);
    let (organizer, _) = (stack.token(1, "boss"), stack.token(0, "runner"));
    stack.ask("POST", "/marathon/add", &organizer, r#"{"id":1,"title":"h","point":10}"#);
    let post = |id: u32| {
        let record = json!({"id": id, "user_id": 2, "marathon_id": 1, "record": 1.5});
        assert_eq!(stack.ask("POST", "/official_record", &organizer, &record.to_string()).status, 200);
    };
    (1..=3).for_each(post);
    until("the posts", || (channel.asked().len() == 3).then_some(()));
    channel.answers("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
    post(4);
    until("the points", || (stack.total(2) == Some(40)).then_some(()));
    let before = channel.asked().len();
    channel.answers("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n");
    until("the fourth post", || (channel.asked().len() > before).then_some(()));
    // It was answered, so it is not made again.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(channel.asked().len(), before + 1);
    assert!(channel.asked().iter().all(|asked| asked.line.starts_with("POST /hook ")), "{:?}", channel.asked());
}

/// Many records at once while parts are killed in turn: each record in the table is worth its points, once.
#[test]
fn points_are_right_after_kills_under_load() {
    // A message that a killed function had taken is hidden for six times its timeout.
    let stack = Marathons::open(&[("window: 1s }\n    timeout: 30s", "window: 1s }\n    timeout: 2s")]);
    let (organizer, _) = (stack.token(1, "boss"), stack.token(0, "runner"));
    stack.ask("POST", "/marathon/add", &organizer, r#"{"id":1,"title":"h","point":10}"#);
    thread::scope(|scope| {
        for writer in 0..4u32 {
            let (stack, organizer) = (&stack, &organizer);
            scope.spawn(move || {
                for id in 0..100 {
                    let id = 1 + writer * 100 + id;
                    let record = json!({"id": id, "user_id": 2, "marathon_id": 1, "record": 1.5}).to_string();
                    until("the record", || {
                        let answer = stack.try_to_ask("POST", "/official_record", organizer, &record)?;
                        // An answer that was lost: the record is there already.
                        [200, 409].contains(&answer.status).then_some(())
                    });
                }
            });
        }
        for part in ["official-record", "tables", "point-increase", "messaging", "main", "user-db", "official-record"] {
            thread::sleep(Duration::from_millis(700));
            stack.laptop.run(&["local", "kill", part]);
        }
    });
    let listed = until("the records", || {
        let answer = stack.try_to_ask("GET", "/official_record", "", "")?;
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(listed["Count"], 400);
    for _ in 0..4 {
        if stack.total(2) == Some(4000) {
            break;
        }
        thread::sleep(Duration::from_secs(15));
    }
    assert_eq!(stack.total(2), Some(4000));
    let rows = stack.ask("GET", "/point/2", "", "").json();
    assert_eq!(rows.as_array().unwrap().len(), 400);
}
