//! The network against the emulators. The tests build it, plan again (empty), change each field, and try drift,
//! failure, foreign resources and deletion.

mod support;

use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, IpPermission, IpRange, Ipv6Range};
use provision::aws::{Look, Proof};
use provision::kind::board::Board;
use provision::kind::json::Json;
use provision::kind::{Late, Ref};
use provision::kinds::REGISTRY;
use provision::kinds::on_aws::LastWish;
use provision::kinds::{self, ec2::*};
use provision::plan::Plan;
use provision::plan::desired::Desired;
use provision::plan::diff::diff;
use serde_json::json;
use support::Bench;

/// The values that the tests vary.
#[derive(Clone, Copy)]
struct Shape {
    nat: bool,
    /// Whether `public-1` has the route table `public`, or none.
    second_public: bool,
    /// Whether the endpoint serves both tables, or only the public one.
    endpoint_for_all: bool,
    port: u16,
    description: &'static str,
    extra_group: bool,
}

const PLAIN: Shape = Shape {
    nat: true,
    second_public: true,
    endpoint_for_all: true,
    port: 443,
    description: "Answers everybody",
    extra_group: false,
};

fn desired(shape: Shape) -> Desired {
    let mut desired = Desired::new(REGISTRY);
    let (main, gateway) = (|| Ref::to("main"), || Ref::to("main"));
    desired.add::<Vpc>("network", "main", VpcSpec { cidr: "10.0.0.0/16".into() });
    desired.add::<DefaultSecurityGroup>("network", "main", DefaultSecurityGroupSpec { vpc: main() });
    desired.add::<InternetGateway>("network", "main", InternetGatewaySpec { vpc: main() });
    for (name, third, zone) in [("public-0", 0, 0), ("public-1", 16, 1), ("private-0", 64, 0)] {
        let spec = SubnetSpec { vpc: main(), cidr: format!("10.0.{third}.0/20"), zone };
        desired.add::<Subnet>("network", name, spec);
    }
    if shape.nat {
        desired.add::<ElasticIp>("network", "nat-0", ElasticIpSpec { gateway: gateway() });
        let spec = NatGatewaySpec { subnet: Ref::to("public-0"), address: Ref::to("nat-0"), gateway: gateway() };
        desired.add::<NatGateway>("network", "nat-0", spec);
    }
    let mut subnets = vec![Ref::to("public-0")];
    subnets.extend(shape.second_public.then(|| Ref::to("public-1")));
    let public = RouteTableSpec { vpc: main(), subnets, gateway: Some(gateway()), nat: None };
    let nat = shape.nat.then(|| Ref::to("nat-0"));
    let private = RouteTableSpec { vpc: main(), subnets: vec![Ref::to("private-0")], gateway: None, nat };
    desired.add::<RouteTable>("network", "public", public);
    desired.add::<RouteTable>("network", "private", private);
    let mut route_tables = vec![Ref::to("public")];
    route_tables.extend(shape.endpoint_for_all.then(|| Ref::to("private")));
    desired.add::<VpcEndpoint>(
        "network",
        "s3",
        VpcEndpointSpec { vpc: main(), service: "s3".into(), by: EndpointBy::Gateway(route_tables) },
    );
    let mut subnets = vec![Ref::to("private-0")];
    subnets.extend(shape.endpoint_for_all.then(|| Ref::to("public-1")));
    let by = EndpointBy::Interface { subnets, security_groups: vec![Ref::to("web")] };
    desired.add::<VpcEndpoint>("network", "sns", VpcEndpointSpec { vpc: main(), service: "sns".into(), by });
    groups(&mut desired, shape);
    desired
}

/// Adds two groups that name each other, and one that nobody uses.
fn groups(desired: &mut Desired, shape: Shape) {
    let main = || Ref::to("main");
    let from = |group: &str, port| Rule { peer: Peer::Group(Ref::to(group)), port: Some(port) };
    let anywhere = |port| Rule { peer: Peer::Cidr("0.0.0.0/0".into()), port };
    for name in ["web", "db", "lonely"].into_iter().chain(shape.extra_group.then_some("extra")) {
        let spec = SecurityGroupSpec { vpc: main(), description: shape.description.into() };
        desired.add::<SecurityGroup>("network", name, spec);
    }
    let rules = |name: &str, ingress, egress| SecurityGroupRulesSpec { group: Ref::to(name), ingress, egress };
    let web = rules("web", vec![anywhere(Some(shape.port))], vec![anywhere(None), from("db", 3306)]);
    desired.add::<SecurityGroupRules>("network", "web", web);
    let db = rules("db", vec![from("web", 3306), from("db", 3306)], vec![from("web", 9000)]);
    desired.add::<SecurityGroupRules>("network", "db", db);
    desired.add::<SecurityGroupRules>("network", "lonely", rules("lonely", vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    let bench = Bench::moto().await;
    build_and_change(&bench).await;
    // ministack loses the tags of a new flow log: it knows them by the type `flow-log`, AWS by `vpc-flow-log`.
    flow_log(&bench).await;
    // ministack's endpoints forget their policy.
    endpoint_policy(&bench).await;
    remove(bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    let bench = Bench::ministack().await;
    build_and_change(&bench).await;
    // With moto the address of a deleted NAT gateway stays taken.
    failure(&bench).await;
    remove(bench).await;
}

async fn build_and_change(bench: &Bench) {
    let built = bench.settle(&desired(PLAIN)).await;
    assert_eq!(built, BUILT.trim());
    a_plan_takes_few_calls(bench).await;
    change_each_field(bench).await;
    drift(bench).await;
    foreign(bench).await;
}

async fn remove(bench: Bench) {
    bench.remove(&desired(PLAIN)).await;
    let refused: Vec<_> = bench.gateway.refusals().into_iter().map(|refusal| format!("{refusal:?}")).collect();
    assert_eq!(refused.join("\n"), "");
    bench.gateway.stop().await;
}

async fn a_plan_takes_few_calls(bench: &Bench) {
    bench.gateway.clear_calls();
    bench.look(&desired(PLAIN), Proof::Index).await;
    let mut calls: Vec<String> =
        bench.gateway.calls().into_iter().filter(|call| call.service == "ec2").map(|call| call.action).collect();
    calls.sort();
    assert_eq!(calls.join("\n"), CALLS.trim());
}

const BUILT: &str = "
create ec2.vpc main
create ec2.default_security_group main
create ec2.internet_gateway main
create ec2.subnet public-0
create ec2.subnet public-1
create ec2.subnet private-0
create ec2.elastic_ip nat-0
create ec2.nat_gateway nat-0
create ec2.route_table public
create ec2.route_table private
create ec2.vpc_endpoint s3
create ec2.vpc_endpoint sns
create ec2.security_group web
create ec2.security_group db
create ec2.security_group lonely
create ec2.security_group_rules web
create ec2.security_group_rules db
create ec2.security_group_rules lonely
";

/// The calls of a plan. Three kinds look at security groups, and the attributes of a network come one by one.
const CALLS: &str = "
DescribeAddresses
DescribeFlowLogs
DescribeInternetGateways
DescribeNatGateways
DescribeRouteTables
DescribeSecurityGroups
DescribeSubnets
DescribeVpcAttribute
DescribeVpcAttribute
DescribeVpcEndpoints
DescribeVpcs
";

async fn change_each_field(bench: &Bench) {
    let there_and_back = |shape| async move {
        let there = bench.settle(&desired(shape)).await;
        bench.settle(&desired(PLAIN)).await;
        there
    };
    let changed = there_and_back(Shape { port: 8443, ..PLAIN }).await;
    assert_eq!(changed, "update ec2.security_group_rules web: ingress");
    let changed = there_and_back(Shape { second_public: false, ..PLAIN }).await;
    assert_eq!(changed, "update ec2.route_table public: subnets");
    let changed = there_and_back(Shape { endpoint_for_all: false, ..PLAIN }).await;
    assert_eq!(changed, "update ec2.vpc_endpoint s3: route_tables\nupdate ec2.vpc_endpoint sns: subnets");
    let changed = there_and_back(Shape { description: "Cannot be changed", ..PLAIN }).await;
    assert_eq!(changed, "");
    let changed = bench.settle(&desired(Shape { nat: false, ..PLAIN })).await;
    assert_eq!(
        changed,
        "update ec2.route_table private: routes.0.0.0.0/0\ndelete ec2.nat_gateway nat-0\ndelete ec2.elastic_ip nat-0"
    );
    gateway_detached(bench).await;
    let changed = bench.settle(&desired(PLAIN)).await;
    assert_eq!(
        changed,
        "create ec2.elastic_ip nat-0\ncreate ec2.nat_gateway nat-0\nupdate ec2.route_table private: routes.0.0.0.0/0"
    );
}

/// The internet gateway can be detached only while no public address is in use.
async fn gateway_detached(bench: &Bench) {
    let shape = Shape { nat: false, ..PLAIN };
    let (vpc, gateway) =
        (id(bench, shape, "ec2.vpc", "main").await, id(bench, shape, "ec2.internet_gateway", "main").await);
    let call = bench.cx.ec2.detach_internet_gateway().vpc_id(vpc).internet_gateway_id(gateway);
    call.send().await.expect("detached by hand");
    assert_eq!(bench.settle(&desired(shape)).await, "update ec2.internet_gateway main: attached_to");
}

async fn drift(bench: &Bench) {
    let ec2 = &bench.cx.ec2;
    let off = || AttributeBooleanValue::builder().value(false).build();
    let vpc = id(bench, PLAIN, "ec2.vpc", "main").await;
    ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(off()).send().await.expect("set by hand");
    ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_support(off()).send().await.expect("set by hand");
    assert_eq!(bench.settle(&desired(PLAIN)).await, "update ec2.vpc main: dns_support, dns_hostnames");

    let subnet = id(bench, PLAIN, "ec2.subnet", "private-0").await;
    let on = AttributeBooleanValue::builder().value(true).build();
    ec2.modify_subnet_attribute().subnet_id(&subnet).map_public_ip_on_launch(on).send().await.expect("set by hand");
    assert_eq!(bench.settle(&desired(PLAIN)).await, "update ec2.subnet private-0: public_addresses");

    let (public, private) =
        (id(bench, PLAIN, "ec2.route_table", "public").await, id(bench, PLAIN, "ec2.route_table", "private").await);
    let gateway = id(bench, PLAIN, "ec2.internet_gateway", "main").await;
    let call = ec2.create_route().route_table_id(&private).destination_cidr_block("192.0.2.0/24").gateway_id(&gateway);
    call.send().await.expect("added by hand");
    assert_eq!(bench.settle(&desired(PLAIN)).await, "update ec2.route_table private: routes.192.0.2.0/24");
    let by_subnet = Filter::builder().name("association.subnet-id").values(&subnet).build();
    let tables = ec2.describe_route_tables().filters(by_subnet).send().await.expect("tables");
    let tie = tables.route_tables()[0].associations().iter().find(|tie| tie.subnet_id() == Some(&subnet));
    let tie = tie.and_then(|tie| tie.route_table_association_id()).expect("tied");
    let call = ec2.replace_route_table_association().association_id(tie).route_table_id(&public);
    call.send().await.expect("moved by hand");
    assert_eq!(
        bench.settle(&desired(PLAIN)).await,
        "update ec2.route_table public: subnets\nupdate ec2.route_table private: subnets"
    );

    let (web, vpc_default) = (id(bench, PLAIN, "ec2.security_group", "web").await, default_group(bench, &vpc).await);
    let rule = || IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(23);
    let old = rule().ip_ranges(IpRange::builder().cidr_ip("192.0.2.0/24").description("just for today").build());
    let new = rule().ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").build());
    for group in [&web, &vpc_default] {
        let call = ec2.authorize_security_group_ingress().group_id(group);
        let call = call.ip_permissions(old.clone().build()).ip_permissions(new.clone().build());
        call.send().await.expect("added by hand");
    }
    assert_eq!(
        bench.settle(&desired(PLAIN)).await,
        "update ec2.default_security_group main: ingress\nupdate ec2.security_group_rules web: ingress"
    );
}

/// Others have set a policy on an endpoint. It is set back to AWS's own.
async fn endpoint_policy(bench: &Bench) {
    let endpoint = id(bench, PLAIN, "ec2.vpc_endpoint", "s3").await;
    let objects =
        r#"{"Statement":[{"Sid":"by-hand","Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"*"}]}"#;
    let call = bench.cx.ec2.modify_vpc_endpoint().vpc_endpoint_id(&endpoint).policy_document(objects);
    call.send().await.expect("set by hand");
    assert_eq!(bench.settle(&desired(PLAIN)).await, "update ec2.vpc_endpoint s3: statements.by-hand");
}

/// A NAT gateway that failed is replaced by the next run.
async fn failure(bench: &Bench) {
    let nat = id(bench, PLAIN, "ec2.nat_gateway", "nat-0").await;
    bench.cx.ec2.delete_nat_gateway().nat_gateway_id(&nat).send().await.expect("deleted by hand");
    bench.gateway.fail("ec2.nat_gateway", "*");
    let snapshot = bench.take(&desired(PLAIN)).await;
    let plan = Plan::new(&bench.cx.scope, &desired(PLAIN), &snapshot);
    let report = bench.apply(&desired(PLAIN), &plan, &snapshot).await;
    let failed: Vec<String> = report.outcomes.iter().map(|outcome| format!("{:?}", outcome.result)).collect();
    assert!(failed.iter().any(|result| result.contains("InsufficientFreeAddressesInSubnet")), "{failed:?}");
    bench.gateway.heal();
    let repaired = bench.settle(&desired(PLAIN)).await;
    assert!(repaired.contains("replace ec2.nat_gateway nat-0: failed"), "{repaired}");
}

async fn foreign(bench: &Bench) {
    let vpc = id(bench, PLAIN, "ec2.vpc", "main").await;
    let call = bench.cx.ec2.create_security_group().vpc_id(&vpc).group_name("bench-test-extra");
    let group = call.description("by hand").send().await.expect("made by hand").group_id.expect("an id");
    let shape = Shape { extra_group: true, ..PLAIN };
    // The gateway hides new things for up to three reads, as EC2 does.
    for _ in 0..4 {
        bench.plan(&desired(shape)).await;
    }
    assert_eq!(bench.plan(&desired(shape)).await, "refuse ec2.security_group extra");
    bench.cx.ec2.delete_security_group().group_id(group).send().await.expect("deleted by hand");
}

/// Tests a flow log by itself, without the role and the log group.
async fn flow_log(bench: &Bench) {
    let kind = kinds::find("ec2.flow_log").expect("registered");
    let trust = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    let role = bench.cx.iam.create_role().role_name("flow-logs").assume_role_policy_document(trust).send().await;
    let role_arn = role.expect("a role").role.expect("a role").arn;
    bench.cx.logs.create_log_group().log_group_name("/bench/flow").send().await.expect("a log group");
    let vpc_id = id(bench, PLAIN, "ec2.vpc", "main").await;
    let want = json!({"vpc_id": vpc_id, "role_arn": role_arn, "log_group": "/bench/flow", "traffic": "ALL",
        "interval": 60, "trouble": null});
    let want = Json::of(&want);
    kind.create(&bench.cx, "main", &want).await.expect("made");
    let board = Board::default();
    let read = || async {
        let look = Look::new(Proof::Service);
        kind.read(&bench.cx, &[], &board.outputs(Late::MayBeAbsent), &look).await.expect("read")
    };
    let mut live = read().await;
    for _ in 0..4 {
        live = read().await;
    }
    assert_eq!(diff(kind.facts(), &live[0].state, &want), []);
    assert_eq!(bench.plan(&desired(PLAIN)).await, "delete ec2.flow_log main");
    kind.delete(&bench.cx, &live[0], LastWish::Discard).await.expect("deleted");
    kind.delete(&bench.cx, &live[0], LastWish::Discard).await.expect("deleted again");
    assert_eq!(read().await.len(), 0);
}

async fn default_group(bench: &Bench, vpc: &str) -> String {
    let by = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let call = bench.cx.ec2.describe_security_groups().filters(by("vpc-id", vpc)).filters(by("group-name", "default"));
    let found = call.send().await.expect("groups").security_groups.unwrap_or_default();
    found[0].group_id().expect("an id").to_owned()
}

async fn id(bench: &Bench, shape: Shape, kind: &str, name: &str) -> String {
    let snapshot = bench.take(&desired(shape)).await;
    let mut live = snapshot.live.values();
    live.find(|live| live.address.kind == kind && live.address.name == name).expect("live").id.clone()
}
