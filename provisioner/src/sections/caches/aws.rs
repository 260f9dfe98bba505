//! Expands `caches:` to a replication group on ElastiCache, its token, its firewall group.

use super::{Cache, CacheEngine, PORT, firewall, token};
use crate::kind::Ref;
use crate::kinds::elasticache::{ReplicationGroup, ReplicationGroupSpec, SubnetGroup, SubnetGroupSpec};
use crate::kinds::secretsmanager::{Form, Secret, SecretSpec};
use crate::sections::aws::making::{Expand, Making};
use crate::sections::network::aws as network;

const SUBNETS: &str = "data";

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    let caches = &making.loaded.stack.caches;
    if caches.is_empty() {
        return;
    }
    let subnets = network::subnets("data", network::zones(making));
    making.add::<SubnetGroup>("caches", SUBNETS, SubnetGroupSpec { subnets });
    for (name, cache) in caches {
        one(making, &name.0, cache);
    }
}

fn one(making: &mut Making<'_>, name: &str, cache: &Cache) {
    let section = format!("caches.{name}");
    let prod = making.prod();
    let secret = SecretSpec {
        description: format!("The AUTH token of the cache {name}"),
        kms_key: making.key(),
        form: Form::Token { length: 64 },
    };
    making.add::<Secret>(&section, token(name), secret);
    let ingress = making.groups_of(name).into_iter().map(|group| network::from_group(group, PORT)).collect();
    network::group(making, &section, &firewall(name), "The cache answers its services", ingress, Vec::new());
    let (engine, version) = match cache.engine() {
        CacheEngine::Valkey => ("valkey", "8.0"),
        CacheEngine::Redis => ("redis", "7.1"),
    };
    let profile = making.loaded.profile;
    let spec = ReplicationGroupSpec {
        engine: engine.to_owned(),
        version: version.to_owned(),
        class: cache.class(profile).to_owned(),
        nodes: cache.nodes(profile),
        subnet_group: Ref::to(SUBNETS),
        security_groups: vec![Ref::to(firewall(name))],
        kms_key: making.key(),
        auth: Ref::to(token(name)),
        snapshot_days: if prod { 7 } else { 1 },
    };
    making.add::<ReplicationGroup>(&section, name, spec);
    making.export::<ReplicationGroup>(format!("{section}.host"), name, "primary");
}
