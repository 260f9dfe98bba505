//! Tests of the three forms of a plan, with the plans that people bring to a review: a first `up`, a risky change,
//! drift. There is also the largest comment.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{json, markdown, text};
use crate::commands::document::pretty;
use crate::image::Digests;
use crate::kind::any::AnyLive;
use crate::kind::board::{Board, Published};
use crate::kind::facts::{Address, Effect};
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::kind::{Late, Status};
use crate::kinds::{KINDS, REGISTRY};
use crate::plan::diff::Change;
use crate::plan::saved::Saved;
use crate::plan::snapshot::Snapshot;
use crate::plan::{Action, Plan, Step};
use crate::printer::Printer;
use crate::review::sources::{File, Sources};
use crate::review::{Against, Review};
use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::aws::Expanded;
use crate::sections::aws::{expand, other};
use crate::sections::load;

const SENDY: &str = include_str!("../../../../stacks/sendy.yaml");
const FILE: &str = "stacks/sendy.yaml";

fn scope() -> Scope {
    let (account, region) = ("123456789012".to_owned(), "ap-northeast-2".to_owned());
    let tags = Default::default();
    Scope { account, region, stack: "sendy".to_owned(), env: "prod".to_owned(), tags }
}

fn digests() -> Digests {
    Digests { image: "sha256:0123".to_owned(), zip: "4567".to_owned(), ..Digests::default() }
}

fn loaded(text: &str) -> Loaded {
    load::load(text, "prod").unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The snapshot after everything in a file has been made. Each output has a value of its own.
fn made(text: &str) -> Snapshot {
    let scope = scope();
    let desired = expand(&loaded(text), &scope, &digests()).desired;
    let (mut snapshot, mut board) = (Snapshot::default(), Board::default());
    for wanted in desired.in_order() {
        let (output, ready) = wanted.kind.blank();
        let name = format!("{}-{}", wanted.address.kind.replace('.', "-"), wanted.address.name);
        let (output, ready) = (Json::of(&filled(&output, &name)), Json::of(&filled(&ready, &name)));
        let outputs = board.outputs(Late::IsAwaited);
        let state =
            wanted.kind.want(&scope, &wanted.address.name, &wanted.spec, &outputs).expect("what it needs is there");
        board.publish(&wanted.address, Published { output: output.clone(), ready: Some(ready.clone()) });
        let (address, owner, status) = (wanted.address.clone(), Owner::Child, Status::Ready);
        let live = AnyLive { id: name, address, owner, state, output, ready: Some(ready), status };
        snapshot.live.insert(wanted.address.clone(), live);
    }
    snapshot
}

fn filled(value: &Value, name: &str) -> Value {
    match value {
        Value::String(_) => name.into(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), filled(value, name))).collect(),
        other => other.clone(),
    }
}

/// Sets a field of a live resource, as if somebody had done so by hand.
fn by_hand(snapshot: &mut Snapshot, kind: &'static str, name: &str, field: &str, value: Value) {
    let live = snapshot.live.get_mut(&Address { kind, name: name.to_owned() }).expect("it is there");
    let mut state = live.state.tree();
    state[field] = value;
    live.state = Json::of(&state);
}

struct Shown {
    text: String,
    markdown: String,
    json: Value,
}

fn shown(file: &str, snapshot: &Snapshot) -> Shown {
    let (scope, digests, loaded) = (scope(), digests(), loaded(file));
    let Expanded { desired, .. } = expand(&loaded, &scope, &digests);
    let plan = Plan::new(&scope, &desired, snapshot);
    let expand = |loaded: &Loaded, built| other(loaded, &scope, &digests, built);
    let source = File { loaded: &loaded, scope: &scope, desired: &desired, snapshot, expand: &expand };
    let review = Review::new(&scope, &plan, &desired, &Sources::find(&source, &plan), Against::Aws);
    let hash = Saved::of(&scope, &plan).hash();
    let text = text(&review, FILE, Printer::new(true, false)).join("\n");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let mut json = json(&review, &plan, Some(&hash));
    let validator = jsonschema::validator_for(&super::schema()).expect("our own schema is valid");
    let wrong: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    json["steps"].as_array_mut().expect("steps").retain(|step| step["do"] != "keep");
    // The hash has tests of its own, and changes with every word of a policy.
    Shown { text, markdown: markdown(&review, FILE, Some("0123456789ab")), json }
}

#[test]
fn the_first_up_of_sendy() {
    let shown = shown(SENDY, &Snapshot::default());
    insta::assert_snapshot!("first_text", shown.text);
    insta::assert_snapshot!("first_markdown", shown.markdown);
    // The whole document is too long for a snapshot. It was checked against the schema.
    assert_eq!(shown.json["steps"].as_array().map(Vec::len), shown.json["changes"].as_u64().map(|n| n as usize));
}

/// The engine is upgraded, the replica is removed, a queue gets another name, and the cache another machine.
#[test]
fn a_risky_change() {
    let before = SENDY.replace("version: \"8.4\"", "version: \"8.0\"");
    let after = SENDY
        .replace("    replica: true\n", "")
        .replace("  notifications:\n    from", "  messages:\n    from")
        .replace("uses: [reservations, notifications]", "uses: [reservations, messages]")
        .replace("engine: valkey", "engine: valkey\n    class: cache.m7g.large")
        .replace("port: 3000\n    uses", "port: 3000\n    env: { GREETING: \"<b>@team|`x`\" }\n    uses");
    assert_ne!(before, after);
    let shown = shown(&after, &made(&before));
    insta::assert_snapshot!("risky_text", shown.text);
    insta::assert_snapshot!("risky_markdown", shown.markdown);
    let mut json = shown.json;
    json.as_object_mut().map(|members| members.remove("hash"));
    json["steps"]
        .as_array_mut()
        .expect("steps")
        .retain(|step| step["disruption"] == "downtime" || step["section"] == "databases.reservations");
    insta::assert_snapshot!("risky_json", pretty(&json).0);
}

#[test]
fn drift() {
    let mut snapshot = made(SENDY);
    by_hand(&mut snapshot, "sqs.queue", "notifications", "visibility_timeout", json!(99));
    by_hand(&mut snapshot, "sqs.queue", "notifications", "managed_encryption", json!(false));
    by_hand(
        &mut snapshot,
        "ec2.security_group_rules",
        "database-reservations",
        "ingress",
        json!([{"from": "0.0.0.0/0"}]),
    );
    by_hand(&mut snapshot, "ecs.task_definition", "lookup", "environment", json!({"PASSWORD": "canary"}));
    by_hand(&mut snapshot, "rds.instance", "reservations", "class", json!("db.r6g.16xlarge"));
    by_hand(&mut snapshot, "rds.instance", "reservations", "public", json!(true));
    by_hand(&mut snapshot, "cloudwatch.alarm", "errors", "threshold", json!(5000.0));
    snapshot.live.remove(&Address { kind: "elbv2.rule", name: "lookup".to_owned() });
    let shown = shown(SENDY, &snapshot);
    insta::assert_snapshot!("drift_text", shown.text);
    insta::assert_snapshot!("drift_markdown", shown.markdown);
    insta::assert_snapshot!("drift_json", pretty(&json!(shown.json["steps"])).0);
    for form in [shown.text, shown.markdown, shown.json.to_string()] {
        assert!(!form.contains("canary"), "what was set by hand may be a secret: {form}");
    }
}

/// The steps of a plan. Their names and values have characters that mean something to Markdown.
fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let names = prop_oneof!["[a-z-]{1,40}", "\\PC{0,60}", "[`|<>@\\[\\]()*_#!&;\\\\ \n]{1,80}"];
    let step = (0..KINDS.len(), names, 0..5_usize, any::<bool>(), 1..40_usize);
    prop::collection::vec(
        step.prop_map(|(kind, name, what, loses, fields)| one_step(kind, name, what, loses, fields)),
        count,
    )
}

fn one_step(kind: usize, name: String, what: usize, loses: bool, fields: usize) -> Step {
    let facts = KINDS[kind].facts();
    let change = |number: usize| {
        let field = facts.fields[number % facts.fields.len()];
        let (from, to) = (json!(name.repeat(3)), json!([name.clone(), "(known after x)"]));
        Change { path: format!("{}.{name}", field.name), from, to, effect: field.effect }
    };
    let changes: Vec<Change> = (0..fields).map(change).collect();
    let replaces = changes.iter().any(|change| change.effect == Effect::Replace);
    let action = match what {
        0 => Action::Create { want: Json::of(&json!({})) },
        1 if replaces => Action::Replace { changes },
        1 | 2 => Action::Update { changes },
        3 => Action::Delete,
        _ => Action::Refuse,
    };
    let goes = loses && matches!(action, Action::Delete | Action::Replace { .. });
    Step {
        address: Address { kind: facts.name, name: name.clone() },
        kind: KINDS[kind],
        section: format!("queues.{}", name.chars().take(3).collect::<String>()),
        id: Some(name.clone()),
        action,
        loses_data: goes,
        loss: goes.then(|| format!("all of {name}")),
        busy: None,
        on: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_comment_has_room_for_the_worst_of_two_thousand(steps in steps(2_000)) {
        let scope = scope();
        let plan = Plan { steps };
        let desired = crate::plan::desired::Desired::new(REGISTRY);
        let review = Review::new(&scope, &plan, &desired, &Sources::default(), Against::Aws);
        let comment = markdown(&review, "a`b|@c.yaml", Some("0123456789ab"));
        prop_assert!(comment.len() < 65_536, "{} bytes", comment.len());
        // The worst risk comes first, and none after it is worse.
        let (_, risky) = comment.split_once("#### To look at").expect("there is some risk");
        let words = ["BLOCKED", "DATA LOSS", "downtime", "removed", "failover", "restart"];
        let place = |line: &str| words.iter().position(|word| line.starts_with(&format!("- **{word}")));
        let places: Vec<usize> = risky.lines().filter_map(place).collect();
        let worst = review.risks()[0].1.told((0, 0));
        prop_assert_eq!(words[places[0]], worst);
        prop_assert!(places.is_sorted());
        prop_assert!(places.len() > 20, "there is room for more than {}", places.len());
        // The changes that have no room are counted.
        let counted = review.items().count();
        let shown = comment.lines().filter(|line| line.starts_with("- ") && line.contains("<code>") || line.contains('`')).count();
        prop_assert!(shown < counted && comment.contains("has no room here"));
        // Nobody is mentioned, and only our own tags are open.
        let inert = comment.replace("<code>", "").replace("</code>", "").replace("<details><summary>", "");
        let inert = inert.replace("</summary>", "").replace("</details>", "");
        prop_assert!(!inert.contains(['<', '@']), "{}", inert);
    }
}
