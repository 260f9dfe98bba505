//! The binary: what it prints, where, and with which exit code.

mod support;

use std::path::Path;

use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
use gateway::{Base, Effect, Gateway, Nth, Options, Rule};
use provision::artefacts::Artefacts;
use support::binary::{command, run, said, stack};

const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn every_mistake_at_once_with_its_place() {
    let file = written(
        "stack: Bell\nregion: eu-west-1\ntopics:\n  rings: {fifo: maybe}\nqueues:\n  answers:\n    form: [rings]\n    \
         visibility_timeout: 30\n    max_receives: 0\nservices:\n  a: {role: hello, role: hello}\n",
    );
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    insta::assert_snapshot!(stderr(&output, &file), @r#"
    stack.yaml:1:8: `stack` is "Bell", which does not fit
      hint: lower-case letters, digits and single dashes, starting with a letter
    stack.yaml:4:17: `topics.rings.fifo`: "maybe" is not of type "boolean"
    stack.yaml:7:5: `form` is not known in `queues.answers`
      hint: did you mean `from`?
    stack.yaml:8:25: `queues.answers.visibility_timeout`: 30 is not of type "string"
      hint: a time has a unit, as in `30s`; a version or an account is in quotes
    stack.yaml:9:19: `queues.answers.max_receives`: 0 is less than the minimum of 1
    stack.yaml:11:20: `role` is here twice
      hint: the first is in line 11
    "#);
}

#[tokio::test]
async fn references_are_checked_and_near_names_are_suggested() {
    let file = written(
        "stack: bell\nregion: eu-west-1\ntopics:\n  rings: {}\nqueues:\n  answers:\n    from: [ring]\nservices:\n  \
         one:\n    role: helo\n    uses: [answer]\n    cpu: 256\n    memory: 4096\n    http: {methods: [get]}\n\
         logs:\n  to: logs\n  ship: {two: ''}\n",
    );
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output, &file), @r"
    stack.yaml:7:12: `ring` is not a topic of this stack
      hint: did you mean `rings`?
    stack.yaml:10:11: the runtime has no role `helo`
      hint: did you mean `hello`?
    stack.yaml:11:12: `answer` is not in this stack
      hint: did you mean `answers`?
    stack.yaml:12:10: Fargate has no tasks with 256 CPU units and 4096 MiB
      hint: with 256 CPU units: 512, 1024, 2048 MiB
    stack.yaml:14:22: `get` is not an HTTP method
      hint: did you mean `GET`?
    stack.yaml:16:7: `logs` is not a search domain of this stack
    stack.yaml:17:15: `two` is not a service of this stack
    ");
}

#[tokio::test]
async fn what_a_service_cannot_be_is_refused() {
    let file = written(
        "stack: bell\nregion: eu-west-1\naccount: \"123456789012\"\npermissions_boundary: arn:aws:iam::999999999999:policy/b\n\
         databases:\n  orders: {}\nqueues:\n  work: {}\nservices:\n  one:\n    role: hello\n    uses: [orders, work]\n    \
         env:\n      DATABASE_HOST: other\n      DATABASE_PASSWORD: other\n      QUEUE_URL: other\n      PORT: other\n      \
         TOPIC_ARN: mine\n",
    );
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output, &file), @r"
    stack.yaml:4:23: the policy is of account 999999999999, and the stack's roles are of 123456789012
      hint: the name alone means the stack's own account
    stack.yaml:14:22: `DATABASE_HOST` is a variable that `one` gets by what it uses
      hint: take another name for it
    stack.yaml:15:26: `DATABASE_PASSWORD` is a variable that `one` gets by what it uses
      hint: take another name for it
    stack.yaml:16:18: `QUEUE_URL` is a variable that `one` gets by what it uses
      hint: take another name for it
    stack.yaml:17:13: `PORT` is a variable that provision sets itself
    ");
    let file = written(
        "stack: bell\nregion: eu-west-1\npermissions_boundary: arn:aws:iam::1:role/b\nservices:\n  one:\n    image: ''\n    \
         http: {health: healthz}\n  two:\n    image: nginx 1\n",
    );
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output, &file), @r#"
    stack.yaml:3:23: `permissions_boundary` is "arn:aws:iam::1:role/b", which does not fit
      hint: the name of an IAM policy, its whole ARN, or `none`
    stack.yaml:6:12: `services.one.image` is "", which does not fit
      hint: the name of an image with its tag or digest
    stack.yaml:7:20: `services.one.http.health` is "healthz", which does not fit
      hint: a path: it starts with `/` and has at most 1024 characters
    stack.yaml:9:12: `services.two.image` is "nginx 1", which does not fit
      hint: the name of an image with its tag or digest
    "#);
}

#[tokio::test]
async fn health_checks_are_what_aws_takes() {
    let service = |health: &str| format!("{{image: shop:1, http: {{paths: ['/x*'], health: {health}}}}}");
    let wrong = [
        "{path: alive, codes: 2xx, interval: 4s, grace: 31m}",
        "{codes: [200, 600], interval: 301s, grace: 120}",
        "{codes: 299-200, interval: 10, gracee: 2m}",
        "{codes: 199}",
        "{codes: ''}",
        "30",
        "[/alive]",
    ];
    let right =
        ["{}", "{codes: 204}", "{codes: '200,301-302', interval: 5m, grace: 0s}", "{codes: 200-499, grace: 30m}"];
    let stack = |healths: &[&str]| {
        let each = healths.iter().enumerate().map(|(index, health)| format!("  s{index}: {}\n", service(health)));
        written(&format!("stack: bell\nregion: eu-west-1\nservices:\n{}", each.collect::<String>()))
    };
    let form = stack(&wrong);
    let output = run(NOWHERE, &["check", path(&form)]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!("health_forms", stderr(&output, &form));
    let meant =
        stack(&["{codes: 2xx, interval: 4s, grace: 31m}", "{codes: [200, 600], interval: 301s}", "{codes: 299-200}"]);
    let output = run(NOWHERE, &["check", path(&meant)]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!("health_values", stderr(&output, &meant));
    let paths = right
        .iter()
        .enumerate()
        .map(|(index, health)| format!("  s{index}: {}\n", service(health).replace("/x*", &format!("/{index}*"))));
    let file = written(&format!("stack: bell\nregion: eu-west-1\nservices:\n{}", paths.collect::<String>()));
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// From the file to what AWS gets: all of a slow container's health check, and the defaults of an image and of the runtime.
#[tokio::test]
async fn a_slow_container_has_its_time() {
    let file = written(
        "stack: bell\nregion: eu-west-1\nservices:\n  \
         shop: {image: 'shop:1', http: {health: {path: /up, codes: [200, 204], interval: 5s, grace: 10m}}}\n  \
         plain: {image: 'shop:1', http: {paths: ['/a*'], health: /up}}\n  \
         ours: {role: hello, http: {paths: ['/b*'], health: {grace: 20m}}}\n  other: {role: hello, http: {paths: ['/c*']}}\n",
    );
    let output = run(NOWHERE, &["export", "cloudformation", path(&file)]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let told = |key: &str| {
        let mut values: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": ")).collect();
        values.sort_unstable();
        values.join(" ")
    };
    let keys =
        ["HealthCheckGracePeriodSeconds", "StartPeriod", "HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds"];
    let told = [&keys[..], &["HttpCode", "HealthCheckPath"]]
        .concat()
        .iter()
        .map(|key| format!("{key} {}", told(key)))
        .collect::<Vec<_>>();
    insta::assert_snapshot!("slow_container", told.join("\n"));
}

/// AWS would refuse it at `PutSubscriptionFilter`, a quarter of an hour after the search domain.
#[tokio::test]
async fn a_broken_filter_pattern_is_told_inside_of_it() {
    let head = "stack: ship\nregion: ap-northeast-2\nsearch: {logs: {}}\nservices:\n";
    let patterns = [
        "'{ $.level = }'",
        "\"{ $.name = \\\"it's\\\" && }\"",
        "'?a b'",
        "'{ $.a = \"x }'",
        "'{ $.a = 1 & $.b = 2 }'",
        "'{ $.a IS NOT NULL }'",
        "|-\n      { $.a = 1 &&\n        $.b ~ 2 }",
        "'[ip, user'",
        "&long '{ $.a = \"",
    ];
    let mut text = head.to_owned();
    for index in 0..patterns.len() {
        text.push_str(&format!("  s{index}: {{role: hello}}\n"));
    }
    text.push_str("logs:\n  to: logs\n  ship:\n");
    for (index, pattern) in patterns.iter().enumerate() {
        let long = if pattern.starts_with('&') { format!("{}\" }}'", "x".repeat(1024)) } else { String::new() };
        text.push_str(&format!("    s{index}: {pattern}{long}\n"));
    }
    let file = written(&text);
    let mut before: Option<String> = None;
    for arguments in [
        &["check"][..],
        &["plan", "--offline"],
        &["plan"],
        &["plan", "--local"],
        &["up", "--yes"],
        &["up", "--local", "--yes"],
    ] {
        let output = run(NOWHERE, &[&arguments[..1], &[path(&file)], &arguments[1..]].concat()).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let told = stderr(&output, &file);
        assert_eq!(&told, before.get_or_insert(told.clone()), "{arguments:?}");
    }
    insta::assert_snapshot!("broken_patterns", before.unwrap_or_default());
    let file = written(&format!(
        "{head}  one: {{role: hello}}\n  two: {{role: hello}}\nlogs:\n  to: logs\n  ship:\n    one: '[ip, status = 4*]'\n    two: '{{ $.a = %x% }}'\n"
    ));
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!((output.status.code(), stderr(&output, &file).as_str()), (Some(0), "stack.yaml: no problems (dev)\n"));
    let output = run(NOWHERE, &["check", "--local", path(&file)]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    insta::assert_snapshot!(stderr(&output, &file), @r"
    note: the logs of `one` are shipped on AWS and not here: a pattern for columns is not supported by the forwarder of this machine (column 1 of `logs.ship.one`)
    note: the logs of `two` are shipped on AWS and not here: a regular expression is not supported by the forwarder of this machine (column 9 of `logs.ship.two`)
    stack.yaml: no problems (dev)
    ");
}

/// A key from a file or a secret of a CI system has a line end behind it (boto/botocore 2001, argoproj/argo-workflows 981): the
/// SDK puts it into a header, and panics.
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

/// Names and values of a function's environment have 4 KB together (github-aws-runners/terraform-aws-github-runner 3594,
/// aws-samples/aws-genai-llm-chatbot 583), the inline policies of a role 10,240 characters.
#[tokio::test]
async fn what_is_shipped_fits_into_what_aws_has_for_it() {
    let stack = |count: usize, name: &str, pattern: &str| {
        let each =
            |line: &str| -> String { (0..count).map(|at| line.replace('#', &format!("{name}-{at:03}"))).collect() };
        let services = each("  #: {role: hello, http: {paths: ['/#*']}}\n");
        let shipped = each("    #: 'PATTERN'\n").replace("PATTERN", pattern);
        let text = format!("search: {{logs: {{}}}}\nservices:\n{services}logs:\n  to: logs\n  ship:\n{shipped}");
        written(&format!("stack: shop\nregion: ap-northeast-2\n{text}"))
    };
    let long =
        (0..23).map(|at| format!("$.event = \"reservation.change-number-{at:02}\"")).collect::<Vec<_>>().join(" || ");
    let usual = "{ $.event = \"order.created\" || $.level = \"error\" }";
    for file in [stack(4, "service", &format!("{{ {long} }}")), stack(35, "service", usual)] {
        let output = run(NOWHERE, &["check", path(&file)]).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let output = run(NOWHERE, &["export", "cloudformation", path(&file), "--json"]).await;
        let template: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a template");
        let resources = template["Resources"].as_object().expect("resources");
        let function = resources.values().find(|one| one["Type"] == "AWS::Lambda::Function").expect("the forwarder");
        let environment = function["Properties"]["Environment"]["Variables"].to_string();
        assert!(environment.len() < 2048 && !environment.contains("order.created"), "{environment}");
    }
    let file = stack(110, "a-service-with-a-rather-long-name", usual);
    for arguments in [&["check"][..], &["plan", "--offline"], &["export", "cloudformation"]] {
        let (command, more) = (arguments[0], &arguments[1..]);
        let words = if command == "export" {
            [&["export"], more, &[path(&file)]].concat()
        } else {
            [&[command], &[path(&file)], more].concat()
        };
        let output = run(NOWHERE, &words).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        insta::allow_duplicates! {
            insta::assert_snapshot!(stderr(&output, &file), @r"
            stack.yaml:118:5: the log forwarder's environment would have 4442 bytes, more than the 4096 that Lambda allows for all names and values together
              hint: ship the logs of fewer services, or give them shorter names
            stack.yaml:118:5: the policy of the log forwarder's role would have 12930 characters, more than the 10240 that IAM allows
              hint: ship the logs of fewer services, or give them shorter names
            ");
        }
    }
}

#[tokio::test]
async fn a_role_is_given_what_it_needs_and_indexes_do_not_overlap() {
    let file = written(
        "stack: bell\nregion: eu-west-1\ndatabases:\n  a: {}\n  b: {}\ncaches:\n  c: {}\nsearch:\n  s: {}\nservices:\n  \
         one:\n    role: reservation\n    uses: [a, b, c]\n  two:\n    role: lookup\n    owns: [a]\n    uses: [a, c]\n  \
         three:\n    role: notifications\nlogs:\n  to: s\n  ship: {one: '', two: ''}\n  indexes: {one: logs, two: logs-two, three: x}\n",
    );
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output, &file), @r"
    stack.yaml:12:11: the role `reservation` needs one database in `uses`, not 2
    stack.yaml:12:11: the role `reservation` needs one topic in `uses`, not 0
    stack.yaml:19:11: the runtime has no role `notifications`
      hint: did you mean `notification`?
    stack.yaml:23:29: the indexes `logs-two-*` are among `logs-*`
      hint: give one of them another name under `indexes`
    stack.yaml:23:46: the logs of `three` are not shipped
    ");
}

#[tokio::test]
async fn tags_are_what_all_services_take() {
    let tags = "tags:\n  team: core\n  Team: core\n  aws:mine: x\n  Name: x\n  a=b: x\n  fine: \"\"\n  odd: a*b\n  cost center: \"4711\"\n";
    let file = written(&format!("stack: bell\nregion: eu-west-1\n{tags}"));
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output, &file), @r"
    stack.yaml:4:9: IAM does not tell `team` from `Team`
      hint: leave one of them out
    stack.yaml:6:13: the key `aws:mine` is not yours to set
    stack.yaml:7:9: the key `Name` is not yours to set
    stack.yaml:8:8: the key `a=b` has a `=` in it
    stack.yaml:9:9: the value of `fine` is empty, or has a space at its beginning or end
    stack.yaml:10:8: the value of `odd` has a `*`: letters, digits, spaces and _ . : / = + - @ are allowed
    ");
}

#[tokio::test]
async fn every_stack_of_the_repository_is_valid() {
    for name in ["bell", "hello", "sendy"] {
        let file = stack(name);
        let output = run(NOWHERE, &["check", path(&file)]).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
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
        vec!["outputs", path(&sendy), "--env", "dev", "--format", "env", "--json"],
    ] {
        let output = run(NOWHERE, &arguments).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty(), "talk goes to stderr");
    }
    assert_eq!(run(NOWHERE, &["--help"]).await.status.code(), Some(0));
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

/// Without credentials, and with nobody at the other end.
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

    for arguments in [vec!["--format", "png"], vec!["--by", "zone"], vec!["--json"]] {
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

    let unasked = run(url, &["up", bell]).await;
    assert_eq!(unasked.status.code(), Some(64), "there is nobody to ask: {}", said(&unasked));

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
      "version": 1
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

/// One of each section of which there is more to know.
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

    // What only looks closer may fail, and nothing else does. The first call of these actions is the one that finds the
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

fn written(text: &str) -> tempfile::TempPath {
    use std::io::Write;
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file.into_temp_path()
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a path in UTF-8")
}

fn stderr(output: &std::process::Output, file: &Path) -> String {
    String::from_utf8_lossy(&output.stderr).replace(path(file), "stack.yaml")
}
