//! The whole stack of the shop of functions, on both bases.

mod support;

use gateway::Base;
use support::whole::{Expected, whole};

/// The resources of the stack. A plan in which nothing changes takes no more calls.
const RESOURCES: usize = 105;
/// moto has no GetAccountSettings, so each function is asked whether it has reserved concurrency.
const EACH_FUNCTION: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    whole(Base::Moto, "msa-study", "dev", Expected { calls: RESOURCES + EACH_FUNCTION, services: 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    whole(Base::Ministack, "msa-study", "dev", Expected { calls: RESOURCES, services: 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prod_on_moto() {
    whole(Base::Moto, "msa-study", "prod", Expected { calls: RESOURCES + EACH_FUNCTION, services: 0 }).await;
}
