//! `lambda.function`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::ec2::{NatGateway, SecurityGroup, Subnet};
use crate::kinds::iam::Role;
use crate::kinds::kms::Key;
use crate::kinds::logs::LogGroup;
use crate::kinds::sqs::Queue;
use crate::kinds::variable::Variable;
use crate::scope::Scope;

pub struct Function;

#[derive(Serialize, Deserialize)]
pub struct FunctionSpec {
    /// The runtime's entry: `forwarder`.
    pub handler: String,
    pub role: Ref<Role>,
    pub log_group: Ref<LogGroup>,
    /// Where events go that failed for good.
    pub on_failure: Ref<Queue>,
    pub environment: Vec<(String, Variable)>,
    /// `base64(sha256(zip))`, as Lambda shows it.
    pub code_sha256: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// MiB.
    pub memory: u32,
    /// Seconds.
    pub timeout: u32,
    pub kms_key: Ref<Key>,
    pub inside: Option<Inside>,
}

/// In the VPC, for a search domain that is there too.
#[derive(Serialize, Deserialize)]
pub struct Inside {
    pub subnets: Vec<Ref<Subnet>>,
    pub security_groups: Vec<Ref<SecurityGroup>>,
    pub way_out: Vec<Ref<NatGateway>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FunctionState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FunctionOutput {
    pub arn: String,
    pub name: String,
}

impl Kind for Function {
    const FACTS: Facts =
        Facts { name: "lambda.function", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = FunctionSpec;
    type State = FunctionState;
    type Output = FunctionOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &FunctionSpec, _: &Outputs) -> Result<FunctionState, Missing> {
        Ok(FunctionState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Function>) -> Result<Vec<Live<Function>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &FunctionState) -> Result<FunctionOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Function>, _: &FunctionState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Function>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
