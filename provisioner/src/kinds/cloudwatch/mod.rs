//! Amazon CloudWatch.

mod alarm;

pub use alarm::{Alarm, AlarmSpec, Measured};
