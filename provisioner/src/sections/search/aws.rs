//! `search:` -> an OpenSearch domain. In dev with a public endpoint and access by IAM only, in prod inside the VPC. Which
//! of the two cannot be changed later.

use super::{Making, logs, network, probe, uses};
use crate::kind::Ref;
use crate::kinds::opensearch::{Domain, DomainSpec, Inside};
use crate::stack::{Search, shipping};

pub(super) const PORT: u16 = 443;

pub(super) fn expand(making: &mut Making<'_>) {
    for (name, search) in &making.loaded.stack.search {
        one(making, &name.0, search);
    }
}

fn one(making: &mut Making<'_>, name: &str, search: &Search) {
    let section = format!("search.{name}");
    let profile = making.loaded.profile;
    let nodes = search.nodes(profile);
    let inside = Search::is_inside(profile).then(|| {
        let mut callers = uses::of(making, name);
        if making.loaded.stack.logs.as_ref().is_some_and(|logs| logs.to.0 == name) {
            callers.push(logs::FORWARDER.to_owned());
        }
        callers.extend(probe::caller(&making.loaded.stack, name));
        let ingress = callers.into_iter().map(|caller| network::from_group(caller, PORT)).collect();
        network::group(making, &section, &firewall(name), "Search answers its users", ingress, Vec::new());
        let zones = usize::from(nodes).min(network::zones(making));
        Inside { subnets: network::subnets("data", zones), security_groups: vec![Ref::to(firewall(name))] }
    });
    logs::role(making, name, &section);
    let spec = DomainSpec {
        version: search.version().to_owned(),
        class: search.class(profile).to_owned(),
        nodes,
        storage: search.storage(),
        kms_key: making.key(),
        master: Ref::to(logs::master(name)),
        readers: uses::of(making, name).into_iter().map(|service| task_role(making, &service)).collect(),
        searchers: probe::searchers(making, name),
        inside,
    };
    making.add::<Domain>(&section, name, spec);
    making.export::<Domain>(format!("{section}.endpoint"), name, "endpoint");
}

/// The ARN of a service's role, which is known before the role is there.
pub(super) fn task_role(making: &Making<'_>, service: &str) -> String {
    format!("{}{}", shipping::roles(making.scope), shipping::task_role(making.scope, service))
}

pub(super) fn firewall(name: &str) -> String {
    format!("search-{name}")
}
