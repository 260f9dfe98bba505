//! Key, secrets, databases, caches and search against the emulators. The tests build them, plan again (empty), change
//! each field, and try drift and deletion.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticache::types::Tag as CacheTag;
use aws_sdk_rds::types::{ApplyMethod, Parameter};
use gateway::{Call, Effect, Nth, Rule};
use provision::aws::Proof;
use provision::engine::{self, Work};
use provision::kind::Ref;
use provision::kinds::ec2::{
    SecurityGroup, SecurityGroupRules, SecurityGroupRulesSpec, SecurityGroupSpec, Subnet, SubnetSpec, Vpc, VpcSpec,
};
use provision::kinds::iam::{Role, RoleSpec};
use provision::kinds::kms::{Key, KeySpec};
use provision::kinds::on_aws::LastWish;
use provision::kinds::opensearch::{Domain, DomainSpec, Inside};
use provision::kinds::rds::{Instance, InstanceRole, InstanceSpec, ParameterGroup, ParameterGroupSpec};
use provision::kinds::secretsmanager::{Form, Secret, SecretSpec};
use provision::kinds::{KINDS, REGISTRY};
use provision::kinds::{elasticache, rds};
use provision::plan::Plan;
use provision::plan::desired::Desired;
use support::Bench;

/// The values that the tests vary.
#[derive(Clone)]
struct Shape {
    description: &'static str,
    db_zones: usize,
    cache_zones: usize,
    parameters: &'static [(&'static str, &'static str)],
    class: &'static str,
    group: &'static str,
    protected: bool,
    standby: bool,
    backup_days: u8,
    storage: u32,
    replica: bool,
    cache_class: &'static str,
    cache_nodes: u8,
    cache_version: &'static str,
    snapshot_days: u8,
    search_nodes: u8,
    search_storage: u32,
    search_version: &'static str,
    readers: &'static [&'static str],
    inside: bool,
}

const PLAIN: Shape = Shape {
    description: "The master user",
    db_zones: 2,
    cache_zones: 2,
    parameters: &[("require_secure_transport", "1"), ("slow_query_log", "1")],
    class: "db.t4g.micro",
    group: "one",
    protected: false,
    standby: false,
    backup_days: 1,
    storage: 20,
    replica: true,
    cache_class: "cache.t4g.micro",
    cache_nodes: 2,
    cache_version: "8.0",
    snapshot_days: 1,
    search_nodes: 1,
    search_storage: 10,
    search_version: "2.17",
    readers: &[],
    inside: false,
};

fn desired(shape: &Shape) -> Desired {
    let mut desired = Desired::new(REGISTRY);
    ground(&mut desired, shape);
    database(&mut desired, shape);
    cache(&mut desired, shape);
    search(&mut desired, shape);
    desired
}

fn subnets(count: usize) -> Vec<Ref<Subnet>> {
    (0..count).map(|zone| Ref::to(format!("data-{zone}"))).collect()
}

fn ground(desired: &mut Desired, shape: &Shape) {
    desired.add::<Key>("stack", "key", KeySpec {});
    let secret =
        |description: &str, form| SecretSpec { description: description.to_owned(), kms_key: Ref::to("key"), form };
    let login = Form::Login { username: "owner".to_owned(), length: 32 };
    desired.add::<Secret>("databases.db", "db-master", secret(shape.description, login));
    desired.add::<Secret>("caches.cache", "cache-token", secret("The token", Form::Token { length: 32 }));
    desired.add::<Secret>("secrets.key", "key-value", secret("A key", Form::Bytes(32)));
    desired.add::<Vpc>("network", "vpc", VpcSpec { cidr: "10.0.0.0/16".to_owned() });
    for zone in 0..3 {
        let spec = SubnetSpec { vpc: Ref::to("vpc"), cidr: format!("10.0.{zone}.0/24"), zone };
        desired.add::<Subnet>("network", &format!("data-{zone}"), spec);
    }
    for group in ["one", "two"] {
        let spec = SecurityGroupSpec { vpc: Ref::to("vpc"), description: group.to_owned() };
        desired.add::<SecurityGroup>("network", group, spec);
        let rules = SecurityGroupRulesSpec { group: Ref::to(group), ingress: Vec::new(), egress: Vec::new() };
        desired.add::<SecurityGroupRules>("network", group, rules);
    }
}

fn database(desired: &mut Desired, shape: &Shape) {
    let spec = rds::SubnetGroupSpec { subnets: subnets(shape.db_zones) };
    desired.add::<rds::SubnetGroup>("databases", "data", spec);
    let parameters: BTreeMap<String, String> =
        shape.parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let spec = ParameterGroupSpec { family: "mysql8.4".to_owned(), parameters };
    desired.add::<ParameterGroup>("databases.db", "db", spec);
    let instance = |role| InstanceSpec {
        class: shape.class.to_owned(),
        security_groups: vec![Ref::to(shape.group)],
        protected: shape.protected,
        role,
    };
    let primary = InstanceRole::Primary {
        version: "8.4".to_owned(),
        storage: shape.storage,
        standby: shape.standby,
        backup_days: shape.backup_days,
        database: "orders".to_owned(),
        subnet_group: Ref::to("data"),
        parameter_group: Ref::to("db"),
        kms_key: Ref::to("key"),
        master: Ref::to("db-master"),
    };
    desired.add::<Instance>("databases.db", "db", instance(primary));
    if shape.replica {
        let replica = InstanceRole::Replica { source: Ref::to("db") };
        desired.add::<Instance>("databases.db", "db-replica", instance(replica));
    }
}

fn cache(desired: &mut Desired, shape: &Shape) {
    let spec = elasticache::SubnetGroupSpec { subnets: subnets(shape.cache_zones) };
    desired.add::<elasticache::SubnetGroup>("caches", "data", spec);
    let spec = elasticache::ReplicationGroupSpec {
        engine: "valkey".to_owned(),
        version: shape.cache_version.to_owned(),
        class: shape.cache_class.to_owned(),
        nodes: shape.cache_nodes,
        subnet_group: Ref::to("data"),
        security_groups: vec![Ref::to(shape.group)],
        kms_key: Ref::to("key"),
        auth: Ref::to("cache-token"),
        snapshot_days: shape.snapshot_days,
    };
    desired.add::<elasticache::ReplicationGroup>("caches.cache", "cache", spec);
}

fn search(desired: &mut Desired, shape: &Shape) {
    let service = "lambda.amazonaws.com".to_owned();
    let role = RoleSpec { service, statements: Vec::new(), permissions_boundary: None };
    desired.add::<Role>("search.logs", "search-master", role);
    let inside = Inside { subnets: subnets(3), security_groups: vec![Ref::to(shape.group)] };
    let spec = DomainSpec {
        version: shape.search_version.to_owned(),
        class: "t3.small.search".to_owned(),
        nodes: shape.search_nodes,
        storage: shape.search_storage,
        kms_key: Ref::to("key"),
        master: Ref::to("search-master"),
        readers: shape.readers.iter().map(|arn| (*arn).to_owned()).collect(),
        searchers: Vec::new(),
        inside: shape.inside.then_some(inside),
    };
    desired.add::<Domain>("search.logs", "logs", spec);
}

/// The changes that an emulator can make, among those that the tests would make.
struct Can {
    /// moto's ModifyDBSubnetGroup loses the group.
    modify_subnets: bool,
    /// moto has no ResetDBParameterGroup.
    reset_parameters: bool,
}

const MOTO: Can = Can { modify_subnets: false, reset_parameters: false };
const MINISTACK: Can = Can { modify_subnets: true, reset_parameters: true };

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    everything(Bench::moto().await, MOTO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    everything(Bench::ministack().await, MINISTACK).await;
}

async fn everything(bench: Bench, can: Can) {
    let built = bench.settle(&desired(&PLAIN)).await;
    assert_eq!(built.lines().count(), 20, "{built}");
    secrets_stay_secret(&bench).await;
    change_each_field(&bench, &can).await;
    drift(&bench, &can).await;
    rotation(&bench).await;
    recovery(&bench).await;
    foreign(&bench).await;
    few_calls(&bench).await;
    let protected = desired(&Shape { protected: true, ..PLAIN });
    bench.settle(&protected).await;
    end_with_snapshots(&bench, &protected).await;
    bench.gateway.stop().await;
}

/// A secret's value is made once, and is nowhere but in the service.
async fn secrets_stay_secret(bench: &Bench) {
    let value =
        bench.cx.secrets.get_secret_value().secret_id("bench-test-db-master-value").send().await.expect("value");
    let value: serde_json::Value = serde_json::from_str(value.secret_string().expect("text")).expect("json");
    let password = value["password"].as_str().expect("a password");
    assert_eq!((value["username"].as_str(), password.len()), (Some("owner"), 32));
    let snapshot = bench.take(&desired(&PLAIN)).await;
    assert!(!format!("{:?}", snapshot.live).contains(password));
}

async fn change_each_field(bench: &Bench, can: &Can) {
    let db_zones = if can.modify_subnets { 3 } else { 2 };
    let changes = async |shape: &Shape| bench.settle(&desired(shape)).await;
    assert_eq!(
        changes(&Shape { description: "Owner of the schema", ..PLAIN }).await,
        "update secretsmanager.secret db-master: description"
    );
    let both = changes(&Shape { db_zones, cache_zones: 3, ..PLAIN }).await;
    assert!(both.contains("update elasticache.subnet_group data: subnets"), "{both}");
    assert_eq!(both.contains("update rds.subnet_group data: subnets"), db_zones == 3, "{both}");
    let parameters = match can.reset_parameters {
        true => &[("long_query_time", "1"), ("require_secure_transport", "1")],
        false => &[("require_secure_transport", "1"), ("slow_query_log", "0")],
    };
    let shape = Shape { db_zones, cache_zones: 3, parameters, ..PLAIN };
    let changed = changes(&shape).await;
    assert!(changed.starts_with("update rds.parameter_group db: parameters."), "{changed}");
    assert_eq!(changed.contains("long_query_time, parameters.slow_query_log"), can.reset_parameters, "{changed}");
    let shape = Shape { class: "db.t4g.small", protected: true, standby: true, backup_days: 7, storage: 30, ..shape };
    let databases = changes(&shape).await;
    assert!(
        databases.contains("update rds.instance db: class, protected, standby, backup_days, max_storage"),
        "{databases}"
    );
    assert!(databases.contains("update rds.instance db-replica: class, protected"), "{databases}");
    let shape = Shape { group: "two", ..shape };
    let groups = changes(&shape).await;
    assert_eq!(groups.matches(": security_groups").count(), 3, "{groups}");
    caches_and_search(bench, shape).await;
}

async fn caches_and_search(bench: &Bench, shape: Shape) {
    let changes = async |shape: &Shape| bench.settle(&desired(shape)).await;
    let shape = Shape { cache_nodes: 1, cache_class: "cache.t4g.small", snapshot_days: 3, ..shape };
    assert_eq!(
        changes(&shape).await,
        "update elasticache.replication_group cache: class, nodes, failover, multi_az, snapshot_days"
    );
    let shape = Shape { cache_nodes: 3, cache_version: "8.1", ..shape };
    assert_eq!(changes(&shape).await, "update elasticache.replication_group cache: version, nodes, failover, multi_az");
    let shape =
        Shape { search_nodes: 2, search_storage: 20, readers: &["arn:aws:iam::123456789012:role/reader"], ..shape };
    let search = changes(&shape).await;
    assert_eq!(search, "update opensearch.domain logs: nodes, zones, storage, access.Statement");
    // No emulator knows UpgradeDomain.
    let upgrade = bench.plan(&desired(&Shape { search_version: "2.19", ..shape.clone() })).await;
    assert_eq!(upgrade, "update opensearch.domain logs: version");
    let inside = bench.plan(&desired(&Shape { inside: true, ..shape.clone() })).await;
    assert!(inside.starts_with("replace opensearch.domain logs: inside, subnets, security_groups"), "{inside}");
    let shape = Shape { replica: false, inside: true, search_nodes: 3, ..shape };
    let changed = changes(&shape).await;
    assert!(changed.contains("delete rds.instance db-replica"), "{changed}");
    assert!(changed.contains("replace opensearch.domain logs: nodes, zones, inside"), "{changed}");
    let back = changes(&PLAIN).await;
    assert!(back.contains("create rds.instance db-replica"), "{back}");
}

async fn drift(bench: &Bench, can: &Can) {
    let cx = &bench.cx;
    let repaired = async || bench.settle(&desired(&PLAIN)).await;

    cx.kms.delete_alias().alias_name("alias/bench-test").send().await.expect("alias");
    assert_eq!(repaired().await, "update kms.key key: alias");
    let key = cx.kms.describe_key().key_id("alias/bench-test").send().await.expect("key").key_metadata.expect("key");
    cx.kms.disable_key_rotation().key_id(key.key_id()).send().await.expect("rotation");
    cx.kms.disable_key().key_id(key.key_id()).send().await.expect("disabled");
    assert_eq!(repaired().await, "update kms.key key: enabled, rotation");

    let readers = r#"{"Version":"2012-10-17","Statement":[{"Sid":"by-hand","Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}"#;
    let call = cx.secrets.put_resource_policy().secret_id("bench-test-cache-token");
    call.resource_policy(readers).send().await.expect("added by hand");
    assert_eq!(repaired().await, "update secretsmanager.secret cache-token: statements.by-hand");

    let parameter = |name: &str, value: &str| {
        let parameter = Parameter::builder().parameter_name(name).parameter_value(value);
        parameter.apply_method(ApplyMethod::Immediate).build()
    };
    let call = cx.rds.modify_db_parameter_group().db_parameter_group_name("bench-test-db");
    let call = call.parameters(parameter("require_secure_transport", "0"));
    let call = if can.reset_parameters { call.parameters(parameter("wait_timeout", "60")) } else { call };
    call.send().await.expect("parameters");
    let parameters = repaired().await;
    assert!(parameters.starts_with("update rds.parameter_group db: parameters.require_secure_transport"));
    assert_eq!(parameters.ends_with(", parameters.wait_timeout"), can.reset_parameters);

    let call = cx.rds.modify_db_instance().db_instance_identifier("bench-test-db").publicly_accessible(true);
    call.backup_retention_period(3).apply_immediately(true).send().await.expect("instance");
    assert_eq!(repaired().await, "update rds.instance db: public, backup_days");

    let call = cx.elasticache.modify_replication_group().replication_group_id("bench-test-cache");
    call.snapshot_retention_limit(9).apply_immediately(true).send().await.expect("cache");
    assert_eq!(repaired().await, "update elasticache.replication_group cache: snapshot_days");

    let call = cx.opensearch.update_domain_config().domain_name("bench-test-logs");
    call.access_policies(OPEN).send().await.expect("domain");
    assert_eq!(repaired().await, "update opensearch.domain logs: access.Statement");
}

const OPEN: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
    "Action": "es:*", "Resource": "*"}]}"#;

/// A new value of a secret is set in every place that has the old one.
async fn rotation(bench: &Bench) {
    let put = async |name: &str, value: &str| {
        bench.cx.secrets.put_secret_value().secret_id(name).secret_string(value).send().await.expect("put");
    };
    put("bench-test-db-master-value", r#"{"username":"owner","password":"0123456789abcdef0123"}"#).await;
    assert_eq!(bench.settle(&desired(&PLAIN)).await, "update rds.instance db: master_version");
    put("bench-test-cache-token", r#"{"token":"0123456789abcdef0123"}"#).await;
    let rotated = bench.settle(&desired(&PLAIN)).await;
    assert_eq!(rotated, "update elasticache.replication_group cache: auth_version");
    cut_off(bench).await;
}

/// If a rotation stops after its first write, the next run goes on. It does not repeat the work of the earlier run.
async fn cut_off(bench: &Bench) {
    let put = bench.cx.secrets.put_secret_value().secret_id("bench-test-cache-token");
    put.secret_string(r#"{"token":"fedcba98765432100123"}"#).send().await.expect("put");
    let desired = desired(&PLAIN);
    bench.gateway.clear_calls();
    for _ in 0..2 {
        let behind = Some(Nth::Range { from: 2, to: 1000 });
        let refused = Rule { action: Some("@write".into()), nth: behind, effect: Effect::Denied, ..Rule::default() };
        bench.gateway.rules(vec![refused]).expect("a rule");
        let snapshot = bench.take(&desired).await;
        let plan = Plan::new(&bench.cx.scope, &desired, &snapshot);
        bench.apply(&desired, &plan, &snapshot).await;
        bench.gateway.rules(Vec::new()).expect("no rules");
    }
    assert_eq!(bench.plan(&desired).await, "");
    let done = |calls: &[Call]| {
        calls.iter().filter(|call| call.action == "ModifyReplicationGroup" && call.outcome == "ok").count()
    };
    assert_eq!(done(&bench.gateway.calls()), 1);
}

/// A name that is in its recovery window is taken back, with a new value.
async fn recovery(bench: &Bench) {
    let call = bench.cx.secrets.delete_secret().secret_id("bench-test-cache-token").recovery_window_in_days(7);
    call.send().await.expect("deleted");
    assert_eq!(
        bench.settle(&desired(&PLAIN)).await,
        "create secretsmanager.secret cache-token\nupdate elasticache.replication_group cache: auth_version"
    );
}

/// The number of calls does not grow with the number of resources: there are lists and batches, and one call for the
/// tags of each resource.
async fn few_calls(bench: &Bench) {
    bench.gateway.clear_calls();
    bench.look(&desired(&PLAIN), Proof::Index).await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for call in bench.gateway.calls() {
        *counts.entry(call.service.clone()).or_default() += 1;
    }
    let of = |service: &str| counts.get(service).copied().unwrap_or_default();
    assert!(of("kms") <= 4 && of("secretsmanager") <= 7 && of("rds") <= 6, "{counts:?}");
    assert!(of("elasticache") <= 5 && of("opensearch") <= 3, "{counts:?}");
}

/// Protection is lifted. The data is kept in snapshots, with the passwords for them.
async fn end_with_snapshots(bench: &Bench, desired: &Desired) {
    let snapshot = bench.take(desired).await;
    let plan = Plan::removal(desired, &snapshot, &BTreeSet::new());
    let unprotect = snapshot.live.keys().cloned().collect();
    let work = Work {
        kinds: KINDS,
        desired,
        plan: &plan,
        snapshot: &snapshot,
        unclean: false,
        last_wish: LastWish::Snapshot,
        unprotect,
    };
    support::assert_good(&engine::apply(&bench.cx, &work, &mut |_| {}).await);
    let left = Plan::removal(desired, &bench.take(desired).await, &BTreeSet::new());
    assert_eq!(support::lines(&left), "", "something is left");

    let databases = bench.cx.rds.describe_db_snapshots().snapshot_type("manual").send().await.expect("snapshots");
    let names: Vec<_> = databases.db_snapshots().iter().filter_map(|one| one.db_snapshot_identifier()).collect();
    assert!(matches!(names[..], [name] if name.starts_with("bench-test-db-final-")), "{names:?}");
    let call = bench.cx.secrets.describe_secret().secret_id("bench-test-db-master-value");
    assert!(call.send().await.expect("in its recovery window").deleted_date().is_some());
}

async fn foreign(bench: &Bench) {
    let cx = &bench.cx;
    let arn = cx.scope.arn("elasticache", "replicationgroup:bench-test-cache");
    let untag = cx.elasticache.remove_tags_from_resource().resource_name(&arn).tag_keys("provision:stack");
    untag.send().await.expect("untagged");
    let plan = bench.plan(&desired(&PLAIN)).await;
    assert!(plan.contains("refuse elasticache.replication_group cache"), "{plan}");
    let tag = CacheTag::builder().key("provision:stack").value(cx.scope.tag()).build();
    cx.elasticache.add_tags_to_resource().resource_name(&arn).tags(tag).send().await.expect("tagged");
    assert_eq!(bench.plan(&desired(&PLAIN)).await, "");
}
