//! Expands `search:` to an OpenSearch domain. In dev it has a public endpoint with access by IAM only, in prod it is
//! inside the VPC. A domain cannot change from one to the other later.

use super::{PORT, Search, firewall};
use crate::kind::Ref;
use crate::kinds::opensearch::{Domain, DomainSpec, Inside};
use crate::sections::aws::making::{Expand, Making};
use crate::sections::network::aws as network;
use crate::sections::services::aws::probe;
use crate::sections::{logs, logs::aws::role as writer};

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    for (name, search) in &making.loaded.stack.search {
        one(making, &name.0, search);
    }
}

fn one(making: &mut Making<'_>, name: &str, search: &Search) {
    let section = format!("search.{name}");
    let profile = making.loaded.profile;
    let nodes = search.nodes(profile);
    let inside = Search::is_inside(profile).then(|| {
        let mut callers = making.groups_of(name);
        if making.loaded.stack.shipping().is_some_and(|logs| logs.to.0 == name) {
            callers.push(logs::FORWARDER.to_owned());
        }
        callers.extend(probe::caller(&making.loaded.stack, name));
        let ingress = callers.into_iter().map(|caller| network::from_group(caller, PORT)).collect();
        network::group(making, &section, &firewall(name), "Search answers its users", ingress, Vec::new());
        let zones = usize::from(nodes).min(network::zones(making));
        Inside { subnets: network::subnets("data", zones), security_groups: vec![Ref::to(firewall(name))] }
    });
    writer(making, name, &section);
    let spec = DomainSpec {
        version: search.version().to_owned(),
        class: search.class(profile).to_owned(),
        nodes,
        storage: search.storage(),
        kms_key: making.key(),
        master: Ref::to(logs::master(name)),
        readers: making.users_of(name).into_iter().map(|user| making.own_role(&user)).collect(),
        searchers: probe::searchers(making, name),
        inside,
    };
    making.add::<Domain>(&section, name, spec);
    making.export::<Domain>(format!("{section}.endpoint"), name, "endpoint");
}
