//! Amazon EC2: the network.

mod default_security_group;
mod elastic_ip;
mod flow_log;
mod internet_gateway;
mod nat_gateway;
mod route_table;
mod security_group;
mod security_group_rules;
mod subnet;
mod vpc;
mod vpc_endpoint;

pub use default_security_group::{DefaultSecurityGroup, DefaultSecurityGroupSpec};
pub use elastic_ip::{ElasticIp, ElasticIpOutput, ElasticIpSpec};
pub use flow_log::{FlowLog, FlowLogOutput, FlowLogSpec};
pub use internet_gateway::{InternetGateway, InternetGatewayOutput, InternetGatewaySpec};
pub use nat_gateway::{NatGateway, NatGatewayOutput, NatGatewaySpec};
pub use route_table::{RouteTable, RouteTableOutput, RouteTableSpec};
pub use security_group::{SecurityGroup, SecurityGroupOutput, SecurityGroupSpec};
pub use security_group_rules::{Peer, Rule, SecurityGroupRules, SecurityGroupRulesSpec};
pub use subnet::{Subnet, SubnetOutput, SubnetSpec};
pub use vpc::{Vpc, VpcOutput, VpcSpec};
pub use vpc_endpoint::{VpcEndpoint, VpcEndpointOutput, VpcEndpointSpec};
