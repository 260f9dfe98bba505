//! Limits that AWS counts over several lines of a stack file together, and would tell half-way. Those that nobody can have raised:
//! `doctor` asks for the others.

use super::Say;
use crate::scope::Scope;
use crate::stack::{Loaded, shipping};

/// As long as any.
const ACCOUNT: &str = "000000000000";
/// The longest name of a region that there is today.
const REGION: &str = "ap-southeast-1";
/// Environment files aside, a task definition as JSON may have so many bytes (ECS developer guide, service quotas).
const TASK_DEFINITION: usize = 64 * 1024;

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
