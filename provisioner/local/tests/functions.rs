//! Functions with real processes: invocations, time limits, errors of the start, kills, and events that nobody waits
//! for.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use local::http;
use local::supervisor::part::Part;
use local::supervisor::protocol::State;
use serde_json::{Value, json};
use support::function::Function;
use support::{Stack, after, kill, shell, until};

/// The processes of the test's functions.
fn handlers(stack: &Stack) -> Vec<i32> {
    let of_handler = |(pid, line): (i32, String)| line.contains("/handler").then_some(pid);
    stack.processes().into_iter().filter_map(of_handler).collect()
}

#[test]
fn a_function_is_started_invoked_and_counted() {
    let stack = Stack::named("상태 디렉터리");
    let function = Function::new(&stack, "shop");
    let mut part = function.part("shop");
    part.env.insert("ADMIN_KEY".into(), "key".into());
    stack.up_whole(&[part]);
    let answer = function.invoke(&json!({ "do": "echo", "이름": "부산" })).unwrap();
    assert_eq!(answer["echo"], json!({ "do": "echo", "이름": "부산" }));
    // A process that has answered is used again, unless the machine is so busy that another one was started meanwhile.
    until("the same process", || {
        (function.invoke(&json!({ "do": "echo" })).unwrap()["pid"] == answer["pid"]).then_some(())
    });
    let before = function.counts();
    assert!(before.processes <= 2 && before.errors == 0, "{before:?}");
    let names = ["_HANDLER", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "ADMIN_KEY"];
    let environment = function.invoke(&json!({ "do": "environment", "names": names })).unwrap();
    assert_eq!(environment, json!(["works", "eu-west-1", "bell-dev-shop", "128", "key"]));
    let headers = function.invoke(&json!({ "do": "headers" })).unwrap();
    let deadline: u128 = headers[0].as_str().unwrap().parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    assert!(deadline > now && deadline <= now + 10_000, "{headers}");
    assert_eq!(headers[1], "arn:aws:lambda:eu-west-1:000000000000:function:bell-dev-shop");
    assert!(headers[2].as_str().unwrap().starts_with("Root=1-"), "{headers}");

    let failed = function.raw("RequestResponse", r#"{"do": "fail"}"#);
    assert_eq!((failed.status, failed.header("X-Amz-Function-Error")), (200, Some("Unhandled")));
    let told: Value = serde_json::from_slice(&failed.body).unwrap();
    assert_eq!(told, json!({ "errorType": "Error", "errorMessage": "told to fail", "stackTrace": [] }));
    let counts = function.counts();
    assert_eq!((counts.invocations, counts.errors, counts.throttles), (before.invocations + 3, 1, 0));
    assert!(counts.p50_ms.unwrap() <= counts.p99_ms.unwrap());
    assert_eq!(counts.last_error.unwrap().text, "Error: told to fail");
    let log = std::fs::read_to_string(stack.place().log("shop")).unwrap();
    for line in ["START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "\tMemory Size: 128 MB\tInit Duration: "]
    {
        assert!(log.contains(line), "{log}");
    }
}

#[test]
fn requests_are_refused_as_lambda_refuses_them() {
    let stack = Stack::new();
    let function = Function::new(&stack, "shop");
    stack.up_whole(&[function.part("shop")]);
    let refused = |kind: &str, event: &str| {
        let answer = function.raw(kind, event);
        (answer.status, answer.header("x-amzn-errortype").unwrap_or_default().to_owned())
    };
    assert_eq!(refused("RequestResponse", "{"), (400, "InvalidRequestContentException".into()));
    assert_eq!(refused("Later", "{}"), (400, "InvalidParameterValueException".into()));
    assert_eq!(refused("DryRun", "{}"), (204, String::new()));
    assert_eq!(refused("RequestResponse", &format!("\"{}\"", "x".repeat(6_291_556))).0, 413);
    assert_eq!(refused("Event", &format!("\"{}\"", "x".repeat(1 << 20))).0, 413);
    let path = "/2015-03-31/functions/other/invocations";
    let ask = |path: &str, headers: &[(&str, &str)]| {
        http::ask(function.port, "POST", path, headers, Some("{}"), Duration::from_secs(5)).unwrap().status
    };
    assert_eq!(ask(path, &[("Authorization", "any")]), 404);
    assert_eq!(ask("/2015-03-31/functions/bell-dev-shop/invocations", &[]), 403, "it may be a page in a browser");
    // A process that was replaced, or that nobody started, gets nothing.
    assert_eq!(ask("/bell-dev-shop/nobody/2018-06-01/runtime/invocation/1/response", &[]), 403);
    assert_eq!(function.counts().invocations, 0);

    let large = function.invoke(&json!({ "do": "large 6291554" })).unwrap();
    assert_eq!(large.as_str().unwrap().len(), 6_291_554);
    let error = function.invoke(&json!({ "do": "large 6291555" })).unwrap_err();
    assert!(error.contains("Function.ResponseSizeTooLarge"), "{error}");
    assert_eq!(function.invoke(&json!({ "do": "forge" })).unwrap()["echo"], json!({ "do": "forge" }));
}

#[test]
fn one_that_takes_too_long_or_ends_is_replaced() {
    let stack = Stack::new();
    let mut function = Function::new(&stack, "shop");
    function.config.timeout_ms = 400;
    stack.up_whole(&[function.part("shop")]);
    let pid = handlers(&stack);
    let begin = Instant::now();
    let error = function.invoke(&json!({ "do": "sleep 60000" })).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(error.contains("Task timed out after 0.40 seconds"), "{error}");
    until("the end of the late one", || (!handlers(&stack).contains(&pid[0])).then_some(()));
    let log = std::fs::read_to_string(stack.place().log("shop")).unwrap();
    assert!(log.contains(" Task timed out after 0.40 seconds"), "{log}");
    function.invoke(&json!({ "do": "echo" })).unwrap();

    let error = function.invoke(&json!({ "do": "exit 3" })).unwrap_err();
    assert!(error.contains("Runtime.ExitError") && error.contains("exit status: 3"), "{error}");
    function.invoke(&json!({ "do": "echo" })).unwrap();
    kill(handlers(&stack)[0]);
    until("no process", || handlers(&stack).is_empty().then_some(()));
    function.invoke(&json!({ "do": "echo" })).unwrap();
    assert_eq!(function.counts().errors, 2);
}

#[test]
fn one_that_does_not_start_says_why() {
    let stack = Stack::new();
    let function = |name: &str, handler: &str| {
        let mut function = Function::new(&stack, name);
        function.config.handler = handler.into();
        function
    };
    let (told, ends) = (function("told", "tells-an-init-error"), function("ends", "ends"));
    let mut missing = function("missing", "works");
    missing.config.program = "/nonexistent/bootstrap".into();
    let (outcome, _) = stack.up(&[told.part("told"), ends.part("ends"), missing.part("missing")]);
    let error = |part: &str| {
        outcome.failed.iter().find(|failure| failure.part == part).map(|it| it.cause().to_owned()).unwrap_or_default()
    };
    assert!(error("told").contains("the function did not start: Runtime.Configuration: no such role"), "{outcome:#?}");
    assert!(error("ends").contains("Runtime exited with error: exit status: 1"), "{outcome:#?}");
    assert!(error("missing").contains("`/nonexistent/bootstrap`: No such file"), "{outcome:#?}");

    // One that has worked before stays up. Each event tries to start a process.
    let file = stack.directory.path().join("begin");
    std::fs::write(&file, "").unwrap();
    let later = function("later", file.to_str().unwrap());
    stack.up_whole(&[later.part("later")]);
    std::fs::remove_file(&file).unwrap();
    kill(handlers(&stack)[0]);
    until("no process", || handlers(&stack).is_empty().then_some(()));
    let error = later.invoke(&json!({ "do": "echo" })).unwrap_err();
    assert!(error.contains("Runtime.ExitError"), "{error}");
    std::fs::write(&file, "").unwrap();
    later.invoke(&json!({ "do": "echo" })).unwrap();
    assert_eq!(stack.status("later").restarts, 0);
}

#[test]
fn events_are_handled_side_by_side_up_to_the_limit() {
    let stack = Stack::new();
    let mut waits = Function::new(&stack, "waits");
    waits.config.processes = 3;
    let mut reserved = Function::new(&stack, "reserved");
    (reserved.config.processes, reserved.config.reserved) = (2, true);
    stack.up_whole(&[waits.part("waits"), reserved.part("reserved")]);
    let file = stack.directory.path().join("go");
    let event = json!({ "do": format!("until {}", file.display()) });
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..5).map(|_| scope.spawn(|| waits.invoke(&event).unwrap()["pid"].as_u64())).collect();
        let some: Vec<_> = (0..2).map(|_| scope.spawn(|| reserved.invoke(&event).unwrap())).collect();
        until("three at a time", || (waits.counts().busy == 3 && waits.counts().waiting == 2).then_some(()));
        until("two at a time", || (reserved.counts().busy == 2).then_some(()));
        let refused = reserved.raw("RequestResponse", "{}");
        assert_eq!((refused.status, refused.header("x-amzn-errortype")), (429, Some("TooManyRequestsException")));
        assert_eq!(reserved.raw("Event", "{}").status, 202);
        std::fs::write(&file, "").unwrap();
        let pids: BTreeSet<_> = all.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!((1..=3).contains(&pids.len()), "{pids:?}");
        some.into_iter().for_each(|thread| drop(thread.join().unwrap()));
    });
    until("the event that has waited", || (reserved.counts().invocations == 3).then_some(()));
    assert_eq!((reserved.counts().throttles, waits.counts().throttles, waits.counts().processes), (1, 0, 3));
}

#[test]
fn a_killed_part_takes_its_processes_with_it_and_a_stopped_one_lets_them_finish() {
    let stack = Stack::new();
    let function = Function::new(&stack, "shop");
    let part = function.part("shop");
    stack.up_whole(std::slice::from_ref(&part));
    let file = stack.directory.path().join("go");
    let event = json!({ "do": format!("until {}", file.display()) });
    let before = handlers(&stack);
    kill(stack.pid("shop") as i32);
    until("the end of its process", || handlers(&stack).iter().all(|pid| !before.contains(pid)).then_some(()));
    until("another one", || (stack.status("shop").state == State::Ready).then_some(()));

    std::thread::scope(|scope| {
        let asked = scope.spawn(|| function.invoke(&event));
        until("the event", || (function.counts().busy == 1).then_some(()));
        stack.client().restart("shop").unwrap();
        std::thread::sleep(Duration::from_millis(300));
        std::fs::write(&file, "").unwrap();
        assert_eq!(asked.join().unwrap().unwrap()["echo"], event);
    });
    until("another one", || {
        (stack.status("shop").restarts == 1 && stack.status("shop").state == State::Ready).then_some(())
    });
    assert_eq!(handlers(&stack).len(), 1);
}

#[test]
fn a_paused_function_stands_still_with_its_processes() {
    let stack = Stack::new();
    let function = Function::new(&stack, "shop");
    let part = function.part("shop");
    stack.up_whole(std::slice::from_ref(&part));
    let stands_still = || {
        handlers(&stack).iter().all(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.contains(") T ")
        })
    };
    for again in [
        |stack: &Stack, _: &Part| stack.client().resume("shop").unwrap(),
        |stack: &Stack, part: &Part| {
            stack.up_whole(std::slice::from_ref(part));
        },
    ] {
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| function.invoke(&json!({ "do": "sleep 300" })));
            until("the event", || (function.counts().busy == 1).then_some(()));
            stack.client().pause("shop").unwrap();
            until("all to stand still", || stands_still().then_some(()));
            std::thread::sleep(Duration::from_millis(400));
            assert!(!asked.is_finished());
            again(&stack, &part);
            asked.join().unwrap().unwrap();
        });
    }
    stack.client().pause("shop").unwrap();
    let begin = Instant::now();
    stack.up_whole(&[]);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(handlers(&stack).is_empty());
}

#[test]
fn an_event_that_nobody_waits_for_is_tried_again_also_after_a_kill() {
    let stack = Stack::new();
    let function = Function::new(&stack, "shop");
    let part = function.part("shop");
    stack.up_whole(std::slice::from_ref(&part));
    function.hand_over(&json!({ "do": "fail" }));
    until("three tries", || (function.counts().errors == 3 && function.counts().accepted == 0).then_some(()));
    assert_eq!(function.seen().len(), 3);

    let file = stack.directory.path().join("go");
    let event = json!({ "do": format!("until {}", file.display()) });
    (0..20).for_each(|_| function.hand_over(&event));
    until("eight at a time", || (function.counts().busy == 8).then_some(()));
    assert_eq!(function.counts().accepted, 20);
    kill(stack.pid("shop") as i32);
    std::fs::write(&file, "").unwrap();
    until("all events", || {
        let counts = function.counts_if_up()?;
        (counts.accepted == 0 && counts.invocations == 20).then_some(())
    });
}

#[test]
fn what_is_to_be_done_once_is_done_once_and_others_wait_for_it() {
    let stack = Stack::new();
    let file = stack.directory.path().join("works");
    let mut function = Function::new(&stack, "migrate");
    function.config.handler = file.display().to_string();
    let parts = |function: &Function| [function.once("migrate"), after(shell("api", "exec sleep 600"), &["migrate"])];
    let (outcome, _) = stack.up(&parts(&function));
    assert_eq!((outcome.failed[0].part.as_str(), outcome.skipped[0].part.as_str()), ("migrate", "api"));
    assert!(outcome.failed[0].error.contains("exit status: 1"), "{outcome:#?}");

    std::fs::write(&file, "").unwrap();
    stack.up_whole(&parts(&function));
    assert_eq!((stack.status("migrate").state, stack.status("migrate").pid), (State::Ready, None));
    assert_eq!(function.seen().len(), 1);
    // The same again does nothing.
    assert_eq!(stack.up_whole(&parts(&function)), []);
    stack.client().kill("migrate").unwrap_err();
    assert_eq!(function.seen().len(), 1);
    stack.client().restart("migrate").unwrap();
    until("once more", || (function.seen().len() == 2 && stack.status("migrate").pid.is_none()).then_some(()));
    let api = stack.pid("api");
    function.config.memory_mb = 256;
    stack.up_whole(&parts(&function));
    assert_eq!((function.seen().len(), stack.pid("api")), (3, api));
    let log = std::fs::read_to_string(stack.place().log("migrate")).unwrap();
    assert!(log.contains("{\"echo\":{},"), "{log}");
}
