//! Amazon CloudWatch.

mod alarm;
mod dashboard;

pub use alarm::{Alarm, AlarmSpec, AlarmState, Measured};
pub use dashboard::{Dashboard, DashboardSpec, DashboardState, Graph, MAIN};
