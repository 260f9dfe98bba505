//! The output of `provision export`: what it is, what three scanners say of it, and properties that scanners do not
//! check. `export_same` compares it with the work of `up`.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use provision::export::{Template, cloudformation};
use provision::sections::Loaded;
use provision::sections::load;
use serde_json::{Value, json};
use support::binary::{NOWHERE, path, run, said, stack};

/// A stack file with everything that one can ask for.
const EVERYTHING: &str = r#"stack: all
region: eu-west-1
account: "123456789012"
permissions_boundary: bounds
tags: {team: core}
environments:
  dev: {}
  prod: {alerts: {email: [ops@all.example]}}
network: {zones: 3, certificate: "arn:aws:acm:eu-west-1:123456789012:certificate/x"}
databases:
  orders: {replica: true}
  shops: {version: "8.0", standby: false}
caches:
  fast: {engine: redis, nodes: 2}
  slow: {}
topics:
  placed: {}
  strict: {fifo: true}
queues:
  mails: {from: [placed], raw: true, delay: 5s}
  exact: {from: [strict], fifo: true}
search:
  texts: {nodes: 3}
secrets:
  own-key: {}
  their-key: {from: partner/key}
services:
  one:
    role: hello
    owns: [orders]
    uses: [orders, shops, fast, slow, placed, mails, texts]
    http: {paths: ["/one*"], methods: [GET, POST]}
    scale: {min: 2, max: 4}
    env: {WORDS: "${HOME} {{it}} 'x' \"y\""}
  two: {image: "example.com/two:1", user: "1000", http: {}, uses: [own-key, their-key]}
  three: {image: "example.com/three:1"}
logs: {to: texts, ship: {one: "", two: "ERROR"}}
alerts: {}
"#;

#[tokio::test]
async fn hello() {
    let output = run(NOWHERE, &["export", "cloudformation", path(&stack("hello"))]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    insta::assert_snapshot!("hello", String::from_utf8_lossy(&output.stdout));
    insta::assert_snapshot!("hello_said", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn it_is_for_aws_and_for_one_environment() {
    let sendy = stack("sendy");
    for wrong in [&["--local"][..], &[], &["--env", "test"]] {
        let arguments = [&["export", "cloudformation", path(&sendy)], wrong].concat();
        let output = run(NOWHERE, &arguments).await;
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        assert!(output.stdout.is_empty());
    }
}

/// CloudFormation would read such a text as a reference, and has no other way to write it.
#[tokio::test]
async fn a_text_that_would_become_a_secret_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("stack.yaml");
    let text =
        "stack: sly\nregion: eu-west-1\nservices:\n  api: {image: a/b, env: {SLY: '{{resolve:secretsmanager:x}}'}}\n";
    std::fs::write(&file, text).expect("written");
    let output = run(NOWHERE, &["export", "cloudformation", path(&file), "--env", "dev"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(output.stdout.is_empty());
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @r"
    error: ecs.task_definition api: CloudFormation would put a secret in the place of `{{resolve:secretsmanager:x}}`
      hint: change the stack file
    ");
}

/// The two forms are the same template to cfn-lint's own reader, and hold no secret.
#[tokio::test]
async fn yaml_says_what_json_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.yaml");
    std::fs::write(&file, EVERYTHING).expect("written");
    let printed = async |more: &[&str]| {
        let output = run(NOWHERE, &[&["export", "cloudformation", path(&file), "--env", "prod"], more].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        output.stdout
    };
    let yaml = folder.path().join("template.yaml");
    std::fs::write(&yaml, printed(&[]).await).expect("written");
    let json: Value = serde_json::from_slice(&printed(&["--json"]).await).expect("JSON");
    let script = "import json, sys; from cfnlint.decode.cfn_yaml import load; print(json.dumps(load(sys.argv[1])))";
    let read = Command::new(tool("venv/bin/python")).args(["-c", script]).arg(&yaml).output().expect("python runs");
    assert!(read.status.success(), "{}", said(&read));
    let read: Value = serde_json::from_slice(&read.stdout).expect("JSON");
    assert_eq!(read, json);
}

#[test]
fn the_stacks_tags_are_on_all_that_has_any() {
    let template = template(EVERYTHING, "prod").json();
    let resources = template["Resources"].as_object().expect("resources");
    let tagged: Vec<&Value> =
        resources.values().map(|one| &one["Properties"]["Tags"]).filter(|it| !it.is_null()).collect();
    assert!(tagged.len() > 50, "{}", tagged.len());
    for tags in tagged {
        assert_eq!(tags[1], json!({"Key": "team", "Value": "core"}), "{tags}");
    }
}

#[test]
fn scanners_find_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut scan = Command::new(tool("venv/bin/python"));
    scan.arg(here().join("gateway/scan.py")).arg("--rules").arg(promises());
    for name in ["bell", "hello", "sendy", "msa-study", "factoauto", "noted", "mrmrthon", "all"] {
        let text = match name {
            "all" => EVERYTHING.to_owned(),
            name => std::fs::read_to_string(stack(name)).expect("a stack"),
        };
        for env in ["dev", "prod"].into_iter().filter(|env| load::environments(&text).iter().any(|known| known == env))
        {
            let file = folder.path().join(format!("{name}-{env}.yaml"));
            std::fs::write(&file, template(&text, env).yaml()).expect("written");
            scan.arg(file);
        }
    }
    let scanned = scan.output().expect("python runs: run provisioner/gateway/install.sh first");
    assert!(scanned.status.success(), "{}", said(&scanned));
    let told = String::from_utf8_lossy(&scanned.stdout);
    assert_eq!(told.lines().filter(|line| line.ends_with(": 0 findings")).count(), 4, "{told}");
}

/// The scanners work: they find the mistakes that a hand could put into a template.
#[test]
fn scanners_find_what_is_broken() {
    let sendy = std::fs::read_to_string(stack("sendy")).expect("a stack");
    let template = template(&sendy, "prod").json();
    let breaks = [
        ("/Resources/ReservationsDatabase/Properties/PubliclyAccessible", json!(true), "databases_are_private"),
        ("/Resources/ReservationsDatabase/Properties/StorageEncrypted", json!(false), "primaries_are_encrypted"),
        ("/Resources/ReservationsDatabase/Properties/MasterUserPassword", json!("hunter2hunter2"), "primaries_are"),
        ("/Resources/LookupsCache/Properties/TransitEncryptionEnabled", json!(false), "caches_are_encrypted"),
        ("/Resources/LogsDomain/Properties/AccessPolicies/Statement/0/Principal/AWS", json!(["*"]), "search_is"),
        ("/Resources/EventsTopic/Properties/KmsMasterKeyId", Value::Null, "topics_secrets"),
        (
            "/Resources/NotificationsQueuePolicy/Properties/PolicyDocument/Statement/0/Condition",
            Value::Null,
            "queues_are",
        ),
        ("/Resources/LookupTask/Properties/ContainerDefinitions/0/User", json!("0"), "containers_are_no_root"),
        (
            "/Resources/LookupTask/Properties/ContainerDefinitions/0/ReadonlyRootFilesystem",
            json!(false),
            "containers_are_no_root",
        ),
        ("/Resources/LookupTask/Properties/ContainerDefinitions/0/Privileged", json!(true), "containers_are_no_root"),
        (
            "/Resources/LookupService/Properties/NetworkConfiguration/AwsvpcConfiguration/AssignPublicIp",
            json!("ENABLED"),
            "tasks_have_no_public_address",
        ),
        ("/Resources/WebSecurityGroup/Properties/SecurityGroupIngress/0/FromPort", json!(22), "only_the_load_balancer"),
        (
            "/Resources/ReservationTaskRole/Properties/Policies/0/PolicyDocument/Statement/0/Action",
            json!(["sqs:*"]),
            "roles_have_no_wildcards",
        ),
        ("/Resources/MainKey/Properties/EnableKeyRotation", json!(false), "the_key_rotates"),
        ("/Resources/MainFlowLog/Properties/TrafficType", json!("REJECT"), "the_network_keeps"),
    ];
    for (pointer, value, rule) in breaks {
        let mut broken = template.clone();
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let parent = broken.pointer_mut(parent).and_then(Value::as_object_mut);
        let parent = parent.unwrap_or_else(|| panic!("{pointer} is not there"));
        match value {
            Value::Null => parent.remove(key),
            value => parent.insert(key.to_owned(), value),
        };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("broken.json");
        std::fs::write(&file, broken.to_string()).expect("written");
        let checked = Command::new(tool("guard/cfn-guard"))
            .args(["validate", "--show-summary", "fail", "--data", path(&file), "--rules"])
            .arg(promises())
            .output()
            .expect("it runs: see provisioner/gateway/install.sh");
        assert!(!checked.status.success() && said(&checked).contains(rule), "{pointer}: {}", said(&checked));
    }
}

/// These are properties that scanners do not check.
#[test]
fn what_scanners_miss() {
    let sendy = std::fs::read_to_string(stack("sendy")).expect("a stack");
    for (text, env) in [(sendy.as_str(), "dev"), (&sendy, "prod"), (EVERYTHING, "dev"), (EVERYTHING, "prod")] {
        let template = template(text, env).json();
        let all = template["Resources"].as_object().expect("resources");
        let of = |kind: &'static str| all.iter().filter(move |(_, found)| found["Type"] == kind);
        // Databases, caches and search domains are in subnets whose tables have no way out.
        let ways: Vec<&Value> =
            of("AWS::EC2::Route").map(|(_, route)| &route["Properties"]["RouteTableId"]["Ref"]).collect();
        assert!(ways.len() >= 2);
        let leads_out = |subnet: &Value| {
            let mut ties = of("AWS::EC2::SubnetRouteTableAssociation").map(|(_, tie)| &tie["Properties"]);
            let tie = ties.find(|tie| tie["SubnetId"] == *subnet).expect("every subnet has a table");
            ways.contains(&&tie["RouteTableId"]["Ref"])
        };
        let mut stores = 0;
        let groups = of("AWS::RDS::DBSubnetGroup").chain(of("AWS::ElastiCache::SubnetGroup"));
        let inside =
            of("AWS::OpenSearchService::Domain").map(|(_, domain)| &domain["Properties"]["VPCOptions"]["SubnetIds"]);
        for subnets in
            groups.map(|(_, group)| &group["Properties"]["SubnetIds"]).chain(inside).filter_map(Value::as_array)
        {
            assert!(subnets.iter().all(|subnet| !leads_out(subnet)), "{subnets:?}");
            stores += 1;
        }
        assert!(stores >= 2);
        for (id, database) in of("AWS::RDS::DBInstance") {
            assert!(
                database["Properties"]["DBSubnetGroupName"].is_object()
                    || database["Properties"]["SourceDBInstanceIdentifier"].is_object(),
                "{id}"
            );
        }
        // Tasks are in subnets whose only way out is by NAT.
        for (id, service) in of("AWS::ECS::Service") {
            let inside = &service["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"];
            assert_eq!(inside["AssignPublicIp"], "DISABLED", "{id}");
            for subnet in inside["Subnets"].as_array().expect("subnets") {
                let mut ties = of("AWS::EC2::SubnetRouteTableAssociation").map(|(_, tie)| &tie["Properties"]);
                let table = &ties.find(|tie| tie["SubnetId"] == *subnet).expect("a table")["RouteTableId"]["Ref"];
                let way = of("AWS::EC2::Route").find(|(_, route)| route["Properties"]["RouteTableId"]["Ref"] == *table);
                assert!(way.expect("a way out").1["Properties"]["NatGatewayId"].is_object(), "{id}");
            }
        }
        for (id, task) in of("AWS::ECS::TaskDefinition") {
            let container = &task["Properties"]["ContainerDefinitions"][0];
            assert_eq!(
                (&container["Privileged"], &container["ReadonlyRootFilesystem"]),
                (&json!(false), &json!(true)),
                "{id}"
            );
            let user = container["User"].as_str().and_then(|user| user.split(':').next()?.parse::<u32>().ok());
            assert!(user.is_some_and(|user| user != 0), "{id} runs as {user:?}");
        }
        for (id, domain) in of("AWS::OpenSearchService::Domain") {
            let cluster = &domain["Properties"]["ClusterConfig"];
            let zones = cluster["ZoneAwarenessConfig"]["AvailabilityZoneCount"].as_u64().unwrap_or(1);
            assert_eq!(cluster["InstanceCount"].as_u64().expect("a number") % zones, 0, "{id}");
            let subnets = domain["Properties"]["VPCOptions"]["SubnetIds"].as_array();
            assert!(subnets.is_none_or(|subnets| subnets.len() as u64 == zones), "{id}");
        }
    }
}

/// A naive stack would make these choices. Here there is no word for them, or they are refused, with the place.
#[tokio::test]
async fn naive_choices_cannot_be_made() {
    let base = "stack: naive\nregion: eu-west-1\n";
    let choices = [
        ("a public database", "databases:\n  main: {public: true}\n"),
        ("a database in public subnets", "databases:\n  main: {subnets: public}\n"),
        ("an unencrypted database", "databases:\n  main: {encrypted: false}\n"),
        ("an unencrypted cache", "caches:\n  main: {tls: false}\n"),
        ("no backups", "databases:\n  main: {backup_days: 0}\n"),
        ("an open security group", "services:\n  api: {role: hello, allow: [0.0.0.0/0]}\n"),
        ("a role that may do everything", "services:\n  api: {role: hello, policy: \"*\"}\n"),
        ("a managed policy", "services:\n  api: {role: hello, managed_policies: [AdministratorAccess]}\n"),
        ("a public address", "services:\n  api: {role: hello, public_ip: true}\n"),
        ("tasks in public subnets", "network: {nat: none}\nservices:\n  api: {role: hello}\n"),
        ("privileged", "services:\n  api: {image: a/b, privileged: true}\n"),
        ("as root", "services:\n  api: {image: a/b, user: \"0\"}\n"),
        ("as root, and a group", "services:\n  api: {image: a/b, user: \"00:1000\"}\n"),
        ("as root by name", "services:\n  api: {image: a/b, user: root}\n"),
        ("the runtime as root", "services:\n  api: {role: hello, user: \"1\"}\n"),
        ("a writable root filesystem", "services:\n  api: {image: a/b, read_only: false}\n"),
        ("three search nodes in two zones", "network: {zones: 2}\nsearch:\n  main: {nodes: 3}\n"),
        ("four in three", "network: {zones: 3}\nsearch:\n  main: {nodes: 4}\n"),
        ("a public search domain", "search:\n  main: {access: \"*\"}\n"),
    ];
    let mut refused = Vec::new();
    for (choice, section) in choices {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("stack.yaml");
        std::fs::write(&file, format!("{base}{section}")).expect("written");
        let output = run(NOWHERE, &["export", "cloudformation", path(&file), "--env", "dev"]).await;
        assert_eq!(output.status.code(), Some(1), "{choice}: {}", said(&output));
        assert!(output.stdout.is_empty(), "{choice}");
        let said = String::from_utf8_lossy(&output.stderr).replace(path(&file), "stack.yaml");
        let first = said.lines().next().unwrap_or_default().to_owned();
        refused.push(format!("{choice}: {first}"));
    }
    insta::assert_snapshot!(refused.join("\n"), @r#"
    a public database: stack.yaml:4:10: `public` is not known in `databases.main`
    a database in public subnets: stack.yaml:4:10: `subnets` is not known in `databases.main`
    an unencrypted database: stack.yaml:4:10: `encrypted` is not known in `databases.main`
    an unencrypted cache: stack.yaml:4:10: `tls` is not known in `caches.main`
    no backups: stack.yaml:4:23: `databases.main.backup_days`: 0 is less than the minimum of 1
    an open security group: stack.yaml:4:22: `allow` is not known in `services.api`
    a role that may do everything: stack.yaml:4:22: `policy` is not known in `services.api`
    a managed policy: stack.yaml:4:22: `managed_policies` is not known in `services.api`
    a public address: stack.yaml:4:22: `public_ip` is not known in `services.api`
    tasks in public subnets: stack.yaml:3:16: services without a NAT gateway cannot fetch their image or their secrets
    privileged: stack.yaml:4:21: `privileged` is not known in `services.api`
    as root: stack.yaml:4:27: `api` would run as root
    as root, and a group: stack.yaml:4:27: `api` would run as root
    as root by name: stack.yaml:4:27: `services.api.user` is "root", which does not fit
    the runtime as root: stack.yaml:4:28: the bundled runtime has its own user, which is not root
    a writable root filesystem: stack.yaml:4:21: `read_only` is not known in `services.api`
    three search nodes in two zones: stack.yaml:5:17: 3 nodes cannot be spread evenly over 2 zones
    four in three: stack.yaml:5:17: 4 nodes cannot be spread evenly over 3 zones
    a public search domain: stack.yaml:4:10: `access` is not known in `search.main`
    "#);
}

fn loaded(text: &str, env: &str) -> Loaded {
    load::load(text, env).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn template(text: &str, env: &str) -> Template {
    cloudformation(&loaded(text, env)).unwrap_or_else(|refused| panic!("{refused:?}"))
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tool(name: &str) -> PathBuf {
    here().join("../.emulators").join(name)
}

fn promises() -> PathBuf {
    here().join("tests/promises.guard")
}
