//! Amazon CloudWatch.

mod alarm;
mod dashboard;

pub use alarm::{Alarm, AlarmSpec, Measured};
pub use dashboard::{Dashboard, DashboardSpec, Graph, MAIN};
