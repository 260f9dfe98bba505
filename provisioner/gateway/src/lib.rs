//! The tests' stand-in for AWS: an HTTP server on loopback between the AWS SDK and emulators of AWS.
//!
//! Emulators answer at once, accept nearly everything and give answers back as they were given. AWS does none of that.
//! The gateway makes up the difference, so that product code meets AWS as it is and never bends to an emulator:
//!
//! | file          | does                                                                               |
//! |---------------|------------------------------------------------------------------------------------|
//! | `request`     | names a request: service, action, parameters                                       |
//! | `route`       | says which emulator serves it                                                      |
//! | `upstream`    | runs the emulators                                                                 |
//! | `rules`       | breaks calls on order: throttles, delays, resets, kills                            |
//! | `account`     | remembers what exists and who uses what, from the calls that passed                |
//! | `refusals/`   | refuses what AWS refuses and emulators accept                                      |
//! | `rights/`     | refuses what the policies of the caller do not allow, if a test gives it policies  |
//! | `lifecycle/`  | plays creating, modifying, deleting on a scaled clock                              |
//! | `mutate/`     | words answers as AWS does: order, case, JSON layout, defaults; hides new objects   |
//! | `gaps`        | names what an emulator lacks, and repairs it                                       |
//! | `server`      | puts these in order for each call                                                  |
//! | `control`     | the same interface over HTTP, under `/_gateway/`                                   |

mod account;
pub mod answer;
mod chance;
mod control;
mod derive;
mod form;
pub mod gaps;
mod lifecycle;
mod mutate;
mod refusals;
mod request;
mod rest;
mod rights;
mod route;
mod rules;
mod server;
mod state;
mod upstream;
pub mod xml;

pub use lifecycle::{LIVES, Script};
pub use request::{LEASE_TABLE, Protocol, Request};
pub use rights::would_allow;
pub use route::{Base, ROUTES, route};
pub use rules::{Effect, Nth, Rule, glob};
pub use state::{Call, Refusal};
pub use upstream::{ACCOUNT, Emulator, Upstreams, home};

use anyhow::{Context, Result};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The behaviour of a gateway. The default is AWS, as strict as we can make it.
#[derive(Clone, Debug)]
pub struct Options {
    pub base: Base,
    /// Simulated seconds per real second: at 2000 a database that takes 7 minutes is there after 0.2 s.
    pub scale: f64,
    /// Whether to word answers as AWS does, and hide new objects from a few reads.
    pub mutate: bool,
    /// Whether to play creating, modifying and deleting.
    pub lifecycles: bool,
    /// Whether to refuse calls that AWS refuses.
    pub refuse: bool,
    /// The seed of all random choices: the order of lists, the reads from which an object is hidden, the probabilities
    /// of rules.
    pub seed: u64,
    /// Emulators to share. Without them this gateway has its own.
    pub upstreams: Option<Upstreams>,
    /// A file that gets every request as one JSON line.
    pub record: Option<PathBuf>,
    /// The port. 0 means any free port.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            base: Base::Moto,
            scale: 2000.0,
            mutate: true,
            lifecycles: true,
            refuse: true,
            seed: 1,
            upstreams: None,
            record: None,
            port: 0,
        }
    }
}

/// A running gateway. It and the emulators that it started end when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<server::Shared>,
    serving: JoinHandle<()>,
}

impl Gateway {
    pub async fn start(options: Options) -> Result<Self> {
        let (listener, shared) = server::bind(options).await.context("start the gateway")?;
        let serving = tokio::spawn(server::accept(listener, shared.clone()));
        Ok(Gateway { shared, serving })
    }

    /// The URL for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The calls so far, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    pub fn clear_calls(&self) {
        self.shared.state().calls.clear();
    }

    /// Replaces the rules. Their counts start at zero.
    pub fn rules(&self, rules: Vec<Rule>) -> Result<()> {
        self.shared.state().set_rules(rules)
    }

    /// The process that kill rules kill.
    pub fn victim(&self, pid: u32) {
        self.shared.state().victim = Some(pid);
    }

    /// Lets things of a kind (`rds.instance`, `ecs.service`, ...) whose id matches end in their failed state.
    pub fn fail(&self, kind: &str, id: &str) {
        self.shared.state().pace.fails.push((kind.to_owned(), id.to_owned()));
    }

    /// Undoes all `fail`.
    pub fn heal(&self) {
        self.shared.state().pace.fails.clear();
    }

    /// Sets what becomes of tasks that RunTask starts, and what the tasks of a service log if `fail` lets it fail. The
    /// first script that fits counts.
    pub fn scripts(&self, scripts: Vec<Script>) {
        self.shared.state().services.one_offs.scripts = scripts;
    }

    /// Sets the actions that the caller may not call from now on: globs as in `ec2:Create*`. Replaces those before.
    pub fn deny(&self, actions: &[&str]) {
        self.shared.state().repairs.denied = actions.iter().map(|action| (*action).to_owned()).collect();
    }

    /// Gives the caller policies. From now on calls that they do not allow are refused, and noted as refusals by the rule
    /// `rights`. A reset keeps the policies.
    pub fn rights(&self, policies: &[serde_json::Value]) {
        self.shared.state().rights.policies = Some(policies.to_vec());
    }

    /// How many calls were judged by the policies of the caller since the last reset.
    pub fn judged(&self) -> u64 {
        self.shared.state().rights.judged
    }

    /// Lets the caller do everything again.
    pub fn free(&self) {
        self.shared.state().rights.policies = None;
    }

    /// Sets the classes and versions that are not sold from now on, as globs. Replaces those before.
    pub fn unsell(&self, what: &[&str]) {
        self.shared.state().repairs.unsold = what.iter().map(|what| (*what).to_owned()).collect();
    }

    /// Sets the number of zones that the region has for this account. us-west-1 has two.
    pub fn zones(&self, count: usize) {
        self.shared.state().repairs.zones = Some(count);
    }

    /// Sets a quota that differs from AWS's default, by its code.
    pub fn quota(&self, code: &str, value: f64) {
        self.shared.state().repairs.quotas.insert(code.to_owned(), value);
    }

    /// The calls that were refused (or, for `duplicate`, noticed) because AWS would refuse them.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.shared.state().refusals.clone()
    }

    /// Empties the emulators, also for others that share them, and forgets calls, rules, refusals and all that was observed.
    pub async fn reset(&self) -> Result<()> {
        self.shared.reset().await
    }

    /// Stops listening, and ends the emulators unless someone shares them.
    pub async fn stop(self) {
        self.serving.abort();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
