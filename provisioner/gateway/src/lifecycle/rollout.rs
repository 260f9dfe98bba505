//! The clock of one ECS service: deployments that come up, replace each other, fail and roll back.

use super::Pace;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The failed tasks after which the circuit breaker gives up.
const FAILURES: u32 = 3;

#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) task_definition: String,
    desired: i64,
    /// The tasks that ran when this stretch began.
    from: i64,
    began: Instant,
    lasts: Duration,
    fails: bool,
    state: &'static str,
    reason: String,
    created: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// All settings, as AWS answers them. Counts, deployments and events are added when somebody asks.
    pub(crate) document: Value,
    /// The deployments, the primary first.
    deployments: Vec<Deployment>,
    events: Vec<Value>,
    /// The start of the draining of the deployment, and its length. None while the deployment is wanted.
    draining: Option<(Instant, Duration)>,
    stopped: Vec<String>,
    counter: u32,
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Deployment {
    fn progress(&self) -> f64 {
        if self.lasts.is_zero() {
            return 1.0;
        }
        (self.began.elapsed().as_secs_f64() / self.lasts.as_secs_f64()).min(1.0)
    }

    /// The tasks that run. They need a while to be pulled and started, then come up one by one. Stopping is faster.
    pub(crate) fn running(&self) -> i64 {
        if self.fails {
            return 0;
        }
        let up = self.desired >= self.from;
        let part = if up { ((self.progress() - 0.4) / 0.5).clamp(0.0, 1.0) } else { (self.progress() * 3.0).min(1.0) };
        self.from + ((self.desired - self.from) as f64 * part) as i64
    }

    fn failed_tasks(&self) -> u32 {
        if self.fails { (self.progress() * f64::from(FAILURES)) as u32 } else { 0 }
    }

    pub(crate) fn task(&self, n: i64) -> String {
        let seed = crate::chance::Chance::of(0, &format!("{}#{n}", self.id));
        let mut seed = seed;
        format!("{:016x}{:016x}", seed.next(), seed.next())
    }
}

impl Service {
    pub(crate) fn new(document: Value) -> Self {
        Service { document, deployments: Vec::new(), events: Vec::new(), draining: None, stopped: Vec::new(), counter: 0 }
    }

    pub(crate) fn name(&self) -> &str {
        self.document["serviceName"].as_str().unwrap_or_default()
    }

    fn desired(&self) -> i64 {
        self.document["desiredCount"].as_i64().unwrap_or(0)
    }

    pub(crate) fn deployments(&self) -> &[Deployment] {
        &self.deployments
    }

    pub(crate) fn inactive(&self) -> bool {
        self.draining.is_some_and(|(since, lasts)| since.elapsed() >= lasts)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_some() && !self.inactive()
    }

    pub(crate) fn stopped(&self) -> &[String] {
        &self.stopped
    }

    pub(crate) fn failing(&self) -> bool {
        self.deployments.first().is_some_and(|primary| primary.fails)
    }

    pub(crate) fn running(&self) -> i64 {
        self.deployments.iter().map(Deployment::running).sum()
    }

    /// Starts a new primary. The old one goes on as ACTIVE until the new one is there.
    pub(crate) fn deploy(&mut self, lasts: Duration, fails: bool) {
        self.counter += 1;
        let mut chance =
            crate::chance::Chance::of(u64::from(self.counter), self.document["serviceArn"].as_str().unwrap_or_default());
        let id = format!("ecs-svc/{:019}", chance.next() % 10_000_000_000_000_000_000);
        let primary = Deployment {
            reason: format!("ECS deployment {id} in progress."),
            id,
            task_definition: self.document["taskDefinition"].as_str().unwrap_or_default().to_owned(),
            desired: self.desired(),
            from: 0,
            began: Instant::now(),
            lasts,
            fails,
            state: "IN_PROGRESS",
            created: now(),
        };
        self.say(format!("(service {}) has started a deployment {}.", self.name(), primary.id));
        self.deployments.insert(0, primary);
    }

    /// Changes the number of the same tasks.
    pub(crate) fn scale(&mut self, lasts: Duration) {
        let desired = self.desired();
        if let Some(primary) = self.deployments.first_mut() {
            primary.from = primary.running();
            primary.desired = desired;
            primary.began = Instant::now();
            primary.lasts = lasts;
        }
    }

    pub(crate) fn drain(&mut self, lasts: Duration) {
        self.draining = Some((Instant::now(), lasts));
        self.document["desiredCount"] = json!(0);
        self.say(format!("(service {}) has begun draining connections.", self.name()));
        self.scale(lasts);
    }

    fn say(&mut self, message: String) {
        let id = format!("{:08x}-0000-4000-8000-000000000000", self.events.len());
        self.events.insert(0, json!({"id": id, "createdAt": now(), "message": message}));
    }

    /// Lets everything happen that is due by the clock.
    pub(crate) fn tick(&mut self, pace: &Pace) {
        let Some(primary) = self.deployments.first() else { return };
        let (name, id, failed) = (self.name().to_owned(), primary.id.clone(), primary.failed_tasks());
        while self.stopped.len() < failed as usize {
            let task = primary.task(-1 - self.stopped.len() as i64);
            self.stopped.push(task.clone());
            self.events.insert(
                0,
                json!({"id": task, "createdAt": now(),
                "message": format!("(service {name}) has started 1 tasks: (task {task}).")}),
            );
        }
        let Some(primary) = self.deployments.first_mut() else { return };
        if primary.progress() < 1.0 || primary.state != "IN_PROGRESS" {
            return;
        }
        if !primary.fails {
            primary.state = "COMPLETED";
            primary.reason = format!("ECS deployment {id} completed.");
            self.deployments.truncate(1);
            self.say(format!("(service {name}) (deployment {id}) deployment completed."));
            self.say(format!("(service {name}) has reached a steady state."));
            return;
        }
        let breaker = &self.document["deploymentConfiguration"]["deploymentCircuitBreaker"];
        if breaker["enable"] != true {
            return;
        }
        let rollback = breaker["rollback"] == true;
        primary.state = "FAILED";
        primary.reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
        self.say(format!("(service {name}) (deployment {id}) deployment failed: tasks failed to start."));
        let before = self.deployments.iter().find(|deployment| deployment.state == "COMPLETED").cloned();
        if let (true, Some(before)) = (rollback, before) {
            self.say(format!("(service {name}) rolling back to deployment {}.", before.id));
            self.document["taskDefinition"] = json!(before.task_definition);
            self.deployments.retain(|deployment| deployment.state != "COMPLETED");
            self.deploy(pace.real(60), false);
            if let Some(primary) = self.deployments.first_mut() {
                primary.from = before.running();
                primary.reason = format!("ECS deployment circuit breaker: rolling back to deploymentId {}.", before.id);
            }
        }
    }

    /// The service as DescribeServices answers it now.
    pub(crate) fn describe(&self) -> Value {
        let mut answer = self.document.clone();
        let desired = self.desired();
        let running = if self.inactive() { 0 } else { self.running() };
        answer["runningCount"] = json!(running);
        answer["pendingCount"] = json!((desired - running).max(0));
        let status = match (self.draining.is_some(), self.inactive()) {
            (false, _) => "ACTIVE",
            (true, false) => "DRAINING",
            (true, true) => "INACTIVE",
        };
        answer["status"] = json!(status);
        answer["events"] = json!(self.events);
        let deployments = self.deployments.iter().enumerate().map(|(n, deployment)| {
            let mut part = json!({
                "id": deployment.id,
                "status": if n == 0 { "PRIMARY" } else { "ACTIVE" },
                "taskDefinition": deployment.task_definition,
                "desiredCount": if n == 0 { desired } else { 0 },
                "runningCount": deployment.running(),
                "pendingCount": if n == 0 { (deployment.desired - deployment.running()).max(0) } else { 0 },
                "failedTasks": deployment.failed_tasks(),
                "createdAt": deployment.created,
                "updatedAt": now(),
                "rolloutState": deployment.state,
                "rolloutStateReason": deployment.reason,
                "platformVersion": "1.4.0",
                "platformFamily": "Linux",
            });
            for name in ["launchType", "networkConfiguration", "capacityProviderStrategy"] {
                if !self.document[name].is_null() {
                    part[name] = self.document[name].clone();
                }
            }
            part
        });
        answer["deployments"] = if self.inactive() { json!([]) } else { deployments.collect() };
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace { on: true, scale: 1000.0, fails: Vec::new() }
    }

    fn service() -> Service {
        Service::new(json!({"serviceName": "web", "serviceArn": "a", "desiredCount": 2, "taskDefinition": "f:1",
            "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true}}}))
    }

    #[test]
    fn completes() {
        let mut web = service();
        web.deploy(Duration::from_secs(60), false);
        web.tick(&pace());
        assert_eq!(
            (web.describe()["runningCount"].as_i64(), &web.describe()["deployments"][0]["rolloutState"]),
            (Some(0), &json!("IN_PROGRESS"))
        );
        web.deployments[0].lasts = Duration::ZERO;
        web.tick(&pace());
        assert_eq!(
            (web.describe()["runningCount"].as_i64(), &web.describe()["deployments"][0]["rolloutState"]),
            (Some(2), &json!("COMPLETED"))
        );
    }

    #[test]
    fn first_deployment_fails() {
        let mut web = service();
        web.deploy(Duration::ZERO, true);
        web.tick(&pace());
        let seen = web.describe();
        assert_eq!(
            (&seen["deployments"][0]["rolloutState"], &seen["runningCount"], web.stopped.len()),
            (&json!("FAILED"), &json!(0), 3)
        );
    }

    #[test]
    fn rolls_back() {
        let mut web = service();
        web.deploy(Duration::ZERO, false);
        web.tick(&pace());
        web.document["taskDefinition"] = json!("f:2");
        web.deploy(Duration::ZERO, true);
        web.tick(&pace());
        let seen = web.describe();
        assert_eq!((&seen["taskDefinition"], &seen["deployments"][0]["taskDefinition"]), (&json!("f:1"), &json!("f:1")));
        assert_eq!(seen["deployments"][1]["rolloutState"], "FAILED");
        web.deployments[0].lasts = Duration::ZERO;
        web.tick(&pace());
        assert_eq!(web.describe()["deployments"][0]["rolloutState"], "COMPLETED");
        assert_eq!(web.describe()["runningCount"], 2);
    }
}
