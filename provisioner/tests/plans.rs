//! Plans that people agree on. They are saved, checked, and carried out as they were shown, or not at all. And plans
//! that call nobody.

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_sqs::types::QueueAttributeName;
use gateway::{Base, Gateway, Options};
use provision::image::artefacts::Artefacts;
use serde_json::Value;
use support::binary::{NOWHERE, command, run, said, stack};

/// The stack file before the changes of the tests.
const BEFORE: &str = "stack: pact\nregion: eu-west-1\ntopics:\n  rings: {}\nqueues:\n  answers:\n    from: [rings]\n    \
    max_receives: 3\n  other: {}\n";

/// A stack in a folder of its own, and an emulator.
struct Bench {
    gateway: Gateway,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Bench {
        let options = Options { base: Base::Moto, scale: support::SCALE, ..Options::default() };
        let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/setup.sh first");
        Bench { gateway, folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path("stack.yaml"), text).expect("written");
    }

    /// Runs `provision <verb> stack.yaml <arguments>` in the folder.
    async fn run(&self, verb: &str, arguments: &[&str]) -> Output {
        let mut command = command(self.gateway.url(), &[&[verb, "stack.yaml"], arguments].concat());
        let output = command.current_dir(self.folder.path()).output();
        let output = tokio::time::timeout(std::time::Duration::from_secs(180), output).await;
        output.expect("ends in time").expect("the binary runs")
    }

    async fn good(&self, verb: &str, arguments: &[&str]) -> Output {
        let output = self.run(verb, arguments).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        output
    }

    /// Expects a refusal with these words. Nothing may be written to AWS.
    async fn refused(&self, verb: &str, arguments: &[&str], words: &[&str]) {
        self.gateway.clear_calls();
        let output = self.run(verb, arguments).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        for word in words {
            assert!(errors.contains(word), "`{word}`: {errors}");
        }
        let writes = ["Create", "Set", "Delete", "Subscribe", "Put", "Tag"];
        let calls = self.gateway.calls();
        let wrote = calls.iter().filter(|call| call.service != "dynamodb");
        let wrote: Vec<_> = wrote.filter(|call| writes.iter().any(|verb| call.action.starts_with(verb))).collect();
        assert!(wrote.is_empty(), "{wrote:?}");
    }

    async fn set_queue(&self, queue: &str, attribute: &str, value: &str) {
        let cx = support::context(self.gateway.url(), "pact", Artefacts::default()).await;
        let url = cx.sqs.get_queue_url().queue_name(queue).send().await.expect("it is there").queue_url;
        // If the policy is not in the call, moto removes it.
        let kept = cx.sqs.get_queue_attributes().set_queue_url(url.clone()).attribute_names(QueueAttributeName::Policy);
        let kept = kept.send().await.expect("read").attributes.unwrap_or_default();
        let set = cx.sqs.set_queue_attributes().set_queue_url(url).set_attributes(Some(kept));
        set.attributes(attribute.into(), value).send().await.expect("set");
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn hash(plan: &Output) -> String {
    let text = stdout(plan);
    let (_, hash) = text.split_once("Hash: ").unwrap_or_else(|| panic!("{text}"));
    hash.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_a_contract() {
    let bench = Bench::start().await;
    bench.write(BEFORE);
    bench.good("up", &["--yes"]).await;

    let after = BEFORE.replace("max_receives: 3", "max_receives: 9").replace("  rings: {}", "  rings: {}\n  more: {}");
    bench.write(&after);
    let plan = bench.good("plan", &["--out", "p.json"]).await;
    let comment = stdout(&bench.good("plan", &["--format", "markdown"]).await);
    assert!(comment.contains(&format!("Plan `{}`", hash(&plan))), "the same plan has the same fingerprint: {comment}");

    // Somebody has changed one file, and a newer program has written the other.
    let text = std::fs::read_to_string(bench.path("p.json")).expect("written");
    let lies = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        std::fs::write(bench.path("lies.json"), text.replacen(from, to, 1)).expect("written");
    };
    lies("\"to\": 9", "\"to\": 900");
    bench.refused("up", &["--plan", "lies.json", "--yes"], &["changed after it had been written"]).await;
    lies("\"version\": 1", "\"version\": 2");
    bench.refused("up", &["--plan", "lies.json", "--yes"], &["it has version 2"]).await;

    // The file asks for another value by now.
    bench.write(&after.replace("max_receives: 9", "max_receives: 8"));
    let words = ["sqs.queue answers: `redrive.maxReceiveCount` becomes 9 in the plan, and 8"];
    bench.refused("up", &["--plan", "p.json", "--yes"], &words).await;
    bench.write(BEFORE);
    let words = ["sns.topic more: the stack file does not ask for it any more", "sqs.queue answers: the plan changes"];
    bench.refused("up", &["--plan", "p.json", "--yes"], &words).await;
    bench.write(&after);

    // The queue that the plan touches has changed: once in the field that the plan changes, once in another field.
    let redrive = |count: u32| {
        let arn = "arn:aws:sqs:eu-west-1:123456789012:pact-dev-answers-dead-letter";
        format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":{count}}}")
    };
    bench.set_queue("pact-dev-answers", "RedrivePolicy", &redrive(5)).await;
    let words = ["sqs.queue answers: `redrive.maxReceiveCount` was 3 when the plan was made, and is 5 now"];
    bench.refused("up", &["--plan", "p.json", "--yes"], &words).await;
    bench.set_queue("pact-dev-answers", "RedrivePolicy", &redrive(3)).await;
    bench.set_queue("pact-dev-answers", "VisibilityTimeout", "77").await;
    let words = ["sqs.queue answers: `visibility_timeout` is 77 and would become 30, which the plan did not show"];
    bench.refused("up", &["--plan", "p.json", "--yes"], &words).await;
    bench.set_queue("pact-dev-answers", "VisibilityTimeout", "30").await;

    // Resources that the plan does not touch may change, in AWS and in the file. They stay as they are.
    bench.set_queue("pact-dev-other", "VisibilityTimeout", "66").await;
    bench.write(&after.replace("  other: {}", "  other: {delay: 5s}"));
    let up = bench.good("up", &["--plan", "p.json", "--yes"]).await;
    let told = String::from_utf8_lossy(&up.stderr).into_owned();
    assert!(told.contains("sqs.queue other would change too, and is left out"), "{told}");
    bench.write(&after);
    let left = bench.run("plan", &["--json"]).await;
    let left: Value = serde_json::from_slice(&left.stdout).expect("JSON");
    let changes: Vec<&Value> =
        left["steps"].as_array().expect("steps").iter().filter(|one| one["do"] != "keep").collect();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["changes"][0]["from"], 66);

    // The plan is done, and doing it again does nothing.
    let again = bench.good("up", &["--plan", "p.json", "--yes"]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("No changes"), "{}", said(&again));
    bench.gateway.stop().await;
}

/// A value that is somebody's secret is in no plan, saved or not.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_saved_plan() {
    const CANARY: &str = "canary7canary7canary7canary7cana";
    let bench = Bench::start().await;
    let text = "stack: pact\nregion: eu-west-1\ndatabases:\n  orders: {}\nservices:\n  shop:\n    image: \"nginx:1\"\n    \
        uses: [orders]\n";
    bench.write(text);
    bench.good("up", &["--yes"]).await;
    let cx = support::context(bench.gateway.url(), "pact", Artefacts::default()).await;
    let secrets = cx.secrets.list_secrets().send().await.expect("listed").secret_list.unwrap_or_default();
    assert!(!secrets.is_empty());
    for secret in &secrets {
        let value = format!("{{\"username\":\"app\",\"password\":\"{CANARY}\"}}");
        let put = cx.secrets.put_secret_value().set_secret_id(secret.arn.clone()).secret_string(value);
        put.send().await.expect("another version");
    }
    let mut told = stdout(&bench.good("plan", &["--out", "p.json"]).await);
    assert!(told.contains("the secret has another version"), "{told}");
    told += &std::fs::read_to_string(bench.path("p.json")).expect("written");
    for form in ["markdown", "json"] {
        told += &stdout(&bench.good("plan", &["--format", form]).await);
    }
    bench.good("status", &["--snapshot", "s.json"]).await;
    told += &std::fs::read_to_string(bench.path("s.json")).expect("written");
    assert!(!told.contains(CANARY), "{told}");
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guards_of_the_command_line() {
    let bench = Bench::start().await;
    bench.write(BEFORE);
    bench.good("up", &["--yes"]).await;

    // A queue is deleted together with its dead-letter queue.
    bench.write(&BEFORE.replace("  other: {}\n", "").replace("max_receives: 3", "max_receives: 4"));
    bench.refused("up", &["--yes", "--max-deletes", "1"], &["2 would be deleted or replaced", "sqs.queue other"]).await;
    bench.refused("plan", &["--max-deletes", "1"], &["--max-deletes allows 1"]).await;
    let part = bench.good("up", &["--yes", "--only", "queues.other", "--max-deletes", "2"]).await;
    assert!(String::from_utf8_lossy(&part.stderr).contains("sqs.queue answers would change too"), "{}", said(&part));
    let plan = stdout(&bench.good("plan", &["--except", "topics"]).await);
    assert!(plan.contains("Plan: 1 to change.") && plan.contains("redrive.maxReceiveCount"), "{plan}");
    let plan = stdout(&bench.good("plan", &["--except", "queues"]).await);
    assert!(plan.contains("No changes") && plan.contains("sqs.queue answers would change too"), "{plan}");
    let unknown = bench.run("plan", &["--only", "queue"]).await;
    assert_eq!(unknown.status.code(), Some(64), "{}", said(&unknown));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `queues`?"), "{}", said(&unknown));

    // The chosen resource needs one that is not there.
    bench.write(&BEFORE.replace("  rings: {}", "  bells: {}").replace("from: [rings]", "from: [bells]"));
    let words = ["needs sns.topic bells, which is not there yet", "take the section `topics.bells` too"];
    bench.refused("up", &["--yes", "--only", "queues"], &words).await;
    bench.gateway.stop().await;
}

/// A resource that holds data is deleted only if it is named.
#[tokio::test(flavor = "multi_thread")]
async fn data_is_lost_only_by_name() {
    let bench = Bench::start().await;
    let text = "stack: pact\nregion: eu-west-1\ncaches:\n  seen: {}\nqueues:\n  work: {}\n";
    bench.write(text);
    bench.good("up", &["--yes"]).await;
    bench.write(&text.replace("caches:\n  seen: {}\n", ""));
    let words = ["deleting elasticache.replication_group seen loses all its data", "--delete-data=seen"];
    bench.refused("up", &["--yes"], &words).await;
    bench.refused("up", &["--yes", "--delete-data=sean"], &words).await;
    bench.good("up", &["--yes", "--delete-data=seen"]).await;
    let plan = bench.run("plan", &["--exit-code"]).await;
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));
    bench.gateway.stop().await;
}

/// Starts a server that counts the connections to it.
async fn counting() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (url, count) = (format!("http://{}", listener.local_addr().expect("bound")), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, count)
}

/// The program has neither credentials nor a home, and every way to AWS leads to the server that counts.
fn without_anything(url: &str, folder: &Path, arguments: &[&str]) -> tokio::process::Command {
    let mut command = command(url, arguments);
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url);
    command.env("HTTP_PROXY", url).env("HTTPS_PROXY", url).env("PROVISION_RUNTIME", "/nonexistent").current_dir(folder);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_asks_nobody() {
    let (url, count) = counting().await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(stack("sendy"), folder.path().join("stack.yaml")).expect("copied");
    let mut plan =
        without_anything(&url, folder.path(), &["plan", "stack.yaml", "--env", "dev", "--offline", "--exit-code"]);
    let plan = plan.output().await.expect("runs");
    assert_eq!(plan.status.code(), Some(2), "{}", said(&plan));
    let text = stdout(&plan);
    assert!(text.starts_with("Compared with an empty account: nobody was asked what is there.\n"), "{text}");
    assert!(text.contains("+ create  rds.instance reservations-replica"), "{text}");
    assert!(!text.contains("Hash:"), "nobody can carry it out: {text}");
    let out = without_anything(&url, folder.path(), &["plan", "stack.yaml", "--env", "dev", "--offline", "--out", "p"])
        .output()
        .await;
    assert_eq!(out.expect("runs").status.code(), Some(64));

    // The plan is compared with the state of an hour ago.
    let bench = Bench::start().await;
    bench.write(BEFORE);
    bench.good("up", &["--yes"]).await;
    bench.good("status", &["--snapshot", "s.json"]).await;
    let text = std::fs::read_to_string(bench.path("s.json")).expect("written");
    let mut kept: Value = serde_json::from_str(&text).expect("JSON");
    let taken = kept["snapshot"]["taken"].as_u64().expect("seconds");
    kept["snapshot"]["taken"] = (taken - 7_000).into();
    std::fs::write(bench.path("s.json"), kept.to_string()).expect("written");
    let review = async |arguments: &[&str]| {
        let arguments = [&["plan", "stack.yaml", "--snapshot", "s.json", "--exit-code"], arguments].concat();
        without_anything(&url, bench.folder.path(), &arguments).output().await.expect("runs")
    };
    let same = review(&[]).await;
    assert_eq!(same.status.code(), Some(0), "{}", said(&same));
    bench.write(&BEFORE.replace("max_receives: 3", "max_receives: 9"));
    let changed = review(&["--format", "markdown"]).await;
    assert_eq!(changed.status.code(), Some(2), "{}", said(&changed));
    let comment = stdout(&changed);
    assert!(comment.contains("> Compared with a snapshot that is 2 h old: nobody was asked"), "{comment}");
    assert!(comment.contains("`redrive.maxReceiveCount`: `3` → `9` (line 8)"), "{comment}");
    let other = review(&["--env", "prod"]).await;
    assert_eq!(other.status.code(), Some(64), "{}", said(&other));
    kept["version"] = 2.into();
    std::fs::write(bench.path("s.json"), kept.to_string()).expect("written");
    let newer = review(&[]).await;
    assert!(String::from_utf8_lossy(&newer.stderr).contains("it has version 2"), "{}", said(&newer));

    assert_eq!(count.load(Ordering::SeqCst), 0, "somebody was asked");
    bench.gateway.stop().await;
}

#[tokio::test]
async fn the_guard_of_a_stack_has_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "stack: pact\nregion: eu-central-1\ntags: { owner: me }\nguard:\n  regions: [eu-west-1]\n  required_tags: [team, owner]\n  forbidden_classes: [\"*.16xlarge\", \"*.micro\"]\n  \
        public: [load-balancer]\n  https: true\ndatabases:\n  orders:\n    class: db.r6g.16xlarge\ncaches:\n  seen: {}\n\
        search:\n  found: {}\nservices:\n  shop:\n    image: \"nginx:1\"\n    http: {}\n";
    std::fs::write(folder.path().join("stack.yaml"), text).expect("written");
    let mut told = Vec::new();
    for arguments in [&["check", "stack.yaml"][..], &["plan", "stack.yaml", "--offline"]] {
        let output = without_anything(NOWHERE, folder.path(), arguments).output().await.expect("runs");
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        told.push(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    assert_eq!(told[0], told[1], "check and plan say the same");
    insta::assert_snapshot!(told[0]);

    let region =
        run(NOWHERE, &["plan", &folder.path().join("stack.yaml").display().to_string(), "--region", "us-east-1"]).await;
    assert_eq!(region.status.code(), Some(1), "{}", said(&region));

    // A region that the file does not name is checked against the guard wherever it is given, in the same words.
    std::fs::write(folder.path().join("stack.yaml"), "stack: pact\nguard: {regions: [eu-west-1]}\ntopics: {a: {}}\n")
        .expect("written");
    for arguments in [
        &["check", "stack.yaml"][..],
        &["plan", "stack.yaml", "--offline"],
        &["policy", "stack.yaml"],
        &["export", "cloudformation", "stack.yaml"],
        &["plan", "stack.yaml", "--local"],
    ] {
        for (region, why) in [
            ("us-east-1", "`guard.regions` does not allow us-east-1, only eu-west-1"),
            ("eu-wset-1", "`eu-wset-1` is not a region of AWS\n  hint: did you mean `eu-west-1`?"),
        ] {
            let arguments = [arguments, &["--region", region]].concat();
            let output = without_anything(NOWHERE, folder.path(), &arguments).output().await.expect("runs");
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(text.contains(why), "{arguments:?}: {text}");
        }
    }
}

#[tokio::test]
async fn the_schema_of_plans_is_printed() {
    let output = run(NOWHERE, &["schema", "--plan"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let schema: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let bell = stack("bell");
    let plan = run(NOWHERE, &["plan", &bell.display().to_string(), "--offline", "--json"]).await;
    let plan: Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    assert!(validator.is_valid(&plan), "{plan}");
    assert_eq!(plan["version"], 2);
    let mut without = plan.clone();
    without["steps"][0].as_object_mut().expect("a step").remove("why");
    assert!(!validator.is_valid(&without), "the schema asks for something");
    let failed = run(NOWHERE, &["plan", "/nonexistent", "--offline", "--json"]).await;
    let failed: Value = serde_json::from_slice(&failed.stdout).expect("JSON");
    assert_eq!((failed["exit"].as_u64(), validator.is_valid(&failed)), (Some(1), true), "{failed}");
}
