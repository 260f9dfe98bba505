//! Expands `caches:` to a server on this machine for each.

use anyhow::Context;
use local::engines::redis;

use crate::sections::Loaded;
use crate::sections::machine::{Local, Making};

pub(crate) const LOCAL: Local = Local { ports, expand };

fn ports(loaded: &Loaded) -> Vec<String> {
    loaded.stack.caches.keys().map(|name| name.0.clone()).collect()
}

fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    for name in making.loaded.stack.caches.keys() {
        let program = making.programs.cache.clone().context("no program for caches was looked for")?;
        let cache = redis::Cache {
            name: name.0.clone(),
            directory: making.directory(&name.0),
            socket: making.place.socket(&name.0),
            port: making.port(&name.0),
            password: Some(making.keys.get("cache")),
            tls: None,
            replica_of: None,
        };
        if making.writes(&name.0) {
            redis::prepare(&program, &cache)?;
        }
        let section = format!("caches.{name}");
        making.export(format!("{section}.host"), format!("127.0.0.1:{}", cache.port));
        making.add(&section, redis::part(&program, &cache));
    }
    Ok(())
}
