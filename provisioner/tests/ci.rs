//! The pipelines that `provision ci` prints are valid. The one for a shell is carried out, against a gateway.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use gateway::{Base, Effect, Gateway, Options, Rule};
use support::binary::{NOWHERE, command, run, said, stack};

async fn printed(pipeline: &str, into: &Path) -> PathBuf {
    let output = run(NOWHERE, &["ci", pipeline]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let file = into.join(if pipeline == "shell" { "pipeline.sh" } else { "workflow.yml" });
    std::fs::write(&file, output.stdout).expect("written");
    file
}

fn lint(tool: &str, file: &Path) {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.emulators/ci/bin");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    // actionlint runs shellcheck on the steps.
    let linted = std::process::Command::new(tools.join(tool)).arg(file).env("PATH", path).output();
    let linted = linted.expect("it runs: run provisioner/setup.sh first");
    assert!(linted.status.success(), "{}", said(&linted));
}

#[tokio::test]
async fn both_are_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    lint("shellcheck", &printed("shell", folder.path()).await);
    let workflow = printed("github-actions", folder.path()).await;
    lint("actionlint", &workflow);
    let text = std::fs::read_to_string(workflow).expect("it is there");
    let workflow: serde_json::Value = serde_yaml(&text);
    assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "a job asks for more itself");
    let up = &workflow["jobs"]["up"];
    assert_eq!(up["concurrency"]["cancel-in-progress"], false, "an `up` is not cut off for a newer one");
    assert_eq!(up["needs"], serde_json::json!(["build", "plan"]));
    let last = up["steps"].as_array().and_then(|steps| steps.last()).expect("steps");
    assert!(last["run"].as_str().is_some_and(|run| run.starts_with("exec ")), "the signal has to reach it: {last}");
    for without in ["build", "offline"] {
        let job = workflow["jobs"][without].to_string();
        assert!(!job.contains("id-token") && !job.contains("aws-actions"), "{without} gets no credentials");
    }
    for (name, job) in workflow["jobs"].as_object().expect("jobs") {
        assert_eq!(job.to_string().contains("cargo"), name == "build", "{name}: only `build` runs the code of others");
    }
    assert_eq!(run(NOWHERE, &["ci", "jenkins"]).await.status.code(), Some(64));
}

/// The trust policies stand in the comment at the top. Each names the audience and the subject, and no pattern.
#[tokio::test]
async fn the_roles_trust_only_this_repository() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(printed("github-actions", folder.path()).await).expect("it is there");
    let comment: String = text.lines().filter_map(|line| line.strip_prefix('#')).collect::<Vec<_>>().join("\n");
    let policies = comment.split("{\"Version\"").skip(1).map(|rest| {
        let text = format!("{{\"Version\"{rest}");
        let mut all = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
        all.next().expect("a document").expect("JSON")
    });
    let subjects: Vec<serde_json::Value> = policies
        .map(|policy| {
            let statement = &policy["Statement"][0];
            assert_eq!(statement["Action"], "sts:AssumeRoleWithWebIdentity");
            let facts = &statement["Condition"]["StringEquals"];
            assert_eq!(facts["token.actions.githubusercontent.com:aud"], "sts.amazonaws.com");
            facts["token.actions.githubusercontent.com:sub"].clone()
        })
        .collect();
    let of_plan = ["repo:OWNER/REPOSITORY:pull_request", "repo:OWNER/REPOSITORY:ref:refs/heads/main"];
    assert_eq!(subjects, [serde_json::json!(of_plan), serde_json::json!("repo:OWNER/REPOSITORY:environment:prod")]);
    let workflow = serde_yaml(&text);
    assert_eq!(workflow["jobs"]["up"]["environment"], "prod", "the job has the subject that the role of `up` trusts");
    assert!(workflow["jobs"]["plan"]["environment"].is_null(), "else its subject would be another one");
    assert!(comment.contains("has to allow `main` only"));
}

/// A newcomer copies the first shell block of README. `.ci/first-command` runs the first line of that block on a fresh
/// machine.
#[test]
fn readme_begins_with_the_two_commands() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(checkout.join("README.md")).expect("it is there");
    let block = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a shell block");
    assert_eq!(block, "./provisioner/laptop.sh\n./provisioner/test.sh\n");
    let line = 1 + readme[..readme.find("```sh\n").expect("a shell block")].matches('\n').count();
    assert!(line <= 30, "it stands near the top, not in line {line}");
    for command in block.lines() {
        assert!(checkout.join(command).is_file(), "{command}");
    }
}

/// The guides stand beside the code that they explain, and link to each other.
#[test]
fn every_link_of_the_guides_leads_to_a_file() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut links = 0;
    for guide in [
        "README.md",
        "provisioner/CONTROLS.md",
        "provisioner/DEVELOPING.md",
        "provisioner/GUIDE.md",
        "provisioner/LIMITS.md",
        "provisioner/src/local/README.md",
        "runtime/README.md",
    ] {
        let file = checkout.join(guide);
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{guide}: {error}"));
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("https://")) {
            // A link may lead to a heading of the file.
            let path = target.split('#').next().unwrap_or(target);
            assert!(file.with_file_name("").join(path).exists(), "{guide}: {target}");
            links += 1;
        }
    }
    assert!(links >= 8, "README leads to all of them");
}

/// A tag can be moved to other code, a commit cannot.
#[test]
fn every_action_is_pinned_to_a_commit_and_our_own_pipeline_only_reads() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for workflow in [".github/workflows/ci.yml", "templates/ci/github-actions.yml"] {
        let text = std::fs::read_to_string(checkout.join(workflow)).expect("it is there");
        for action in text.lines().filter_map(|line| line.split("uses: ").nth(1)) {
            let commit = action.split(['@', ' ']).nth(1).unwrap_or_default();
            assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{workflow}: {action}");
        }
    }
    let own = std::fs::read_to_string(checkout.join(".github/workflows/ci.yml")).expect("it is there");
    assert_eq!(serde_yaml(&own)["permissions"], serde_json::json!({"contents": "read"}));
}

/// Parses the text with Python's reader, which is not ours.
fn serde_yaml(text: &str) -> serde_json::Value {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.emulators/venv/bin/python");
    let code = "import sys, yaml, json; print(json.dumps(yaml.load(sys.stdin.read().replace('\\non:', '\\n\"on\":'), yaml.SafeLoader)))";
    let child =
        std::process::Command::new(python).args(["-c", code]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("python runs: run provisioner/setup.sh first");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), text.as_bytes()).expect("read");
    let output = child.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).expect("YAML")
}

/// Runs the pipeline as a CI job does.
fn job(url: &str, folder: &Path, script: &Path, what: &str) -> tokio::process::Command {
    let mut job = tokio::process::Command::new("sh");
    let of_binary = command(url, &[]);
    let variables =
        of_binary.as_std().get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    job.arg(script).arg(what).current_dir(folder).env_clear().envs(variables);
    job.env("PROVISION", env!("CARGO_BIN_EXE_provision")).env("STACK", stack("bell")).env("ENVIRONMENT", "dev");
    job.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    job
}

async fn ended(mut job: tokio::process::Command) -> Output {
    let output = tokio::time::timeout(Duration::from_secs(120), job.output()).await;
    output.expect("ends in time").expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_pipeline_plans_comments_and_brings_up() {
    let options = Options { base: Base::Moto, scale: support::SCALE, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/setup.sh first");
    let folder = tempfile::tempdir().expect("a folder");
    let script = printed("shell", folder.path()).await;
    let job = |url: &str, what: &str| job(url, folder.path(), &script, what);
    let comment = || std::fs::read_to_string(folder.path().join("comment.md")).expect("a comment");

    // A change from a fork makes no call at all.
    let offline = ended(job(NOWHERE, "offline")).await;
    assert_eq!(offline.status.code(), Some(0), "{}", said(&offline));
    assert!(comment().contains("rings"), "{}", comment());

    let planned = ended(job(gateway.url(), "plan")).await;
    assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));
    assert!(said(&planned).contains("a difference: comment.md is for people"), "{}", said(&planned));
    assert!(comment().contains("rings") && comment().len() < 65_000, "{}", comment());
    assert!(gateway.calls().iter().all(|call| !call.write), "a plan changes nothing");

    // The job is cancelled, and begun again. The signal goes to the first process of the job.
    gateway.rules(vec![Rule { effect: Effect::Latency { ms: 300 }, ..Rule::default() }]).expect("a rule");
    let child = job(gateway.url(), "up").spawn().expect("it runs");
    let begun = async || {
        while !gateway.calls().iter().any(|call| call.write && !call.lease) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), begun()).await.expect("it begins");
    let pid = child.id().expect("it runs").to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    let cancelled = tokio::time::timeout(Duration::from_millis(7500), child.wait_with_output()).await;
    let cancelled = cancelled.expect("before SIGTERM would come").expect("it ran");
    assert_eq!(cancelled.status.code(), Some(130), "{}", said(&cancelled));
    gateway.rules(Vec::new()).expect("no rules");

    // The plan was made before the change. The next plan shows the state of now.
    let again = ended(job(gateway.url(), "plan")).await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    let up = ended(job(gateway.url(), "up")).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let nothing = ended(job(gateway.url(), "plan")).await;
    assert_eq!(nothing.status.code(), Some(0), "{}", said(&nothing));
    assert!(said(&nothing).contains("no difference"), "{}", said(&nothing));
    assert_eq!(ended(job(gateway.url(), "frobnicate")).await.status.code(), Some(64));
    gateway.stop().await;
}
