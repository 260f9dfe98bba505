//! Amazon RDS.

mod instance;
mod parameter_group;
mod subnet_group;

pub use instance::{Instance, InstanceOutput, InstanceReady, InstanceRole, InstanceSpec};
pub use parameter_group::{ParameterGroup, ParameterGroupOutput, ParameterGroupSpec};
pub use subnet_group::{SubnetGroup, SubnetGroupOutput, SubnetGroupSpec};
