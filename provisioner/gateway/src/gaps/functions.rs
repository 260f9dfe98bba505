//! What the emulators get wrong about HTTP APIs. `apis` repairs it, and `route` leads around the rest.

use super::probe::{Gap, json};
use crate::upstream::Emulator::{Ministack, Moto};

const API: super::Step = json("apigateway", "POST /v2/apis", r#"{"name":"gap","protocolType":"HTTP"}"#);
const STAGE: super::Step = json("apigateway", "POST /v2/apis/{0:/apiId}/stages", r#"{"stageName":"gap","autoDeploy":true}"#);

pub const FUNCTIONS: &[Gap] = &[
    Gap {
        emulator: Moto,
        name: "stage-updates",
        why: "HTTP APIs have no UpdateStage: routed to ministack",
        steps: &[API, STAGE, json("apigateway", "PATCH /v2/apis/{0:/apiId}/stages/gap", r#"{"autoDeploy":false}"#)],
        still: |answers| answers[1].ok() && !answers[2].ok(),
    },
    Gap {
        emulator: Ministack,
        name: "api-tags",
        why: "GetApis shows the tags of the create, whatever has become of them",
        steps: &[
            API,
            json(
                "apigateway",
                "POST /v2/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Fapis%2F{0:/apiId}",
                r#"{"tags":{"gap":"yes"}}"#,
            ),
            json("apigateway", "GET /v2/apis", ""),
        ],
        still: |answers| answers[1].ok() && answers[2].json_body().is_some_and(|body| body["items"][0]["tags"]["gap"].is_null()),
    },
    Gap {
        emulator: Ministack,
        name: "deployment-message",
        why: "a stage does not tell what became of its deployment",
        steps: &[API, STAGE, json("apigateway", "GET /v2/apis/{0:/apiId}/stages/gap", "")],
        still: |answers| {
            answers[2]
                .json_body()
                .is_some_and(|stage| stage["autoDeploy"] == true && stage["lastDeploymentStatusMessage"].is_null())
        },
    },
];
