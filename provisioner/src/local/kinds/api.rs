//! `local.api`: which requests the HTTP API gives to which function. A change is made while it runs.

use std::collections::BTreeMap;

use local::http_api::config::Config;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Process;
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Missing, Outputs, Ref};
use crate::scope::Scope;

pub(crate) struct Api;

#[derive(Serialize, Deserialize)]
pub(crate) struct ApiSpec {
    pub(crate) state: ApiState,
    pub(crate) front: Ref<Process>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApiState {
    /// The function of each route.
    pub(crate) routes: BTreeMap<String, String>,
    /// Where each function listens.
    pub(crate) targets: BTreeMap<String, String>,
    /// What pages of other sites may do. An empty object if there are none.
    pub(crate) cors: Value,
    pub(crate) rate: u32,
    pub(crate) burst: u32,
}

impl ApiState {
    pub(crate) fn of(config: &Config) -> ApiState {
        let target = |port: u16| format!("127.0.0.1:{port}");
        let cors = config.cors.as_ref().map(|cors| serde_json::to_value(cors).unwrap_or_default());
        ApiState {
            routes: config.routes.clone(),
            targets: config.functions.iter().map(|(name, it)| (name.clone(), target(it.port))).collect(),
            cors: cors.unwrap_or_else(|| Value::Object(Default::default())),
            rate: config.rate,
            burst: config.burst,
        }
    }
}

impl Kind for Api {
    const FACTS: Facts = Facts {
        name: "local.api",
        fields: &[
            Field::wanted("routes"),
            Field::wanted("targets"),
            Field::wanted("cors"),
            Field::wanted("rate"),
            Field::wanted("burst"),
        ],
        untagged: "it belongs to the HTTP API of its stack",
        ..Facts::DEFAULT
    };

    type Spec = ApiSpec;
    type State = ApiState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &ApiSpec, _: &Outputs) -> Result<ApiState, Missing> {
        Ok(spec.state.clone())
    }
}
