//! The tests against emulators share this: a gateway, a context, and `settle`.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod binary;
pub mod recorded;
pub mod rights;
pub mod whole;

use std::collections::BTreeSet;

use aws_config::Region;
use aws_credential_types::Credentials;
use gateway::{Base, Gateway, Options};
use provision::aws::take;
use provision::aws::{self, Cx, Proof};
use provision::engine::{self, Ending, Report, Work};
use provision::image::artefacts::Artefacts;
use provision::kinds::on_aws::LastWish;
use provision::kinds::{KINDS, rate_of};
use provision::plan::desired::Desired;
use provision::plan::snapshot::Snapshot;
use provision::plan::{Action, Plan};
use provision::scope::Scope;
use provision::wait::Clock;

/// Simulated seconds per second.
pub const SCALE: f64 = 1000.0;

pub struct Bench {
    pub gateway: Gateway,
    pub cx: Cx,
}

impl Bench {
    pub async fn moto() -> Bench {
        Bench::with(Base::Moto, Artefacts::default()).await
    }

    pub async fn ministack() -> Bench {
        Bench::with(Base::Ministack, Artefacts::default()).await
    }

    pub async fn with(base: Base, artefacts: Artefacts) -> Bench {
        let options =
            Options { base, scale: SCALE, mutate: true, lifecycles: true, refuse: true, ..Options::default() };
        let gateway =
            Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
        let cx = context(gateway.url(), "bench", artefacts).await;
        Bench { gateway, cx }
    }

    pub async fn take(&self, desired: &Desired) -> Snapshot {
        self.look(desired, Proof::Service).await
    }

    pub async fn look(&self, desired: &Desired, proof: Proof) -> Snapshot {
        take::take(&self.cx, desired, proof).await.unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    /// The plan, a line for each change. The lines are the same whether the tag index or each service proves what is
    /// ours. Only a resource of others may look like ours, if the index does not have its type.
    pub async fn plan(&self, desired: &Desired) -> String {
        let plan = |snapshot: &Snapshot| lines(&Plan::new(&self.cx.scope, desired, snapshot));
        let close = plan(&self.take(desired).await);
        let quick = plan(&self.look(desired, Proof::Index).await);
        let foreign = quick.contains("refuse") || close.contains("refuse");
        assert!(quick == close || foreign, "by the tag index:\n{quick}\nby the services:\n{close}");
        close
    }

    /// Takes a snapshot, plans, applies, and takes another snapshot. The second plan has to be empty. The first plan is
    /// returned.
    pub async fn settle(&self, desired: &Desired) -> String {
        let snapshot = self.take(desired).await;
        let plan = Plan::new(&self.cx.scope, desired, &snapshot);
        let report = self.apply(desired, &plan, &snapshot).await;
        assert_good(&report);
        let again = self.plan(desired).await;
        assert_eq!(again, "", "the second plan is not empty");
        lines(&plan)
    }

    pub async fn apply(&self, desired: &Desired, plan: &Plan, snapshot: &Snapshot) -> Report {
        let work = Work {
            kinds: KINDS,
            desired,
            plan,
            snapshot,
            unclean: false,
            last_wish: LastWish::Discard,
            unprotect: snapshot.live.keys().cloned().collect(),
        };
        engine::apply(&self.cx, &work, &mut |_| {}).await
    }

    /// Deletes everything, and checks that nothing is left.
    pub async fn remove(&self, desired: &Desired) {
        let snapshot = self.take(desired).await;
        let plan = Plan::removal(desired, &snapshot, &BTreeSet::new());
        assert_good(&self.apply(desired, &plan, &snapshot).await);
        let left = Plan::removal(desired, &self.take(desired).await, &BTreeSet::new());
        assert_eq!(lines(&left), "", "something is left");
    }
}

pub async fn context(url: &str, stack: &str, artefacts: Artefacts) -> Cx {
    context_in(url, "eu-west-1", stack, artefacts).await
}

pub async fn context_in(url: &str, region: &'static str, stack: &str, artefacts: Artefacts) -> Cx {
    let clock = Clock::new(SCALE);
    let config = aws::settings(clock, rate_of)
        .region(Region::new(region))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .load()
        .await;
    let scope = Scope {
        account: "123456789012".into(),
        region: region.into(),
        stack: stack.into(),
        env: "test".into(),
        tags: Default::default(),
    };
    Cx::new(scope, clock, &config, artefacts)
}

/// A line for each change: `update sqs.queue work: delay`.
pub fn lines(plan: &Plan) -> String {
    let line = |step: &provision::plan::Step| {
        let changes = |changes: &[provision::plan::diff::Change]| {
            changes.iter().map(|change| change.path.clone()).collect::<Vec<_>>().join(", ")
        };
        match &step.action {
            Action::Keep | Action::Retain => None,
            Action::Create { .. } => Some(format!("create {}", step.address)),
            Action::Update { changes: what } => Some(format!("update {}: {}", step.address, changes(what))),
            Action::Replace { changes: what } => Some(format!("replace {}: {}", step.address, changes(what))),
            Action::Delete => Some(format!("delete {}", step.address)),
            Action::Refuse => Some(format!("refuse {}", step.address)),
        }
    };
    plan.steps.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

pub fn assert_good(report: &Report) {
    for outcome in &report.outcomes {
        if let Ending::Failed { error, evidence } = &outcome.result {
            panic!("{error}\n{}", evidence.lines.join("\n"));
        }
    }
    let left: Vec<_> = report.outcomes.iter().filter(|outcome| !outcome.result.is_good()).collect();
    assert!(left.is_empty(), "not done: {left:?}");
}
