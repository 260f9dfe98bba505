//! Damaged stack files. Whatever is in them, `check` says in time where the mistake is. A file that it accepts can be
//! planned.

mod damage;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use damage::{Dice, damage, noise};
use provision::image::Digests;
use provision::plan::snapshot::Snapshot;
use provision::plan::{Action, Plan};
use provision::scope::Scope;
use provision::sections::Loaded;
use provision::sections::aws::expand;
use provision::sections::load;
use provision::yaml::Position;

/// The deadline for all environments of one file. It is for hangs and not for delays: the machine is shared and the
/// build is not optimised.
const DEADLINE: Duration = Duration::from_secs(60);

const STACKS: &[&str] = &[
    include_str!("../../stacks/bell.yaml"),
    include_str!("../../stacks/hello.yaml"),
    include_str!("../../stacks/sendy.yaml"),
    FULL,
];

/// A stack file with every option, so that each can be damaged.
const FULL: &str = r#"stack: full
region: eu-west-1
account: "123456789012"
environments:
  dev: {services: {one: {scale: {min: 1}}}}
  prod: {profile: prod, alerts: {email: [ops@full.example]}}
network: {zones: 3, nat: per-zone, cidr: 10.1.0.0, certificate: "arn:aws:acm:eu-west-1:123456789012:certificate/x"}
databases:
  orders: {version: "8.4", class: db.t4g.small, storage: 30, replica: true, standby: false, backup_days: 3}
caches:
  fast: {engine: redis, class: cache.t4g.small, nodes: 2}
topics:
  placed: {}
  strict: {fifo: true}
queues:
  mails: {from: [placed], raw: true, visibility_timeout: 2m, retention: 3d, delay: 5s, max_receives: 7}
  exact: {from: [strict], fifo: true}
search:
  texts: {version: "2.19", class: t3.small.search, nodes: 3, storage: 20}
services:
  one:
    role: hello
    port: 5000
    cpu: 512
    memory: 1024
    owns: [orders]
    uses: [orders, fast, placed, mails, texts]
    http: {paths: ["/one*"], methods: [GET, POST], health: /healthz}
    scale: {min: 2, max: 4, cpu: 60}
    env: {COLOUR: blue}
  two: {image: "example.com/two:1", user: "1000:1000", http: {}}
logs: {to: texts, keep_days: 14, ship: {one: "", two: "ERROR"}}
alerts: {email: [a@full.example]}
"#;

#[test]
fn the_stacks_themselves_are_whole() {
    for text in STACKS {
        for env in load::environments(text) {
            plan(&load::load(text, &env).unwrap_or_else(|problems| panic!("{problems:?}")));
        }
    }
}

#[test]
fn damaged_by_seed() {
    let mut refused = 0;
    for seed in 0..800 {
        let text = by_seed(seed);
        refused += usize::from(judge(&format!("seed {seed}"), &text));
    }
    // Both outcomes are worth something: many files are refused, and those that are accepted are planned.
    assert!((200..780).contains(&refused), "{refused}");
}

#[test]
fn cut_off_anywhere() {
    for text in STACKS {
        for (at, _) in text.char_indices().step_by(3) {
            judge(&format!("cut off at {at}"), &text[..at]);
        }
    }
}

#[test]
fn bombs() {
    let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let long = "a".repeat(400_000);
    let noise: String = many(1 << 20, &|n| char::from(b' ' + u8::try_from(n * 7919 % 95).unwrap_or(0)).to_string());
    let cases = [
        ("[", "[".repeat(100_000)),
        ("{", "{".repeat(100_000)),
        ("- ", "- ".repeat(100_000)),
        ("? ", "? ".repeat(100_000)),
        ("&a ", "&a ".repeat(100_000)),
        ("deep maps", many(200, &|level| format!("{}a:\n", " ".repeat(level)))),
        ("deep values", format!("stack: {}1{}", "{a: ".repeat(200), "}".repeat(200))),
        ("a megabyte of noise", noise),
        ("too many bytes", "#".repeat((1 << 20) + 1)),
        ("aliases of a long text", format!("a: &a {long}\nb: [{}]", "*a,".repeat(100_000))),
        ("anchors in anchors", format!("a: {}{long}{}", many(30, &|n| format!("&a{n} [")), "]".repeat(30))),
        ("values below a long key", format!("{long}: [{}]", "1,".repeat(100_000))),
        (
            "unknown keys below a long name",
            format!("queues: {{{long}: {{{}}}}}", many(60_000, &|n| format!("k{n}: ,"))),
        ),
        ("unknown keys", format!("stack: s\n{}", many(60_000, &|n| format!("queue{n}: 1\n")))),
        ("the same key", format!("stack: s\n{}", "queues: {}\n".repeat(60_000))),
        ("environments", format!("stack: s\nenvironments:\n{}", many(30_000, &|n| format!("  e{n}: {{}}\n")))),
        ("long values", format!("stack: s\nqueues: {{q: {{retention: {long}}}}}\nregion: {long}")),
        ("long names", format!("stack: s\nqueues: {{{}: {{}}}}", "a".repeat(41))),
        (
            "dangling references",
            format!(
                "stack: s\ntopics:\n{}queues:\n  q: {{from: [{}]}}",
                many(20_000, &|n| format!("  t{n}: {{}}\n")),
                many(20_000, &|n| format!("u{n},"))
            ),
        ),
        (
            "services in one band",
            format!(
                "stack: s\nservices:\n{}",
                many(3000, &|n| format!("  s{n}: {{role: hello, http: {{paths: [/s{n:04}], methods: [PUT]}}}}\n"))
            ),
        ),
        (
            "patterns that may be within each other",
            format!(
                "stack: s\nservices:\n{}",
                many(1000, &|n| format!(
                    "  s{n}: {{role: hello, http: {{paths: [\"/*{n:04}{}*\"]}}}}\n",
                    "a?".repeat(50)
                ))
            ),
        ),
        (
            "a class and a pattern of stars",
            format!(
                "stack: s\nguard: {{forbidden_classes: [\"{}b\"]}}\ndatabases: {{d: {{class: db.a.{}}}}}",
                "*a".repeat(100),
                "a".repeat(10_000)
            ),
        ),
        (
            "everything of the wrong form",
            format!(
                "stack: s\nqueues:\n{}",
                many(10_000, &|n| format!("  Q{n}: {{from: 5, retention: [], fifo: x, k{n}: 1}}\n"))
            ),
        ),
    ];
    for (name, text) in cases {
        judge(name, &text);
    }
}

#[test]
fn no_text_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("stack.yaml");
    let sendy = STACKS[2].as_bytes();
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let mut bytes = sendy.to_vec();
        let at = dice.below(bytes.len());
        bytes.splice(at..at, [[0xff, 0xfe], [0xc3, 0x28], [0xed, 0xa0], [0x00, 0x00]][dice.below(4)]);
        std::fs::write(&file, &bytes).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_provision")).arg("check").arg(&file).output().expect("runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{said}");
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        assert!(said.contains(&format!("stack.yaml:{line}:")), "seed {seed}: {said}");
    }
}

/// `PROVISION_FUZZ_SECONDS=300 cargo test --test damaged fuzz -- --nocapture` runs this for longer. A failure prints
/// its seed and the file.
#[test]
#[allow(clippy::print_stderr, reason = "says how far it came")]
fn fuzz() {
    let Some(seconds) = std::env::var("PROVISION_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()) else {
        return;
    };
    let (started, limit) = (Instant::now(), Duration::from_secs(seconds));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let first =
        std::env::var("PROVISION_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(now.as_secs() << 20);
    let (mut seed, mut refused) = (first, 0);
    while started.elapsed() < limit {
        refused += u64::from(judge(&format!("PROVISION_FUZZ_SEED={seed}"), &at_random(seed)));
        seed += 1;
    }
    eprintln!("{} files from seed {first} on, {refused} of them refused", seed - first);
}

fn by_seed(seed: u64) -> String {
    let mut dice = Dice(seed);
    let whole = STACKS[dice.below(STACKS.len())];
    damage(whole, &mut dice, 3)
}

fn at_random(seed: u64) -> String {
    let mut dice = Dice(seed);
    let whole = STACKS[dice.below(STACKS.len())];
    // Files with little damage are accepted more often. Files with much damage reach cases that nobody has thought of.
    let most = [1, 2, 8][dice.below(3)];
    let text = damage(whole, &mut dice, most);
    if dice.below(4) == 0 { noise(&text, &mut dice, 12) } else { text }
}

/// Loads every environment, in a thread that may panic or hang. Returns whether one was refused.
fn judge(name: &str, text: &str) -> bool {
    let (send, receive) = channel();
    let owned = text.to_owned();
    let thread = std::thread::spawn(move || send.send(load(&owned)).expect("somebody waits"));
    let shown = || text.chars().take(5000).collect::<String>();
    match receive.recv_timeout(DEADLINE) {
        Ok(refused) => refused,
        Err(RecvTimeoutError::Timeout) => panic!("{name} is not done in {DEADLINE:?}:\n{}", shown()),
        Err(RecvTimeoutError::Disconnected) => {
            let cause = thread.join().err();
            let cause = cause.as_ref().and_then(|cause| cause.downcast_ref::<String>().map(String::as_str));
            panic!("{name}: {}\n{}", cause.unwrap_or("a panic, see above"), shown())
        }
    }
}

fn load(text: &str) -> bool {
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    let lengths: Vec<usize> = unified.split('\n').map(|line| line.chars().count()).collect();
    let inside = |at: Position| {
        let length = lengths.get(at.line.wrapping_sub(1));
        at.column >= 1 && length.is_some_and(|length| at.column <= length + 1)
    };
    let mut refused = false;
    for env in load::environments(text) {
        match load::load(text, &env) {
            Ok(loaded) => plan(&loaded),
            Err(problems) => {
                assert!(!problems.is_empty(), "refused without a reason");
                for problem in problems {
                    assert!(inside(problem.at), "outside of the file: {problem:?}");
                    let what = &problem.what;
                    assert!(!what.is_empty() && what.len() < 5000 && !what.contains(char::is_control), "{what:?}");
                    // serde reports a mistake only if the schema lets a text through that does not make a stack.
                    assert!(!what.contains("invalid type") && !what.contains("invalid value"), "{what}");
                }
                refused = true;
            }
        }
    }
    refused
}

/// Plans everything. No two resources may have the same name.
fn plan(loaded: &Loaded) {
    let scope = Scope::of(loaded, "123456789012".into(), "eu-west-1".into());
    let desired = expand(loaded, &scope, &Digests::default()).desired;
    let mut seen = BTreeSet::new();
    for wanted in desired.resources() {
        assert!(seen.insert(&wanted.address), "two of {}", wanted.address);
    }
    let plan = Plan::new(&scope, &desired, &Snapshot::default());
    assert_eq!(plan.steps.len(), desired.resources().len());
    assert!(plan.steps.iter().all(|step| matches!(step.action, Action::Create { .. })));
}
