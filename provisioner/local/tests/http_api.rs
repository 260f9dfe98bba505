//! The HTTP API in front of functions that do what they are told.

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use local::http_api::config::{Config, Cors, Target};
use local::http_api::part;
use local::supervisor::part::Part;
use serde_json::{Value, json};
use support::function::{Function, free_port};
use support::{MINUTE, Stack, kill, program, until};

struct Front {
    port: u16,
    file: PathBuf,
}

impl Front {
    fn new(stack: &Stack) -> Front {
        Front { port: free_port(), file: stack.place().state().join("http-api.json") }
    }

    fn part(&self, config: &Config) -> Part {
        part::prepare(&self.file, config).unwrap();
        part::part("http-api", program(), &self.file, self.port).unwrap()
    }

    /// Sends a request as it is written, and gives the status, the head and the body of the answer.
    fn send(&self, request: &[u8]) -> (u16, String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String, String) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: shop.localhost:80\r\n{headers}Content-Length: {length}\r\nConnection: \
             close\r\n\r\n{body}"
        );
        self.send(request.as_bytes())
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let (status, _, body) = self.ask("GET", path, "", "");
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }
}

fn config(functions: &[(&str, &Function)], routes: &[(&str, &str)]) -> Config {
    let target = |function: &Function| Target { name: function.config.name.clone(), port: function.port };
    Config {
        id: "local".into(),
        account: "000000000000".into(),
        routes: routes.iter().map(|(key, name)| ((*key).to_owned(), (*name).to_owned())).collect(),
        functions: functions.iter().map(|(name, function)| ((*name).to_owned(), target(function))).collect(),
        cors: None,
        rate: 1000,
        burst: 2000,
    }
}

fn message(text: &str) -> Value {
    json!({ "message": text })
}

#[test]
fn requests_go_to_their_routes_and_a_change_restarts_nothing() {
    let stack = Stack::new();
    let (shop, log) = (Function::new(&stack, "shop"), Function::new(&stack, "log"));
    let functions = [("shop", &shop), ("log", &log)];
    let front = Front::new(&stack);
    let routes = [("GET /item/{id}", "shop"), ("POST /log", "log")];
    let parts = [shop.part("shop"), log.part("log"), front.part(&config(&functions, &routes))];
    stack.up_whole(&parts);
    let (status, told) = front.get("/item/%EB%B6%80%20%EC%82%B0?a=1&a=2");
    assert_eq!((status, &told["echo"]["version"]), (200, &json!("2.0")), "{told}");
    let event = &told["echo"];
    assert_eq!(event["rawPath"], "/item/부 산");
    assert_eq!(event["pathParameters"], json!({ "id": "부 산" }));
    assert_eq!(event["queryStringParameters"], json!({ "a": "1,2" }));
    assert_eq!(event["headers"]["host"], "shop.localhost:80");
    assert_eq!(event["headers"]["x-forwarded-port"], front.port.to_string());
    assert_eq!(event["requestContext"]["apiId"], "local");
    assert!(event["headers"]["x-amzn-trace-id"].as_str().unwrap().starts_with("Root=1-"));
    assert_eq!(front.get("/nowhere"), (404, message("Not Found")));
    assert_eq!(front.ask("HEAD", "/item/1", "", "").0, 404, "GET does not bring HEAD");
    assert_eq!(front.get("/%ff"), (400, message("Bad Request")));
    let (status, head, body) = front.ask("POST", "/log", "Content-Type: application/json\r\n", "{\"a\": \"부산\"}");
    assert!(status == 200 && head.contains("apigw-requestid: ") && head.contains("application/json"), "{head}");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["echo"]["body"], "{\"a\": \"부산\"}");

    let pid = stack.pid("http-api");
    part::prepare(&front.file, &config(&functions, &[("$default", "log")])).unwrap();
    until("the other routes", || (front.get("/nowhere").0 == 200).then_some(()));
    stack.up_whole(&parts[..2].iter().cloned().chain([front.part(&config(&functions, &routes))]).collect::<Vec<_>>());
    assert_eq!(stack.pid("http-api"), pid);
    let log = std::fs::read_to_string(stack.place().log("http-api")).unwrap();
    assert!(log.contains(" POST /log 200 ") && log.contains(" POST /log by log\n"), "{log}");
}

#[test]
fn answers_are_those_of_the_function_or_of_the_api() {
    let stack = Stack::new();
    let mut shop = Function::new(&stack, "shop");
    let mut one = Function::new(&stack, "one");
    (one.config.processes, one.config.reserved) = (1, true);
    shop.config.timeout_ms = 1000;
    let front = Front::new(&stack);
    let routes = [("POST /shop", "shop"), ("POST /one", "one")];
    let config = config(&[("shop", &shop), ("one", &one)], &routes);
    stack.up_whole(&[front.part(&config), shop.part("shop"), one.part("one")]);
    // The function of the tests takes what it is to do from an event of its own form, so it is asked without the API.
    let direct = |event: Value| shop.invoke(&event);
    assert!(direct(json!({ "do": "fail" })).is_err());

    let big = "x".repeat(10 << 20);
    assert_eq!(front.ask("POST", "/shop", "", &big).0, 413, "six mebibytes are the most for a function");
    let (status, _, body) = front.ask("POST", "/shop", "", &format!("{big}x"));
    assert_eq!((status, body.as_str()), (413, "{\"message\":\"Request Entity Too Large\"}"));
    let long = format!("X-Long: {}\r\n", "x".repeat(10_240));
    assert_eq!(front.ask("POST", "/shop", &long, "").0, 431);

    let file = stack.directory.path().join("go");
    let event = json!({ "do": format!("until {}", file.display()) });
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| one.invoke(&event));
        until("the event", || (one.counts().busy == 1).then_some(()));
        assert_eq!(front.ask("POST", "/one", "", "").2, "{\"message\":\"Service Unavailable\"}");
        assert_eq!(front.ask("POST", "/one", "", "").0, 503);
        std::fs::write(&file, "").unwrap();
        asked.join().unwrap().unwrap();
    });
    assert_eq!(front.ask("POST", "/one", "", "").0, 200);

    stack.client().hold("shop", MINUTE).unwrap();
    let (status, _, body) = front.ask("POST", "/shop", "", "");
    assert_eq!((status, body.as_str()), (503, "{\"message\":\"Service Unavailable\"}"));
    stack.client().resume("shop").unwrap();
    until("the function again", || (front.ask("POST", "/shop", "", "").0 == 200).then_some(()));
}

#[test]
fn what_a_function_answers_comes_back_whole() {
    let stack = Stack::new();
    let mut shop = Function::new(&stack, "shop");
    shop.config.handler = "http".into();
    let front = Front::new(&stack);
    let mut config = config(&[("shop", &shop)], &[("ANY /{proxy+}", "shop")]);
    config.cors = Some(Cors { origins: vec!["*".into()], methods: vec!["*".into()], ..Cors::default() });
    stack.up_whole(&[shop.part("shop"), front.part(&config)]);
    let told = |answer: &Value| front.ask("POST", "/answer", "Content-Type: application/json\r\n", &answer.to_string());
    let (status, head, body) = told(&json!({
        "statusCode": 201, "headers": { "X-Mine": "1", "Access-Control-Allow-Origin": "https://own" },
        "cookies": ["a=1", "b=2; Secure"], "body": "YT1i", "isBase64Encoded": true,
    }));
    assert_eq!((status, body.as_str()), (201, "a=b"));
    assert!(head.contains("x-mine: 1") && head.contains("set-cookie: a=1\r\nset-cookie: b=2; Secure"), "{head}");
    assert!(!head.contains("https://own"), "{head}");
    assert_eq!(told(&json!({ "hello": "world" })).2, "{\"hello\":\"world\"}");
    assert_eq!(told(&json!("plain")).2, "plain");
    let (status, _, body) = told(&json!({ "statusCode": "x" }));
    assert_eq!((status, body.as_str()), (500, "{\"message\":\"Internal Server Error\"}"));
    let (status, _, body) = front.ask("POST", "/fail", "", "");
    assert_eq!((status, body.as_str()), (500, "{\"message\":\"Internal Server Error\"}"));
    let (status, _, body) = front.ask("POST", "/exit%203", "", "");
    assert_eq!((status, body.as_str()), (500, "{\"message\":\"Internal Server Error\"}"));
    let (status, head, body) = front.ask("GET", "/ok", "Origin: https://a.example\r\n", "");
    assert!(status == 200 && head.contains("access-control-allow-origin: *") && body.contains("https://a.example"));
    let asks = "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n";
    let (status, head, body) = front.ask("OPTIONS", "/ok", asks, "");
    assert!(status == 204 && head.contains("access-control-allow-methods: *") && body.is_empty(), "{head}");
    let (_, _, body) = front.ask("GET", "/ok", "Cookie: a=1; b=2\r\n", "");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["echo"]["cookies"], json!(["a=1", "b=2"]));
}

#[test]
fn more_requests_than_the_rate_are_refused() {
    let stack = Stack::new();
    let shop = Function::new(&stack, "shop");
    let front = Front::new(&stack);
    let mut config = config(&[("shop", &shop)], &[("$default", "shop")]);
    (config.rate, config.burst) = (1, 3);
    stack.up_whole(&[shop.part("shop"), front.part(&config)]);
    let answers: Vec<(u16, String)> = (0..8)
        .map(|_| {
            let (status, _, body) = front.ask("GET", "/", "", "");
            (status, body)
        })
        .collect();
    assert_eq!(answers[0].0, 200);
    let refused = answers.iter().filter(|answer| answer.0 == 429).count();
    assert!((1..=5).contains(&refused), "{answers:?}");
    assert!(answers.iter().all(|(status, body)| *status == 200 || body == "{\"message\":\"Too Many Requests\"}"));
}

/// Whatever dies, each request has an answer, and nothing is stuck afterwards.
#[test]
fn requests_are_answered_while_processes_are_killed() {
    let stack = Stack::new();
    let mut shop = Function::new(&stack, "shop");
    (shop.config.processes, shop.config.timeout_ms) = (4, 300);
    shop.config.handler = "http".into();
    let front = Front::new(&stack);
    stack.up_whole(&[shop.part("shop"), front.part(&config(&[("shop", &shop)], &[("ANY /{proxy+}", "shop")]))]);
    let paths = ["/sleep%205", "/sleep%205", "/sleep%205", "/fail", "/exit%203", "/sleep%20900"];
    let asking = |thread: usize| {
        let ask = |at: usize| front.ask("GET", paths[(thread + at) % paths.len()], "", "").0;
        (0..30).map(ask).collect::<Vec<u16>>()
    };
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let asking = &asking;
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || asking(thread))).collect();
        while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let all = stack.processes().into_iter().filter(|(_, line)| line.contains("/handler"));
            all.take(1).for_each(|(pid, _)| kill(pid));
            std::thread::sleep(Duration::from_millis(60));
        }
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.len(), 240);
    assert!(answers.iter().all(|status| [200, 500].contains(status)), "{answers:?}");
    assert!(answers.contains(&200) && answers.contains(&500));
    let counts = until("rest", || Some(shop.counts()).filter(|counts| counts.busy == 0 && counts.waiting == 0));
    assert!(counts.processes <= 4 && counts.invocations >= 240, "{counts:?}");
    assert_eq!((front.ask("GET", "/echo", "", "").0, stack.status("shop").restarts), (200, 0));
}

#[test]
fn a_route_to_nobody_is_refused() {
    let none =
        Config { rate: 1, burst: 1, routes: BTreeMap::from([("$default".into(), "shop".into())]), ..Config::default() };
    let directory = tempfile::tempdir().unwrap();
    let error = part::prepare(&directory.path().join("f"), &none).unwrap_err();
    assert_eq!(error.to_string(), "`$default` goes to `shop`, which is not a function");
}
