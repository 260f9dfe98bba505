//! `plan`, `up` and `down` with `--local` are those of AWS: the same text, JSON, Markdown, choice, saved plans, guards.
//! These stacks need no engine.

#![allow(dead_code, reason = "shared by several tests")]

#[path = "support/laptop.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use support::Laptop;

const BELL: &str = "stack: bell\nregion: eu-west-1\ntopics: {rings: {}}\nqueues:\n  answers:\n    from: [rings]\n    max_receives: 3\n";

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", support::said(output)))
}

/// Every file below a folder, with its bytes and the time of its last change. One thing is left out: the dashboard of
/// a running stack takes events over into its history a moment later, whether or not somebody plans.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let file = entry.metadata().unwrap();
            match () {
                () if entry.file_name().to_string_lossy().starts_with("history.db") => {}
                () if file.is_dir() => open.push(entry.path()),
                () if file.is_file() => {
                    let bytes = std::fs::read(entry.path()).unwrap();
                    found.insert(entry.path().display().to_string(), (bytes, file.modified().unwrap()));
                }
                () => {}
            }
        }
    }
    found
}

fn ask(laptop: &Laptop, operation: &str, body: &str) -> String {
    let outputs = json(&laptop.run(&["outputs", "--json"]));
    let url = outputs["queues.answers.url"].as_str().unwrap();
    let (host, target) = (url.split('/').nth(2).unwrap(), format!("AmazonSQS.{operation}"));
    let headers = [("authorization", "AWS4-HMAC-SHA256 Credential=any"), ("x-amz-target", target.as_str())];
    let answer = support::send(host, "POST", "/", &headers, &body.replace("URL", url)).unwrap();
    assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
    answer.body
}

#[test]
fn a_changed_queue_is_shown_by_its_name_and_changed_without_a_restart() {
    let laptop = Laptop::of("a", BELL);
    laptop.done(&["up", "--yes"]);
    ask(&laptop, "SendMessage", r#"{"QueueUrl":"URL","MessageBody":"kept"}"#);
    let before = laptop.pids();
    laptop.change("max_receives: 3", "max_receives: 4");
    let told = "queues.answers  FILE:5\n  ~ change  local.queue answers\n      redrive.maxReceiveCount: 3 -> 4  [line 7]\nPlan: 1 to change.\nHash: ";
    let plan = laptop.done(&["plan"]);
    let file = laptop.stack.display().to_string();
    // A long path of the file is left out of the heading.
    let plan = plan.replace(&format!("  {file}:5"), "  FILE:5").replace("  line 5", "  FILE:5");
    assert!(plan.starts_with(told), "{plan}");
    laptop.done(&["up", "--yes"]);
    assert_eq!(laptop.pids(), before);
    let all = r#"{"QueueUrl":"URL","AttributeNames":["All"]}"#;
    assert!(ask(&laptop, "GetQueueAttributes", all).contains(r#"\"maxReceiveCount\":4"#));
    assert_eq!(laptop.status()["queues"][0]["visible"], 1, "its message is still there");
    assert!(laptop.done(&["plan", "--exit-code"]).starts_with("No changes: 6 resources are as the stack file says."));

    // A change by hand is drift, and the next `up` ends it. The queue's file is the same as before.
    let changed = r#"{"QueueUrl":"URL","Attributes":{"VisibilityTimeout":"5","ReceiveMessageWaitTimeSeconds":"9"}}"#;
    ask(&laptop, "SetQueueAttributes", changed);
    let plan = laptop.done(&["plan"]);
    for line in ["visibility_timeout: 5 -> 30", "others.ReceiveMessageWaitTimeSeconds: \"9\" -> (unset)", "drift"] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    laptop.done(&["up", "--yes"]);
    assert!(laptop.done(&["plan"]).starts_with("No changes"));
    assert_eq!(laptop.pids(), before);

    // Another queue comes, and the first one goes with what is in it.
    laptop.change("  answers:\n", "  others:\n");
    let plan = laptop.done(&["plan"]);
    assert!(plan.contains("DATA LOSS; lost: the messages that are still in it"), "{plan}");
    laptop.done(&["up", "--yes"]);
    assert_eq!(laptop.pids(), before);
    assert!(laptop.done(&["plan"]).starts_with("No changes"));
}

#[test]
fn a_plan_writes_nothing_whatever_is_there() {
    let laptop = Laptop::of("a", BELL);
    let home = laptop.home();
    for (now, next) in [(3, 4), (4, 5), (5, 6)] {
        let before = files(&home);
        for form in [&["plan"][..], &["plan", "--json"], &["plan", "--only", "topics,queues", "--format", "markdown"]] {
            let output = laptop.run(form);
            assert!(output.stderr.is_empty(), "{}", support::said(&output));
        }
        assert_eq!(files(&home), before);
        laptop.done(&["up", "--yes"]);
        laptop.change(&format!("max_receives: {now}"), &format!("max_receives: {next}"));
        // The stack runs the first time, and is stopped with its data the second time.
        if now == 4 {
            laptop.done(&["down"]);
        }
    }
}

#[test]
fn the_json_form_has_one_schema_for_both_places() {
    let laptop = Laptop::of("a", BELL);
    let schema: Value = serde_json::from_slice(&laptop.plain(&["schema", "--plan"]).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let looked = |change: &str| {
        let plan = json(&laptop.run(&["plan", "--json"]));
        let wrong: Vec<String> = validator.iter_errors(&plan).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{change}: {wrong:?}");
        assert_eq!((&plan["version"], &plan["compared"]["with"]), (&2.into(), &"this-machine".into()));
        plan
    };
    let first = looked("first");
    assert_eq!((first["changes"].clone(), first["steps"].as_array().unwrap().len()), (6.into(), 6));
    let port = first["steps"].as_array().unwrap().iter().find(|step| step["name"] == "messaging").unwrap();
    let arguments = port["want"]["arguments"].as_array().unwrap();
    assert_eq!(arguments.last().unwrap(), "(known after up)", "no port was chosen yet: {arguments:?}");
    let up = json(&laptop.run(&["up", "--yes", "--json"]));
    let created = |name: &str| {
        up["outcomes"].as_array().unwrap().iter().any(|it| it["name"] == name && it["result"] == "created")
    };
    assert!(created("messaging") && created("answers") && created("rings-to-answers"), "{up}");
    assert!(up["version"] == 2 && up["outputs"]["queues.answers.url"].is_string(), "{up}");
    assert_eq!(looked("made")["changes"], 0);
    laptop.change("from: [rings]", "from: [rings]\n    raw: true");
    let changed = looked("raw");
    let step = changed["steps"].as_array().unwrap().iter().find(|step| step["do"] == "update").unwrap();
    assert_eq!((&step["kind"], &step["changes"][0]["path"]), (&"local.subscription".into(), &"raw".into()), "{step}");
    assert_eq!(step["changes"][0]["why"]["line"], 7, "{step}");
    let down = json(&laptop.run(&["down", "--yes", "--json"]));
    assert_eq!((&down["left"], down["kept"].as_array().unwrap().len()), (&serde_json::json!([]), 4), "{down}");
}

#[test]
fn a_part_of_the_stack_can_be_chosen_and_the_rest_stays_as_it_is() {
    let laptop = Laptop::of("a", BELL);
    let needs =
        laptop.told(&["up", "--yes", "--only", "queues.answers"], 1, "which is not there yet and not in this plan");
    assert!(needs.contains("local.queue answers needs local.process messaging"), "{needs}");
    laptop.told(&["plan", "--only", "queue"], 64, "did you mean `queues`?");
    laptop.done(&["up", "--yes"]);
    let before = laptop.pids();
    laptop.change("max_receives: 3", "max_receives: 4\n  others: {}");
    let plan = laptop.done(&["plan", "--only", "queues.others"]);
    assert!(plan.contains("+ create  local.queue others") && !plan.contains("~ change"), "{plan}");
    assert!(plan.contains("local.queue answers would change too, and is left out"), "{plan}");
    laptop.done(&["up", "--yes", "--only", "queues.others"]);
    assert_eq!(laptop.pids(), before);
    let plan = laptop.done(&["plan"]);
    assert!(plan.contains("redrive.maxReceiveCount: 3 -> 4") && plan.contains("Plan: 1 to change."), "{plan}");
    let markdown = laptop.done(&["plan", "--except", "topics", "--format", "markdown"]);
    assert!(markdown.contains("### Plan for `bell/dev`") && markdown.contains("On this machine, as "), "{markdown}");
    // A paused part that was not chosen stays paused.
    laptop.done(&["local", "pause", "provision.dashboard"]);
    laptop.done(&["up", "--yes", "--only", "queues"]);
    assert_eq!(laptop.part("provision.dashboard")["state"], "paused");
    let plan = laptop.done(&["plan"]);
    assert!(plan.contains("state: \"paused\" -> \"running\""), "{plan}");
    laptop.done(&["up", "--yes"]);
    assert_eq!(laptop.pids(), before);
    assert!(laptop.done(&["plan"]).starts_with("No changes"));
}

#[test]
fn a_saved_plan_is_done_as_it_was_shown_or_not_at_all() {
    let laptop = Laptop::of("a", BELL);
    let saved = laptop.home.path().join("plan.json");
    let saved = saved.to_str().unwrap();
    // Ports and passwords are chosen by `up`, so a first plan can be saved too.
    laptop.done(&["plan", "--out", saved]);
    laptop.done(&["up", "--yes", "--plan", saved]);
    laptop.change("max_receives: 3", "max_receives: 4");
    let hash = |said: String| said.lines().find_map(|line| line.strip_prefix("Hash: ").map(str::to_owned)).unwrap();
    assert_eq!(hash(laptop.done(&["plan", "--out", saved])), hash(laptop.done(&["plan"])));
    laptop.change("max_receives: 4", "max_receives: 5");
    let moved = laptop.told(&["up", "--yes", "--plan", saved], 1, "nothing was done");
    assert!(moved.contains("local.queue answers: `redrive.maxReceiveCount` becomes 4 in the plan"), "{moved}");
    assert!(laptop.done(&["plan"]).contains("redrive.maxReceiveCount: 3 -> 5"));
    laptop.change("max_receives: 5", "max_receives: 4\n  others: {}");
    let told =
        laptop.told(&["up", "--yes", "--plan", saved], 0, "local.queue others would change too, and is left out");
    assert!(told.contains("redrive.maxReceiveCount: 3 -> 4"), "{told}");
    assert!(laptop.done(&["plan"]).contains("Plan: 2 to create."));

    // A plan is for one place.
    let text = std::fs::read_to_string(saved).unwrap();
    assert!(text.contains("local.queue"));
    let on_aws = laptop.plain(&["up", laptop.stack.to_str().unwrap(), "--plan", saved, "--yes"]);
    assert_eq!(on_aws.status.code(), Some(1));
    assert!(support::said(&on_aws).contains("it has local.queue answers, which is not made in this place"));
    laptop.told(&["plan", "--offline"], 64, "--offline and --snapshot have no meaning with --local");
    laptop.told(&["up", "--yes", "--adopt", "sqs.queue answers"], 64, "--adopt has no meaning with --local");
}

/// The value is made once. Only the service and the file of keys have it.
#[test]
fn a_secret_is_made_once_and_given_to_those_who_use_it() {
    let stack = "stack: bell\nsecrets: {admin-key: {}}\nservices: {greeter: {role: hello, uses: [admin-key]}}\n";
    let laptop = Laptop::of("a", stack);
    let plan = json(&laptop.run(&["plan", "--json"]));
    let greeter = plan["steps"].as_array().unwrap().iter().find(|step| step["name"] == "greeter").unwrap();
    assert_eq!(greeter["want"]["secrets"], "(known after up)", "{greeter}");
    laptop.done(&["up", "--yes"]);
    let value = || {
        let pid = laptop.part("greeter")["pid"].as_u64().unwrap();
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        let all = String::from_utf8_lossy(&environment).into_owned();
        all.split('\0').find_map(|variable| variable.strip_prefix("ADMIN_KEY=").map(str::to_owned)).unwrap()
    };
    let first = value();
    assert_eq!(first.len(), 43, "32 bytes in base64url: {first}");
    laptop.change("uses: [admin-key]", "uses: [admin-key], env: {LOG_LEVEL: warn}");
    let plan = laptop.done(&["plan", "--json"]);
    assert!(plan.contains("environment.LOG_LEVEL") && !plan.contains(&first), "{plan}");
    laptop.done(&["up", "--yes"]);
    assert_eq!(value(), first);
    // Another secret comes later, and the first one stays.
    laptop.change("{admin-key: {}}", "{admin-key: {}, more: {}}");
    laptop.change("uses: [admin-key]", "uses: [admin-key, more]");
    let plan = laptop.done(&["plan"]);
    assert!(plan.contains("secrets: (a secret) -> (another version of the secret)"), "{plan}");
    laptop.done(&["up", "--yes"]);
    assert_eq!(value(), first);
    assert!(laptop.done(&["plan"]).starts_with("No changes"));
}

/// Here nobody else has made the secret, so its value is made up, and a note says so.
#[test]
fn a_secret_of_somebody_else_is_made_up_here() {
    let stack = "stack: bell\nsecrets: {partner-key: {from: partner/key}}\nservices: {greeter: {role: hello, uses: [partner-key]}}\n";
    let laptop = Laptop::of("a", stack);
    let up = laptop.run(&["up", "--yes"]);
    assert!(up.status.success(), "{}", support::said(&up));
    let note = "the secret `partner-key` has a value that was made up here, and not that of `partner/key` on AWS";
    assert!(support::said(&up).contains(note), "{}", support::said(&up));
    let value = || {
        let pid = laptop.part("greeter")["pid"].as_u64().unwrap();
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        let all = String::from_utf8_lossy(&environment).into_owned();
        all.split('\0').find_map(|variable| variable.strip_prefix("PARTNER_KEY=").map(str::to_owned)).unwrap()
    };
    let first = value();
    assert_eq!(first.len(), 43, "32 bytes in base64url");
    assert!(laptop.done(&["plan"]).starts_with("No changes"));
    // Somebody may write the real value into the file.
    let keys = files(laptop.home().as_path()).into_keys().find(|path| path.ends_with("keys.json")).unwrap();
    let text = std::fs::read_to_string(&keys).unwrap();
    std::fs::write(&keys, text.replace(&first, "the partner's own")).unwrap();
    laptop.done(&["up", "--yes"]);
    assert_eq!(value(), "the partner's own");
}

#[test]
fn a_plan_that_deletes_more_than_was_allowed_is_not_done() {
    let laptop = Laptop::of("a", BELL);
    laptop.done(&["up", "--yes"]);
    std::fs::write(&laptop.stack, "stack: bell\nregion: eu-west-1\ntopics: {rings: {}}\n").unwrap();
    let told = laptop.told(&["up", "--yes", "--max-deletes", "2"], 1, "3 would be deleted or replaced");
    assert!(told.contains("look whether the stack file says what you mean"), "{told}");
    assert_eq!(laptop.status()["queues"].as_array().unwrap().len(), 0, "the file names none");
    laptop.done(&["up", "--yes", "--max-deletes", "3"]);
    assert!(laptop.done(&["plan"]).starts_with("No changes: 3 resources"));
}
