//! Expands `databases:` to a primary and a replica on RDS, their secrets, their firewall group.

use std::collections::BTreeMap;

use super::{Database, PORT, firewall, master, replica, schema};
use crate::kind::Ref;
use crate::kinds::rds::{
    Instance, InstanceRole, InstanceSpec, ParameterGroup, ParameterGroupSpec, SubnetGroup, SubnetGroupSpec,
};
use crate::kinds::secretsmanager::{Form, Secret, SecretSpec};
use crate::sections::aws::making::{Expand, Making};
use crate::sections::network::aws as network;

/// All databases of a stack are in the same subnets.
const SUBNETS: &str = "data";

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    let databases = &making.loaded.stack.databases;
    if databases.is_empty() {
        return;
    }
    let subnets = network::subnets("data", network::zones(making));
    making.add::<SubnetGroup>("databases", SUBNETS, SubnetGroupSpec { subnets });
    for (name, database) in databases {
        one(making, &name.0, database);
    }
}

fn one(making: &mut Making<'_>, name: &str, database: &Database) {
    let section = format!("databases.{name}");
    let prod = making.prod();
    let profile = making.loaded.profile;
    let version = database.version().to_owned();
    secrets(making, &section, name);
    // Each family has a group of its own. When the family changes, the instance moves to the new group, then the old
    // one goes.
    let group = format!("{name}-mysql{}", version.replace('.', ""));
    let spec = ParameterGroupSpec { family: format!("mysql{version}"), parameters: parameters() };
    making.add::<ParameterGroup>(&section, &group, spec);
    let ingress = making.groups_of(name).into_iter().map(|group| network::from_group(group, PORT)).collect();
    network::group(making, &section, &firewall(name), "The database answers its services", ingress, Vec::new());
    let instance = |role| InstanceSpec {
        class: database.class(profile).to_owned(),
        security_groups: vec![Ref::to(firewall(name))],
        protected: prod,
        role,
    };
    let primary = InstanceRole::Primary {
        version,
        storage: database.storage(),
        standby: database.standby(profile),
        backup_days: database.backup_days(profile),
        database: schema(name),
        subnet_group: Ref::to(SUBNETS),
        parameter_group: Ref::to(group),
        kms_key: making.key(),
        master: Ref::to(master(name)),
    };
    making.add::<Instance>(&section, name, instance(primary));
    making.export::<Instance>(format!("{section}.host"), name, "address");
    if database.replica {
        let replica = replica(name);
        making.add::<Instance>(&section, &replica, instance(InstanceRole::Replica { source: Ref::to(name) }));
        making.export::<Instance>(format!("{section}.replica_host"), &replica, "address");
    }
}

/// Adds the secrets of two users: the master only for the owner of the schema, the other for the services.
fn secrets(making: &mut Making<'_>, section: &str, name: &str) {
    let owner = SecretSpec {
        description: format!("The master user of the database {name}, for the owner of its schema only"),
        kms_key: making.key(),
        form: Form::Login { username: "owner".to_owned(), length: 32 },
    };
    making.add::<Secret>(section, master(name), owner);
    let app = SecretSpec {
        description: format!("The user of the database {name} that services log in as"),
        kms_key: making.key(),
        form: Form::Login { username: "app".to_owned(), length: 32 },
    };
    making.add::<Secret>(section, super::app(name), app);
}

/// The parameters. Connections need TLS. The slow query log needs both of its parameters, or the export stays empty.
fn parameters() -> BTreeMap<String, String> {
    [
        ("character_set_server", "utf8mb4"),
        ("log_output", "FILE"),
        ("long_query_time", "1"),
        ("require_secure_transport", "1"),
        ("slow_query_log", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
