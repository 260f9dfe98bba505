//! Expands `services:` to ECS services on Fargate behind one load balancer.

use serde_json::Value;

use crate::kind::Ref;
use crate::kinds::autoscaling::{Policy, PolicySpec, Target, TargetSpec};
use crate::kinds::ec2::Rule as Firewall;
use crate::kinds::ecr::{self, Repository, RepositorySpec};
use crate::kinds::ecs::{
    self, Behind, Cluster, ClusterSpec, FromSecret, Image, ServiceSpec, TaskDefinition, TaskDefinitionSpec, WayOut,
};
use crate::kinds::elbv2::{
    Does, Listener, ListenerSpec, LoadBalancer, LoadBalancerSpec, Rule, RuleSpec, TargetGroup, TargetGroupSpec,
};
use crate::kinds::iam::{Resource, Statement};
use crate::kinds::logs::{LogGroup, LogGroupSpec};
use crate::kinds::variable::Variable;
use crate::sections::aws::making::{Expand, Making};
use crate::sections::functions::aws::migrations;
use crate::sections::network::aws as network;
use crate::sections::services::routes::priorities;
use crate::sections::services::{Http, Service, WEB};
use crate::sections::uses::aws::{given, reading};
use crate::sections::words::Name;

const SECTION: &str = "services";
/// The name of the cluster, and of the repository and the image of the runtime.
const MAIN: &str = "main";
const RUNTIME: &str = "runtime";
/// The user that the runtime is in its image. Every other container runs as this user, unless the file says another.
const NOBODY: &str = "65532:65532";
const ARCHITECTURE: &str = "X86_64";
/// The seconds in which the runtime begins to answer its container's own health check.
const STARTS_WITHIN: u32 = 15;
const ASSUMED_BY: &str = "ecs-tasks.amazonaws.com";

pub(crate) mod probe;

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    let services = &making.loaded.stack.services;
    if services.is_empty() {
        return;
    }
    making.add::<Cluster>(SECTION, MAIN, ClusterSpec {});
    if services.values().any(|service| service.role.is_some()) {
        making.add::<Repository>(SECTION, RUNTIME, RepositorySpec { kms_key: making.key() });
        let digest = making.digests.image.clone();
        making.add::<ecr::Image>(SECTION, RUNTIME, ecr::ImageSpec { repository: Ref::to(RUNTIME), digest });
    }
    let behind: Vec<(&Name, &Service, &Http)> =
        services.iter().filter_map(|(name, service)| Some((name, service, service.http.as_ref()?))).collect();
    if !behind.is_empty() {
        load_balancer(making, &behind);
    }
    for (name, service) in services {
        one(making, &name.0, service);
    }
}

fn load_balancer(making: &mut Making<'_>, behind: &[(&Name, &Service, &Http)]) {
    let certificate = making.loaded.stack.network.certificate.clone();
    let mut ports = vec![80];
    ports.extend(certificate.as_ref().map(|_| 443));
    let ingress = ports.into_iter().map(network::anywhere).collect();
    let egress = behind.iter().map(|(name, service, _)| network::from_group(name.0.clone(), service.port())).collect();
    network::group(making, SECTION, WEB, "The load balancer answers everybody", ingress, egress);
    let spec = LoadBalancerSpec {
        subnets: network::subnets("public", network::zones(making)),
        security_groups: vec![Ref::to(WEB)],
        gateway: network::gateway(),
        protected: making.prod(),
    };
    making.add::<LoadBalancer>(SECTION, WEB, spec);
    making.export::<LoadBalancer>("services.address".to_owned(), WEB, "dns_name");
    let forward = behind.iter().find(|(_, _, http)| http.takes_everything()).map(|(name, ..)| Ref::to(name.0.clone()));
    let rest = |forward: Option<Ref<TargetGroup>>| forward.map_or(Does::NotFound, Does::Forward);
    let listener = |port, does| ListenerSpec { load_balancer: Ref::to(WEB), port, does };
    match certificate {
        Some(certificate) => {
            making.add::<Listener>(SECTION, "redirect", listener(80, Does::ToHttps));
            making.add::<Listener>(SECTION, WEB, listener(443, Does::Secure { certificate, forward }));
        }
        None => making.add::<Listener>(SECTION, WEB, listener(80, rest(forward))),
    }
    for (name, service, http) in behind {
        let section = format!("services.{name}");
        let spec = TargetGroupSpec {
            vpc: network::vpc(),
            port: service.port(),
            health: http.health(),
            codes: http.health_codes(),
            interval: seconds(http.health_interval()),
            timeout: seconds(http.health_timeout()),
        };
        making.add::<TargetGroup>(&section, &name.0, spec);
    }
    for (name, priority) in priorities(behind) {
        let (_, _, http) = behind.iter().find(|(other, ..)| other.0 == name).expect("a priority of one of them");
        let (paths, methods) = (http.paths.clone(), http.rule_methods());
        let spec = RuleSpec { listener: Ref::to(WEB), priority, paths, methods, target: Ref::to(&name) };
        making.add::<Rule>(&format!("services.{name}"), &name, spec);
    }
}

fn one(making: &mut Making<'_>, name: &str, service: &Service) {
    let section = format!("services.{name}");
    let log_group =
        LogGroupSpec { path: making.log_path(name), retention_days: making.log_days(), kms_key: making.key() };
    making.add::<LogGroup>(&section, name, log_group);
    let mut given = given(making, service.user());
    given.egress.extend(probe::egress(making, name));
    given.statements.extend(probe::statement(making, name));
    let mut ingress = Vec::new();
    if service.http.is_some() {
        ingress.push(network::from_group(WEB.to_owned(), service.port()));
    }
    let mut egress: Vec<Firewall> = vec![network::anywhere(443)];
    egress.extend(given.egress);
    network::group(making, &section, name, "What the service talks to", ingress, egress);
    let (execution, task) = (format!("{name}-execution"), format!("{name}-task"));
    let statements = execution_statements(making, name, &given.secrets);
    making.role(&section, &execution, ASSUMED_BY, statements);
    // A container that does not call AWS has no role, and so no credentials to lose.
    let task_role = (!given.statements.is_empty()).then(|| Ref::to(&task));
    if task_role.is_some() {
        making.role(&section, &task, ASSUMED_BY, given.statements);
    }
    let mut environment = given.environment;
    environment.push(("PORT".to_owned(), Variable::Text(service.port().to_string())));
    environment.push(("SERVICE_NAME".to_owned(), Variable::Text(name.to_owned())));
    for (key, value) in &service.env {
        environment.push((key.clone(), Variable::Text(value.clone())));
    }
    environment.sort_by(|a, b| a.0.cmp(&b.0));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (image, command, health_command) = match (&service.image, &service.role) {
        (Some(image), _) => (Image::Named(image.clone()), Vec::new(), Vec::new()),
        (None, role) => {
            let role = role.as_deref().unwrap_or("hello");
            (Image::Built(Ref::to(RUNTIME)), words(&["serve", role]), words(&["CMD", "/runtime", "health"]))
        }
    };
    let spec = TaskDefinitionSpec {
        image,
        user: service.user.clone().unwrap_or_else(|| NOBODY.to_owned()),
        command,
        cpu: service.cpu(),
        memory: service.memory(),
        port: service.port(),
        architecture: ARCHITECTURE.to_owned(),
        environment,
        secrets: given.secrets,
        execution_role: Ref::to(execution),
        task_role,
        log_group: Ref::to(name),
        health_command,
        start_period: service.http.as_ref().and_then(Http::given_grace).map_or(STARTS_WITHIN, seconds),
    };
    making.add::<TaskDefinition>(&section, name, spec);
    running(making, &section, name, service);
}

fn running(making: &mut Making<'_>, section: &str, name: &str, service: &Service) {
    let min = service.scale.min(making.loaded.profile);
    let max = service.scale.max(making.loaded.profile).max(min);
    let mut way_out: Vec<WayOut> = network::all_nats(making).into_iter().map(WayOut::Nat).collect();
    way_out.extend(network::private_tables(making).into_iter().map(WayOut::Routes));
    let behind = service.http.as_ref().map(|http| Behind {
        target_group: Ref::to(name),
        port: service.port(),
        listener: Ref::to(WEB),
        rule: (!http.takes_everything()).then(|| Ref::to(name)),
        grace: seconds(service.grace()),
        health_takes: seconds(http.health_takes()),
    });
    let spec = ServiceSpec {
        after: migrations(making, service.user()),
        cluster: Ref::to(MAIN),
        task: Ref::to(name),
        subnets: network::subnets("private", network::zones(making)),
        security_groups: vec![Ref::to(name)],
        tasks: min,
        scaled: max > min,
        behind,
        way_out,
    };
    making.add::<ecs::Service>(section, name, spec);
    if max > min {
        making.add::<Target>(section, name, TargetSpec { service: Ref::to(name), min, max });
        let cpu = service.scale.cpu();
        making.add::<Policy>(section, name, PolicySpec { target: Ref::to(name), cpu });
    }
}

/// The rights of ECS itself before the container starts: fetch the image, read exactly these secrets, write the log.
fn execution_statements(making: &Making<'_>, name: &str, secrets: &[FromSecret]) -> Vec<Statement> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let mut statements = vec![
        Statement {
            actions: words(&["ecr:GetAuthorizationToken"]),
            resources: vec![Resource::Arn("*".to_owned())],
            condition: Value::Null,
        },
        Statement {
            actions: words(&["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]),
            resources: vec![Resource::Arn(making.scope.arn("ecr", "repository/*"))],
            condition: Value::Null,
        },
        Statement {
            actions: words(&["logs:CreateLogStream", "logs:PutLogEvents"]),
            resources: vec![Resource::LogStreams(Ref::to(name))],
            condition: Value::Null,
        },
    ];
    statements.extend(reading(making, secrets));
    statements
}

/// The checks keep these numbers far below the largest.
fn seconds(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
