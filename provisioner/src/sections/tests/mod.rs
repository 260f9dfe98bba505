//! Tests of the problems that are told about stack files. Every build tells them in the same words.

mod functions;
mod secrets;
mod tables;

use super::load::{environments, load, load_all};
use super::services::notes::notes;

fn told(text: &str) -> String {
    let told = load_all(text, &environments(text)).err().unwrap_or_default();
    let line = |problem: &crate::yaml::Problem| {
        let hint = problem.hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        format!("{}:{}: {}{hint}", problem.at.line, problem.at.column, problem.what)
    };
    told.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The file has one mistake in each section, of form in some and of meaning in others. `.ci/first-command` asks the
/// laptop's build the same.
#[test]
fn one_mistake_in_each_section_is_told_in_one_run() {
    let file = include_str!("../../../tests/damage/each-section.yaml");
    let expected = include_str!("../../../tests/damage/each-section.txt");
    assert_eq!(told(file), expected.trim_end());
}

#[test]
fn an_unknown_key_hides_no_dangling_reference() {
    let text = "stack: bell\ncolour: red\ntopics: {rings: {}}\nqueues: {answers: {from: [rins]}}\nservices:\n  \
                one: {role: hello, uses: [anwers]}\n";
    insta::assert_snapshot!(told(text), @r"
    2:1: `colour` is not known
      hint: there are: account, alerts, api, caches, databases, environments, functions, guard, logs, network, permissions_boundary, queues, region, search, secrets, services, stack, tables, tags, topics
    4:27: `rins` is not a topic of this stack
      hint: did you mean `rings`?
    6:29: `anwers` is not in this stack
      hint: did you mean `answers`?
    ");
}

/// A mistake that only follows from another one is not told.
#[test]
fn there_is_no_cascade() {
    for (name, text) in [
        ("an entry of the wrong form is there", "stack: s\ntopics: {a: 5}\nqueues: {q: {from: [a]}}"),
        ("a section of the wrong form may have had it", "stack: s\ntopics: 5\nqueues: {q: {from: [a]}}"),
        ("a list of names", "stack: s\ntopics: [a]\nqueues: {q: {from: [a]}}"),
        ("a section by another name", "stack: s\nmysql: {orders: {}}\nservices: {one: {role: hello, uses: [orders]}}"),
        (
            "a name in capitals",
            "stack: s\ndatabases: {Orders: {}}\nservices: {one: {role: hello, uses: [Orders], owns: [orders]}}",
        ),
        ("neither a role nor an image", "stack: s\nservices: {one: {command: [x]}}"),
        ("a role of the wrong form", "stack: s\nservices: {one: {role: [hello]}}"),
        ("an image of the wrong form", "stack: s\nservices: {one: {image: a b, user: '5'}}"),
        ("a FIFO queue", "stack: s\ntopics: {a: {fifo: maybe}}\nqueues: {q: {fifo: true, from: [a]}}"),
        ("nodes and zones", "stack: s\nnetwork: {zones: 7}\nsearch: {texts: {nodes: 3}}"),
        ("scale", "stack: s\nenvironments: {prod: {}}\nservices: {one: {role: hello, scale: {min: few, max: 1}}}"),
        (
            "what a role needs",
            "stack: s\ntopics: {t: {}}\ncaches: {c: {}}\ndatabases: {d: {}}\nservices: {one: {role: reservation, uses: [t, c, e]}}",
        ),
        ("everything", "stack: s\nservices:\n  one: {role: hello, http: {}}\n  two: {role: hello, http: {paths: 5}}"),
        (
            "https",
            "stack: s\nguard: {https: true}\nnetwork: {certificate: mine}\nservices: {one: {role: hello, http: {}}}",
        ),
        ("guarded", "stack: s\nguard: {public: [all]}\nsearch: {texts: {}}"),
        ("tags", "stack: s\nguard: {required_tags: [team]}\ntags: {team: [a]}"),
        ("logs without a domain", "stack: s\nservices: {one: {role: hello}}\nlogs: {ship: {one: ''}}"),
        ("logs of nothing", "stack: s\nsearch: {d: {}}\nlogs: {to: d}"),
        ("no profile", "stack: s\nenvironments: {a: {profile: big}}\nguard: {public: []}\nsearch: {d: {}}"),
        ("no name", "topics: {t: {}}"),
        ("a number", "stack: 5"),
        ("nothing", "[]"),
        ("only a text", "stack"),
        ("environments", "stack: s\nenvironments: [dev, prod]"),
        ("a key that is not a name of an environment", "stack: s\nenvironments: {Dev: {}}"),
        ("null", "stack: s\ntopics: {t: }\nqueues: {q: {from: }}"),
    ] {
        let told = told(text);
        let lines: Vec<&str> = told.lines().filter(|line| !line.starts_with("  hint")).collect();
        assert_eq!(lines.len(), if name == "null" || name == "a name in capitals" { 2 } else { 1 }, "{name}: {told}");
    }
}

/// A guess is checked like a value of the file, so a wrong value hides no other mistake.
#[test]
fn what_was_guessed_is_looked_at_too() {
    let text = "environments: {Dev: {queues: {a: {delay: 1h}}}}\nstack: Bell_1\nqueus: {Work: {form: tock, retention: 5}}\nservices: {one: {role: hello, env: {PORT: 5}}}";
    insta::assert_snapshot!(told(text), @r#"
    1:16: `Dev` is not known in `environments`
      hint: lower-case letters, digits and single dashes, starting with a letter
    1:42: `queues.a.delay` is 1h, outside of 0s to 15m
    2:8: `stack` is "Bell_1", which does not fit
      hint: lower-case letters, digits and single dashes, starting with a letter
    3:1: `queus` is not known
      hint: did you mean `queues`?
    3:16: `form` is not known in `queues.work`
      hint: did you mean `from`?
    3:39: `queues.work.retention`: 5 is not of type "string"
      hint: a time has a unit, as in `5s`; a version or an account is in quotes
    4:43: `PORT` is a variable that provision sets itself
    4:43: `services.one.env.PORT`: 5 is not of type "string"
      hint: a text is in quotes: `"5"`
    "#);
}

#[test]
fn the_guard_needs_nothing_of_aws() {
    let text = r#"stack: bell
region: us-east-1
guard:
  regions: [eu-west-1]
  forbidden_classes: ["*.t4g.*", "m6g*"]
  public: []
  https: true
  required_tags: [team]
environments: {dev: {}, prod: {}}
databases: {orders: {replica: true}}
caches: {fast: {class: cache.r6g.large}}
search: {texts: {}}
services: {one: {role: hello, http: {}}}
"#;
    insta::assert_snapshot!(told(text), @r"
    1:1: `tags` lacks `team`, which `guard.required_tags` asks for
    2:9: `guard.regions` does not allow us-east-1, only eu-west-1
    10:21: `databases.orders` has the class db.t4g.medium, which `guard.forbidden_classes` forbids by `*.t4g.*`
    10:21: `databases.orders` has the class db.t4g.micro, which `guard.forbidden_classes` forbids by `*.t4g.*`
    12:10: `guard.public` does not allow the search domain to be public
      hint: the profile `prod` has it inside the VPC
    12:17: `search.texts` has the class m6g.large.search, which `guard.forbidden_classes` forbids by `m6g*`
    13:1: `guard.public` does not allow the load balancer to be public
      hint: no service may have `http`
    ");
}

/// The rules are in the ELB API reference, `RuleCondition`. aws/aws-cli#9792 and serverless/serverless#9228 show what
/// AWS answers.
#[test]
fn paths_that_no_rule_can_have() {
    let text = r#"stack: routes
services:
  orders:   {role: hello, http: {paths: ["/orders/{id}"]}}
  cafes:    {role: hello, http: {paths: ["/café*"]}}
  items:    {role: hello, http: {paths: ["/items/(.*)"]}}
  spaced:   {role: hello, http: {paths: ["/my orders*"]}}
  queried:  {role: hello, http: {paths: ["/search?q=1"]}}
  numbers:  {role: hello, http: {paths: ["^/[0-9]+"]}}
  encoded:  {role: hello, http: {paths: ["/a%20b"]}}
  relative: {role: hello, http: {paths: ["orders", "*.png", "/fine-_.$/~\"'@:+&*?"], methods: [get, GET]}}
"#;
    insta::assert_snapshot!(told(text), @r"
    3:42: `/orders/{id}` has a `{` in it, which a path pattern cannot have
      hint: `{id}` and `(.*)` are for web frameworks; here `*` stands for any text, as in `/orders/*`, and `?` for one character
    4:42: `/café*` has a `é` in it, which a path pattern cannot have
      hint: a request has it percent-encoded, and a pattern cannot have `%` either: `*` stands for any text
    5:42: `/items/(.*)` has a `(` in it, which a path pattern cannot have
      hint: `{id}` and `(.*)` are for web frameworks; here `*` stands for any text, as in `/items/*`, and `?` for one character
    6:42: `/my orders*` has a space in it, which a path pattern cannot have
      hint: a request has other characters percent-encoded, and a pattern cannot have `%`: `*` stands for any text
    7:42: `/search?q=1` has a `=` in it, which a path pattern cannot have
      hint: a query string is not part of a path: write `/search`
    8:42: `^/[0-9]+` has a `^` in it, which a path pattern cannot have
      hint: `{id}` and `(.*)` are for web frameworks; here `*` stands for any text, as in `/*`, and `?` for one character
    9:42: `/a%20b` has a `%` in it, which a path pattern cannot have
      hint: a request has other characters percent-encoded, and a pattern cannot have `%`: `*` stands for any text
    10:42: `orders` does not begin with `/`, as every path does
      hint: write `/orders`
    10:52: `*.png` does not begin with `/`, as every path does
      hint: write `/*.png`
    10:96: `get` is not an HTTP method
      hint: did you mean `GET`?
    ");
}

/// A rule has five values, HEAD among them: aws/aws-cdk#10065, aws/copilot-cli pull request 4961.
#[test]
fn a_rule_takes_five_values() {
    let with = |http: &str| told(&format!("stack: s\nservices: {{one: {{role: hello, http: {{{http}}}}}}}"));
    assert_eq!(with(r#"paths: ["/a", "/a/*"], methods: [GET, HEAD, POST]"#), "");
    assert_eq!(with(r#"paths: ["/a", "/a/*"], methods: [HEAD, GET, POST]"#), "");
    assert_eq!(with(r#"paths: ["/a", "/b", "/c", "/d", "/e"]"#), "");
    let more = [
        with(r#"paths: ["/a", "/a/*"], methods: [GET, POST, PUT]"#),
        with(r#"paths: ["/a", "/b", "/c", "/d"], methods: [PUT, POST]"#),
        with(r#"paths: ["/a", "/a"], methods: [GET, GET]"#),
    ];
    insta::assert_snapshot!(more.join("\n"), @r"
    2:37: `one` has 6 paths and methods (GET brings HEAD), more than the 5 that a rule of the load balancer takes
      hint: one pattern with `*` for several paths, or no `methods`, which is all of them
    2:37: `one` has 6 paths and methods, more than the 5 that a rule of the load balancer takes
      hint: one pattern with `*` for several paths, or no `methods`, which is all of them
    2:52: `/a` is here twice
    2:74: `GET` is here twice
    ");
}

/// aws/copilot-cli#1455 and #5795: two services on one path, and two days lost.
#[test]
fn a_service_that_gets_no_requests_is_refused() {
    let with = |one: &str, two: &str| {
        told(&format!(
            "stack: s\nservices:\n  zwei: {{role: hello, http: {one}}}\n  eins: {{role: hello, http: {two}}}\n"
        ))
    };
    let refused = [
        with(r#"{paths: ["/a*"], methods: [GET]}"#, r#"{paths: ["/a*"], methods: [GET]}"#),
        with(r#"{paths: ["/a", "/b"]}"#, r#"{paths: ["/b", "/a"]}"#),
        with(r#"{methods: [GET]}"#, r#"{methods: [HEAD, GET]}"#),
        with("{}", "{}"),
        with("{}", r#"{paths: ["/*"]}"#),
        with(r#"{paths: ["/a?c", "/long-enough-to-be-first*"]}"#, r#"{paths: ["/abc"]}"#),
        with(r#"{paths: ["/abc", "/a*-and-more"], methods: [GET, POST]}"#, r#"{paths: ["/abc"], methods: [HEAD]}"#),
    ];
    insta::assert_snapshot!(refused.join("\n"), @r"
    4:29: `eins` takes the same requests as `zwei`: one of the two gets none
      hint: say other `paths` or `methods`
    4:29: `eins` takes the same requests as `zwei`: one of the two gets none
      hint: say other `paths` or `methods`
    4:29: `eins` takes the same requests as `zwei`: one of the two gets none
      hint: say other `paths` or `methods`
    4:29: both `zwei` and `eins` take every request
      hint: say other `paths` or `methods`
    3:29: `zwei` gets no requests: `eins`, which is asked first, takes them all
      hint: say other `paths` or `methods`
    4:29: `eins` gets no requests: `zwei`, which is asked first, takes them all
      hint: say other `paths` or `methods`
    4:29: `eins` gets no requests: `zwei`, which is asked first, takes them all
      hint: say other `paths` or `methods`
    ");
    for (one, two) in [
        (r#"{paths: ["/a*"], methods: [GET]}"#, r#"{paths: ["/a*"], methods: [POST]}"#),
        (r#"{paths: ["/a*"], methods: [GET]}"#, r#"{paths: ["/a*"]}"#),
        (r#"{paths: ["/a*"]}"#, r#"{paths: ["/a/b*"]}"#),
        (r#"{paths: ["/a/*"]}"#, r#"{paths: ["/b/*"]}"#),
        ("{}", r#"{paths: ["/a*"]}"#),
    ] {
        assert_eq!(with(one, two), "", "{one} {two}");
    }
}

/// ESPresense-companion#724, redhat-developer/vscode-yaml#476: a tag says that the value is not this text.
#[test]
fn no_tag_of_another_tool_is_passed_over() {
    let text = r#"stack: bell
region: !Ref AWS::Region
environments:
  dev: {}
  prod: !reset {services: {greeter: {cpu: !env CPU}}}
topics: {a: {}}
queues: {q: {from: !override [a, !Sub b]}}
services:
  greeter:
    role: hello
    env:
      PASSWORD: !secret db_password
      URL: !Sub "https://${AWS::Region}.example"
      !key NAME: x
      BINARY: !!binary aGk=
      WORD: !<tag:example.com,2000:word> x
    http: !override {}
"#;
    insta::assert_snapshot!(told(text), @r"
    2:9: the tag `!Ref` is not known here
      hint: write the value itself; addresses and names of the stack's own parts come with `uses:`
    5:9: the tag `!reset` is not known here
      hint: leave the tag out: what an environment says is laid over the rest of the file
    5:43: the tag `!env` is not known here
      hint: write the value itself; passwords and addresses of the stack's own parts come with `uses:`
    7:20: the tag `!override` is not known here
      hint: leave the tag out: what an environment says is laid over the rest of the file
    7:34: the tag `!Sub` is not known here
      hint: write the value itself; addresses and names of the stack's own parts come with `uses:`
    12:17: the tag `!secret` is not known here
      hint: write the value itself; passwords and addresses of the stack's own parts come with `uses:`
    13:12: the tag `!Sub` is not known here
      hint: write the value itself; addresses and names of the stack's own parts come with `uses:`
    14:7: the tag `!key` is not known here
      hint: write the value itself; passwords and addresses of the stack's own parts come with `uses:`
    15:15: the tag `!!binary` is not known here
      hint: write the value itself; passwords and addresses of the stack's own parts come with `uses:`
    16:13: the tag `!<tag:example.com,2000:word>` is not known here
      hint: write the value itself; passwords and addresses of the stack's own parts come with `uses:`
    17:11: the tag `!override` is not known here
      hint: leave the tag out: what an environment says is laid over the rest of the file
    ");
}

/// YAML 1.2.2, section 10.3.
#[test]
fn tags_of_the_core_schema_keep_their_meaning() {
    let text = r#"!!map
stack: ! bell
tags: !!map {a: !!str 5, b: ! 5, c: !<tag:yaml.org,2002:str> true}
queues: {q: {max_receives: !!int "7", raw: !!bool "true", from: !!seq []}, r: {max_receives: !!int 0x10, delay: !!null ~}}
"#;
    assert_eq!(told(text), "");
    let text = "stack: !!int x\ntags: {a: !!bool yes, b: !!float .inf, c: !!seq x, d: !!str [x], e: !!map [x], f: !!null x}\n\
                queues: {q: {max_receives: !!int 3.5}}\n";
    insta::assert_snapshot!(told(text), @r"
    1:8: `x` is not a whole number, as the tag `!!int` says
      hint: leave the tag out, or write a whole number
    2:11: `yes` is not `true` or `false`, as the tag `!!bool` says
      hint: leave the tag out, or write `true` or `false`
    2:26: `.inf` is not a number, as the tag `!!float` says
      hint: leave the tag out, or write a number
    2:43: `x` is not a list, as the tag `!!seq` says
      hint: leave the tag out, or write a list
    2:55: a list with the tag `!!str`
      hint: leave the tag out
    2:69: a list with the tag `!!map`
      hint: leave the tag out
    2:83: `x` is not null, as the tag `!!null` says
      hint: leave the tag out, or write null
    3:28: `3.5` is not a whole number, as the tag `!!int` says
      hint: leave the tag out, or write a whole number
    ");
}

#[test]
fn yaml_of_other_tools() {
    let text = r#"stack: bell
x-common: &common {role: hello, memory: 512}
queues:
  q: {raw: yes, fifo: "true", max_receives: 0o17}
services:
  one: {<<: *common, cpu: 256, env: {DEBUG: true, ANSWER: no}}
  two: {image: "app:${TAG}"}
"#;
    insta::assert_snapshot!(told(text), @r#"
    2:1: `x-common` is not known
      hint: there are: account, alerts, api, caches, databases, environments, functions, guard, logs, network, permissions_boundary, queues, region, search, secrets, services, stack, tables, tags, topics
    4:12: `queues.q.raw`: "yes" is not of type "boolean"
      hint: write `true` or `false`, without quotes
    4:23: `queues.q.fifo`: "true" is not of type "boolean"
      hint: write `true` or `false`, without quotes
    4:45: `queues.q.max_receives`: "0o17" is not of types "null", "integer"
    6:9: `<<` merges maps in other tools, and is not known here
      hint: write the keys themselves; `*name` stands for a whole value
    6:45: `services.one.env.DEBUG`: true is not of type "string"
      hint: a text is in quotes: `"true"`
    7:16: an image with a `$` in its name
      hint: this file has no variables: write the name itself, with its tag or digest
    "#);
    for text in ["stack: {{ name }}\n", "stack: bell\n---\nstack: bell\n", "stack: bell\n  bad: 1\n"] {
        assert_eq!(told(text).lines().filter(|line| !line.starts_with("  hint")).count(), 1, "{}", told(text));
    }
    assert_eq!(told("\u{feff}stack: bell\n"), "");
    assert_eq!(told("%YAML 1.2\n---\nstack: bell\n...\n"), "");
}

#[test]
fn words_that_mysql_keeps() {
    let text = "stack: shop\ndatabases: {mysql: {}, sys: {}, information-schema: {}, performance-schema: {}, innodb: {}, rdsadmin: {}, \
                groups: {}, current-user: {}, orders: {}, test: {}, mysql-orders: {}}\n";
    insta::assert_snapshot!(told(text), @r"
    2:13: `mysql` is a schema of the database server itself
      hint: name it after what is in it, as in `orders`
    2:24: `sys` is a schema of the database server itself
      hint: name it after what is in it, as in `orders`
    2:33: `information_schema` is a schema of the database server itself
      hint: name it after what is in it, as in `orders`
    2:57: `performance_schema` is a schema of the database server itself
      hint: name it after what is in it, as in `orders`
    2:81: `innodb` is a schema of the database server itself
      hint: name it after what is in it, as in `orders`
    2:93: `rdsadmin` is a schema of the database server itself
      hint: name it after what is in it, as in `orders`
    2:107: `groups` is a word that MySQL reserves, and RDS takes no schema of that name
      hint: name it after what is in it, as in `orders`
    2:119: `current_user` is a word that MySQL reserves, and RDS takes no schema of that name
      hint: name it after what is in it, as in `orders`
    ");
}

#[test]
fn names_that_aws_keeps() {
    let with = |stack: &str, rest: &str| told(&format!("stack: {stack}\n{rest}"));
    let told = [
        with("sg", "caches: {a: {}}"),
        with("internal", "services: {one: {role: hello, http: {}}}"),
        with("internal", "services: {one: {role: hello}}"),
        with("sg", "topics: {a: {}}"),
        with(
            "s",
            "services: {one: {role: hello, env: {AWS_ACCESS_KEY_ID: x, AWS_REGION: eu-west-1, \"A B\": x, ECS_AGENT_URI: x}}}",
        ),
    ];
    insta::assert_snapshot!(told.join("\n"), @r"
    1:8: the name of a firewall group would begin with `sg-`, which AWS keeps for itself
      hint: take another name for the stack
    1:8: the name of a load balancer would begin with `internal-`, which AWS keeps for itself
      hint: take another name for the stack


    2:56: with `AWS_ACCESS_KEY_ID` the service would not have the rights that `uses` gives it
      hint: the task's role has keys of its own, which change
    2:89: `A B` is not the name of an environment variable
    2:107: `ECS_AGENT_URI` is a variable that ECS sets itself
    ");
}

#[test]
fn addresses_are_addresses() {
    let text = "stack: s\nalerts:\n  email: [ops@example.com, a.b+c@x-y.example.org, ops, ops@example, \"Ops <ops@example.com>\", \
                mailto:ops@example.com, a@b@example.com, ops@example..com, \"ops @example.com\", \"${OPS}@example.com\", ops@example.com]\n";
    insta::assert_snapshot!(told(text), @r"
    3:51: `ops` is not an e-mail address
      hint: one address, as in `ops@example.com`
    3:56: `ops@example` is not an e-mail address
      hint: one address, as in `ops@example.com`
    3:69: `Ops <ops@example.com>` is not an e-mail address
      hint: one address, as in `ops@example.com`
    3:94: `mailto:ops@example.com` is not an e-mail address
      hint: one address, as in `ops@example.com`
    3:118: `a@b@example.com` is not an e-mail address
      hint: one address, as in `ops@example.com`
    3:135: `ops@example..com` is not an e-mail address
      hint: one address, as in `ops@example.com`
    3:153: `ops @example.com` is not an e-mail address
      hint: one address, as in `ops@example.com`
    3:173: `${OPS}@example.com` is not an e-mail address
      hint: one address, as in `ops@example.com`
    3:195: `ops@example.com` is here twice
    ");
}

/// One region of each partition, from AWS's own list.
#[test]
fn a_region_is_in_a_partition() {
    for partition in partition::PARTITIONS {
        let region = partition.regions[0];
        assert_eq!(told(&format!("stack: bell\nregion: {region}\ntopics: {{rings: {{}}}}\n")), "", "{region}");
    }
    let region = |region: &str| told(&format!("stack: s\nregion: {region}\n"));
    let refused = ["eu-wset-1", "eu-west1", "moon-north-1", "eusc-east-1", "EU-WEST-1", "eu-west-1a"].map(region);
    insta::assert_snapshot!(refused.join("\n"), @r#"
    2:9: `eu-wset-1` is not a region of AWS
      hint: did you mean `eu-west-1`?
    2:9: `region` is "eu-west1", which does not fit
      hint: did you mean `eu-west-1`?
    2:9: `moon-north-1` is not a region of AWS
      hint: did you mean `cn-north-1`?
    2:9: `eusc-east-1` is not a region of AWS
      hint: did you mean `us-east-1`?
    2:9: `region` is "EU-WEST-1", which does not fit
      hint: did you mean `eu-west-1`?
    2:9: `region` is "eu-west-1a", which does not fit
      hint: did you mean `eu-west-1`?
    "#);
    assert_eq!(region("eu-west-9"), "");
}

#[test]
fn arns_are_of_the_stacks_own_region_account_and_partition() {
    let text = r#"stack: s
region: eusc-de-east-1
account: "123456789012"
permissions_boundary: arn:aws:iam::123456789012:policy/b
network: {cidr: 10.300.0.0, certificate: "arn:aws:acm:eu-west-1:999999999999:certificate/x"}
"#;
    let same = text.replace("arn:aws:", "arn:aws-eusc:").replace("eu-west-1", "eusc-de-east-1");
    insta::assert_snapshot!([told(text), told(&same)].join("\n\n"), @r"
    4:23: the policy is in the partition aws, and eusc-de-east-1 is in aws-eusc
      hint: its ARN begins with `arn:aws-eusc:`
    5:17: `10.300.0.0` is not an address
      hint: a part is at most 255
    5:42: the certificate is in eu-west-1, and the load balancer is in eusc-de-east-1
      hint: request or import one in the region of the stack
    5:42: the certificate is of account 999999999999, and the load balancer is of 123456789012

    5:17: `10.300.0.0` is not an address
      hint: a part is at most 255
    5:42: the certificate is of account 999999999999, and the load balancer is of 123456789012
    ");
}

#[test]
fn what_is_allowed_and_seldom_meant_is_noted() {
    let text = r#"stack: s
services:
  one:
    role: hello
    env: {URL: "https://${HOST}/", WORD: "{{ word }}", PLAIN: "$5 {}"}
    http: {paths: ["/users/:id/*", "/a:b"]}
"#;
    assert_eq!(told(text), "");
    let loaded = load(text, "dev").expect("a stack");
    let notes: std::collections::BTreeSet<_> = notes(&loaded).into_iter().collect();
    let notes = notes.iter().map(|note| format!("{}:{} {} ({:?})", note.at.line, note.at.column, note.what, note.hint));
    insta::assert_snapshot!(notes.collect::<Vec<_>>().join("\n"), @r#"
    5:16 `one` gets `https://${HOST}/` as it stands: this file has no variables (Some("`uses:` gives a service the variables for things of the stack"))
    5:42 `one` gets `{{ word }}` as it stands: this file has no variables (Some("`uses:` gives a service the variables for things of the stack"))
    6:20 `:id` in `/users/:id/*` stands for itself (Some("`/users/*/*` takes any text in its place"))
    "#);
}
