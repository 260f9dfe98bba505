//! The life of ECS services, which is here and not in the emulator: moto forgets half of their settings and starts
//! nothing, and ministack starts all at once. The emulator still gets every call, and its refusals count.

use super::Pace;
use super::ecs_documents::{describe_task, fill_defaults, task_arn, tasks};
use super::one_off::OneOffs;
use super::rollout::Service;
use crate::account::{Account, Phase, service_id, service_key};
use crate::answer::{Answer, Fault, fault};
use crate::request::Request;
use crate::upstream::ACCOUNT;
use crate::xml::Element;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The settings that CreateService and UpdateService take and DescribeServices answers.
const SETTINGS: &[&str] = &[
    "loadBalancers",
    "networkConfiguration",
    "deploymentConfiguration",
    "healthCheckGracePeriodSeconds",
    "enableExecuteCommand",
    "enableECSManagedTags",
    "propagateTags",
    "capacityProviderStrategy",
    "platformVersion",
    "serviceRegistries",
    "desiredCount",
    "launchType",
    "schedulingStrategy",
    "placementConstraints",
    "placementStrategy",
    "availabilityZoneRebalancing",
    "tags",
];

#[derive(Debug, Default)]
pub(crate) struct Services {
    /// The services, by (home, cluster/service).
    services: BTreeMap<(String, String), Service>,
    /// The newest revision of each family, by (home, family).
    revisions: BTreeMap<(String, String), String>,
    /// The tasks that RunTask starts.
    pub(crate) one_offs: OneOffs,
}

pub(super) fn guard(account: &Account, request: &Request) -> Option<Fault> {
    let id = service_id(request)?;
    let phase = account.get(&request.home, "ecs.service", &id)?.phase();
    match (request.action.as_str(), phase) {
        ("CreateService", Phase::Deleting) => {
            Some(fault(400, "InvalidParameterException", "Unable to Start a service that is still Draining."))
        }
        ("UpdateService", Phase::Deleting) => Some(fault(400, "ServiceNotActiveException", "Service was not ACTIVE.")),
        _ => None,
    }
}

impl Services {
    /// Plays along with a call that the emulator has answered, and gives the answer that AWS would give.
    pub(crate) fn play(&mut self, pace: &Pace, request: &Request, answer: &mut Answer) {
        for service in self.services.values_mut() {
            service.tick(pace);
        }
        if request.is("elbv2", &["DescribeTargetHealth"]) && answer.ok() {
            self.target_health(request, answer);
        }
        if request.is("logs", &["GetLogEvents"]) {
            self.one_offs.log(pace, request, answer);
            self.last_words(request, answer);
        }
        if request.service != "ecs" {
            return;
        }
        match request.action.as_str() {
            "RegisterTaskDefinition" => {
                if let (Some(family), Some(arn)) = (request.text("family"), answer.json_text("/taskDefinition/taskDefinitionArn"))
                {
                    self.revisions.insert((request.home.clone(), family.to_owned()), arn.to_owned());
                    self.one_offs.register(request, arn);
                }
            }
            "CreateService" if answer.ok() => self.create(pace, request, answer),
            "UpdateService" if answer.ok() => self.update(pace, request, answer),
            "DeleteService" if answer.ok() => {
                if let Some(service) = self.named(request) {
                    service.drain(pace.real(60));
                    *answer = Answer::json(request, json!({"service": service.describe()}));
                }
            }
            "TagResource" | "UntagResource" if answer.ok() => self.tag(request),
            "DescribeServices" => self.describe(request, answer),
            "ListServices" if answer.ok() => self.list(request, answer),
            "DescribeClusters" if answer.ok() => self.count(request, answer),
            "ListTasks" => self.list_tasks(request, answer),
            "DescribeTasks" => {
                self.describe_tasks(request, answer);
                self.one_offs.describe(pace, request, answer);
            }
            _ => {}
        }
    }

    fn named(&mut self, request: &Request) -> Option<&mut Service> {
        self.services.get_mut(&(request.home.clone(), service_id(request)?))
    }

    fn task_definition(&self, request: &Request) -> Option<String> {
        let given = request.text("taskDefinition")?;
        if given.starts_with("arn:") {
            return Some(given.to_owned());
        }
        if given.contains(':') {
            return Some(format!("arn:aws:ecs:{}:{ACCOUNT}:task-definition/{given}", request.region));
        }
        self.revisions.get(&(request.home.clone(), given.to_owned())).cloned()
    }

    fn create(&mut self, pace: &Pace, request: &Request, answer: &mut Answer) {
        let Some(id) = service_id(request) else { return };
        let Some(mut document) = answer.json_body().and_then(|body| body.get("service")).cloned() else { return };
        if let Some(existing) = self.services.get(&(request.home.clone(), id.clone()))
            && !existing.inactive()
        {
            return;
        }
        take_settings(&mut document, request);
        fill_defaults(&mut document);
        if let Some(arn) = self.task_definition(request) {
            document["taskDefinition"] = json!(arn);
        }
        let mut service = Service::new(document);
        service.deploy(pace.real(120), pace.fails("ecs.service", &id));
        service.tick(pace);
        *answer = Answer::json(request, json!({"service": service.describe()}));
        self.services.insert((request.home.clone(), id), service);
    }

    fn update(&mut self, pace: &Pace, request: &Request, answer: &mut Answer) {
        let wanted = self.task_definition(request);
        let Some(id) = service_id(request) else { return };
        let Some(service) = self.named(request) else { return };
        let before = service.document.clone();
        take_settings(&mut service.document, request);
        fill_defaults(&mut service.document);
        if let Some(arn) = wanted {
            service.document["taskDefinition"] = json!(arn);
        }
        // Only these settings start new tasks.
        let new_tasks = request.flag("forceNewDeployment") == Some(true)
            || ["taskDefinition", "networkConfiguration", "loadBalancers", "platformVersion", "enableExecuteCommand"]
                .iter()
                .any(|name| service.document[name] != before[name]);
        if new_tasks {
            service.deploy(pace.real(180), pace.fails("ecs.service", &id));
        } else if service.document["desiredCount"] != before["desiredCount"] {
            service.scale(pace.real(60));
        }
        service.tick(pace);
        *answer = Answer::json(request, json!({"service": service.describe()}));
    }

    fn tag(&mut self, request: &Request) {
        let arn = request.text("resourceArn").unwrap_or_default().to_owned();
        for service in self.services.values_mut() {
            if service.document["serviceArn"] != arn.as_str() {
                continue;
            }
            let gone = request.list("tagKeys");
            let added = request.tags();
            let mut tags = service.document["tags"].as_array().cloned().unwrap_or_default();
            let replaced = |key: &str| gone.iter().any(|k| k == key) || added.iter().any(|(k, _)| k == key);
            tags.retain(|tag| !tag["key"].as_str().is_some_and(replaced));
            tags.extend(added.iter().map(|(key, value)| json!({"key": key, "value": value})));
            service.document["tags"] = json!(tags);
        }
    }

    fn describe(&self, request: &Request, answer: &mut Answer) {
        let tags = request.list("include").iter().any(|what| what == "TAGS");
        let mut mine = Vec::new();
        for name in request.list("services") {
            let key = service_key(&name, request.text("cluster"));
            if let Some(service) = self.services.get(&(request.home.clone(), key)) {
                let mut seen = service.describe();
                if !tags && let Some(seen) = seen.as_object_mut() {
                    seen.remove("tags");
                }
                mine.push(seen);
            }
        }
        if mine.is_empty() {
            return;
        }
        if !answer.ok() {
            *answer = Answer::json(request, json!({"services": [], "failures": []}));
        }
        let Some(body) = answer.json_body_mut() else { return };
        let known = |arn: &Value| mine.iter().any(|service| last(&service["serviceArn"]) == last(arn));
        if let Some(failures) = body["failures"].as_array_mut() {
            failures.retain(|failure| !known(&failure["arn"]));
        }
        if let Some(services) = body["services"].as_array_mut() {
            services.retain(|service| !known(&service["serviceArn"]));
            services.extend(mine);
        }
    }

    fn list(&self, request: &Request, answer: &mut Answer) {
        let Some(arns) = answer.json_body_mut().and_then(|body| body["serviceArns"].as_array_mut()) else { return };
        for ((home, _), service) in &self.services {
            if *home == request.home && service.inactive() {
                arns.retain(|arn| *arn != service.document["serviceArn"]);
            }
        }
    }

    /// Sets the counts of a cluster's services and tasks. moto's counts go below zero.
    fn count(&self, request: &Request, answer: &mut Answer) {
        for cluster in answer.json_body_mut().and_then(|body| body["clusters"].as_array_mut()).into_iter().flatten() {
            let name = cluster["clusterName"].as_str().unwrap_or_default().to_lowercase();
            let mine = self.services.iter().filter(|((home, key), service)| {
                *home == request.home && key.starts_with(&format!("{name}/")) && !service.inactive()
            });
            let (mut services, mut running) = (0, 0);
            for (_, service) in mine {
                services += 1;
                running += service.running();
            }
            cluster["activeServicesCount"] = json!(services);
            cluster["runningTasksCount"] = json!(running);
            cluster["pendingTasksCount"] = json!(0);
        }
    }

    fn list_tasks(&self, request: &Request, answer: &mut Answer) {
        let cluster = request.text("cluster").and_then(|c| c.rsplit('/').next()).unwrap_or("default").to_lowercase();
        let wanted = request.text("serviceName").map(|name| service_key(name, request.text("cluster")));
        let stopped = request.text("desiredStatus") == Some("STOPPED");
        let mut known = false;
        let mut arns = Vec::new();
        for ((home, key), service) in &self.services {
            if *home != request.home || !key.starts_with(&format!("{cluster}/")) || wanted.as_ref().is_some_and(|w| w != key) {
                continue;
            }
            known = true;
            for task in tasks(service, stopped) {
                arns.push(json!(task_arn(request, &cluster, &task.0)));
            }
        }
        if known {
            *answer = Answer::json(request, json!({"taskArns": arns}));
        }
    }

    /// Answers GetLogEvents for the stopped tasks of a service, with the lines of their script.
    fn last_words(&self, request: &Request, answer: &mut Answer) {
        let (group, stream) = (request.text("logGroupName"), request.text("logStreamName").unwrap_or_default());
        let mine = self.services.iter().filter(|((home, _), _)| *home == request.home);
        for (task, definition) in mine.flat_map(|(_, service)| tasks(service, true)) {
            let options = self.one_offs.container(&request.home, &definition).map(|one| &one["logConfiguration"]["options"]);
            let here = stream.ends_with(&task) && options.is_some_and(|options| options["awslogs-group"].as_str() == group);
            let Some(script) = self.one_offs.script(&definition).filter(|script| here && script.never_starts.is_none()) else {
                continue;
            };
            let events: Vec<Value> = script.lines.iter().map(|line| json!({"timestamp": 0, "message": line})).collect();
            *answer = Answer::json(request, json!({"events": events, "nextForwardToken": "f/0", "nextBackwardToken": "b/0"}));
        }
    }

    fn describe_tasks(&self, request: &Request, answer: &mut Answer) {
        let asked = request.list("tasks");
        let mut found = Vec::new();
        for ((home, key), service) in self.services.iter().filter(|((home, _), _)| *home == request.home) {
            let cluster = key.split('/').next().unwrap_or_default();
            debug_assert_eq!(*home, request.home);
            for is_stopped in [false, true] {
                for (task, definition) in tasks(service, is_stopped) {
                    if asked.iter().any(|arn| arn.ends_with(&task)) {
                        let script = self.one_offs.script(&definition).filter(|_| is_stopped);
                        found.push(describe_task(request, service, cluster, &task, &definition, script, is_stopped));
                    }
                }
            }
        }
        if found.is_empty() {
            return;
        }
        if !answer.ok() {
            *answer = Answer::json(request, json!({"tasks": [], "failures": []}));
        }
        if let Some(body) = answer.json_body_mut() {
            if let Some(failures) = body["failures"].as_array_mut() {
                failures.retain(|failure| !found.iter().any(|task| last(&task["taskArn"]) == last(&failure["arn"])));
            }
            body["tasks"] = json!(found);
        }
    }

    /// The targets of a group are the tasks of the services that name it.
    fn target_health(&self, request: &Request, answer: &mut Answer) {
        let group = request.text("TargetGroupArn").unwrap_or_default();
        let mut members = Vec::new();
        for ((home, _), service) in &self.services {
            let binding =
                service.document["loadBalancers"].as_array().into_iter().flatten().find(|lb| lb["targetGroupArn"] == group);
            let (Some(binding), true, false) = (binding, *home == request.home, service.inactive()) else { continue };
            let mut put = |ip: String, state: &str, reason: Option<&str>| {
                let mut member = Element::new("member");
                let port = binding["containerPort"].to_string();
                member.set("Target/Id", &ip);
                member.set("Target/Port", &port);
                member.set("HealthCheckPort", &port);
                member.set("TargetHealth/State", state);
                if let Some(reason) = reason {
                    member.set("TargetHealth/Reason", reason);
                }
                members.push(member);
            };
            for (n, _) in (0..service.running()).enumerate() {
                let state = if service.is_draining() { "draining" } else { "healthy" };
                put(format!("10.0.0.{}", 10 + n), state, None);
            }
            if service.failing() {
                put("10.0.0.99".to_owned(), "unhealthy", Some("Target.FailedHealthChecks"));
            }
        }
        if let Some(list) = answer.xml_body_mut().and_then(|root| root.find_mut("TargetHealthDescriptions")) {
            list.children.extend(members);
        }
    }
}

pub(super) fn last(arn: &Value) -> &str {
    arn.as_str().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default()
}

fn take_settings(document: &mut Value, request: &Request) {
    for name in SETTINGS {
        if let Some(value) = request.params.get(*name).filter(|value| !value.is_null()) {
            document[*name] = value.clone();
        }
    }
}
