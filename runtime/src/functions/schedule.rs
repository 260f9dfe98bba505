//! A function on a schedule. It is the same work each time, whatever the event says. So the function can be called by
//! hand too. <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html>

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::Handle;

pub type Work = Box<dyn Fn() -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

/// Makes work into the handler of a function. If the work fails, Lambda calls the function again.
pub fn handle(work: Work) -> Handle {
    let work = Arc::new(work);
    Box::new(move |_| {
        let work = Arc::clone(&work);
        Box::pin(async move {
            work().await?;
            Ok(b"null".to_vec())
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::functions::Invocation;

    #[tokio::test]
    async fn the_work_is_done_at_each_event_and_its_failure_is_told() {
        let done = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&done);
        let handle = handle(Box::new(move || {
            let before = counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                anyhow::ensure!(before < 2, "the third time is too much");
                Ok(())
            })
        }));
        let of_a_rule = json!({
            "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
            "source": "aws.events", "account": "123456789012", "time": "2015-10-08T16:53:06Z", "region": "eu-west-1",
            "resources": ["arn:aws:events:eu-west-1:123456789012:rule/sweep"], "detail": {}
        });
        let call = |event: Value| {
            handle(Invocation { request_id: "1".into(), event: event.to_string().into(), left: Duration::MAX })
        };
        for event in [of_a_rule, json!({})] {
            assert_eq!(call(event).await.unwrap(), b"null");
        }
        assert_eq!(call(json!({})).await.unwrap_err().to_string(), "the third time is too much");
        assert_eq!(done.load(Ordering::Relaxed), 3);
    }
}
