//! Limits that AWS counts over several lines of a stack file together, and would tell half-way. Those that nobody can have raised:
//! `doctor` asks for the others.

use super::Say;
use crate::scope::Scope;
use crate::stack::{Loaded, Name, shipping};

/// An account id for a stack whose file says none. Every account id has this length.
const ACCOUNT: &str = "000000000000";
/// The longest name of a region that there is today.
const REGION: &str = "ap-southeast-1";
/// Environment files aside, a task definition as JSON may have so many bytes (ECS developer guide, service quotas).
const TASK_DEFINITION: usize = 64 * 1024;

/// The policy of a queue, in bytes (SQS developer guide, policy quotas).
const QUEUE_POLICY: usize = 8_192;
/// All of it but the names of the queue, which are two, and of the topics that feed it.
const REST_OF_QUEUE_POLICY: usize = 400;

const FEWER: &str = "ship the logs of fewer services, or give them shorter names";

pub(super) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    let account = stack.account.clone().unwrap_or_else(|| ACCOUNT.to_owned());
    let scope = Scope::of(loaded, account, stack.region.clone().unwrap_or_else(|| REGION.to_owned()));
    if let Some(logs) = &stack.logs {
        let bytes = shipping::bytes(loaded, &scope, logs);
        if bytes > shipping::MOST {
            let what = format!(
                "the log forwarder's environment would have {bytes} bytes, more than the {} that Lambda allows for all names \
                 and values together",
                shipping::MOST
            );
            say.problem("/logs/ship".into(), what, Some(FEWER.into()));
        }
        let characters = shipping::policy(&scope, logs);
        if characters > shipping::MOST_OF_POLICY {
            let what = format!(
                "the policy of the log forwarder's role would have {characters} characters, more than the {} that IAM allows",
                shipping::MOST_OF_POLICY
            );
            say.problem("/logs/ship".into(), what, Some(FEWER.into()));
        }
    }
    for (name, queue) in &stack.queues {
        let arn = |service: &str, name: &str, fifo: bool| {
            let suffix = if fifo { ".fifo" } else { "" };
            scope.arn(service, &format!("{}{suffix}", scope.name(name, 75))).len()
        };
        let is_fifo = |topic: &Name| stack.topics.get(topic).is_some_and(|topic| topic.fifo);
        let topics: usize = queue.from.iter().map(|topic| arn("sns", &topic.0, is_fifo(topic)) + 3).sum();
        let bytes = REST_OF_QUEUE_POLICY + 2 * arn("sqs", &name.0, queue.fifo) + topics;
        if bytes > QUEUE_POLICY {
            let what = format!(
                "the policy of `{name}`, which names the {} topics that feed it, would have {bytes} bytes, more than the \
                 {QUEUE_POLICY} that SQS allows",
                queue.from.len()
            );
            say.problem(
                format!("/queues/{name}/from"),
                what,
                Some("one topic with a field that tells them apart".into()),
            );
        }
    }
    for (name, service) in &stack.services {
        let bytes: usize = service
            .env
            .iter()
            .map(|(key, value)| serde_json::json!({"name": key, "value": value}).to_string().len() + 1)
            .sum();
        if bytes > TASK_DEFINITION {
            let what = format!(
                "the variables of `{name}` have {bytes} bytes, more than the {TASK_DEFINITION} that ECS allows for a whole task \
                 definition"
            );
            say.problem(
                format!("/services/{name}/env"),
                what,
                Some("put what is long into a file of the image".into()),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::stack::load;

    fn told(text: &str) -> Vec<String> {
        let problems = load(&format!("stack: s\nregion: eu-west-1\n{text}"), "dev").err().unwrap_or_default();
        problems.into_iter().map(|problem| format!("{}: {}", problem.at.line, problem.what)).collect()
    }

    #[test]
    fn each_is_told_with_its_number() {
        let topics = |count: usize| {
            let names: Vec<String> = (0..count).map(|at| format!("a-topic-with-a-rather-long-name-{at:03}")).collect();
            let section: String = names.iter().map(|name| format!("  {name}: {{}}\n")).collect();
            format!("queues: {{work: {{from: [{}]}}}}\ntopics:\n{section}", names.join(", "))
        };
        assert_eq!(told(&topics(80)), [""; 0]);
        assert_eq!(
            told(&topics(100)),
            [
                "3: the policy of `work`, which names the 100 topics that feed it, would have 8390 bytes, more than the 8192 \
              that SQS allows"
            ]
        );
        let service =
            |bytes: usize| format!("services: {{shop: {{image: 'x:1', env: {{LONG: '{}'}}}}}}\n", "x".repeat(bytes));
        assert_eq!(told(&service(60_000)), [""; 0]);
        assert_eq!(
            told(&service(66_000)),
            [
                "3: the variables of `shop` have 66027 bytes, more than the 65536 that ECS allows for a whole task definition"
            ]
        );
    }
}
