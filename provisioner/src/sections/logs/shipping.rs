//! The environment of the log forwarder, which may have 4 KB. It holds names only, and no fact that the forwarder can
//! ask for or work out. The names are text without quotes, because Lambda measures the environment as JSON.

use super::patterns::takes_probes;
use super::{FAILED, Shipping};
use crate::scope::Scope;
use crate::sections::services::roles;
use crate::sections::uses::User;
use crate::sections::words::Name;
use crate::sections::{Loaded, Stack, functions};

/// The most bytes that the names and values of a function's environment can have as one JSON object (AWS Lambda
/// quotas). Lambda quotes an object that is too large with the words "String measured".
pub(crate) const MOST: usize = 4096;

/// The variables that follow from the stack file alone, sorted.
pub(crate) fn variables(loaded: &Loaded, scope: &Scope, readers: &[(String, String)]) -> Vec<(&'static str, String)> {
    let Some(logs) = loaded.stack.shipping() else { return Vec::new() };
    let pairs = |pairs: Vec<String>| pairs.join(" ");
    let indexes = logs.ship.keys().filter_map(|name| Some(format!("{name}={}", logs.indexes.get(name)?))).collect();
    let mut variables = vec![
        ("INDEXES", pairs(indexes)),
        ("INDEX_PREFIX", loaded.stack.stack.0.clone()),
        ("LOG_GROUPS", log_groups(scope)),
        ("SHIPPED", logs.ship.keys().map(|name| name.0.as_str()).collect::<Vec<_>>().join(" ")),
    ];
    if !readers.is_empty() {
        variables.push(("READERS", pairs(readers.iter().map(|(role, index)| format!("{role}={index}")).collect())));
        variables.push(("READERS_PATH", roles(scope)));
    }
    variables.retain(|(_, value)| !value.is_empty());
    variables
}

/// The beginning of the name of every log group of the stack.
pub(crate) fn log_groups(scope: &Scope) -> String {
    format!("/{}/", scope.prefix())
}

/// The log groups that are shipped, as IAM names them.
pub(crate) fn shipped(scope: &Scope, logs: Shipping<'_>) -> Vec<String> {
    let of = |name: &Name| scope.arn("logs", &format!("log-group:{}{name}:*", log_groups(scope)));
    logs.ship.keys().map(of).collect()
}

/// The most characters of all inline policies of a role, without white space (IAM user guide, quotas).
pub(crate) const MOST_OF_POLICY: usize = 10_240;
/// The characters of the forwarder's policy without the shipped groups, at the most.
const REST_OF_POLICY: usize = 1_600;

/// The characters of the forwarder's policy, at most.
pub(crate) fn policy(scope: &Scope, logs: Shipping<'_>) -> usize {
    // Each is in quotes, with a comma.
    REST_OF_POLICY + shipped(scope, logs).iter().map(|arn| arn.len() + 3).sum::<usize>()
}

/// The beginning of the ARN of every role of the stack.
pub(crate) fn roles(scope: &Scope) -> String {
    scope.global_arn("iam", &format!("role/provision/{}/{}/", scope.stack, scope.env))
}

/// The name of the own role of a service or a function, below [`roles`].
pub(crate) fn own_role(stack: &Stack, scope: &Scope, name: &str) -> String {
    match stack.functions.contains_key(&Name(name.to_owned())) {
        true => scope.name(&functions::role(name), 64),
        false => scope.name(&format!("{name}-task"), 64),
    }
}

/// The roles that read in a search domain, each with the pattern of its indexes. They belong to the services that use
/// the domain, and to the service in whose place the probe looks for its lines.
pub(crate) fn readers(loaded: &Loaded, scope: &Scope, domain: &str) -> Vec<(String, String)> {
    let stack = &loaded.stack;
    let services = stack.services.iter().map(|(name, service)| (name, service.user()));
    let functions = stack.functions.iter().map(|(name, function)| (name, function.user()));
    let uses = |user: User<'_>| user.uses.iter().chain(user.owns).any(|thing| thing.0 == domain);
    let users: Vec<&Name> = services.chain(functions).filter(|(_, user)| uses(*user)).map(|(name, _)| name).collect();
    let role = |name: &Name| own_role(stack, scope, &name.0);
    let mut readers: Vec<(String, String)> = users.iter().map(|name| (role(name), "*".to_owned())).collect();
    let Some(logs) = stack.shipping().filter(|logs| logs.to.0 == domain) else { return readers };
    if let Some(prober) = prober(loaded).filter(|name| takes_probes(logs, name) && !users.contains(name)) {
        readers.push((role(prober), format!("{}-*", logs.index_of(prober))));
    }
    readers
}

/// The only service in whose place the probe runs.
fn prober(loaded: &Loaded) -> Option<&Name> {
    let mut found = loaded.stack.services.iter().filter(|(_, service)| roles::is_probed(service));
    match (found.next(), found.next()) {
        (Some((name, _)), None) => Some(name),
        _ => None,
    }
}

/// The bytes of the forwarder's environment, as Lambda measures it. Names that AWS chooses count with their longest
/// form.
pub(crate) fn bytes(loaded: &Loaded, scope: &Scope, logs: Shipping<'_>) -> usize {
    let readers = readers(loaded, scope, &logs.to.0);
    let mut all: serde_json::Map<String, serde_json::Value> =
        variables(loaded, scope, &readers).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let queue = scope.name(FAILED, 80);
    all.insert(
        "FAILED_QUEUE_URL".into(),
        format!("https://sqs.{}.amazonaws.com/{}/{queue}", scope.region, scope.account).into(),
    );
    // The endpoint is `vpc-<domain>-<26 letters>.<region>.es.amazonaws.com`, or has `search-` before it.
    let domain = scope.name(&logs.to.0, 28);
    all.insert(
        "SEARCH_ENDPOINT".into(),
        format!("search-{domain}-{}.{}.es.amazonaws.com", "x".repeat(26), scope.region).into(),
    );
    serde_json::Value::Object(all).to_string().len()
}
