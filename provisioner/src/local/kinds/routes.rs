//! `local.routes`: which requests the load balancer gives to which service. A change is made while it runs.

use std::collections::BTreeMap;

use local::balancer::config::{Config, Health};
use serde::{Deserialize, Serialize};

use super::Process;
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Missing, Outputs, Ref};
use crate::scope::Scope;

pub(crate) struct Routes;

#[derive(Serialize, Deserialize)]
pub(crate) struct RoutesSpec {
    pub(crate) state: RoutesState,
    pub(crate) balancer: Ref<Process>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RoutesState {
    /// The services, by the priority of their rules: the first one that takes a request gets it.
    order: Vec<String>,
    /// The rules of each service.
    rules: BTreeMap<String, Vec<Rule>>,
    targets: BTreeMap<String, Vec<String>>,
    health: BTreeMap<String, Health>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rule {
    /// No path means every path. The same is true of methods and hosts.
    paths: Vec<String>,
    methods: Vec<String>,
    hosts: Vec<String>,
}

impl RoutesState {
    pub(crate) fn of(config: &Config) -> RoutesState {
        let mut state = RoutesState::default();
        let mut rules: Vec<_> = config.rules.iter().collect();
        rules.sort_by_key(|rule| rule.priority);
        for rule in rules {
            let (paths, methods, hosts) = (rule.paths.clone(), rule.methods.clone(), rule.hosts.clone());
            state.order.push(rule.group.clone());
            state.rules.entry(rule.group.clone()).or_default().push(Rule { paths, methods, hosts });
        }
        for (name, group) in &config.groups {
            state.targets.insert(name.clone(), group.targets.iter().map(ToString::to_string).collect());
            state.health.insert(name.clone(), group.health.clone());
        }
        state
    }
}

impl Kind for Routes {
    const FACTS: Facts = Facts {
        name: "local.routes",
        fields: &[Field::wanted("order"), Field::wanted("rules"), Field::wanted("targets"), Field::wanted("health")],
        untagged: "it belongs to the load balancer of its stack",
        ..Facts::DEFAULT
    };

    type Spec = RoutesSpec;
    type State = RoutesState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &RoutesSpec, _: &Outputs) -> Result<RoutesState, Missing> {
        Ok(spec.state.clone())
    }
}
