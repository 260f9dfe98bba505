//! Expands `logs:` to a log forwarder for each service whose logs are shipped.

use std::path::Path;

use anyhow::Context;
use local::supervisor::part::Part;
use local::supervisor::place::private_directory;

use super::patterns::only_on_aws;
use crate::sections::Loaded;
use crate::sections::machine::{Local, Making};
use crate::sections::search::engine::Search;
use crate::sections::search::local::endpoint;
use crate::sections::uses::local::Environment;

pub(crate) const LOCAL: Local = Local { ports, expand };

/// No port: a forwarder does not listen.
fn ports(_: &Loaded) -> Vec<String> {
    Vec::new()
}

/// Adds the same log forwarder as on AWS. It reads the file that a service or a function writes, and not a subscription.
fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    let Some(logs) = making.loaded.stack.shipping() else { return Ok(()) };
    let Some(endpoint) = endpoint(making, &logs.to.0) else { return Ok(()) };
    // If no service has a role, no log is written here.
    let Some(runtime) = making.programs.runtime.clone() else { return Ok(()) };
    let only_on_aws = only_on_aws(&making.loaded.stack);
    for (service, pattern) in logs.ship {
        // A container of the user's writes no log here.
        let stack = &making.loaded.stack;
        if stack.services.get(service).is_some_and(|service| service.role.is_none()) {
            continue;
        }
        if let Some(why) = only_on_aws.get(service) {
            making.laptop.notes.push(why.clone());
            continue;
        }
        let groups = format!("/{}/{}/", making.loaded.stack.stack, making.loaded.env);
        let group = format!("{groups}{service}");
        let name = format!("forward-{service}");
        let directory = making.directory(&name);
        if making.writes(&name) {
            private_directory(&directory)?;
        }
        let mut environment = Environment::default();
        environment.aws(making);
        let index = logs.index_of(service);
        for (name, value) in [
            ("SEARCH_ENDPOINT", endpoint.as_str()),
            ("INDEX_PREFIX", index),
            ("LOG_GROUPS", &groups),
            ("INDEXES", &format!("{service}={index}")),
            ("SERVICE_NAME", "forwarder"),
        ] {
            environment.variables.insert(name.to_owned(), value.to_owned());
        }
        let file = making.place.log(&service.0);
        let state = directory.join("position");
        let words = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
        let mut args: Vec<String> = ["forward", "--group", &group].map(str::to_owned).to_vec();
        if !pattern.is_empty() {
            args.extend(["--pattern".to_owned(), pattern.clone()]);
        }
        args.extend(["--file".to_owned(), words(&file)?, "--state".to_owned(), words(&state)?]);
        let own = (!matches!(making.programs.search, Search::Theirs(_))).then(|| logs.to.0.clone());
        let part = Part {
            args,
            env: environment.variables,
            cwd: directory,
            after: own.into_iter().collect(),
            generation: runtime.build.clone(),
            ..Part::new(name, "log forwarder", &runtime.path)
        };
        making.add(&format!("logs.ship.{service}"), part);
    }
    Ok(())
}
