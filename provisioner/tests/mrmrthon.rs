//! The whole stack of mrmrthon, on both bases.

mod support;

use gateway::Base;
use support::whole::{Expected, whole};

/// The resources of the stack. A plan in which nothing changes takes no more calls.
const MRMRTHON: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn mrmrthon_on_moto() {
    whole(Base::Moto, "mrmrthon", "dev", Expected { calls: MRMRTHON, services: 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mrmrthon_on_ministack() {
    whole(Base::Ministack, "mrmrthon", "dev", Expected { calls: MRMRTHON, services: 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mrmrthon_in_prod_on_moto() {
    whole(Base::Moto, "mrmrthon", "prod", Expected { calls: MRMRTHON, services: 2 }).await;
}
