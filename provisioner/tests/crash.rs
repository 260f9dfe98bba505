//! `up` and `down` are killed again and again, at any point, and the end is that of an undisturbed run.
//!
//! All runs have exactly the rights that `provision policy` prints. By default the stack is `bell`, on both emulators. `PROVISION_CRASH_STACK=sendy` takes another stack (see
//! DEVELOPING.md).

mod support;

use gateway::{Base, Effect, Gateway, Nth, Options, Rule};
use serde_json::Value;
use support::binary::{run, run_as_victim, said, stack};
use support::rights;

/// The most runs. No stack has so many writes, so a run that never survives ends here.
const MOST_RUNS: usize = 600;

#[tokio::test(flavor = "multi_thread")]
async fn creeping_kill_on_moto() {
    creep(Base::Moto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn creeping_kill_on_ministack() {
    creep(Base::Ministack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_twenty_points() {
    let gateway = start(Base::Moto).await;
    let undisturbed = undisturbed(&gateway).await;
    let writes = gateway.calls().iter().filter(|call| call.write && !call.lease).count() as u64;
    for point in 0..20u64 {
        empty(&gateway).await;
        let nth = 1 + (point * 7919) % writes;
        let effect = if point % 2 == 0 { Effect::KillBefore } else { Effect::KillAfter };
        arm(&gateway, nth, effect);
        let output = run_as_victim(&gateway, &up()).await;
        assert_ne!(output.status.code(), Some(0), "point {nth} was reached");
        gateway.rules(Vec::new()).expect("no rules");
        let output = run(gateway.url(), &up()).await;
        assert_eq!(output.status.code(), Some(0), "after a kill at write {nth}: {}", said(&output));
        assert_eq!(state(&gateway).await, undisturbed, "after a kill at write {nth}");
        no_duplicates(&gateway);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storm() {
    let gateway = start(Base::Moto).await;
    let undisturbed = undisturbed(&gateway).await;
    empty(&gateway).await;
    let share = |probability, effect| Rule { probability: Some(probability), effect, ..Rule::default() };
    let lost = Rule {
        action: Some("Create*".into()),
        nth: Some(Nth::These(vec![1, 3, 5, 7])),
        effect: Effect::ResetAfter,
        ..Rule::default()
    };
    let rules = vec![lost, share(0.10, Effect::Throttle), share(0.05, Effect::Internal)];
    gateway.rules(rules).expect("rules");
    let output = run(gateway.url(), &up()).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    gateway.rules(Vec::new()).expect("no rules");
    assert_eq!(state(&gateway).await, undisturbed);
    no_duplicates(&gateway);
    gateway.stop().await;
}

fn file() -> String {
    let name = std::env::var("PROVISION_CRASH_STACK").unwrap_or_else(|_| "bell".into());
    stack(&name).display().to_string()
}

/// Leaks a few strings: the arguments live as long as the test.
fn arguments(words: &[&'static str]) -> Vec<&'static str> {
    let mut all = vec![words[0], Box::leak(file().into_boxed_str()), "--env", "dev"];
    all.extend(&words[1..]);
    all
}

fn up() -> Vec<&'static str> {
    arguments(&["up", "--yes"])
}

fn down() -> Vec<&'static str> {
    arguments(&["down", "--yes", "--delete-data"])
}

async fn start(base: Base) -> Gateway {
    let options =
        Options { base, scale: support::SCALE, mutate: true, lifecycles: true, refuse: true, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    rights::give(&gateway, &file(), "dev").await;
    gateway
}

/// An empty account, in which the caller has the printed rights again.
async fn empty(gateway: &Gateway) {
    gateway.reset().await.expect("resets");
    rights::give(gateway, &file(), "dev").await;
}

async fn undisturbed(gateway: &Gateway) -> Value {
    let output = run(gateway.url(), &up()).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    state(gateway).await
}

fn arm(gateway: &Gateway, nth: u64, effect: Effect) {
    let rule = Rule { action: Some("@write".into()), nth: Some(Nth::One(nth)), effect, ..Rule::default() };
    gateway.rules(vec![rule]).expect("a rule");
}

async fn creep(base: Base) {
    let gateway = start(base).await;
    let undisturbed = undisturbed(&gateway).await;
    empty(&gateway).await;
    until_it_survives(&gateway, &up()).await;
    assert_eq!(state(&gateway).await, undisturbed);
    no_duplicates(&gateway);
    until_it_survives(&gateway, &down()).await;
    let output = run(gateway.url(), &arguments(&["plan", "--json"])).await;
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    let steps = plan["steps"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["do"] == "create"), "something is left: {}", said(&output));
    gateway.stop().await;
}

/// Kills each run at its first write, in turn before and after the write took effect. If all kills came before, no run
/// would get on. So each point is met in both ways.
#[allow(clippy::print_stdout, reason = "the matrix of a large stack takes an hour")]
async fn until_it_survives(gateway: &Gateway, arguments: &[&str]) {
    for count in 0..MOST_RUNS {
        let effect = if count % 2 == 0 { Effect::KillBefore } else { Effect::KillAfter };
        arm(gateway, 1, effect);
        let output = run_as_victim(gateway, arguments).await;
        match output.status.code() {
            Some(0) => {
                gateway.rules(Vec::new()).expect("no rules");
                assert!(count > 1, "it was never killed");
                return;
            }
            Some(_) => panic!("a run failed by itself: {}", said(&output)),
            // A long matrix shows that it makes progress.
            None if count % 20 == 19 => println!("{} killed {} times", arguments[0], count + 1),
            None => {}
        }
    }
    panic!("no run survived");
}

/// The live state, without ids that AWS makes anew.
async fn state(gateway: &Gateway) -> Value {
    let output = run(gateway.url(), &arguments(&["plan", "--json", "--exit-code"])).await;
    assert_eq!(output.status.code(), Some(0), "a second plan is empty: {}", said(&output));
    let output = run(gateway.url(), &arguments(&["status", "--json"])).await;
    let mut status: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    for resource in status["resources"].as_array_mut().into_iter().flatten() {
        resource["id"] = Value::Null;
    }
    // AWS draws the id in the address of an API, and counts its deployments.
    if let Some(api) = status["health"].pointer_mut("/functions/http-api").and_then(Value::as_object_mut) {
        api.clear();
    }
    status
}

fn no_duplicates(gateway: &Gateway) {
    let twice: Vec<_> = gateway.refusals().into_iter().filter(|refusal| refusal.rule == "duplicate").collect();
    assert!(twice.is_empty(), "{twice:?}");
    rights::were_enough(gateway);
}
