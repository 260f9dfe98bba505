//! The tags of the stack file are on every resource that takes any. They are put there, changed and taken off. The tags
//! of others are left alone.

mod support;

use std::path::Path;

use gateway::{Base, Gateway, Options};
use provision::image::artefacts::Artefacts;
use serde_json::Value;
use support::binary::{run, said, stack};
use support::recorded::valid;
use support::rights;

#[tokio::test(flavor = "multi_thread")]
async fn tags_follow_the_stack_file_on_moto() {
    follow(Base::Moto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_follow_the_stack_file_on_ministack() {
    follow(Base::Ministack).await;
}

/// Kinds without tags: they are a part of a resource that has some, or AWS takes none.
const WITHOUT: [&str; 8] = [
    "autoscaling.policy",
    "autoscaling.target",
    "cloudwatch.dashboard",
    "ec2.security_group_rules",
    "ecr.image",
    "lambda.permission",
    "logs.subscription_filter",
    "sns.subscription",
];

async fn follow(base: Base) {
    let record = tempfile::NamedTempFile::new().expect("a temporary file");
    let options = Options { base, scale: support::SCALE, record: Some(record.path().to_owned()), ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let url = gateway.url();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sendy.yaml");
    let sendy = std::fs::read_to_string(stack("sendy")).expect("the stack");
    let write = |tags: &str| std::fs::write(&file, format!("{sendy}\n{tags}\n")).expect("written");

    write("");
    rights::give(&gateway, file.to_str().expect("UTF-8"), "dev").await;
    up(url, &file).await;
    write("tags: { team: core, cost center: \"4711\" }");
    let steps = plan(url, &file).await;
    let tagged: Vec<&Value> = steps.iter().filter(|step| step["do"] == "update").collect();
    for step in &steps {
        let kind = step["kind"].as_str().expect("a kind");
        let paths: Vec<&str> = step["changes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|change| change["path"].as_str().expect("a path"))
            .collect();
        let expected: &[&str] = match WITHOUT.contains(&kind) {
            true => &[],
            false => &["tags.cost center", "tags.provision:tags", "tags.team"],
        };
        assert_eq!(paths, expected, "{step}");
    }
    assert!(tagged.len() > 60, "{} resources", tagged.len());
    let why = &tagged[0]["changes"][2]["why"];
    assert_eq!((&why["because"], &why["key"]), (&"line".into(), &"tags.team".into()), "{}", tagged[0]);
    up(url, &file).await;
    assert!(changes(url, &file).await.is_empty());

    // By hand, one of our tags is changed, and one of somebody else's is put there.
    let cx = support::context_in(url, "ap-northeast-2", "another", Artefacts::default()).await;
    let queue = cx.sqs.get_queue_url().queue_name("sendy-dev-notifications").send().await.expect("the queue");
    let queue = queue.queue_url().expect("its URL");
    cx.sqs.tag_queue().queue_url(queue).tags("team", "web").tags("theirs", "1").send().await.expect("tagged");
    let moved = changes(url, &file).await;
    assert_eq!(moved.len(), 1, "{moved:#?}");
    assert_eq!((&moved[0]["changes"][0]["from"], &moved[0]["changes"][0]["to"]), (&"web".into(), &"core".into()));

    write("tags: { team: stores }");
    up(url, &file).await;
    assert!(changes(url, &file).await.is_empty());
    let tags = cx.sqs.list_queue_tags().queue_url(queue).send().await.expect("its tags").tags.expect("some");
    let of = |key: &str| tags.get(key).map(String::as_str);
    assert_eq!((of("team"), of("cost center"), of("theirs")), (Some("stores"), None, Some("1")), "{tags:?}");

    write("");
    up(url, &file).await;
    assert!(changes(url, &file).await.is_empty());
    let tags = cx.sqs.list_queue_tags().queue_url(queue).send().await.expect("its tags").tags.expect("some");
    let mut left: Vec<&str> = tags.keys().map(String::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["Name", "provision:name", "provision:stack", "theirs"]);

    rights::were_enough(&gateway);
    assert!(gateway.refusals().is_empty(), "{:?}", gateway.refusals());
    valid(record.path());
    rights::asked_by_the_reference(record.path());
    gateway.stop().await;
}

async fn up(url: &str, file: &Path) {
    let up = run(url, &["up", file.to_str().expect("UTF-8"), "--env", "dev", "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
}

async fn plan(url: &str, file: &Path) -> Vec<Value> {
    let plan = run(url, &["plan", file.to_str().expect("UTF-8"), "--env", "dev", "--json"]).await;
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));
    let plan: Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    plan["steps"].as_array().expect("steps").clone()
}

async fn changes(url: &str, file: &Path) -> Vec<Value> {
    let mut steps = plan(url, file).await;
    steps.retain(|step| step["do"] != "keep");
    steps
}
