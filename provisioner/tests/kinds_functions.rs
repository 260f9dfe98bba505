//! Functions and what calls them, against the emulators: queues, topics, rules and an HTTP API. The tests build them, plan
//! again (empty), change each field, and try drift, half-made resources, failures and deletion.

mod support;

use aws_sdk_apigatewayv2::types::{AuthorizationType, IntegrationType, ProtocolType};
use aws_sdk_eventbridge::types::Target;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway::Base;
use provision::engine::Ending;
use provision::image;
use provision::image::artefacts::{Artefacts, Zip};
use provision::kind::Ref;
use provision::kinds::REGISTRY;
use provision::kinds::apigatewayv2::{Api, ApiRoute, ApiSpec, Cors};
use provision::kinds::events::{Rule, RuleSpec};
use provision::kinds::iam::{Role, RoleSpec};
use provision::kinds::kms::{Key, KeySpec};
use provision::kinds::lambda::{
    Function, FunctionSecret, FunctionSpec, Permission, PermissionSource, PermissionSpec, Reads, Source, SourceSpec,
};
use provision::kinds::logs::{LogGroup, LogGroupSpec};
use provision::kinds::secretsmanager::{AnySecret, Form, Secret, SecretSpec};
use provision::kinds::sns::{Endpoint, Subscription, SubscriptionSpec, Topic, TopicSpec};
use provision::kinds::sqs::{Queue, QueueSpec};
use provision::kinds::variable::Variable;
use provision::plan::Plan;
use provision::plan::desired::Desired;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::Bench;

/// The values that the tests vary.
#[derive(Clone)]
struct Shape {
    batch: u32,
    window: u32,
    at_once: Option<u32>,
    reserved: Option<u32>,
    every: u32,
    filter: Option<Value>,
    redriven: bool,
    routes: Vec<(&'static str, &'static str)>,
    origins: Vec<String>,
    rate: u32,
}

fn plain() -> Shape {
    Shape {
        batch: 10,
        window: 0,
        at_once: None,
        reserved: None,
        every: 1,
        filter: None,
        redriven: true,
        routes: vec![("$default", "shop"), ("POST /order/{id}", "order")],
        origins: Vec::new(),
        rate: 1000,
    }
}

fn zip() -> Zip {
    let bytes = image::lambda_zip(b"runtime").expect("a zip");
    let sha256 = BASE64_STANDARD.encode(Sha256::digest(&bytes));
    Zip { bytes, sha256 }
}

fn desired(shape: &Shape) -> Desired {
    let mut desired = Desired::new(REGISTRY);
    around(&mut desired);
    for name in ["shop", "order"] {
        // A function may know the address of the API that calls it.
        let mut environment = vec![("COLOR".to_owned(), Variable::Text("blue".into()))];
        environment.push(("SHOP_URL".to_owned(), Variable::ApiUrl(Ref::to("api"))));
        let function = FunctionSpec {
            handler: name.into(),
            role: Ref::to("worker"),
            log_group: Ref::to("functions"),
            on_failure: (name == "order").then(|| Ref::to("order-failed")),
            environment,
            secrets: vec![FunctionSecret {
                name: "ADMIN_KEY".into(),
                secret: AnySecret::Own(Ref::to("admin-key")),
                and_previous: true,
            }],
            code_sha256: zip().sha256,
            architecture: "x86_64".into(),
            memory: 256,
            timeout: 5,
            concurrency: shape.reserved,
            kms_key: Ref::to("main"),
            inside: None,
            serves: true,
            after: Vec::new(),
        };
        desired.add::<Function>("", name, function);
    }
    let source = SourceSpec {
        function: Ref::to("order"),
        reads: Reads::Queue { queue: Ref::to("orders"), concurrency: shape.at_once },
        batch: shape.batch,
        window: shape.window,
    };
    desired.add::<Source>("", "order", source);
    let rule = RuleSpec { every_minutes: shape.every, function: Ref::to("order"), failed: Ref::to("order-failed") };
    desired.add::<Rule>("", "order", rule);
    let subscription = SubscriptionSpec {
        topic: Ref::to("events"),
        endpoint: Endpoint::Function(Ref::to("order")),
        raw: false,
        filter: shape.filter.clone(),
        failed: shape.redriven.then(|| Ref::to("order-failed")),
    };
    desired.add::<Subscription>("", "events-to-order", subscription);
    let cors = Cors {
        origins: shape.origins.clone(),
        methods: vec!["GET".into(), "POST".into()],
        headers: vec!["content-type".into()],
    };
    let route = |(key, function): &(&str, &str)| ApiRoute { key: (*key).into(), function: Ref::to(*function) };
    let api = ApiSpec {
        routes: shape.routes.iter().map(route).collect(),
        cors: (!shape.origins.is_empty()).then_some(cors),
        rate: shape.rate,
        burst: 2000,
        log_group: Ref::to("http-api"),
    };
    desired.add::<Api>("", "api", api);
    for (name, function, principal, source) in [
        ("shop-http", "shop", "apigateway", PermissionSource::Api(Ref::to("api"))),
        ("order-http", "order", "apigateway", PermissionSource::Api(Ref::to("api"))),
        ("order-topic", "order", "sns", PermissionSource::Topic(Ref::to("events"))),
        ("order-rule", "order", "events", PermissionSource::Rule(Ref::to("order"))),
    ] {
        let principal = format!("{principal}.amazonaws.com");
        desired.add::<Permission>("", name, PermissionSpec { function: Ref::to(function), principal, source });
    }
    desired
}

/// The things that functions stand on.
fn around(desired: &mut Desired) {
    desired.add::<Key>("", "main", KeySpec {});
    let secret = SecretSpec {
        description: "The key of the shop's owner".into(),
        kms_key: Ref::to("main"),
        form: Form::Bytes(32),
    };
    desired.add::<Secret>("", "admin-key", secret);
    let service = "lambda.amazonaws.com".to_owned();
    let role = RoleSpec { service, statements: Vec::new(), permissions_boundary: None };
    desired.add::<Role>("", "worker", role);
    for (name, path) in [("functions", "/bench-test/functions"), ("http-api", "/aws/vendedlogs/bench-test/http-api")] {
        let group = LogGroupSpec { path: path.into(), retention_days: 7, kms_key: Ref::to("main") };
        desired.add::<LogGroup>("", name, group);
    }
    desired.add::<Topic>("", "events", TopicSpec { fifo: false, kms_key: Some(Ref::to("main")) });
    let queue = |from, rules| QueueSpec {
        fifo: false,
        visibility_timeout: 30,
        retention: 345_600,
        delay: 0,
        dead_letter: None,
        from,
        rules,
    };
    desired.add::<Queue>("", "orders", queue(Vec::new(), Vec::new()));
    desired.add::<Queue>("", "order-failed", queue(vec![Ref::to("events")], vec!["order".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    everything(Base::Moto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    everything(Base::Ministack).await;
}

async fn everything(base: Base) {
    let bench = Bench::with(base, Artefacts { image: None, zip: Some(zip()) }).await;
    let built = bench.settle(&desired(&plain())).await;
    for made in ["create lambda.source order", "create events.rule order", "create apigatewayv2.api api"] {
        assert!(built.lines().any(|line| line == made), "{made} in {built}");
    }
    environment(&bench).await;
    changes(&bench).await;
    drift(&bench).await;
    beside(&bench).await;
    half_made(&bench).await;
    duplicate(&bench).await;
    failures(&bench).await;
    orphans(&bench).await;
    bench.remove(&desired(&plain())).await;
    bench.gateway.stop().await;
}

/// No secret is in the environment, and the address of the API is.
async fn environment(bench: &Bench) {
    let call = bench.cx.lambda.get_function_configuration().function_name("bench-test-shop");
    let environment = call.send().await.expect("there").environment.and_then(|all| all.variables).expect("variables");
    let mut names: Vec<&str> = environment.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["ADMIN_KEY_SECRET", "ADMIN_KEY_VERSION", "COLOR", "SHOP_URL"]);
    assert!(environment["ADMIN_KEY_SECRET"].starts_with("arn:aws:secretsmanager:"), "{environment:?}");
    let url = &environment["SHOP_URL"];
    assert!(url.contains(".execute-api.") && !url.ends_with('/'), "{url}");
}

async fn changes(bench: &Bench) {
    let other = Shape {
        batch: 100,
        window: 5,
        at_once: Some(3),
        reserved: Some(20),
        every: 5,
        filter: Some(json!({"kind": ["order"]})),
        redriven: false,
        routes: vec![("$default", "order"), ("GET /log", "shop")],
        origins: vec!["https://shop.example".into()],
        rate: 50,
    };
    let expected = [
        "update lambda.function shop: concurrency",
        "update lambda.function order: concurrency",
        "update sns.subscription events-to-order: filter.kind, failed",
        "update events.rule order: schedule",
        "update apigatewayv2.api api: cors.headers, cors.methods, cors.origins, routes.$default, routes.GET /log, routes.POST /order/{id}, stage.rate",
        "update lambda.source order: batch, window, concurrency",
    ];
    assert_eq!(sorted(&bench.settle(&desired(&other)).await), sorted(&expected.join("\n")));
    let back = bench.settle(&desired(&plain())).await;
    assert_eq!(back.lines().count(), expected.len(), "{back}");
}

/// Changes by hand are seen and repaired.
async fn drift(bench: &Bench) {
    let cx = &bench.cx;
    let mapping = mapping(bench).await;
    cx.lambda.update_event_source_mapping().uuid(&mapping).enabled(false).send().await.expect("by hand");
    let call = cx.lambda.put_function_concurrency().function_name("bench-test-shop");
    call.reserved_concurrent_executions(7).send().await.expect("by hand");
    cx.events.disable_rule().name("bench-test-order").send().await.expect("by hand");
    let api = api(bench).await;
    let stage = cx.apigateway.update_stage().api_id(&api).stage_name("$default").auto_deploy(false);
    stage.send().await.expect("by hand");
    let route = route(bench, "$default").await;
    let call = cx.apigateway.update_route().api_id(&api).route_id(route);
    call.authorization_type(AuthorizationType::AwsIam).send().await.expect("by hand");
    let call = cx.apigateway.update_api().api_id(&api).disable_execute_api_endpoint(true);
    call.send().await.expect("by hand");
    let expected = [
        "update lambda.function shop: concurrency",
        "update events.rule order: enabled",
        "update apigatewayv2.api api: has_address, routes.$default, stage.deploys_itself",
        "update lambda.source order: enabled",
    ];
    assert_eq!(sorted(&settle_when_still(bench, &desired(&plain())).await), sorted(&expected.join("\n")));

    cx.lambda.delete_function_event_invoke_config().function_name("bench-test-order").send().await.expect("by hand");
    cx.events.remove_targets().rule("bench-test-order").ids("function").send().await.expect("by hand");
    cx.apigateway.delete_stage().api_id(&api).stage_name("$default").send().await.expect("by hand");
    let plan = bench.settle(&desired(&plain())).await;
    for line in ["lambda.function order: failures", "events.rule order: target", "apigatewayv2.api api: stage"] {
        assert!(plan.contains(line), "{line} in {plan}");
    }
}

/// Others put things on our resources that give traffic. A plan sees them, and `up` takes them away.
async fn beside(bench: &Bench) {
    let cx = &bench.cx;
    let function = cx.scope.arn("lambda", "function:bench-test-order");
    let target = Target::builder().id("by-hand").arn(&function).build().expect("complete");
    cx.events.put_targets().rule("bench-test-order").targets(target).send().await.expect("by hand");
    let api = api(bench).await;
    cx.apigateway.create_stage().api_id(&api).stage_name("by-hand").send().await.expect("by hand");
    let call = cx.apigateway.create_integration().api_id(&api).integration_type(IntegrationType::HttpProxy);
    let call =
        call.integration_uri("https://elsewhere.example").integration_method("GET").payload_format_version("1.0");
    let integration = call.send().await.expect("by hand").integration_id.expect("an id");
    let call = cx.apigateway.create_route().api_id(&api).route_key("GET /by-hand");
    call.target(format!("integrations/{integration}")).send().await.expect("by hand");
    cx.sqs.create_queue().queue_name("elsewhere").send().await.expect("another's queue");
    let call = cx.lambda.create_event_source_mapping().function_name("bench-test-shop");
    call.event_source_arn(cx.scope.arn("sqs", "elsewhere")).send().await.expect("by hand");
    let expected = [
        "update events.rule order: targets.by-hand",
        "update apigatewayv2.api api: routes.GET /by-hand, stages.by-hand",
        "delete lambda.source shop/elsewhere",
    ];
    assert_eq!(sorted(&settle_when_still(bench, &desired(&plain())).await), sorted(&expected.join("\n")));
}

/// A run that was cut off has left an API without a stage, with an integration that nothing uses. The next run finishes
/// it, and makes no second one.
async fn half_made(bench: &Bench) {
    let cx = &bench.cx;
    cx.apigateway.delete_api().api_id(api(bench).await).send().await.expect("by hand");
    let tags = cx.scope.tags("api").into_iter().collect();
    let call = cx.apigateway.create_api().name("bench-test-api").protocol_type(ProtocolType::Http).set_tags(Some(tags));
    let made = call.send().await.expect("as a run did").api_id.expect("an id");
    let call = cx.apigateway.create_integration().api_id(&made).integration_type(IntegrationType::AwsProxy);
    let call = call.integration_uri(cx.scope.arn("lambda", "function:bench-test-shop")).payload_format_version("2.0");
    call.send().await.expect("as a run did");
    let plan = bench.settle(&desired(&plain())).await;
    assert!(plan.contains("update apigatewayv2.api api: ") && plan.contains("integrations."), "{plan}");
    assert_eq!(api(bench).await, made);
    let call = cx.apigateway.get_integrations().api_id(&made).send().await.expect("there");
    assert_eq!(call.items().len(), 2, "one for each function");
}

/// A mapping that nobody has tagged stands between our queue and our function: it is refused. One of ours that a list
/// does not show is taken over.
async fn duplicate(bench: &Bench) {
    let cx = &bench.cx;
    let mapping = mapping(bench).await;
    let arn = cx.scope.arn("lambda", &format!("event-source-mapping:{mapping}"));
    let call = cx.lambda.untag_resource().resource(&arn).tag_keys("provision:stack");
    call.send().await.expect("untagged");
    let plan = bench.plan(&desired(&plain())).await;
    assert_eq!(plan, "refuse lambda.source order");
    let call = cx.lambda.tag_resource().resource(&arn).tags("provision:stack", cx.scope.tag());
    call.send().await.expect("tagged");
    assert_eq!(bench.plan(&desired(&plain())).await, "");

    // The plan does not know the mapping yet.
    let wanted = desired(&Shape { batch: 7, ..plain() });
    let snapshot = bench.take(&wanted).await;
    let mut without = bench.take(&wanted).await;
    without.live.retain(|address, _| address.kind != "lambda.source");
    let plan = Plan::new(&cx.scope, &wanted, &without);
    assert_eq!(support::lines(&plan), "create lambda.source order");
    support::assert_good(&bench.apply(&wanted, &plan, &without).await);
    assert_eq!(snapshot.live.len(), bench.take(&wanted).await.live.len(), "no second one");
    assert_eq!(self::mapping(bench).await, mapping);
    assert_eq!(bench.settle(&desired(&plain())).await, "update lambda.source order: batch");
}

/// A deployment that fails is a failure, although no call fails. The next run tries again.
async fn failures(bench: &Bench) {
    bench.gateway.fail("apigatewayv2.api", "*");
    let other = desired(&Shape { routes: vec![("$default", "shop")], ..plain() });
    let snapshot = bench.take(&other).await;
    let report = bench.apply(&other, &Plan::new(&bench.cx.scope, &other, &snapshot), &snapshot).await;
    let failed = report.outcomes.into_iter().find_map(|outcome| match outcome.result {
        Ending::Failed { error, evidence } => Some((outcome.address.to_string(), error, evidence.lines.join("\n"))),
        _ => None,
    });
    let (address, error, evidence) = failed.expect("a failure");
    assert_eq!(address, "apigatewayv2.api api", "{error}");
    assert!(
        error.contains("Deployment attempt failed") && evidence.contains("stage $default: "),
        "{error}\n{evidence}"
    );
    bench.gateway.heal();
    bench.settle(&desired(&plain())).await;
}

/// What nobody asks for any more goes: what calls the functions first.
async fn orphans(bench: &Bench) {
    let mut fewer = Desired::new(REGISTRY);
    around(&mut fewer);
    let plan = bench.settle(&fewer).await;
    let place = |line: &str| plan.lines().position(|one| one == line).unwrap_or_else(|| panic!("{line} in {plan}"));
    let function = place("delete lambda.function order");
    for first in ["lambda.source order", "events.rule order", "sns.subscription events-to-order"] {
        assert!(place(&format!("delete {first}")) < function, "{first} before its function: {plan}");
    }
    place("delete apigatewayv2.api api");
    bench.settle(&desired(&plain())).await;
}

fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines
}

/// Settles when no transition that a call by hand has started is under way.
async fn settle_when_still(bench: &Bench, desired: &Desired) -> String {
    for _ in 0..100 {
        let all = bench.cx.lambda.list_event_source_mappings().send().await.expect("a list");
        let moves = |state: &str| !matches!(state, "Enabled" | "Disabled");
        if !all.event_source_mappings().iter().filter_map(|one| one.state()).any(moves) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    bench.settle(desired).await
}

/// The id of our mapping.
async fn mapping(bench: &Bench) -> String {
    let all =
        bench.cx.lambda.list_event_source_mappings().function_name("bench-test-order").send().await.expect("a list");
    all.event_source_mappings()[0].uuid.clone().expect("an id")
}

/// The id of our API.
async fn api(bench: &Bench) -> String {
    let all = bench.cx.apigateway.get_apis().send().await.expect("a list");
    assert_eq!(all.items().len(), 1, "{all:?}");
    all.items()[0].api_id.clone().expect("an id")
}

async fn route(bench: &Bench, key: &str) -> String {
    let all = bench.cx.apigateway.get_routes().api_id(api(bench).await).send().await.expect("a list");
    let found = all.items().iter().find(|route| route.route_key() == Some(key)).expect("the route");
    found.route_id.clone().expect("an id")
}
