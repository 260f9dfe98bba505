//! The whole stack Sendy, on both bases.

mod support;

use gateway::Base;
use support::whole::{Expected, whole};

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    whole(Base::Moto, "sendy", "dev", Expected { calls: 83, services: 3 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    whole(Base::Ministack, "sendy", "dev", Expected { calls: 83, services: 3 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prod_on_moto() {
    whole(Base::Moto, "sendy", "prod", Expected { calls: 100, services: 3 }).await;
}
