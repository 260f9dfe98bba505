//! What the emulators get wrong about HTTP APIs. `apis` repairs it, and `route` leads around the rest.

use super::probe::{Gap, form, json};
use crate::upstream::Emulator::{self, Ministack, Moto};

const API: super::Step = json("apigateway", "POST /v2/apis", r#"{"name":"gap","protocolType":"HTTP"}"#);
const ROLE: super::Step = form(
    "iam",
    "Action=CreateRole&Version=2010-05-08&RoleName=gap&AssumeRolePolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D",
);
/// A function whose package is an empty zip. It can answer nothing.
const FUNCTION: super::Step = json(
    "lambda",
    "POST /2015-03-31/functions",
    r#"{"FunctionName":"gap","Role":"arn:aws:iam::123456789012:role/gap","Runtime":"provided.al2023","Handler":"bootstrap","Code":{"ZipFile":"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}"#,
);
const CALL: &[super::Step] = &[ROLE, FUNCTION, json("lambda", "POST /2015-03-31/functions/gap/invocations", "{}")];
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
    calls(Moto, "without a container engine a function answers with a fixed text, whatever its code is"),
    calls(Ministack, "without a container engine a package that can answer nothing answers all the same"),
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

const fn calls(emulator: Emulator, why: &'static str) -> Gap {
    Gap {
        emulator,
        name: "calls",
        why,
        steps: CALL,
        still: |answers| answers[1].ok() && answers[2].ok() && answers[2].code().is_none(),
    }
}
