//! Troubles around a run. It ends converged or with one clear message, and the next run converges.

mod support;

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use gateway::{Base, Effect, Gateway, Nth, Options, Rule};
use provision::image::artefacts::Artefacts;
use support::binary::{command, run, said, stack};

/// The pace for steps that take simulated minutes: two of them are ten seconds.
const SLOW: f64 = 12.0;

async fn start(scale: f64) -> Gateway {
    let options = Options { base: Base::Moto, scale, ..Options::default() };
    Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first")
}

fn bell(words: &[&'static str]) -> Vec<String> {
    let mut all = vec![words[0].to_owned(), stack("bell").display().to_string()];
    all.extend(words[1..].iter().map(|word| (*word).to_owned()));
    all
}

async fn bell_runs(gateway: &Gateway, words: &[&'static str]) -> Output {
    let words = bell(words);
    run(gateway.url(), &words.iter().map(String::as_str).collect::<Vec<_>>()).await
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A run without any trouble converges, and makes nothing twice.
async fn converges(gateway: &Gateway) {
    gateway.rules(Vec::new()).expect("no rules");
    let up = bell_runs(gateway, &["up", "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let plan = bell_runs(gateway, &["plan", "--exit-code"]).await;
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));
    let twice: Vec<_> = gateway.refusals().into_iter().filter(|refusal| refusal.rule == "duplicate").collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// KMS counts the tags of a new key late, so it may refuse what the rights allow. The run tries again, and makes no second
/// key. A refusal that is not about a new key of this run stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_refused_for_a_while() {
    let gateway = start(support::SCALE).await;
    let message =
        "User: arn:aws:iam::123456789012:user/test is not authorized to perform: kms:CreateAlias on this resource";
    let denied = Effect::Error { status: 400, code: "AccessDeniedException".into(), message: message.into() };
    let rule = |max| Rule { action: Some("CreateAlias".into()), max, effect: denied.clone(), ..Rule::default() };
    gateway.rules(vec![rule(Some(3))]).expect("a rule");
    let up = bell_runs(&gateway, &["up", "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let calls = gateway.calls();
    let count = |action: &str| calls.iter().filter(|call| call.action == action).count();
    assert_eq!((count("CreateKey"), count("CreateAlias")), (1, 4));
    converges(&gateway).await;

    // The alias is gone, and the key is older than this run.
    let kms = support::context(gateway.url(), "another", Artefacts::default()).await.kms;
    kms.delete_alias().alias_name("alias/bell-dev").send().await.expect("deleted by hand");
    gateway.rules(vec![rule(None)]).expect("a rule");
    let up = bell_runs(&gateway, &["up", "--yes"]).await;
    assert_eq!(up.status.code(), Some(1), "{}", said(&up));
    converges(&gateway).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_expire_half_way() {
    let gateway = start(support::SCALE).await;
    // The lease takes some calls.
    let later = Nth::Range { from: 6, to: u64::MAX };
    let rule = Rule {
        action: Some("@write".into()),
        nth: Some(later),
        effect: Effect::Expired,
        with_lease: true,
        ..Rule::default()
    };
    gateway.rules(vec![rule]).expect("a rule");
    let up = bell_runs(&gateway, &["up", "--yes"]).await;
    assert_eq!(up.status.code(), Some(1), "{}", said(&up));
    assert_eq!(stderr(&up).matches("the credentials have expired").count(), 1, "{}", said(&up));
    assert!(stderr(&up).contains("log in, then run the same command again"), "{}", said(&up));
    converges(&gateway).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_is_lost_for_two_minutes() {
    let gateway = start(SLOW).await;
    let words = bell(&["up", "--yes"]);
    let mut up = command(gateway.url(), &words.iter().map(String::as_str).collect::<Vec<_>>());
    let child = up.env("PROVISION_TIME_SCALE", SLOW.to_string()).spawn().expect("the binary runs");
    let written = async || {
        while !gateway.calls().iter().any(|call| call.write && !call.lease) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), written()).await.expect("it begins");
    gateway.rules(vec![Rule { effect: Effect::ResetBefore, with_lease: true, ..Rule::default() }]).expect("a rule");
    tokio::time::sleep(Duration::from_secs_f64(120.0 / SLOW)).await;
    gateway.rules(Vec::new()).expect("no rules");
    let up = tokio::time::timeout(Duration::from_secs(120), child.wait_with_output()).await;
    let up = up.expect("ends in time").expect("it can be waited for");
    match up.status.code() {
        Some(0) => {}
        Some(1) => assert!(stderr(&up).contains("run the same command again"), "{}", said(&up)),
        _ => panic!("{}", said(&up)),
    }
    converges(&gateway).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_is_off() {
    let gateway = start(support::SCALE).await;
    let effect = Effect::Error {
        status: 403,
        code: "SignatureDoesNotMatch".into(),
        message: "Signature not yet current: 20261121T120000Z is still later than 20261121T110500Z".into(),
    };
    gateway.rules(vec![Rule { effect, with_lease: true, ..Rule::default() }]).expect("a rule");
    let up = bell_runs(&gateway, &["up", "--yes"]).await;
    assert_eq!(up.status.code(), Some(1), "{}", said(&up));
    assert!(stderr(&up).contains("clock is more than five minutes off"), "{}", said(&up));
    converges(&gateway).await;
    gateway.stop().await;
}

/// A plan that is cut short must not look like a whole one.
#[tokio::test(flavor = "multi_thread")]
async fn the_disk_is_full() {
    let gateway = start(support::SCALE).await;
    for words in [["plan", "--json"], ["status", "--json"], ["policy", "--json"]] {
        let words = bell(&words);
        let mut command = command(gateway.url(), &words.iter().map(String::as_str).collect::<Vec<_>>());
        command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it"));
        let output = command.spawn().expect("the binary runs").wait_with_output().await.expect("it can be waited for");
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", said(&output));
        assert!(stderr(&output).contains("writing the output: No space left on device"), "{}", said(&output));
    }
    // These commands have no gateway to ask. Each of them prints a document, the parser's own included.
    let (hello, folder) = (stack("hello"), tempfile::tempdir().expect("a folder"));
    let hello = hello.to_str().expect("a path in UTF-8");
    for words in [
        &["--help"][..],
        &["plan", "--help"],
        &["--version"],
        &["schema"],
        &["schema", "--plan"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["ci", "github-actions"],
        &["graph", hello, "--env", "dev"],
        &["export", "cloudformation", hello, "--env", "dev"],
        &["plan", hello, "--env", "dev", "--offline"],
        &["check", hello, "--json"],
    ] {
        let mut command = command(gateway.url(), words);
        command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it"));
        let output = command.spawn().expect("the binary runs").wait_with_output().await.expect("it can be waited for");
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", said(&output));
        assert!(
            stderr(&output).ends_with("error: writing the output: No space left on device (os error 28)\n"),
            "{words:?}: {}",
            said(&output)
        );
        let mut command = support::binary::command(gateway.url(), words);
        command.stderr(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it"));
        let output = command.spawn().expect("the binary runs").wait_with_output().await.expect("it can be waited for");
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
    }
    // The plan is to be kept in a place that will not do: no folder, a device, a link.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("kept"), &link).expect("a link");
    std::fs::write(folder.path().join("kept"), "old").expect("written");
    for (out, code, what) in [
        (folder.path().join("missing/plan.json"), 1, "No such file or directory"),
        (folder.path().to_owned(), 1, "Is a directory"),
        ("/dev/full".into(), 1, "No space left on device"),
        ("/dev/null".into(), 0, ""),
        (link.clone(), 0, ""),
    ] {
        let out = out.to_str().expect("a path in UTF-8");
        let bell = stack("bell").display().to_string();
        let output = run(gateway.url(), &["plan", &bell, "--out", out]).await;
        assert_eq!(output.status.code(), Some(code), "{out}: {}", said(&output));
        assert!(stderr(&output).contains(what), "{out}: {}", said(&output));
    }
    assert!(std::fs::symlink_metadata(&link).is_ok_and(|kept| kept.is_symlink()), "it is written through the link");
    assert!(std::fs::read_to_string(&link).is_ok_and(|kept| kept.starts_with('{')), "the plan is where the link leads");
    assert!(!std::fs::metadata("/dev/null").expect("it is there").is_file(), "a device stays one");
    // A reader that has enough and leaves is no trouble.
    let words = bell(&["plan"]);
    let mut command = command(gateway.url(), &words.iter().map(String::as_str).collect::<Vec<_>>());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
    drop(child.stdout.take());
    let status = tokio::time::timeout(Duration::from_secs(60), child.wait()).await.expect("ends in time");
    assert_eq!(status.expect("it can be waited for").code(), Some(0));
    gateway.stop().await;
}

/// A CI job that is cancelled has 7.5 seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled() {
    let gateway = start(support::SCALE).await;
    let slow = Rule { effect: Effect::Latency { ms: 300 }, ..Rule::default() };
    gateway.rules(vec![slow]).expect("a rule");
    let words = bell(&["up", "--yes"]);
    let child = command(gateway.url(), &words.iter().map(String::as_str).collect::<Vec<_>>()).spawn().expect("runs");
    let written = async || {
        while !gateway.calls().iter().any(|call| call.write && !call.lease) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), written()).await.expect("it begins");
    let pid = child.id().expect("it runs").to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    let told = Instant::now();
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await.expect("ends in time");
    let output = output.expect("it can be waited for");
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(told.elapsed() < Duration::from_millis(7500), "{:?}", told.elapsed());
    assert!(stderr(&output).contains("interrupted: run the same command again to go on"), "{}", said(&output));
    converges(&gateway).await;
    gateway.stop().await;
}
