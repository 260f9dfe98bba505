//! Tasks that RunTask starts, with the lines that they write into their log. Emulators let such a task run for ever,
//! and it logs nothing.

use super::Pace;
use crate::answer::{Answer, fault};
use crate::request::Request;
use crate::rules::glob;
use crate::upstream::ACCOUNT;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The script of tasks. Without one, a gateway lets every task end well, and log nothing.
#[derive(Clone, Debug)]
pub struct Script {
    /// A glob over families of task definitions.
    pub family: String,
    /// The simulated seconds that its container runs. The lines are spread evenly over them.
    pub runs: u64,
    pub lines: Vec<String>,
    pub exit_code: i64,
    /// The reason why its container never starts, as in `CannotPullContainerError: …`.
    pub never_starts: Option<String>,
}

impl Default for Script {
    fn default() -> Self {
        Script { family: "*".to_owned(), runs: 30, lines: Vec::new(), exit_code: 0, never_starts: None }
    }
}

/// The simulated seconds from RunTask to each state. First PENDING, then RUNNING, or STOPPED for a task that never
/// starts.
const PENDING_AFTER: u64 = 10;
const RUNNING_AFTER: u64 = 30;
/// The longest time of DEPROVISIONING.
const ENDS_WITHIN: u64 = 5;
/// The time until a line that was written can be read.
const LOG_LAGS: u64 = 4;

#[derive(Debug, Default)]
pub(crate) struct OneOffs {
    pub(crate) scripts: Vec<Script>,
    /// Container definitions, by (home, ARN of the revision).
    definitions: BTreeMap<(String, String), Value>,
    tasks: Vec<OneOff>,
}

#[derive(Debug)]
struct OneOff {
    home: String,
    arn: String,
    token: String,
    /// The parts of DescribeTasks's answer that never change.
    document: Value,
    /// The task's first container.
    container: Value,
    script: Script,
    began: Instant,
    created: f64,
    /// The time and the reason of StopTask.
    stopped: Option<(Duration, String)>,
}

impl OneOffs {
    /// The script for tasks of this definition, if there is one.
    pub(super) fn script(&self, definition: &str) -> Option<&Script> {
        let family = definition.rsplit('/').next().and_then(|last| last.split(':').next()).unwrap_or_default();
        self.scripts.iter().find(|script| glob(&script.family, family))
    }

    /// The first container of a definition.
    pub(super) fn container(&self, home: &str, definition: &str) -> Option<&Value> {
        self.definitions.get(&(home.to_owned(), definition.to_owned()))?.get(0)
    }

    pub(super) fn register(&mut self, request: &Request, arn: &str) {
        let containers = request.params["containerDefinitions"].clone();
        self.definitions.insert((request.home.clone(), arn.to_owned()), containers);
    }

    /// Answers RunTask in place of the emulator.
    pub(crate) fn run(&mut self, pace: &Pace, request: &Request) -> Answer {
        let token = request.text("clientToken").unwrap_or_default();
        if let Some(earlier) = self.tasks.iter().find(|task| task.home == request.home && task.token == token) {
            return Answer::json(request, json!({"tasks": [earlier.describe(pace)], "failures": []}));
        }
        let refuse = |code: &str, message: String| Answer::error(request, &fault(400, code, message));
        let definition = request.text("taskDefinition").unwrap_or_default();
        let Some(containers) = self.definitions.get(&(request.home.clone(), definition.to_owned())) else {
            return refuse("ClientException", "TaskDefinition not found.".to_owned());
        };
        let known = |name: &Value| containers.as_array().into_iter().flatten().any(|container| container["name"] == *name);
        let overrides = request.params["overrides"]["containerOverrides"].as_array();
        if let Some(unknown) = overrides.into_iter().flatten().map(|one| &one["name"]).find(|name| !known(name)) {
            let name = unknown.as_str().unwrap_or_default();
            let message = format!("Override for container named {name} is not a container in the TaskDefinition.");
            return refuse("InvalidParameterException", message);
        }
        let family = definition.rsplit('/').next().and_then(|last| last.split(':').next()).unwrap_or_default();
        let script = self.script(definition).cloned().unwrap_or_default();
        let cluster = request.text("cluster").and_then(|cluster| cluster.rsplit('/').next()).unwrap_or("default");
        let mut chance = crate::chance::Chance::of(self.tasks.len() as u64, definition);
        let id = format!("{:016x}{:016x}", chance.next(), chance.next());
        let arn = |what: &str| format!("arn:aws:ecs:{}:{ACCOUNT}:{what}", request.region);
        let task = OneOff {
            home: request.home.clone(),
            arn: arn(&format!("task/{cluster}/{id}")),
            token: token.to_owned(),
            document: json!({
                "taskArn": arn(&format!("task/{cluster}/{id}")),
                "clusterArn": arn(&format!("cluster/{cluster}")),
                "taskDefinitionArn": definition,
                "group": format!("family:{family}"),
                "launchType": request.params["launchType"],
                "startedBy": request.params["startedBy"],
                "overrides": request.params["overrides"],
            }),
            container: containers[0].clone(),
            script,
            began: Instant::now(),
            created: now(),
            stopped: None,
        };
        let answer = Answer::json(request, json!({"tasks": [task.describe(pace)], "failures": []}));
        self.tasks.push(task);
        answer
    }

    /// Answers StopTask in place of the emulator.
    pub(crate) fn stop(&mut self, pace: &Pace, request: &Request) -> Answer {
        let asked = request.text("task").unwrap_or_default();
        let Some(task) = self.tasks.iter_mut().find(|task| task.home == request.home && task.arn.ends_with(asked)) else {
            let message = "The referenced task was not found.";
            return Answer::error(request, &fault(400, "InvalidParameterException", message));
        };
        let reason = request.text("reason").unwrap_or("Task stopped by user").to_owned();
        let after = task.began.elapsed();
        if after < task.ends(pace) {
            task.stopped.get_or_insert((after, reason));
        }
        Answer::json(request, json!({"task": task.describe(pace)}))
    }

    /// Puts the tasks that were asked for into the answer.
    pub(super) fn describe(&self, pace: &Pace, request: &Request, answer: &mut Answer) {
        let asked = request.list("tasks");
        let mine = self.tasks.iter().filter(|task| task.home == request.home);
        let mine = mine.filter(|task| asked.iter().any(|asked| task.arn.ends_with(asked.as_str())));
        let found: Vec<Value> = mine.map(|task| task.describe(pace)).collect();
        if found.is_empty() {
            return;
        }
        if !answer.ok() {
            *answer = Answer::json(request, json!({"tasks": [], "failures": []}));
        }
        let Some(body) = answer.json_body_mut() else { return };
        let is_mine = |arn: &Value| found.iter().any(|task| super::ecs::last(&task["taskArn"]) == super::ecs::last(arn));
        if let Some(failures) = body["failures"].as_array_mut() {
            failures.retain(|failure| !is_mine(&failure["arn"]));
        }
        if let Some(tasks) = body["tasks"].as_array_mut() {
            tasks.extend(found);
        }
    }

    /// Answers GetLogEvents for the streams of its tasks.
    pub(super) fn log(&self, pace: &Pace, request: &Request, answer: &mut Answer) {
        let place = (request.text("logGroupName").unwrap_or_default(), request.text("logStreamName").unwrap_or_default());
        let mine =
            |task: &&OneOff| task.home == request.home && task.has_log(pace) && task.log() == (place.0, place.1.to_owned());
        let Some(task) = self.tasks.iter().find(mine) else { return };
        let lines = task.lines(pace);
        let from: usize = request.text("nextToken").and_then(|token| token.strip_prefix("f/")?.parse().ok()).unwrap_or(0);
        let events = lines.iter().skip(from).map(|line| json!({"timestamp": (task.created * 1e3) as i64, "message": line}));
        *answer = Answer::json(
            request,
            json!({
                "events": events.collect::<Vec<_>>(),
                "nextForwardToken": format!("f/{}", lines.len()), "nextBackwardToken": "b/0",
            }),
        );
    }
}

impl OneOff {
    /// The time when the task's container ends, after its begin.
    fn ends(&self, pace: &Pace) -> Duration {
        let by_itself = match &self.script.never_starts {
            Some(_) => pace.real(RUNNING_AFTER),
            None => pace.real(RUNNING_AFTER + self.script.runs),
        };
        self.stopped.as_ref().map_or(by_itself, |(when, _)| *when)
    }

    fn status(&self, pace: &Pace) -> &'static str {
        let (age, ends) = (self.began.elapsed(), self.ends(pace));
        match age {
            _ if age >= ends + pace.real(ENDS_WITHIN) => "STOPPED",
            _ if age >= ends => "DEPROVISIONING",
            _ if age >= pace.real(RUNNING_AFTER) => "RUNNING",
            _ if age >= pace.real(PENDING_AFTER) => "PENDING",
            _ => "PROVISIONING",
        }
    }

    /// Whether its container has run.
    fn has_log(&self, pace: &Pace) -> bool {
        self.script.never_starts.is_none() && self.began.elapsed().min(self.ends(pace)) >= pace.real(RUNNING_AFTER)
    }

    /// The log group, and the stream in it.
    fn log(&self) -> (&str, String) {
        let options = &self.container["logConfiguration"]["options"];
        let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
        let id = self.arn.rsplit('/').next().unwrap_or_default();
        let stream = format!("{}/{}/{id}", text(&options["awslogs-stream-prefix"]), text(&self.container["name"]));
        (options["awslogs-group"].as_str().unwrap_or_default(), stream)
    }

    fn lines(&self, pace: &Pace) -> &[String] {
        let written = self.began.elapsed().saturating_sub(pace.real(LOG_LAGS)).min(self.ends(pace));
        let ran = written.saturating_sub(pace.real(RUNNING_AFTER)).as_secs_f64();
        let whole = pace.real(self.script.runs).as_secs_f64();
        let part = if whole > 0.0 { (ran / whole).min(1.0) } else { 1.0 };
        &self.script.lines[..(self.script.lines.len() as f64 * part) as usize]
    }

    fn describe(&self, pace: &Pace) -> Value {
        let status = self.status(pace);
        let over = matches!(status, "STOPPED" | "DEPROVISIONING");
        let mut task = self.document.clone();
        task["createdAt"] = json!(self.created);
        task["lastStatus"] = json!(status);
        task["desiredStatus"] = json!(if over { "STOPPED" } else { "RUNNING" });
        let container = json!({"name": self.container["name"], "lastStatus": if over { "STOPPED" } else { "PENDING" }});
        task["containers"] = json!([container]);
        if !over {
            return task;
        }
        let code = match (&self.stopped, self.has_log(pace)) {
            (_, false) => None,
            // The container got a SIGTERM.
            (Some(_), true) => Some(143),
            (None, true) => Some(self.script.exit_code),
        };
        if let Some(code) = code {
            task["containers"][0]["exitCode"] = json!(code);
        }
        let (code, reason) = match (&self.stopped, &self.script.never_starts) {
            (Some((_, reason)), _) => ("UserInitiated", reason.as_str()),
            (None, Some(reason)) => ("TaskFailedToStart", reason.as_str()),
            (None, None) => ("EssentialContainerExited", "Essential container in task exited"),
        };
        task["stopCode"] = json!(code);
        task["stoppedReason"] = json!(reason);
        task
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::json as call;

    fn pace(scale: f64) -> Pace {
        Pace { on: true, scale, fails: Vec::new() }
    }

    fn started(script: Script) -> OneOffs {
        let mut tasks = OneOffs { scripts: vec![script], ..OneOffs::default() };
        let log = json!({"options": {"awslogs-group": "/g", "awslogs-stream-prefix": "p"}});
        let register =
            call("ecs", "RegisterTaskDefinition", json!({"containerDefinitions": [{"name": "c", "logConfiguration": log}]}));
        tasks.register(&register, "arn/f:1");
        let wanted =
            json!({"taskDefinition": "arn/f:1", "clientToken": "t", "overrides": {"containerOverrides": [{"name": "c"}]}});
        let run = call("ecs", "RunTask", wanted);
        let one = tasks.run(&pace(1.0), &run);
        assert_eq!(one.json_text("/tasks/0/lastStatus"), Some("PROVISIONING"));
        let again = tasks.run(&pace(1.0), &run);
        assert_eq!(again.json_text("/tasks/0/taskArn"), one.json_text("/tasks/0/taskArn"), "the token says so");
        tasks
    }

    #[test]
    fn a_task_from_its_start_to_its_end() {
        let tasks = started(Script { lines: vec!["a".into(), "b".into()], exit_code: 1, ..Script::default() });
        let (early, late) = (tasks.tasks[0].describe(&pace(1.0)), tasks.tasks[0].describe(&pace(1e12)));
        assert_eq!((&early["lastStatus"], &early["stopCode"]), (&json!("PROVISIONING"), &Value::Null));
        assert_eq!((&late["lastStatus"], &late["stopCode"]), (&json!("STOPPED"), &json!("EssentialContainerExited")));
        assert_eq!(late["containers"][0]["exitCode"], 1);
        let read = |group: &str, speed: f64| {
            let stream = tasks.tasks[0].log().1;
            let request = call("logs", "GetLogEvents", json!({"logGroupName": group, "logStreamName": stream}));
            let mut answer = Answer::error(&request, &fault(400, "ResourceNotFoundException", "no stream"));
            tasks.log(&pace(speed), &request, &mut answer);
            answer.json_body().and_then(|body| body["events"].as_array().map(Vec::len))
        };
        assert_eq!((read("/g", 1e12), read("/g", 1.0), read("/other", 1e12)), (Some(2), None, None));
    }

    #[test]
    fn one_that_never_starts_and_one_that_is_stopped() {
        let tasks = started(Script { never_starts: Some("CannotPullContainerError: x".into()), ..Script::default() });
        let seen = tasks.tasks[0].describe(&pace(1e12));
        assert_eq!((&seen["stopCode"], &seen["containers"][0]["exitCode"]), (&json!("TaskFailedToStart"), &Value::Null));
        let mut tasks = started(Script::default());
        let arn = tasks.tasks[0].arn.clone();
        tasks.stop(&pace(1.0), &call("ecs", "StopTask", json!({"task": arn, "reason": "enough"})));
        let seen = tasks.tasks[0].describe(&pace(1e12));
        assert_eq!((&seen["stopCode"], &seen["stoppedReason"]), (&json!("UserInitiated"), &json!("enough")));
    }
}
