//! Expands `services:` to processes of the runtime, and the load balancer's stand-in.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::Context;
use local::balancer;
use local::balancer::config::{Config as Routes, Group, Health, Rule};
use local::supervisor::part::{Part, Stop, StopSignal};
use local::supervisor::probe::Probe;

use super::routes::priorities;
use super::{Http, Service, WEB, health, roles};
use crate::image::{Architecture, find_runtime};
use crate::kind::Ref;
use crate::local::kinds::{self, RoutesSpec, RoutesState};
use crate::sections::logs::patterns::takes_probes;
use crate::sections::machine::{self, Local, Making, Runtime};
use crate::sections::search::local::endpoint;
use crate::sections::uses::local::{self as uses, Environment};
use crate::sections::words::Name;
use crate::sections::{Loaded, Stack};

pub(crate) const LOCAL: Local = Local { ports, expand };

fn ports(loaded: &Loaded) -> Vec<String> {
    let services = &loaded.stack.services;
    let mut names: Vec<String> = services.keys().map(|name| name.0.clone()).collect();
    names.extend(loaded.stack.has_load_balancer().then(|| WEB.to_owned()));
    names
}

/// Adds the services, and the load balancer in front of them.
fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    let runtime = making.programs.runtime.clone();
    let services = &making.loaded.stack.services;
    let is_scaled = |service: &Service| service.role.is_some() && service.scale.max.is_some_and(|most| most > 1);
    let scaled: Vec<String> =
        services.iter().filter(|(_, service)| is_scaled(service)).map(|(name, _)| format!("`{name}`")).collect();
    if !scaled.is_empty() {
        let note = format!("scaling is not simulated: one copy each of {} runs, whatever the load", scaled.join(", "));
        making.laptop.notes.push(note);
    }
    let mut routes = Routes::default();
    for (name, service) in services {
        // With a role in the stack, the runtime was looked for and found.
        let Some((role, runtime)) = service.role.as_ref().zip(runtime.as_ref()) else {
            making.laptop.notes.push(format!("`{name}` is a container of yours, which does not run here"));
            continue;
        };
        one(making, &name.0, service, role, runtime);
    }
    let behind: Vec<(&Name, &Service, &Http)> = services
        .iter()
        .filter(|(_, service)| service.role.is_some())
        .filter_map(|(name, service)| Some((name, service, service.http.as_ref()?)))
        .collect();
    if behind.is_empty() {
        return Ok(());
    }
    for (name, _, http) in &behind {
        let target = ([127, 0, 0, 1], making.port(&name.0)).into();
        let health = health_check(http);
        routes.groups.insert(name.0.clone(), Group { targets: vec![target], health });
    }
    for (name, priority) in priorities(&behind) {
        let Some((_, _, http)) = behind.iter().find(|(other, ..)| other.0 == name) else { continue };
        let (paths, methods) = (http.paths.clone(), http.rule_methods());
        routes.rules.push(Rule { priority, paths, methods, hosts: Vec::new(), group: name });
    }
    if let Some((name, ..)) = behind.iter().find(|(_, _, http)| http.takes_everything()) {
        routes.rules.push(Rule { priority: u32::MAX, group: name.0.clone(), ..Rule::default() });
    }
    let file = making.place.state().join(ROUTES);
    let port = making.port(WEB);
    let mut part = balancer::part::part(WEB, &making.program, &file, port)?;
    part.after = behind.iter().map(|(name, ..)| name.0.clone()).collect();
    making.add("services", part);
    let spec = RoutesSpec { state: RoutesState::of(&routes), balancer: Ref::to(WEB) };
    making.laptop.desired.add::<kinds::Routes>("services", WEB, spec);
    making.laptop.routes = Some((file, routes));
    making.export("services.address", format!("http://127.0.0.1:{port}"));
    Ok(())
}

/// The file that the load balancer reads, in the state directory.
pub(crate) const ROUTES: &str = "routes.json";

/// The health check that AWS would make. If the file gives no interval, it is made every 500 ms: nobody wants to wait
/// on a laptop.
fn health_check(http: &Http) -> Health {
    let interval_ms = http.given_health_interval().map_or(500, |seconds| seconds * 1000);
    Health {
        path: http.health(),
        interval_ms,
        timeout_ms: http.given_health_interval().map_or(2000, |_| http.health_timeout() * 1000),
        healthy_after: health::HEALTHY_AFTER,
        unhealthy_after: health::UNHEALTHY_AFTER,
        success: health::ranges(&http.health_codes()).unwrap_or_default(),
        // On AWS the default is for ECS, which is missing here. So only a time in the file counts.
        grace_ms: http.given_grace().unwrap_or_default() * 1000,
    }
}

/// The time until a service must be ready: the usual time, or the time that the file gives a task to become healthy.
fn ready_within_ms(usual: u64, service: &Service) -> u64 {
    let http = service.http.as_ref();
    let given = http.and_then(|http| Some((http.given_grace()? + http.health_takes()) * 1000));
    usual.max(given.unwrap_or_default())
}

fn one(making: &mut Making<'_>, name: &str, service: &Service, role: &str, runtime: &Runtime) {
    let port = making.port(name);
    let mut environment = uses::of(making, service.user(), &service.env);
    for (key, value) in [("HOST", "127.0.0.1"), ("PORT", &port.to_string()), ("SERVICE_NAME", name)] {
        environment.set(key.to_owned(), value.to_owned());
    }
    let Environment { variables, secrets } = environment;
    let known = roles::find(role);
    if let Some(role) = known.filter(|role| role.probe) {
        let mut environment = variables.clone();
        environment.insert("PROBE_SYSTEM".to_owned(), role.system.to_owned());
        environment.retain(|name, _| !["HOST", "PORT", "SERVICE_NAME"].contains(&name.as_str()));
        environment.insert("PROBE_URL".to_owned(), format!("http://127.0.0.1:{}", making.port(WEB)));
        if let Some(logs) = making.loaded.stack.shipping().filter(|logs| takes_probes(*logs, &Name(name.into())))
            && let Some(endpoint) = endpoint(making, &logs.to.0)
        {
            environment.insert("SEARCH_ENDPOINT".to_owned(), endpoint);
            environment.insert("PROBE_INDEX".to_owned(), format!("{}-*", logs.index_of(&Name(name.into()))));
        }
        making.laptop.probe = Some(machine::Probe { program: runtime.path.clone(), environment });
    }
    let after = uses::after(making, service.user());
    let waits = known.is_some_and(|role| !role.needs.is_empty());
    let part = Part {
        args: vec!["serve".to_owned(), role.to_owned()],
        env: variables,
        secrets,
        cwd: making.place.state().to_owned(),
        port: Some(port),
        // A role that waits for something says so at `/readyz`.
        ready: Probe::Http { port, path: if waits { "/readyz" } else { "/healthz" }.to_owned() },
        after,
        stop: Stop { signal: StopSignal::Term, within_ms: 30_000 },
        generation: runtime.build.clone(),
        ..Part::new(name, format!("service, role {role}"), &runtime.path)
    };
    let part = Part { ready_within_ms: ready_within_ms(part.ready_within_ms, service), ..part };
    making.add(&format!("services.{name}"), part);
}

/// Whether a service or a function runs the bundled runtime here. The user's own containers do not run here.
pub(crate) fn needs_runtime(stack: &Stack) -> bool {
    !stack.functions.is_empty() || stack.services.values().any(|service| service.role.is_some())
}

/// Finds the runtime, and reads which build it is.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    let path = find()?;
    // To read the file's bytes would take longer than all the rest.
    let file = path.metadata().with_context(|| format!("`{}`", path.display()))?;
    let build = format!("{}-{}.{:09}-{}", file.len(), file.mtime(), file.mtime_nsec(), file.ino());
    Ok(Runtime { path, build })
}

/// Finds the runtime. It is the one that PROVISION_RUNTIME names. Else it is the one that was built with this program,
/// which need not fit into the image. Else it is the one that would go into the image.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    let architecture = if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };
    let beside = std::env::current_exe()?.with_file_name("runtime");
    match std::env::var_os("PROVISION_RUNTIME") {
        None if beside.is_file() => Ok(beside),
        _ => Ok(find_runtime(architecture)?.canonicalize()?),
    }
}
