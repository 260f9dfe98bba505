//! A whole stack against one emulator: up, an empty second plan, status, down. No call is refused because of its order or
//! because of the rights, which are exactly the printed ones. Every request is valid by AWS's own models.

use std::collections::BTreeMap;

use gateway::{Base, Gateway, Options};
use serde_json::Value;

use super::binary::{run, said, stack};
use super::recorded::valid;
use super::rights;

pub struct Expected {
    /// The most calls of a plan in which nothing changes.
    pub calls: usize,
    /// The services of the stack, each of which runs.
    pub services: usize,
}

pub async fn whole(base: Base, name: &str, env: &str, expected: Expected) {
    let record = tempfile::NamedTempFile::new().expect("a temporary file");
    let options = Options { base, scale: super::SCALE, record: Some(record.path().to_owned()), ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let (url, path) = (gateway.url(), stack(name));
    let file = path.to_str().expect("a path in UTF-8");

    // Everything below runs under exactly the printed rights.
    let of_up = rights::give(&gateway, file, env).await;
    gateway.clear_calls();
    let up = run(url, &["up", file, "--env", env, "--yes", "--json"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let report: Value = serde_json::from_slice(&up.stdout).expect("one object");
    let (serving, complete) = (report["serving_seconds"].as_f64(), report["complete_seconds"].as_f64());
    assert!(serving.is_some() && serving <= complete, "{serving:?} {complete:?}");

    // The tag index is read for the first look at the account, and for no poll.
    assert_eq!(gateway.calls().iter().filter(|call| call.action == "GetResources").count(), 1);
    gateway.clear_calls();
    let of_plan = rights::printed(&gateway, file, env, &["--plan"]).await;
    gateway.rights(of_plan["policies"].as_array().expect("documents"));
    let plan = run(url, &["plan", file, "--env", env, "--exit-code"]).await;
    assert_eq!(plan.status.code(), Some(0), "a second plan is empty: {}", said(&plan));
    let calls = gateway.calls();
    let mut by_action: BTreeMap<&str, usize> = BTreeMap::new();
    calls.iter().for_each(|call| *by_action.entry(call.action.as_str()).or_default() += 1);
    gateway.rights(&of_up);
    assert!(
        calls.len() <= expected.calls,
        "a plan in which nothing changes takes {} calls: {by_action:?}",
        calls.len()
    );

    let live = run(url, &["status", file, "--env", env, "--json"]).await;
    assert_eq!(live.status.code(), Some(0), "{}", said(&live));
    let health = serde_json::from_slice::<Value>(&live.stdout).expect("JSON")["health"].to_string();
    // Emulators do not measure anything.
    let unmeasured = ["\"lag_seconds\":null", "\"last_result\":null"].map(|value| health.matches(value).count());
    assert_eq!(health.matches("null").count(), unmeasured.iter().sum::<usize>(), "{health}");
    assert_eq!(health.matches("\"running\":").count(), expected.services, "{health}");

    let undecided = run(url, &["down", file, "--env", env, "--yes"]).await;
    assert_eq!(undecided.status.code(), Some(64), "nobody said what becomes of the data: {}", said(&undecided));

    let down = run(url, &["down", file, "--env", env, "--yes", "--delete-data"]).await;
    assert_eq!(down.status.code(), Some(0), "{}", said(&down));
    let status = run(url, &["status", file, "--env", env, "--json"]).await;
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let left: Vec<&Value> =
        status["resources"].as_array().into_iter().flatten().filter(|one| one["status"] != "missing").collect();
    assert!(left.is_empty(), "{left:?}");
    rights::were_enough(&gateway);
    assert!(gateway.refusals().is_empty(), "{:?}", gateway.refusals());
    no_secret_was_said(&[&up, &plan, &live, &undecided, &down]);
    valid(record.path());
    rights::asked_by_the_reference(record.path());
    gateway.stop().await;
}

/// Checks that no secret was printed. Generated passwords are 32 or 64 alphanumeric characters. The only such runs that
/// we print are digests.
fn no_secret_was_said(outputs: &[&std::process::Output]) {
    for output in outputs {
        let text = said(output);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        let secret = words.into_iter().find(|word| {
            matches!(word.len(), 32 | 64)
                && word.chars().any(|c| c.is_ascii_uppercase() || c > 'f' && c.is_ascii_lowercase())
        });
        assert_eq!(secret, None, "{text}");
    }
}
