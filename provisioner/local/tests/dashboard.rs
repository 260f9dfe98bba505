//! The page about a stack, in a real browser, over parts that really run. Pictures of it are left in
//! `target/tmp/dashboard/`, to be looked at.

#![allow(clippy::print_stderr, reason = "what the parts said, where a test fails")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/shop.rs"]
mod shop;
mod support;

use std::io::Write;
use std::path::PathBuf;

use browser::{Browser, http};
use local::dashboard::config::{Config, Connection, Lane, Link, Node, Table};
use local::dashboard::part as dashboard;
use local::functions::config::{From, Source};
use local::supervisor::protocol::State;
use local::tables::View;
use serde_json::json;
use shop::{PASSWORD, Shop, TRACE};
use support::function::{Function, free_port};
use support::tables::{config, put, table};
use support::{Stack, kill, program, until};

#[test]
fn nobody_else_gets_in() {
    let shop = Shop::up();
    let (port, token) = (shop.port(), shop.token());
    let status = |method: &str, path: &str, headers: &[(&str, &str)]| -> u16 {
        http(port, method, path, headers, "").split(' ').nth(1).unwrap().parse().unwrap()
    };
    assert_eq!(status("GET", &format!("/{token}/"), &[]), 200);
    for path in [
        "/".to_owned(),
        "/api/state".into(),
        format!("/{}/", "0".repeat(32)),
        format!("/{token}"),
        format!("/{token}x/api/state"),
    ] {
        assert_eq!(status("GET", &path, &[]), 403, "{path}");
    }
    let page = format!("/{token}/");
    assert_eq!(status("GET", &page, &[("Host", "evil.example")]), 403);
    assert_eq!(status("GET", &page, &[("Host", &format!("localhost:{port}"))]), 200);

    // A request that changes something, or gives a secret away, needs the header as well.
    let header = ("x-provision-token", token.as_str());
    let restart = format!("/{token}/api/part?name=api&do=restart");
    let before = shop.stack.pid("api");
    assert_eq!(status("POST", &restart, &[]), 403);
    assert_eq!(status("POST", &restart, &[("x-provision-token", "no")]), 403);
    assert_eq!(status("POST", &restart, &[header, ("Origin", "http://evil.example")]), 403);
    assert_eq!(status("GET", &restart, &[header]), 404);
    assert_eq!(shop.stack.pid("api"), before);
    let connection = format!("/{token}/api/connection?name=orders%20as%20owner");
    assert_eq!(status("GET", &connection, &[]), 403);
    assert!(http(port, "GET", &connection, &[header], "").contains(PASSWORD));

    // No other answer says it, though a log does.
    let log = std::fs::read_to_string(shop.stack.place().log("api")).unwrap();
    assert!(log.contains(PASSWORD));
    for path in ["stack", "state", "logs", "history"] {
        let said = shop.look(path).to_string();
        assert!(said.len() > 50 && !said.contains(PASSWORD), "{path}: {said}");
    }
    let answer = http(port, "GET", &page, &[], "");
    assert!(answer.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{answer}");
    for (path, wanted) in [("nothing", 404), ("logs?cursor=x", 400), ("part", 404)] {
        assert_eq!(status("GET", &format!("/{token}/api/{path}"), &[]), wanted, "{path}");
    }
    assert_eq!(status("POST", &format!("/{token}/api/part?name=nothing&do=kill"), &[header]), 400);
    // A name in a question never becomes a path.
    assert_eq!(shop.look("logs?part=../keys")["lines"], json!([]));
}

#[test]
fn the_page_shows_what_is_so_and_does_what_it_says() {
    let shop = Shop::up();
    shop.dead_letters(3);
    let browser = Browser::new();
    browser.look(1440, 1000, "light");
    browser.open(&shop.address());
    browser.until_text("#summary", "All 6 parts ready");
    browser.until_text("#map [data-id='orders-replica']", "up to date");
    browser.until_text("#map [data-id='queue:mails']", "3 dead");
    let lines = browser.run("return document.querySelectorAll('#map svg path').length");
    assert_eq!(lines, 10, "five lines with their heads");
    let page = browser.run("return document.documentElement.outerHTML").as_str().unwrap().to_owned();
    assert!(page.contains("mysql://owner:••••••••@127.0.0.1") && !page.contains(PASSWORD));
    picture(&browser, "overview");

    // The whole text of a connection goes to the clipboard, and only there.
    browser.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }");
    browser.click("#connections [data-do='connection']");
    let copied = browser.until("a copy", "return window.copied ?? ''", |text| text != "");
    assert!(copied.as_str().unwrap().contains(PASSWORD), "{copied}");
    browser.until_text("#toast.shown", "Copied: orders as owner");

    browser.click("#queues [data-do='redrive']");
    browser.until_text("#toast.shown", "mails: 3 dead letters moved back");
    browser.until_text("#map [data-id='queue:mails']", "3 waiting");
    browser.until("no more to redrive", "return document.querySelector('#queues [data-do=redrive]').disabled", |it| {
        it == &json!(true)
    });

    let before = shop.stack.pid("api");
    browser.click("#parts tr[data-key='api'] [data-doing='restart']");
    let now = until("another process", || Some(shop.stack.status("api").pid?).filter(|pid| *pid != before));
    browser.until_text("#parts tr[data-key='api']", &now.to_string());

    // A part dies and cannot come back, until it can and is asked to.
    std::fs::remove_file(&shop.works).unwrap();
    kill(shop.stack.pid("worker") as i32);
    browser.until_text("#parts tr[data-key='worker']", "failed");
    browser.until_text("#summary", "5 of 6 parts ready");
    browser.click("#map [data-id='worker']");
    browser.until_text("#inspector", "exit status: 3");
    browser.until_text("#inspector .lately", "given up");
    let page = browser.run("return document.body.innerText").as_str().unwrap().to_owned();
    assert!(page.contains("no work for ••••") && !page.contains(PASSWORD), "{page}");
    assert!(!shop.look("history").to_string().contains(PASSWORD));
    picture(&browser, "failed");
    std::fs::write(&shop.works, "").unwrap();
    browser.click("#inspector [data-doing='restart']");
    browser.until_text("#summary", "All 6 parts ready");

    browser.click("#map [data-id='orders-replica']");
    browser.click("#inspector [data-doing='pause']");
    browser.until_text("#map [data-id='orders-replica'].paused", "lag unknown");
    browser.click("#inspector [data-doing='resume']");
    browser.until_text("#map [data-id='orders-replica'].ready", "up to date");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn logs_are_searched_and_followed_over_all_parts() {
    let shop = Shop::up();
    let browser = Browser::new();
    browser.look(1440, 900, "dark");
    browser.open(&format!("{}#logs", shop.address()));
    browser.until_text("#log-lines", "order.created");
    browser.until_text("#log-lines", "mail.sent");
    picture(&browser, "logs");
    let healthy = "return document.querySelector('#log-lines').innerText.includes('/healthz')";
    assert_eq!(browser.run(healthy), json!(false));
    browser.click("#log-quiet");
    browser.until("health checks", healthy, |it| it == &json!(true));
    browser.click("#log-quiet");

    browser.type_into("#log-text", "ORDER.created");
    let count = "return document.querySelectorAll('#log-lines .line').length";
    browser.until("one line", count, |it| it == &json!(1));
    // The id in the line leads to the lines of the other service for the same request.
    browser.click("#log-lines .line a");
    browser.until_text("#log-trace", TRACE);
    browser.until("both lines", count, |it| it == &json!(2));
    browser.until_text("#log-lines", "mail.sent");
    picture(&browser, "trace");

    browser.click("#log-trace a");
    browser.until("all lines", count, |it| it.as_u64() > Some(10));
    browser.click("#log-parts [data-part='worker']");
    browser.until("the worker's", count, |it| it == &json!(1));
    // Long logs come in pieces, the end first.
    let line =
        |number: u32| format!("{{\"timestamp\":\"2026-11-22T00:00:{:02}Z\",\"event\":\"n{number}\"}}\n", number / 12);
    let mut log = std::fs::OpenOptions::new().append(true).open(shop.stack.place().log("worker")).unwrap();
    log.write_all((0..700).map(line).collect::<String>().as_bytes()).unwrap();
    browser.until_text("#log-lines .line:last-child", "n699");
    browser.click("#log-parts [data-part='worker']");
    browser.click("#log-parts [data-part='worker']");
    browser.until("the last", count, |it| it == &json!(300));
    // The earlier lines come, except those of the one second in which the lines were cut off. The answer to the second
    // click goes to the end again, and may come after the first look.
    let upwards = format!("document.querySelector('#log-lines').scrollTop = 0; {count}");
    browser.until("the ones before", &upwards, |it| it.as_u64() > Some(580));
    browser.type_into("#log-text", "\"n3\"");
    browser.until("one of the first", count, |it| it == &json!(1));
    browser.run(
        "const text = document.querySelector('#log-text'); text.value = ''; text.dispatchEvent(new Event('input'))",
    );
    browser.until("the end again", count, |it| it == &json!(300));
    // Lines are written while somebody looks.
    let before = shop.stack.pid("worker");
    shop.stack.client().restart("worker").unwrap();
    until("another process", || Some(shop.stack.status("worker").pid?).filter(|pid| *pid != before));
    browser.until_text("#log-lines .line:last-child", "mail.sent");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn what_happened_is_still_known_after_everything_was_restarted() {
    let shop = Shop::up();
    shop.stack.client().kill("worker").unwrap();
    until("the worker again", || {
        (shop.stack.status("worker").restarts == 1 && shop.stack.status("worker").state == State::Ready).then_some(())
    });
    kill(shop.stack.supervisor());
    shop.stack.up_whole(&shop.parts);
    shop.stack.down();
    shop.stack.up_whole(&shop.parts);

    let events = shop.look("history");
    let whats: Vec<&str> = events["events"].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect();
    let of = |what: &str| whats.iter().filter(|it| **it == what).count();
    assert_eq!((of("apply"), of("kill"), of("exited"), of("stop")), (3, 1, 1, 1), "{whats:?}");
    let began = events["events"].as_array().unwrap().iter().filter(|it| it["what"] == "began").count();
    assert_eq!(began, 3, "{whats:?}");

    let browser = Browser::new();
    for (width, scheme) in [(1440, "light"), (375, "dark")] {
        browser.look(width, 900, scheme);
        browser.open(&format!("{}#history", shop.address()));
        browser.until_text("#history-list", "worker: killed on purpose");
        picture(&browser, &format!("history-{width}"));
        for view in ["overview", "logs", "history"] {
            browser.run(&format!("location.hash = '#{view}'"));
            browser.until_text("#summary", "All 6 parts ready");
            let wide = browser.run("return document.documentElement.scrollWidth");
            assert_eq!(wide, json!(width), "{view} is wider than the window");
            picture(&browser, &format!("{view}-{width}-{scheme}"));
        }
    }
    // Every control has a name, and can be reached by the keyboard.
    let nameless = "return [...document.querySelectorAll('button, a, input, select')].filter((it) => !(it.innerText || it.textContent || it.ariaLabel || it.labels?.length)).length";
    assert_eq!(browser.run(nameless), json!(0));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn what_functions_have_done_is_shown() {
    let stack = Stack::new();
    let place = stack.place();
    let function = Function::new(&stack, "order");
    let port = free_port();
    let node = |name: &str| Node {
        id: name.into(),
        name: name.into(),
        kind: "function".into(),
        lane: Lane::Services,
        part: name.into(),
    };
    let secret =
        Connection { name: "a".into(), part: "order".into(), text: "b".into(), secret: Some("to fail".into()) };
    let config = Config { nodes: vec![node("order")], connections: vec![secret], ..Config::default() };
    dashboard::prepare(&place, &config).unwrap();
    stack.up_whole(&[function.part("order"), dashboard::part(program(), &place, port).unwrap()]);
    function.invoke(&json!({})).unwrap();
    function.invoke(&json!({ "do": "fail" })).unwrap_err();
    let browser = Browser::new();
    browser.look(1440, 1000, "light");
    browser.open(&dashboard::address(&place, port).unwrap());
    browser.until_text("#functions tr[data-key='order']", "0 of 1 busy");
    browser.until_text("#functions tr[data-key='order'] small", "Error: told ••••••••");
    browser.click("#map [data-id='order']");
    browser.until_text("#inspector", "Invocations");
    picture(&browser, "functions");
    browser.look(375, 1000, "dark");
    browser.until("a narrow page", "return document.documentElement.scrollWidth", |it| it == &json!(375));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn tables_and_the_lag_of_their_readers_are_shown() {
    let stack = Stack::new();
    let place = stack.place();
    let (tables_port, port) = (free_port(), free_port());
    let (file, directory) = (place.state().join("tables.json"), place.state().join("tables"));
    local::tables::part::prepare(&file, &config(&[("bell-dev-records", table(Some(View::NewImage)))])).unwrap();
    let tables = local::tables::part::part("tables", program(), &file, &directory, tables_port).unwrap();
    let mut function = Function::new(&stack, "point");
    function.config.sources = vec![Source::Table {
        url: format!("http://127.0.0.1:{tables_port}/"),
        table: "bell-dev-records".into(),
        from: From::Oldest,
        batch: 1,
        window_ms: 0,
        retries: 0,
        bisect: false,
        partial: false,
    }];
    let node = |id: &str, kind: &str, lane: Lane, part: &str| {
        let name = id.rsplit(':').next().unwrap().to_owned();
        Node { id: id.into(), name, kind: kind.into(), lane, part: part.into() }
    };
    let records = Table { id: "table:records".into(), name: "bell-dev-records".into() };
    let config = Config {
        nodes: vec![
            node("table:records", "table", Lane::Data, "tables"),
            node("point", "function", Lane::Services, "point"),
        ],
        links: vec![Link { from: "table:records".into(), to: "point".into(), verb: "feeds".into() }],
        dynamodb: Some(tables_port),
        tables: vec![records],
        ..Config::default()
    };
    dashboard::prepare(&place, &config).unwrap();
    stack.up_whole(&[tables, function.part("point"), dashboard::part(program(), &place, port).unwrap()]);
    let file = stack.directory.path().join("there");
    for id in 1..=3 {
        let waits = json!({ "do": { "S": format!("until {}", file.display()) } });
        put(tables_port, "bell-dev-records", id, &waits);
    }
    let browser = Browser::new();
    browser.look(1440, 1000, "light");
    browser.open(&dashboard::address(&place, port).unwrap());
    browser.until_text("#tables tr[data-key='table:records']", "point: 3 records behind, the oldest ");
    browser.until_text("#map [data-id='table:records']", "3 items · point 3 records behind");
    browser.click("#map [data-id='table:records']");
    browser.until_text("#inspector", "3 records");
    picture(&browser, "tables");
    std::fs::write(&file, "").unwrap();
    browser.until_text("#tables tr[data-key='table:records']", "point: up to date");
    browser.look(375, 1000, "dark");
    browser.until("a narrow page", "return document.documentElement.scrollWidth", |it| it == &json!(375));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

fn picture(browser: &Browser, name: &str) {
    browser.run("scrollTo(0, 0)");
    browser.picture(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dashboard").join(format!("{name}.png")));
}
