//! Expands `alerts:` to a topic with the people who get its messages, alarms on the first signs of trouble, and a
//! dashboard.

use crate::kind::Ref;
use crate::kinds::cloudwatch::{Alarm, AlarmSpec, Dashboard, DashboardSpec, Graph, MAIN, Measured};
use crate::kinds::sns::{Endpoint, Subscription, SubscriptionSpec, Topic, TopicSpec};
use crate::sections::aws::making::{Expand, Making};
use crate::sections::functions::API;
use crate::sections::queues::dead_letter_name;
use crate::sections::services::WEB;
use crate::sections::{databases, logs};

const SECTION: &str = "alerts";
const ALERTS: &str = "alerts";

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    let Some(alerts) = &making.loaded.stack.alerts else { return };
    making.add::<Topic>(SECTION, ALERTS, TopicSpec { fifo: false, kms_key: Some(making.key()) });
    for address in &alerts.email {
        let endpoint = Endpoint::Email(address.clone());
        let spec = SubscriptionSpec { topic: Ref::to(ALERTS), endpoint, raw: false, filter: None, failed: None };
        making.add::<Subscription>(SECTION, format!("{ALERTS}-to-{address}"), spec);
    }
    alarms(making);
    dashboard(making);
}

/// Adds an alarm for each thing that somebody has to look at.
fn alarms(making: &mut Making<'_>) {
    let stack = &making.loaded.stack;
    let mut dead: Vec<String> = stack.queues.keys().map(|name| dead_letter_name(&name.0)).collect();
    if stack.shipping().is_some() {
        dead.push(logs::FAILED.to_owned());
    }
    dead.extend(stack.failed_queues().map(|(queue, _)| queue));
    for queue in dead {
        let description = "Messages failed for good: look at them, mend the cause, send them again".to_owned();
        let of = Measured::Queue(Ref::to(&queue));
        let alarm = alarm(description, of, "ApproximateNumberOfMessagesVisible", "Maximum", 0.0);
        making.add::<Alarm>(SECTION, &queue, alarm);
    }
    for (name, queue) in &stack.queues {
        let patience = queue.delay_seconds() + u64::from(queue.receives()) * stack.hidden_seconds(name, queue);
        let description = format!("Messages wait in {name}: nobody takes them, or not fast enough");
        let of = Measured::Queue(Ref::to(name.0.clone()));
        #[expect(clippy::cast_precision_loss, reason = "a queue keeps a message for 14 days at most")]
        let threshold = patience.max(LEAST_PATIENCE) as f64;
        let alarm = alarm(description, of, "ApproximateAgeOfOldestMessage", "Maximum", threshold);
        making.add::<Alarm>(SECTION, format!("{name}-age"), alarm);
    }
    if stack.services.values().any(|service| service.http.is_some()) {
        let description = "Services answer with errors: see `provision logs`".to_owned();
        let of = Measured::LoadBalancer(Ref::to(WEB));
        let alarm = alarm(description, of, "HTTPCode_Target_5XX_Count", "Sum", 5.0);
        making.add::<Alarm>(SECTION, "errors", alarm);
    }
    if stack.has_api() {
        let description = "The HTTP API answers with errors: see `provision logs`".to_owned();
        let alarm = alarm(description, Measured::Api(Ref::to(API)), "5xx", "Sum", 5.0);
        making.add::<Alarm>(SECTION, format!("{API}-errors"), alarm);
    }
    for name in stack.functions.keys().map(|name| &name.0) {
        let of = || Measured::Function(Ref::to(name));
        let description = format!("The function {name} fails again and again: see `provision logs … {name}`");
        making.add::<Alarm>(SECTION, format!("{name}-errors"), alarm(description, of(), "Errors", "Sum", 0.0));
        let description = format!("Events of the function {name} wait, because too many run at a time");
        making.add::<Alarm>(SECTION, format!("{name}-throttles"), alarm(description, of(), "Throttles", "Sum", 0.0));
    }
    for name in stack.functions.iter().filter(|(_, function)| function.table().is_some()).map(|(name, _)| &name.0) {
        let description = format!("Changes of a table wait for the function {name}: it fails, or is not fast enough");
        let of = Measured::Function(Ref::to(name));
        let alarm = alarm(description, of, "IteratorAge", "Maximum", LONGEST_LAG);
        making.add::<Alarm>(SECTION, format!("{name}-age"), alarm);
    }
    for name in stack.tables.keys().map(|name| &name.0) {
        for (word, metric) in [("reads", "ReadThrottleEvents"), ("writes", "WriteThrottleEvents")] {
            let description = format!("DynamoDB turns {word} of {name} away: one key is asked for too often");
            let alarm = alarm(description, Measured::Table(Ref::to(name)), metric, "Sum", 0.0);
            making.add::<Alarm>(SECTION, format!("{name}-throttled-{word}"), alarm);
        }
    }
    for (name, found) in &stack.databases {
        let description = format!("The database {name} has less than 2 GiB left, although it grows by itself");
        let of = Measured::Database(Ref::to(name.0.clone()));
        let low = AlarmSpec { above: false, ..alarm(description, of, "FreeStorageSpace", "Minimum", 2_147_483_648.0) };
        making.add::<Alarm>(SECTION, format!("{name}-storage"), low);
        if found.replica {
            let replica = databases::replica(&name.0);
            let description = format!("The replica of {name} is more than a minute behind");
            let of = Measured::Database(Ref::to(&replica));
            let alarm = alarm(description, of, "ReplicaLag", "Maximum", 60.0);
            making.add::<Alarm>(SECTION, format!("{replica}-lag"), alarm);
        }
    }
}

/// The least age of a message, in seconds, that somebody has to look at. A message that is tried until it goes to the
/// dead-letter queue may be older.
const LEAST_PATIENCE: u64 = 300;

/// The age of the oldest change that a function has not taken, in milliseconds, that somebody has to look at.
const LONGEST_LAG: f64 = 60_000.0;

fn alarm(description: String, of: Measured, metric: &str, statistic: &str, threshold: f64) -> AlarmSpec {
    AlarmSpec {
        description,
        of,
        metric: metric.to_owned(),
        statistic: statistic.to_owned(),
        period: 60,
        periods: 5,
        threshold,
        above: true,
        topic: Some(Ref::to(ALERTS)),
    }
}

/// Adds a dashboard, which shows the state of the stack at one glance. Its metrics are named by names that are known
/// beforehand.
fn dashboard(making: &mut Making<'_>) {
    let stack = &making.loaded.stack;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut graphs = Vec::new();
    let mut graph = |title: &str, statistic: &str, metrics: Vec<Vec<String>>| {
        if !metrics.is_empty() {
            graphs.push(Graph { title: title.to_owned(), statistic: statistic.to_owned(), metrics });
        }
    };
    let cluster = making.scope.name("main", 255);
    let service = |name: &str, metric| {
        let service = making.scope.name(name, 255);
        words(&["AWS/ECS", metric, "ClusterName", &cluster, "ServiceName", &service])
    };
    graph(
        "CPU of services, %",
        "Average",
        stack.services.keys().map(|name| service(&name.0, "CPUUtilization")).collect(),
    );
    graph(
        "Memory of services, %",
        "Average",
        stack.services.keys().map(|name| service(&name.0, "MemoryUtilization")).collect(),
    );
    let function = |name: &str, metric| words(&["AWS/Lambda", metric, "FunctionName", &making.scope.name(name, 64)]);
    for (title, statistic, metric) in [
        ("Events of functions", "Sum", "Invocations"),
        ("Errors of functions", "Sum", "Errors"),
        ("Duration of functions, ms", "p99", "Duration"),
        ("Events that functions had no room for", "Sum", "Throttles"),
    ] {
        graph(title, statistic, stack.functions.keys().map(|name| function(&name.0, metric)).collect());
    }
    let on_tables = stack.functions.iter().filter(|(_, function)| function.table().is_some());
    graph(
        "Age of the oldest change that waits for a function, ms",
        "Maximum",
        on_tables.map(|(name, _)| function(&name.0, "IteratorAge")).collect(),
    );
    let queue = |name: &str, metric| words(&["AWS/SQS", metric, "QueueName", &making.scope.name(name, 80)]);
    let waiting = |name: &str| queue(name, "ApproximateNumberOfMessagesVisible");
    let queues = stack.queues.keys().flat_map(|name| [waiting(&name.0), waiting(&dead_letter_name(&name.0))]);
    let failures = stack.failed_queues().map(|(name, _)| waiting(&name));
    graph("Messages that wait", "Maximum", queues.chain(failures).collect());
    graph(
        "Age of the oldest message, s",
        "Maximum",
        stack.queues.keys().map(|name| queue(&name.0, "ApproximateAgeOfOldestMessage")).collect(),
    );
    let table = |name: &str, metric| words(&["AWS/DynamoDB", metric, "TableName", &making.scope.name(name, 255)]);
    for (title, metric) in [
        ("Read units that tables used", "ConsumedReadCapacityUnits"),
        ("Write units that tables used", "ConsumedWriteCapacityUnits"),
    ] {
        graph(title, "Sum", stack.tables.keys().map(|name| table(&name.0, metric)).collect());
    }
    let database =
        |name: &str, metric| words(&["AWS/RDS", metric, "DBInstanceIdentifier", &making.scope.name(name, 63)]);
    graph(
        "CPU of databases, %",
        "Average",
        stack.databases.keys().map(|name| database(&name.0, "CPUUtilization")).collect(),
    );
    let replicas = stack.databases.iter().filter(|(_, found)| found.replica);
    graph(
        "Lag of replicas, s",
        "Maximum",
        replicas.map(|(name, _)| database(&databases::replica(&name.0), "ReplicaLag")).collect(),
    );
    making.add::<Dashboard>(SECTION, MAIN, DashboardSpec { graphs });
}
