//! Tests of the binary: what it prints, where, and with which exit code.

mod support;

use std::path::Path;

use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
use gateway::{Base, Effect, Gateway, Nth, Options, Rule};
use provision::image::artefacts::Artefacts;
use support::binary::{NOWHERE, command, path, run, said, stack, stderr, written};

/// A key that comes from a file or a CI system's secret may end with a line end (boto/botocore 2001,
/// argoproj/argo-workflows 981). The SDK puts the key into a header, and panics.
#[tokio::test]
async fn a_key_with_a_line_end() {
    let file = written("stack: bell\nregion: eu-west-1\ntopics: {rings: {}}\n");
    let plan = async |variables: &[(&str, &str)]| {
        let mut command = command(NOWHERE, &["plan", path(&file)]);
        let output = command.envs(variables.iter().copied()).output().await.expect("the binary runs");
        assert_eq!(output.status.code(), Some(1), "{variables:?}: {}", said(&output));
        assert!(!said(&output).contains("AKIDEXAMPLE"), "the key is not shown: {}", said(&output));
        stderr(&output, &file)
    };
    let around = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE\n"),
        ("AWS_SECRET_ACCESS_KEY", " secret\r\n"),
        ("AWS_SESSION_TOKEN", "t\n"),
    ];
    let told = plan(&around).await;
    assert!(
        told.starts_with("error: asking AWS who we are, in eu-west-1: NoAnswer"),
        "white space around it is taken off: {told}"
    );
    let told = plan(&[("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE\nsecret")]).await;
    let expected = "error: the access key id in AWS_ACCESS_KEY_ID has a line end in it, which none has\n  \
                    hint: set it again, with nothing but the key\n";
    assert_eq!(told, expected);
    let told = plan(&[("AWS_EXECUTION_ENV", "CI\n"), ("AWS_ENDPOINT_URL", "localhost:1")]).await;
    assert_eq!(told.matches("error: ").count(), 2, "{told}");
    let told = plan(&[("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "")]).await;
    assert!(told.starts_with("error: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"), "{told}");
}

#[tokio::test]
async fn wrong_usage_is_64() {
    let sendy = stack("sendy");
    for arguments in [
        vec!["frobnicate"],
        vec!["plan"],
        vec!["plan", path(&sendy)],
        vec!["plan", path(&sendy), "--env", "staging"],
        vec!["down", path(&sendy), "--env", "dev", "--keep-data", "--delete-data"],
        vec!["logs", path(&sendy), "--since", "soon"],
        vec!["outputs", path(&sendy), "--env", "dev", "--format", "yaml"],
    ] {
        let output = run(NOWHERE, &arguments).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty(), "talk goes to stderr");
    }
    assert_eq!(run(NOWHERE, &["--help"]).await.status.code(), Some(0));
}

/// A program that asked for JSON gets the failure as JSON, and people get its text.
#[tokio::test]
async fn a_failure_is_data_too() {
    let failed = async |file: &Path, before: &[&str], after: &[&str]| {
        let output = run(NOWHERE, &[before, &[path(file)], after, &["--json"]].concat()).await;
        let document = String::from_utf8_lossy(&output.stdout).replace(path(file), "stack.yaml");
        let json: serde_json::Value = serde_json::from_str(&document).expect("one document");
        assert_eq!(json["exit"], output.status.code().expect("it ended by itself"));
        format!("{document}---\n{}", stderr(&output, file))
    };
    let none = Path::new("/nonexistent/stack.yaml");
    insta::assert_snapshot!(failed(none, &["plan"], &[]).await, @r#"
    {
      "error": {
        "what": "reading stack.yaml: No such file or directory (os error 2)"
      },
      "exit": 1
    }
    ---
    error: reading stack.yaml: No such file or directory (os error 2)
    "#);
    assert_eq!(failed(none, &["check"], &[]).await, failed(none, &["plan"], &[]).await);
    let mistakes = written("stack: Bell\ntopics:\n  rings: {}\nqueues:\n  answers: {from: [ring]}\n");
    insta::assert_snapshot!(failed(&mistakes, &["outputs"], &[]).await, @r#"
    {
      "error": {
        "problems": [
          {
            "file": "stack.yaml",
            "line": 1,
            "column": 8,
            "what": "`stack` is \"Bell\", which does not fit",
            "hint": "lower-case letters, digits and single dashes, starting with a letter"
          },
          {
            "file": "stack.yaml",
            "line": 5,
            "column": 20,
            "what": "`ring` is not a topic of this stack",
            "hint": "did you mean `rings`?"
          }
        ]
      },
      "exit": 1
    }
    ---
    stack.yaml:1:8: `stack` is "Bell", which does not fit
      hint: lower-case letters, digits and single dashes, starting with a letter
    stack.yaml:5:20: `ring` is not a topic of this stack
      hint: did you mean `rings`?
    "#);
    assert_eq!(failed(&mistakes, &["status"], &["--local"]).await, failed(&mistakes, &["outputs"], &[]).await);
    let sendy = stack("sendy");
    insta::assert_snapshot!(failed(&sendy, &["up"], &["--env", "staging"]).await, @r#"
    {
      "error": {
        "what": "stack.yaml has no environment `staging`",
        "hint": "there are: dev, prod"
      },
      "exit": 64
    }
    ---
    error: stack.yaml has no environment `staging`
      hint: there are: dev, prod
    "#);
    insta::assert_snapshot!(failed(&sendy, &["graph"], &["--env", "dev"]).await, @r#"
    {
      "error": {
        "what": "a graph is not printed as JSON",
        "hint": "choose --format mermaid or --format dot"
      },
      "exit": 64
    }
    ---
    error: a graph is not printed as JSON
      hint: choose --format mermaid or --format dot
    "#);
    insta::assert_snapshot!(failed(&sendy, &["outputs"], &["--env", "dev", "--format", "env"]).await, @r#"
    {
      "error": {
        "what": "--json is another format than --format says"
      },
      "exit": 64
    }
    ---
    error: --json is another format than --format says
    "#);
    let bell = stack("bell");
    insta::assert_snapshot!(failed(&bell, &["probe"], &[]).await, @r#"
    {
      "error": {
        "what": "no service has the role `reservation`, in whose place the probe runs",
        "hint": "the probe sends an event that nobody applies, and follows it to the database, the queue and the log"
      },
      "exit": 64
    }
    ---
    error: no service has the role `reservation`, in whose place the probe runs
      hint: the probe sends an event that nobody applies, and follows it to the database, the queue and the log
    "#);
}

/// Several errors at once, and the document of a command that has one of its own.
#[tokio::test]
async fn there_is_one_document_of_several_errors() {
    let bell = stack("bell");
    let mut command = command(NOWHERE, &["plan", path(&bell), "--json"]);
    command.env("AWS_EXECUTION_ENV", "CI\n").env("AWS_ENDPOINT_URL", "localhost:1");
    let output = command.output().await.expect("runs");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r#"
    {
      "error": {
        "problems": [
          {
            "what": "AWS_EXECUTION_ENV has a line end in it, which no request can carry",
            "hint": "unset it, or set it again"
          },
          {
            "what": "AWS_ENDPOINT_URL is not an address",
            "hint": "http:// or https://, a host, and a port if it has one"
          }
        ]
      },
      "exit": 1
    }
    "#);

    let mistakes = written("stack: Bell\n");
    let output = run(NOWHERE, &["check", path(&mistakes), "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!((json["problems"][0]["line"].as_u64(), json.get("error")), (Some(1), None), "{json}");
}

#[tokio::test]
async fn without_a_login_there_is_one_error_and_what_to_do() {
    let bell = stack("bell");
    let mut command = command(NOWHERE, &["plan", path(&bell)]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("HOME", "/nonexistent");
    let output = command.output().await.expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.matches("error:").count(), 1, "{text}");
    assert!(text.contains("hint: log in"), "{text}");
}

#[tokio::test]
async fn the_schema_is_what_check_uses_and_completions_are_printed() {
    let output = run(NOWHERE, &["schema"]).await;
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(schema["$defs"]["Queue"]["additionalProperties"], false);
    let output = run(NOWHERE, &["completions", "bash"]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("_provision"));
}

/// There are no credentials, and nobody is at the other end.
#[tokio::test]
async fn a_graph_is_drawn_offline() {
    let sendy = stack("sendy");
    let drawn = async |arguments: &[&str]| {
        let mut command = command(NOWHERE, &[&["graph", path(&sendy), "--env", "dev"], arguments].concat());
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("HOME", "/nonexistent");
        let output = command.output().await.expect("runs");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(output.stderr.is_empty(), "{}", said(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    insta::assert_snapshot!("sendy_dev_by_section", drawn(&[]).await);
    insta::assert_snapshot!("sendy_dev_by_resource", drawn(&["--by", "resource"]).await);
    let dot = drawn(&["--by", "resource", "--format", "dot"]).await;
    assert_eq!(dot, drawn(&["--by", "resource", "--format", "dot"]).await, "the same each time");
    let mermaid = drawn(&["--by", "resource"]).await;
    assert_eq!(dot.matches(" -> ").count(), mermaid.matches(" --> ").count());
    assert_eq!(dot.matches("subgraph \"cluster_").count(), mermaid.matches("subgraph ").count());
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
    assert_eq!(dot.matches('"').count() % 2, 0);
    assert!(dot.contains("\n  \"ecs.service lookup\" -> \"ecs.task_definition lookup\";\n"), "{dot}");

    for arguments in [["--format", "png"], ["--by", "zone"]] {
        let output = run(NOWHERE, &[&["graph", path(&sendy), "--env", "dev"], arguments.as_slice()].concat()).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty(), "talk goes to stderr");
    }
    assert_eq!(run(NOWHERE, &["graph", path(&sendy)]).await.status.code(), Some(64), "which environment?");
    let broken = written("stack: Bell\n");
    let output = run(NOWHERE, &["graph", path(&broken)]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output, &broken).starts_with("stack.yaml:1:8: "), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_from_plan_to_down() {
    let options = Options { base: Base::Moto, scale: support::SCALE, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let (url, bell) = (gateway.url(), stack("bell"));
    let bell = path(&bell);

    let plan = run(url, &["plan", bell, "--exit-code"]).await;
    assert_eq!(plan.status.code(), Some(2), "{}", said(&plan));
    let text = String::from_utf8_lossy(&plan.stdout).replace(bell, "bell.yaml");
    let (text, hash) = text.split_once("\nHash: ").expect("what `up --plan` would check");
    assert!(hash.trim().len() == 12, "{hash}");
    insta::assert_snapshot!(text, @r"
    stack  bell.yaml:2
      + create  kms.key main
    topics.rings  bell.yaml:6
      + create  sns.topic rings
    queues.answers  bell.yaml:9
      + create  sqs.queue answers-dead-letter
      + create  sqs.queue answers
      + create  sns.subscription rings-to-answers  [line 10]
    Plan: 5 to create.
    ");

    let unasked = run(url, &["up", bell, "--json"]).await;
    assert_eq!(unasked.status.code(), Some(64), "there is nobody to ask: {}", said(&unasked));
    insta::assert_snapshot!(String::from_utf8_lossy(&unasked.stdout), @r#"
    {
      "error": {
        "what": "there is no terminal to ask on",
        "hint": "give --yes to go ahead without a question"
      },
      "exit": 64
    }
    "#);

    let up = run(url, &["up", bell, "--yes", "--json"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let report: serde_json::Value = serde_json::from_slice(&up.stdout).expect("one object");
    assert_eq!(report["outputs"]["topics.rings.arn"], "arn:aws:sns:eu-west-1:123456789012:bell-dev-rings");
    assert!(report["complete_seconds"].is_number());
    // The tag index is read for the first look at the account, and for no poll.
    assert_eq!(gateway.calls().iter().filter(|call| call.action == "GetResources").count(), 3, "of plan, up and up");

    let plan = run(url, &["plan", bell, "--exit-code"]).await;
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));
    insta::assert_snapshot!(String::from_utf8_lossy(&plan.stdout), @r"
    No changes: 5 resources are as the stack file says.
    ");

    let outputs = async |arguments: &[&str]| {
        let output = run(url, &[&["outputs", bell], arguments].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        String::from_utf8(output.stdout).expect("text").replace(url, "[url]")
    };
    insta::assert_snapshot!(outputs(&["--format", "env"]).await, @r"
    QUEUES_ANSWERS_DEAD_LETTER_URL=[url]/123456789012/bell-dev-answers-dead-letter
    QUEUES_ANSWERS_URL=[url]/123456789012/bell-dev-answers
    TOPICS_RINGS_ARN=arn:aws:sns:eu-west-1:123456789012:bell-dev-rings
    ");
    let text = outputs(&["--format", "text"]).await;
    assert!(text.contains("topics.rings.arn = arn:aws:sns:eu-west-1:123456789012:bell-dev-rings\n"), "{text}");
    assert_eq!(text, outputs(&[]).await);
    assert_eq!(outputs(&["--json"]).await, outputs(&["--format", "json"]).await);

    let changed =
        written(&std::fs::read_to_string(bell).expect("a file").replace("max_receives: 3", "max_receives: 9"));
    let plan = run(url, &["plan", path(&changed), "--json"]).await;
    let mut json: serde_json::Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    json["steps"].as_array_mut().expect("steps").retain(|step| step["do"] != "keep");
    json["steps"][0]["id"] = "[url]".into();
    json.as_object_mut().map(|members| members.remove("hash")).expect("it can be saved");
    insta::assert_json_snapshot!(json, @r#"
    {
      "account": "123456789012",
      "changes": 1,
      "compared": {
        "with": "aws"
      },
      "env": "dev",
      "left_out": [],
      "region": "eu-west-1",
      "seconds": [
        1,
        1
      ],
      "stack": "bell",
      "steps": [
        {
          "busy": null,
          "changes": [
            {
              "effect": "in-place",
              "from": 3,
              "path": "redrive.maxReceiveCount",
              "to": 9,
              "unknown": false,
              "why": {
                "because": "line",
                "column": 5,
                "key": "queues.answers.max_receives",
                "line": 11
              }
            }
          ],
          "disruption": "none",
          "do": "update",
          "id": "[url]",
          "kind": "sqs.queue",
          "loses_data": false,
          "loss": null,
          "name": "answers",
          "notes": [],
          "outage_seconds": [
            0,
            0
          ],
          "seconds": [
            1,
            1
          ],
          "section": "queues.answers",
          "why": {
            "because": "line",
            "column": 5,
            "key": "queues.answers.max_receives",
            "line": 11
          }
        }
      ],
      "version": 2
    }
    "#);

    let guarded = written(
        &std::fs::read_to_string(bell)
            .expect("a file")
            .replace("region: eu-west-1", "region: eu-west-1\naccount: \"999999999999\""),
    );
    let refused = run(url, &["up", path(&guarded), "--yes"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("only be deployed to account 999999999999"));

    let down = run(url, &["down", bell, "--yes"]).await;
    assert_eq!(down.status.code(), Some(0), "{}", said(&down));
    gateway.stop().await;
}

/// A stack with one resource of each section whose state has details.
const OF_EACH: &str = "stack: of\nregion: eu-west-1\ndatabases: {rings: {replica: true}}\ncaches: {seen: {}}\n\
    queues: {answers: {}}\nsearch: {found: {}}\nservices: {shop: {image: \"nginx:1\", http: {}}}\n";

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_what_people_want_to_know() {
    let options = Options { base: Base::Moto, scale: support::SCALE, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let (url, file) = (gateway.url(), written(OF_EACH));
    let status = async |arguments: &[&str]| {
        let output = run(url, &[&["status", path(&file)], arguments].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        output
    };
    let document = async || -> serde_json::Value {
        serde_json::from_slice(&status(&["--json"]).await.stdout).expect("one document")
    };
    assert_eq!(document().await["health"], serde_json::json!({}), "nothing is there yet");

    let up = run(url, &["up", path(&file), "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let before = document().await;
    assert_eq!(before["health"]["databases.rings"]["rings-replica"]["replica"]["lag_seconds"], serde_json::Value::Null);
    let replica = before["resources"].as_array().expect("a list").iter().find(|one| one["name"] == "rings-replica");
    assert_eq!(replica.expect("it is there")["status"], "ready");

    let cx = support::context(url, "of", Artefacts::default()).await;
    let queue = cx.sqs.get_queue_url().queue_name("of-dev-answers").send().await.expect("it is there");
    let message = cx.sqs.send_message().set_queue_url(queue.queue_url).message_body("late");
    message.send().await.expect("it is sent");
    let dimension = Dimension::builder().name("DBInstanceIdentifier").value("of-dev-rings-replica").build();
    let lag = MetricDatum::builder().metric_name("ReplicaLag").dimensions(dimension).value(7.0).build();
    cx.cloudwatch.put_metric_data().namespace("AWS/RDS").metric_data(lag).send().await.expect("it is measured");
    insta::assert_json_snapshot!(document().await["health"], @r#"
    {
      "caches.seen": {
        "seen": {
          "engine": "valkey",
          "nodes": 1,
          "version": "8.0"
        }
      },
      "databases.rings": {
        "rings": {
          "class": "db.t4g.micro",
          "version": "8.4"
        },
        "rings-replica": {
          "class": "db.t4g.micro",
          "replica": {
            "lag_seconds": 7.0
          },
          "version": "8.4"
        }
      },
      "queues.answers": {
        "answers": {
          "in_flight": 0,
          "visible": 1
        },
        "answers-dead-letter": {
          "in_flight": 0,
          "visible": 0
        }
      },
      "search.found": {
        "found": {
          "state": "active",
          "version": "2.19"
        }
      },
      "services.shop": {
        "shop": {
          "desired": 1,
          "revision": 1,
          "running": 1,
          "targets": {
            "all": 1,
            "healthy": 1
          }
        }
      }
    }
    "#);
    let text = String::from_utf8(status(&[]).await.stdout).expect("text");
    let (_, below) = text.split_once("\n\n").expect("a blank line");
    insta::assert_snapshot!(below, @r"
    queues.answers   sqs.queue answers-dead-letter            messages: 0 visible, 0 in flight
    queues.answers   sqs.queue answers                        messages: 1 visible, 0 in flight
    databases.rings  rds.instance rings                       MySQL 8.4, class db.t4g.micro
    databases.rings  rds.instance rings-replica               MySQL 8.4, class db.t4g.micro, 7 s behind
    caches.seen      elasticache.replication_group seen       engine: valkey 8.0, nodes: 1
    search.found     opensearch.domain found                  OpenSearch 2.19, active
    services.shop    ecs.service shop                         tasks: 1 of 1 run, revision 1, targets: 1 of 1 healthy
    ");

    // Calls that only look closer may fail, and no others do. The first call of these actions is the one that finds the
    // resource.
    let denied = |service: &str, action: &str, from: u64| Rule {
        service: Some(service.into()),
        action: Some(action.into()),
        nth: Some(Nth::Range { from, to: 100 }),
        effect: Effect::Denied,
        ..Rule::default()
    };
    let attributes =
        Rule { params: Some("ApproximateNumberOfMessages".into()), ..denied("sqs", "GetQueueAttributes", 1) };
    let rules = vec![
        denied("cloudwatch", "GetMetricData", 1),
        denied("ecs", "DescribeServices", 2),
        denied("elbv2", "DescribeTargetHealth", 2),
        attributes,
    ];
    gateway.rules(rules).expect("they are good");
    let output = status(&["-v"]).await;
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    let (_, below) = text.split_once("\n\n").expect("a blank line");
    insta::assert_snapshot!(below, @r"
    queues.answers   sqs.queue answers-dead-letter            messages: unknown visible, unknown in flight
    queues.answers   sqs.queue answers                        messages: unknown visible, unknown in flight
    databases.rings  rds.instance rings                       MySQL 8.4, class db.t4g.micro
    databases.rings  rds.instance rings-replica               MySQL 8.4, class db.t4g.micro, lag unknown
    caches.seen      elasticache.replication_group seen       engine: valkey 8.0, nodes: 1
    search.found     opensearch.domain found                  OpenSearch 2.19, active
    services.shop    ecs.service shop                         tasks: unknown of unknown run, revision 1, targets: unknown of unknown healthy
    ");
    assert!(String::from_utf8_lossy(&output.stderr).contains("rds.instance rings-replica: "), "{}", said(&output));
    gateway.stop().await;
}
