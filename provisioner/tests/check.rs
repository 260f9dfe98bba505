//! Tests of `check`: the mistakes that it reports in a stack file, their places, and the exit code.

mod support;

use support::binary::{NOWHERE, path, run, said, stack, stderr, written};

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
async fn of_many_mistakes_the_first_hundred_are_told() {
    let mut text = String::from("stack: bell\nregion: eu-west-1\nqueues:\n");
    (0..1_234).for_each(|number| text.push_str(&format!("  q{number}: {{max_receives: 0}}\n")));
    let file = written(&text);
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output, &file);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("stack.yaml:4:22: ") && lines[99].starts_with("stack.yaml:103:"), "{told}");
    assert_eq!(lines[100..], ["and 1134 more"]);
    for (command, pointer) in [("check", ""), ("policy", "/error")] {
        let output = run(NOWHERE, &[command, path(&file), "--json"]).await;
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let document = document.pointer(pointer).expect("the problems are there");
        assert_eq!(document["problems"].as_array().expect("a list").len(), 100);
        assert_eq!(document["more_problems"], 1_134);
        assert_eq!(stderr(&output, &file), told);
    }
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
    stack.yaml:17:15: `two` is not a service or a function of this stack
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
    let service =
        |index: usize, health: &str| format!("{{image: shop:1, http: {{paths: ['/s{index}*'], health: {health}}}}}");
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
        let one = |(index, health): (usize, &&str)| format!("  s{index}: {}\n", service(index, health));
        let each: String = healths.iter().enumerate().map(one).collect();
        written(&format!("stack: bell\nregion: eu-west-1\nservices:\n{each}"))
    };
    let file = stack(&wrong);
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!("health", stderr(&output, &file));
    let file = stack(&right);
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// The template has every value of a slow container's health check, as the file says it. Where the file says nothing,
/// it has the defaults of an image and of the runtime.
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

/// AWS would refuse such a pattern only at `PutSubscriptionFilter`. That comes a quarter of an hour later, when the
/// search domain is there.
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

/// The names and values of a function's environment may have 4 KB together
/// (github-aws-runners/terraform-aws-github-runner 3594, aws-samples/aws-genai-llm-chatbot 583). The inline policies of
/// a role may have 10,240 characters together.
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

/// In dev the roles may be free. In prod `check` says what that means.
#[tokio::test]
async fn roles_that_nothing_bounds_are_noted_in_prod() {
    let file = written(
        "stack: bell\nregion: eu-west-1\npermissions_boundary: none\nservices:\n  a: {role: hello}\nenvironments: {dev: {}, prod: {}}\n",
    );
    let output = run(NOWHERE, &["check", path(&file)]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    insta::assert_snapshot!(stderr(&output, &file), @r"
    stack.yaml:3:23: note: the roles of the stack have no permissions boundary: whoever may fill a role may do everything
      hint: leave the line out, and make the boundary that `provision policy` prints
    stack.yaml: no problems (dev, prod)
    ");
    let output = run(NOWHERE, &["check", path(&file), "--env", "dev"]).await;
    insta::assert_snapshot!(stderr(&output, &file), @"stack.yaml: no problems (dev)");
}

#[tokio::test]
async fn every_stack_of_the_repository_is_valid() {
    for name in ["bell", "hello", "sendy"] {
        let file = stack(name);
        let output = run(NOWHERE, &["check", path(&file)]).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
}
