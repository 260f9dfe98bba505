//! The resources of every stack of the repository, so that a reviewer sees a change of `expand` in the diff.

use std::collections::BTreeSet;

use partition::PARTITIONS;
use provision::commands::aws::actions::beside_kinds;
use provision::image::Digests;
use provision::plan::desired::Desired;
use provision::plan::snapshot::Snapshot;
use provision::plan::{Action, Plan};
use provision::policy::policies;
use provision::scope::Scope;
use provision::sections::Loaded;
use provision::sections::aws::expand;
use provision::sections::load;

fn expanded(name: &str, env: &str) -> (Scope, Desired) {
    let file = format!("{}/../stacks/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).expect("a stack");
    let loaded = load::load(&text, env).unwrap_or_else(|problems| panic!("{problems:?}"));
    in_region(&loaded, "eu-west-1")
}

fn in_region(loaded: &Loaded, region: &str) -> (Scope, Desired) {
    let scope = Scope::of(loaded, "123456789012".into(), region.into());
    let desired = expand(loaded, &scope, &Digests::default()).desired;
    (scope, desired)
}

/// The ARNs and addresses that the program writes itself are of the region's partition. The test takes one region of
/// each partition in AWS's own table.
#[test]
fn every_arn_is_of_the_partition_of_its_region() {
    let text =
        std::fs::read_to_string(format!("{}/../stacks/sendy.yaml", env!("CARGO_MANIFEST_DIR"))).expect("a stack");
    let text = format!("{text}\npermissions_boundary: team/bounds\n");
    for partition in PARTITIONS {
        let region = partition.regions[0];
        for env in ["dev", "prod"] {
            let loaded = load::load(&text, env).unwrap_or_else(|problems| panic!("{problems:?}"));
            let (scope, desired) = in_region(&loaded, region);
            let mut written: Vec<String> = desired.resources().iter().map(|one| format!("{:?}", one.spec)).collect();
            written
                .push(serde_json::to_string(&policies(&scope, &desired, &beside_kinds(&desired), &[])).expect("JSON"));
            let written = written.join("\n");
            let arns: BTreeSet<&str> =
                written.split("arn:").skip(1).filter_map(|rest| rest.split(':').next()).collect();
            assert_eq!(arns, BTreeSet::from([partition.id]), "{region}");
            let between = format!(".{region}.");
            for rest in written.split(&between).skip(1) {
                let whole = rest.strip_prefix(partition.dns_suffix).is_some_and(|end| !end.starts_with('.'));
                assert!(whole || rest.starts_with("s3"), "{region}: {rest:.40}");
            }
        }
    }
}

fn resources(name: &str, env: &str) -> String {
    let (scope, desired) = expanded(name, env);
    let plan = Plan::new(&scope, &desired, &Snapshot::default());
    assert!(plan.steps.iter().all(|step| matches!(step.action, Action::Create { .. })));
    plan.steps.iter().map(|step| format!("{} ({})", step.address, step.section)).collect::<Vec<_>>().join("\n")
}

#[test]
fn hello() {
    insta::assert_snapshot!(resources("hello", "dev"));
}

#[test]
fn sendy_dev() {
    insta::assert_snapshot!(resources("sendy", "dev"));
}

#[test]
fn sendy_prod() {
    insta::assert_snapshot!(resources("sendy", "prod"));
}

#[test]
fn msa_study_dev() {
    insta::assert_snapshot!(resources("msa-study", "dev"));
}

#[test]
fn mrmrthon_dev() {
    insta::assert_snapshot!(resources("mrmrthon", "dev"));
}

#[test]
fn mrmrthon_prod() {
    insta::assert_snapshot!(resources("mrmrthon", "prod"));
}

#[test]
fn factoauto_dev() {
    insta::assert_snapshot!(resources("factoauto", "dev"));
}

#[test]
fn noted_dev() {
    insta::assert_snapshot!(resources("noted", "dev"));
}

/// The environment variables of the services are a contract with the runtime.
#[test]
fn environment_of_sendys_services() {
    let (_, desired) = expanded("sendy", "dev");
    let mut lines = Vec::new();
    for wanted in desired.resources().iter().filter(|wanted| wanted.address.kind == "ecs.task_definition") {
        let names = |field: &str, name: fn(&serde_json::Value) -> String| {
            wanted
                .spec
                .get(field)
                .as_array()
                .map(|all| all.iter().map(name).collect::<Vec<_>>().join(" "))
                .unwrap_or_default()
        };
        let environment = names("environment", |pair| pair[0].as_str().unwrap_or_default().to_owned());
        let secrets = names("secrets", |from| from["name"].as_str().unwrap_or_default().to_owned());
        lines.push(format!("{}: {environment}; from secrets: {secrets}", wanted.address.name));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

/// The probe runs in the place of `reservation`. Beyond the rights of that service it needs the way to the load
/// balancer and to the service's own lines. No other service gets these.
#[test]
fn what_the_probe_needs() {
    let mut lines = Vec::new();
    for env in ["dev", "prod"] {
        let (_, desired) = expanded("sendy", env);
        for wanted in desired.resources() {
            let spec = wanted.spec.tree();
            let told = match (wanted.address.kind, wanted.address.name.as_str()) {
                ("iam.role", _) => spec["statements"].as_array().into_iter().flatten().cloned().collect(),
                ("ec2.security_group_rules", "reservation") => vec![spec["egress"].clone()],
                ("ec2.security_group_rules", "lookup") => vec![spec["egress"].clone()],
                ("ec2.security_group_rules", "search-logs") => vec![spec["ingress"].clone()],
                ("opensearch.domain", _) => vec![spec["searchers"].clone()],
                _ => Vec::new(),
            };
            let concerns =
                |one: &&serde_json::Value| wanted.address.kind != "iam.role" || one.to_string().contains("ESHttp");
            lines.extend(told.iter().filter(concerns).map(|one| format!("{env} {}: {one}", wanted.address)));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

/// `expand` does not panic for any of several thousand shapes of a stack, and never refers to a missing resource.
#[test]
fn expand_is_total() {
    for seed in 0u32..512 {
        let bit = |n: usize| seed >> n & 1 == 1;
        let mut text = String::from("stack: s\nregion: eu-west-1\n");
        let sections = [
            (0, "databases:\n  d: {replica: true}\n"),
            (1, "caches:\n  c: {}\n"),
            (2, "topics:\n  t: {}\n"),
            (3, "queues:\n  q: {}\n"),
            (4, "search:\n  s: {}\n"),
            (5, "alerts: {email: [a@b.example]}\n"),
        ];
        let mut uses: Vec<&str> = Vec::new();
        for (n, section) in sections {
            if bit(n) {
                text.push_str(section);
                uses.extend(["d", "c", "t", "q", "s"].get(n).copied());
            }
        }
        if bit(6) {
            let http = if bit(7) { "{}" } else { "{paths: [\"/a*\"], methods: [GET]}" };
            text.push_str(&format!("services:\n  one: {{role: hello, uses: [{}], http: {http}}}\n", uses.join(", ")));
            if bit(4) {
                text.push_str("logs: {to: s, ship: {one: \"\"}}\n");
            }
        }
        let env = if bit(8) { "prod" } else { "dev" };
        text.push_str(&format!("environments: {{{env}: {{}}}}\n"));
        let loaded = load::load(&text, env).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
        let scope = Scope {
            account: "1".into(),
            region: "eu-west-1".into(),
            stack: "s".into(),
            env: env.into(),
            tags: Default::default(),
        };
        let desired = expand(&loaded, &scope, &Digests::default()).desired;
        let plan = Plan::new(&scope, &desired, &Snapshot::default());
        assert_eq!(plan.steps.len(), desired.resources().len());
    }
}
