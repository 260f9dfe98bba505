//! Expands `databases:` to a server on this machine for each primary and replica.

use local::engines::mariadb;

use super::{Database, replica as replica_name, schema};
use crate::local::home::{cache, made};
use crate::sections::Loaded;
use crate::sections::machine::{Local, Making, Servers};

pub(crate) const LOCAL: Local = Local { ports, expand };

fn ports(loaded: &Loaded) -> Vec<String> {
    let mut names = Vec::new();
    for (name, database) in &loaded.stack.databases {
        names.push(name.0.clone());
        names.extend(database.replica.then(|| replica_name(&name.0)));
    }
    names
}

fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    let databases = &making.loaded.stack.databases;
    let Some(program) = making.programs.database.clone().filter(|_| !databases.is_empty()) else { return Ok(()) };
    if program.flavour == mariadb::Flavour::Maria {
        making.laptop.notes.push(format!("databases run on MariaDB {}, not on MySQL", program.version));
    }
    for (name, database) in databases {
        one(making, &program, &name.0, database)?;
    }
    Ok(())
}

fn one(making: &mut Making<'_>, program: &mariadb::Program, name: &str, database: &Database) -> anyhow::Result<()> {
    let user = |name: &str, rights| mariadb::User { name: name.to_owned(), password: making.keys.get(name), rights };
    let server = |part: &str, port, role| mariadb::Server {
        name: part.to_owned(),
        directory: making.directory(part),
        socket: making.place.socket(part),
        port,
        database: schema(name),
        users: vec![user("owner", mariadb::Rights::Owner), user("app", mariadb::Rights::Rows)],
        replication_password: making.keys.get("replication"),
        role,
    };
    let pair = making.roles.pair(name, database.replica);
    let primary = server(&pair.primary, making.port(name), mariadb::Role::Primary);
    let following = mariadb::Role::Replica { of: primary.port };
    let replica = pair.replica.as_ref().map(|replica| server(replica, making.port(&replica_name(name)), following));
    if let Some(out) = &pair.out {
        let note = format!("`{}` is the primary since it was promoted, and `{out}` is out of service", pair.primary);
        making.laptop.notes.push(note);
    }
    let section = format!("databases.{name}");
    for server in [Some(&primary), replica.as_ref()].into_iter().flatten() {
        if making.writes(&server.name) {
            mariadb::prepare(program, server, &made(cache()?)?)?;
        }
        let mut part = mariadb::part(program, server)?;
        if server.name == primary.name {
            making.add(&section, part);
        } else {
            part.after = vec![primary.name.clone()];
            making.add_replica(&section, part);
        }
    }
    making.export(format!("{section}.host"), format!("127.0.0.1:{}", primary.port));
    if database.replica {
        let port = making.port(&replica_name(name));
        making.export(format!("{section}.replica_host"), format!("127.0.0.1:{port}"));
    }
    making.laptop.databases.push(Servers { pair, program: program.clone(), primary, replica });
    Ok(())
}
