//! Gathers evidence, only about failures. The kind itself gathers it, within a deadline. Evidence that cannot be
//! gathered is a remark beside the failure, and never a failure of its own.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::aws::evidence::Evidence;
use crate::aws::{Cx, denial};
use crate::wait::pause;

/// The longest that people wait for evidence, in real seconds: the failure is known by then.
const DEADLINE: Duration = Duration::from_secs(20);

/// Returns what the kind finds, and what an encoded refusal says. Gives up at the deadline, and when the run has to
/// stop.
pub(super) async fn gather(cx: &Cx, by_kind: Option<BoxFuture<'_, Evidence>>, refusal: Option<&str>) -> Evidence {
    let all = async {
        let mut evidence = match refusal {
            Some(encoded) => denial::decode(cx, encoded).await,
            None => Evidence::default(),
        };
        if let Some(by_kind) = by_kind {
            evidence.add(by_kind.await);
        }
        evidence
    };
    let given_up = async {
        let mut left = DEADLINE;
        while !left.is_zero() && cx.stop.reason().is_none() {
            let step = left.min(Duration::from_millis(100));
            pause(step).await;
            left -= step;
        }
    };
    tokio::select! {
        evidence = all => evidence,
        () = given_up => {
            let why = cx.stop.reason().map_or_else(|| format!("no answer within {} s", DEADLINE.as_secs()), str::to_owned);
            Evidence { unread: vec![format!("what AWS knows of it was not read: {why}")], ..Evidence::default() }
        }
    }
}
