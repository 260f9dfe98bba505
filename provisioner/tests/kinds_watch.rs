//! Alarms against the emulators: build, plan again: empty; change each field; drift; foreign; delete.

mod support;

use provision::desired::Desired;
use provision::kind::Ref;
use provision::kinds::cloudwatch::{Alarm, AlarmSpec, Measured};
use provision::kinds::sqs::{Queue, QueueSpec};
use support::Bench;

fn alarms(threshold: f64) -> Desired {
    let mut desired = Desired::default();
    let queue =
        QueueSpec { fifo: false, visibility_timeout: 30, retention: 60, delay: 0, dead_letter: None, from: Vec::new() };
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
