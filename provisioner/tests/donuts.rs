//! The whole stacks of the systems that order from a factory, on both bases.

mod support;

use gateway::Base;
use support::whole::{Expected, whole};

/// The resources of the stacks. A plan in which nothing changes takes no more calls.
const FACTOAUTO: usize = 150;
const NOTED: usize = 170;

#[tokio::test(flavor = "multi_thread")]
async fn factoauto_on_ministack() {
    whole(Base::Ministack, "factoauto", "dev", Expected { calls: FACTOAUTO, services: 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn factoauto_in_prod_on_moto() {
    whole(Base::Moto, "factoauto", "prod", Expected { calls: FACTOAUTO, services: 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noted_on_moto() {
    whole(Base::Moto, "noted", "dev", Expected { calls: NOTED, services: 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noted_on_ministack() {
    whole(Base::Ministack, "noted", "dev", Expected { calls: NOTED, services: 1 }).await;
}
