//! Alarms and dashboards against the emulators. The tests build them, plan again (empty), change each field, and try
//! drift, foreign resources and deletion.

mod support;

use provision::kind::Ref;
use provision::kinds::REGISTRY;
use provision::kinds::cloudwatch::{Alarm, AlarmSpec, Dashboard, DashboardSpec, Graph, Measured};
use provision::kinds::sqs::{Queue, QueueSpec};
use provision::plan::desired::Desired;
use support::Bench;

fn alarms(threshold: f64) -> Desired {
    let mut desired = Desired::new(REGISTRY);
    let queue = QueueSpec {
        fifo: false,
        visibility_timeout: 30,
        retention: 60,
        delay: 0,
        dead_letter: None,
        from: Vec::new(),
        rules: Vec::new(),
    };
    desired.add::<Queue>("queues.dead", "dead", queue);
    let alarm = AlarmSpec {
        description: "Look at it".into(),
        of: Measured::Queue(Ref::to("dead")),
        metric: "ApproximateNumberOfMessagesVisible".into(),
        statistic: "Maximum".into(),
        period: 60,
        periods: 5,
        threshold,
        above: true,
        topic: None,
    };
    desired.add::<Alarm>("alerts", "dead", alarm);
    desired
}

fn dashboards(title: &str) -> Desired {
    let mut desired = Desired::new(REGISTRY);
    let metrics = vec![["AWS/SQS", "NumberOfMessagesSent", "QueueName", "dead"].map(str::to_owned).to_vec()];
    let graph = Graph { title: title.into(), metrics, statistic: "Sum".into() };
    desired.add::<Dashboard>("alerts", "main", DashboardSpec { graphs: vec![graph] });
    desired
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_on_ministack() {
    let bench = Bench::ministack().await;
    assert_eq!(bench.settle(&alarms(0.0)).await, "create sqs.queue dead\ncreate cloudwatch.alarm dead");
    assert_eq!(bench.settle(&alarms(3.0)).await, "update cloudwatch.alarm dead: threshold");
    bench.cx.cloudwatch.disable_alarm_actions().alarm_names("bench-test-dead").send().await.expect("disabled by hand");
    assert_eq!(bench.settle(&alarms(3.0)).await, "update cloudwatch.alarm dead: actions_enabled");
    bench.cx.cloudwatch.delete_alarms().alarm_names("bench-test-dead").send().await.expect("deleted by hand");
    assert_eq!(bench.settle(&alarms(3.0)).await, "create cloudwatch.alarm dead");
    bench.remove(&alarms(3.0)).await;
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_on_ministack() {
    let bench = Bench::ministack().await;
    assert_eq!(bench.settle(&dashboards("Sent")).await, "create cloudwatch.dashboard main");
    let changed = bench.settle(&dashboards("Sent, all")).await;
    assert_eq!(changed, "update cloudwatch.dashboard main: body.widgets");
    let put = bench.cx.cloudwatch.put_dashboard().dashboard_name("bench-test-main").dashboard_body(r#"{"widgets":[]}"#);
    put.send().await.expect("changed by hand");
    assert_eq!(bench.plan(&dashboards("Sent")).await, "refuse cloudwatch.dashboard main");
    bench.cx.cloudwatch.delete_dashboards().dashboard_names("bench-test-main").send().await.expect("deleted by hand");
    assert_eq!(bench.settle(&dashboards("Sent")).await, "create cloudwatch.dashboard main");
    bench.remove(&dashboards("Sent")).await;
    bench.gateway.stop().await;
}
