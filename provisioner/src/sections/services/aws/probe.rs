//! The further rights that `provision probe` needs. It runs as a task of the one service whose role has a probe, with
//! the environment, the IAM role and the firewall group of that service. So the service is given the rights that the
//! probe needs beyond its own.

use serde_json::Value;

use crate::kinds::ec2::Rule;
use crate::kinds::iam::{Resource, Statement};
use crate::kinds::opensearch::Searcher;
use crate::sections::Stack;
use crate::sections::aws::making::Making;
use crate::sections::logs::patterns::takes_probes;
use crate::sections::network::aws as network;
use crate::sections::search::{self, Search};
use crate::sections::services::roles;
use crate::sections::words::Name;

/// The place where the lines that a service has of probes can be searched.
pub(crate) struct Shipped<'a> {
    pub(crate) domain: &'a str,
    /// The pattern of the indexes of all days.
    pub(crate) index: String,
}

/// The services in whose place the probe could run. It runs if there is exactly one.
pub(crate) fn candidates(stack: &Stack) -> Vec<&Name> {
    stack.services.iter().filter(|(_, service)| roles::is_probed(service)).map(|(name, _)| name).collect()
}

pub(crate) fn shipped<'a>(stack: &'a Stack, service: &Name) -> Option<Shipped<'a>> {
    let logs = stack.shipping().filter(|logs| takes_probes(*logs, service))?;
    Some(Shipped { domain: &logs.to.0, index: format!("{}-*", logs.index_of(service)) })
}

/// The way to the load balancer, and in prod to the search domain. The load balancer's name resolves to public
/// addresses inside the VPC too, so a rule that names its group would not match. Port 443 is open for every service.
pub(crate) fn egress(making: &Making<'_>, service: &str) -> Vec<Rule> {
    let stack = &making.loaded.stack;
    let mut rules = Vec::new();
    if !is_it(stack, service) {
        return rules;
    }
    if stack.network.certificate.is_none() && stack.has_load_balancer() {
        rules.push(network::anywhere(80));
    }
    if let (true, Some(shipped)) = (Search::is_inside(making.loaded.profile), asks(stack, service)) {
        rules.push(network::from_group(search::firewall(shipped.domain), search::PORT));
    }
    rules
}

/// The right to look for the service's own log lines, and nothing else.
pub(crate) fn statement(making: &Making<'_>, service: &str) -> Option<Statement> {
    let shipped = asks(&making.loaded.stack, service)?;
    let domain = making.scope.name(shipped.domain, 28);
    let path = making.scope.arn("es", &format!("domain/{domain}/{}/_search", shipped.index));
    let actions = vec!["es:ESHttpPost".to_owned()];
    Some(Statement { actions, resources: vec![Resource::Arn(path)], condition: Value::Null })
}

/// The service that asks this domain, for the domain's firewall.
pub(crate) fn caller(stack: &Stack, domain: &str) -> Option<String> {
    let service = candidates(stack).into_iter().find(|name| is_it(stack, &name.0))?;
    asks(stack, &service.0).filter(|shipped| shipped.domain == domain).map(|_| service.0.clone())
}

/// The role that asks this domain, for the domain's access policy.
pub(crate) fn searchers(making: &Making<'_>, domain: &str) -> Vec<Searcher> {
    let stack = &making.loaded.stack;
    let Some(service) = caller(stack, domain) else { return Vec::new() };
    let index = asks(stack, &service).map(|shipped| shipped.index).unwrap_or_default();
    vec![Searcher { role: making.own_role(&service), index }]
}

/// Whether the probe runs in the place of the service. This looks at the other services only if the role has a probe.
fn is_it(stack: &Stack, service: &str) -> bool {
    let this = stack.services.get(&Name(service.to_owned()));
    this.is_some_and(roles::is_probed)
        && stack.services.values().filter(|service| roles::is_probed(service)).take(2).count() == 1
}

/// The place that the probe of a service searches. `None` also if the service uses the domain anyway: then it has all
/// rights there.
fn asks<'a>(stack: &'a Stack, service: &str) -> Option<Shipped<'a>> {
    let (name, uses) = stack.services.get_key_value(&Name(service.to_owned())).map(|(name, it)| (name, &it.uses))?;
    let shipped = shipped(stack, name).filter(|_| is_it(stack, service))?;
    uses.iter().all(|used| used.0 != shipped.domain).then_some(shipped)
}
