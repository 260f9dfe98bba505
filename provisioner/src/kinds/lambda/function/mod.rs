//! `lambda.function`: the runtime as a function, made from the package that we built.
//!
//! A function is found by name. Functions that nothing asks for any more are found by the tag index, and Lambda
//! confirms each. Names have at most 64 letters, digits, `-` and `_` (Lambda API reference, CreateFunction). The create
//! answers after a second. The function is active after seconds, inside a VPC after 1 to 4 minutes. Code and
//! configuration need two calls, and Lambda takes the second only when the first has ended: until then it says "cannot
//! be performed at this time" or "An update is in progress for resource", and we come back. More calls set the
//! destination of events that failed for good, and how many calls may run at a time.
//!
//! Inside a VPC the network interfaces of a function hold the subnets for 5 to 40 minutes after its deletion, so a
//! function leaves its VPC first. Reserved concurrency takes from what the other functions of the account share, and
//! new accounts have only 10, so it is set only where the spec says so, and taken away where it does not. One
//! `GetAccountSettings` tells whether any function of the account has some; only then each is asked.
//!
//! A secret is never in the environment, where GetFunctionConfiguration shows it to whoever may read it. Its ARN and
//! its version are there, and the function fetches the value when it starts. A new version is a new environment.
//!
//! [`beside`] finds and removes the addresses that others can add so that the function is called. `lambda.source` says
//! which queues Lambda reads for it, and `lambda.permission` who may call it.

mod answer;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_lambda::types::{
    DestinationConfig, Environment, FunctionCode, LastUpdateStatus, LogFormat, LoggingConfig, OnFailure, Runtime,
    State as Phase, TracingConfig, TracingMode, VpcConfig,
};
use aws_smithy_types::Blob as Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::leaving::{self, CONFLICT, GONE, NOT_NOW};
use super::{Migration, beside};
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error};
use crate::kind::facts::{Effect, Facts, Field, Retry, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::ec2::{NatGateway, SecurityGroup, Subnet, VpcEndpoint};
use crate::kinds::iam::Role;
use crate::kinds::kms::Key;
use crate::kinds::logs::LogGroup;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::secretsmanager::AnySecret;
use crate::kinds::sqs::Queue;
use crate::kinds::variable::Variable;
use crate::scope::Scope;

pub struct Function;

#[derive(Serialize, Deserialize)]
pub struct FunctionSpec {
    /// The entry of the runtime: `forwarder`.
    pub handler: String,
    pub role: Ref<Role>,
    pub log_group: Ref<LogGroup>,
    /// The queue for events that failed for good. `None` for a function that no event calls asynchronously.
    pub on_failure: Option<Ref<Queue>>,
    pub environment: Vec<(String, Variable)>,
    pub secrets: Vec<FunctionSecret>,
    /// The digest of the package as Lambda shows it: `base64(sha256(zip))`.
    pub code_sha256: String,
    /// The architecture: `x86_64` or `arm64`.
    pub architecture: String,
    /// The memory in MiB.
    pub memory: u32,
    /// The timeout in seconds.
    pub timeout: u32,
    /// The most calls at a time, which are reserved for this function. `None`: it shares what the account has.
    pub concurrency: Option<u32>,
    pub kms_key: Ref<Key>,
    pub inside: Option<Inside>,
    /// The migrations that come before the function, and before each change of it.
    pub after: Vec<Ref<Migration>>,
    /// Whether the stack answers only when the function is ready.
    pub serves: bool,
}

/// A secret that a function fetches when it starts.
#[derive(Serialize, Deserialize)]
pub struct FunctionSecret {
    /// The beginning of its two variables: `<name>_SECRET` has the ARN, and `<name>_VERSION` the version.
    pub name: String,
    pub secret: AnySecret,
    /// Whether there are two more variables for the value before the current one, while there is one:
    /// `<name>_PREVIOUS_SECRET` and `<name>_PREVIOUS_VERSION`.
    pub and_previous: bool,
}

/// The place of a function inside the VPC, for a database, a cache or a search domain that is there too.
#[derive(Serialize, Deserialize)]
pub struct Inside {
    pub subnets: Vec<Ref<Subnet>>,
    pub security_groups: Vec<Ref<SecurityGroup>>,
    pub way_out: Vec<WayOut>,
}

/// The way by which a function inside the VPC reaches other services of AWS.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayOut {
    Nat(Ref<NatGateway>),
    Endpoint(Ref<VpcEndpoint>),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FunctionState {
    pub name: String,
    pub runtime: String,
    pub handler: String,
    pub role: String,
    pub code_sha256: String,
    pub architecture: String,
    pub memory: i32,
    pub timeout: i32,
    pub concurrency: Reserved,
    pub environment: BTreeMap<String, String>,
    pub kms_key: String,
    pub log_group: String,
    pub log_format: String,
    pub tracing: String,
    pub subnets: BTreeSet<String>,
    pub security_groups: BTreeSet<String>,
    pub failures: Failures,
    /// The addresses under which the function can be called, each with who may call it.
    pub urls: BTreeMap<String, Value>,
    /// The layers, by ARN: code that runs with the function.
    pub layers: BTreeMap<String, Value>,
    /// Whether the last update did not take effect.
    pub stalled: bool,
}

/// The calls at a time that are reserved for a function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reserved {
    #[default]
    Nothing,
    Calls(i32),
}

/// What happens to events that fail. A function without a destination has no such settings at all, and AWS's defaults
/// hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failures {
    /// The destination for events that failed for good, "" for none.
    pub to: String,
    /// The destination for the results of events that succeed, "" for none.
    pub successes_to: String,
    pub retries: Option<i32>,
    /// The greatest age of an event, in seconds.
    pub max_age: Option<i32>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FunctionOutput {
    pub arn: String,
    pub name: String,
}

impl Kind for Function {
    const FACTS: Facts = Facts {
        name: "lambda.function",
        fields: &[
            Field::fixed("name"),
            Field::wanted("runtime"),
            Field::wanted("handler"),
            Field::wanted("role"),
            Field::wanted("code_sha256").with(Effect::Restart),
            Field::wanted("architecture").with(Effect::Restart),
            Field::wanted("memory"),
            Field::wanted("timeout"),
            Field::wanted("concurrency"),
            Field::wanted("environment").hidden(),
            Field::wanted("kms_key"),
            Field::wanted("log_group"),
            Field::wanted("log_format"),
            Field::wanted("tracing"),
            Field::wanted("subnets"),
            Field::wanted("security_groups"),
            Field::wanted("failures"),
            Field::beside("urls", "function URL"),
            Field::beside("layers", "layer"),
            Field::wanted("stalled"),
        ],
        seconds: Seconds { create: 10, update: 5, delete: 5 },
        serves: true,
        exists: &[CONFLICT],
        retry: &[
            Retry::saying(CONFLICT, NOT_NOW, 900),
            Retry::saying(CONFLICT, "update is in progress", 900),
            Retry::saying("InvalidParameterValueException", "execution role does not have permissions", 120),
            Retry::saying("InvalidParameterValueException", "KMS key is invalid", 120),
            Retry::saying("InvalidParameterValueException", "throttled by EC2", 300),
            // The queue of the function gets a longer visibility timeout at the same time.
            Retry::saying("InvalidParameterValueException", "is less than function timeout", 70),
            Retry::code("ResourceNotFoundException", 30),
        ],
        actions: &[
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "iam:PassRole",
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "lambda:CreateFunction",
            // A function of a stack without sources may get one by hand, and `lambda.source` takes it away.
            "lambda:DeleteEventSourceMapping",
            "lambda:DeleteFunction",
            "lambda:DeleteFunctionConcurrency",
            "lambda:DeleteFunctionEventInvokeConfig",
            "lambda:DeleteFunctionUrlConfig",
            "lambda:GetAccountSettings",
            "lambda:GetFunctionConcurrency",
            "lambda:GetFunctionConfiguration",
            "lambda:GetFunctionEventInvokeConfig",
            "lambda:ListFunctionUrlConfigs",
            "lambda:ListTags",
            "lambda:PutFunctionConcurrency",
            "lambda:PutFunctionEventInvokeConfig",
            "lambda:TagResource",
            "lambda:UntagResource",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
            "tag:GetResources",
        ],
        ..Facts::DEFAULT
    };

    type Spec = FunctionSpec;
    type State = FunctionState;
    type Output = FunctionOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &FunctionSpec, outputs: &Outputs) -> Result<FunctionState, Missing> {
        for migration in &spec.after {
            outputs.ready(migration)?;
        }
        let mut environment = BTreeMap::new();
        for (key, variable) in &spec.environment {
            if let Some(value) = variable.value(outputs)? {
                environment.insert(key.clone(), value);
            }
        }
        for FunctionSecret { name, secret, and_previous } in &spec.secrets {
            let secret = secret.output(outputs)?;
            if let Some(previous) = secret.previous.filter(|_| *and_previous) {
                environment.insert(format!("{name}_PREVIOUS_SECRET"), secret.arn.clone());
                environment.insert(format!("{name}_PREVIOUS_VERSION"), previous);
            }
            environment.insert(format!("{name}_SECRET"), secret.arn);
            environment.insert(format!("{name}_VERSION"), secret.version_id);
        }
        let (mut subnets, mut security_groups) = (BTreeSet::new(), BTreeSet::new());
        if let Some(inside) = &spec.inside {
            for way in &inside.way_out {
                match way {
                    WayOut::Nat(nat) => outputs.ready(nat)?,
                    WayOut::Endpoint(endpoint) => outputs.ready(endpoint)?,
                }
            }
            subnets = outputs.of_each(&inside.subnets, |subnet| subnet.id)?;
            security_groups = outputs.of_each(&inside.security_groups, |group| group.id)?;
        }
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let failures = match &spec.on_failure {
            Some(queue) => Failures {
                to: outputs.get(queue)?.arn,
                successes_to: String::new(),
                retries: Some(2),
                max_age: Some(6 * 60 * 60),
            },
            None => Failures::default(),
        };
        Ok(FunctionState {
            name: aws_name(scope, name),
            runtime: Runtime::Providedal2023.as_str().to_owned(),
            handler: spec.handler.clone(),
            role: outputs.get(&spec.role)?.arn,
            code_sha256: spec.code_sha256.clone(),
            architecture: spec.architecture.clone(),
            memory: number(spec.memory),
            timeout: number(spec.timeout),
            concurrency: spec.concurrency.map_or(Reserved::Nothing, |calls| Reserved::Calls(number(calls))),
            environment,
            kms_key: outputs.get(&spec.kms_key)?.arn,
            log_group: outputs.get(&spec.log_group)?.name,
            log_format: LogFormat::Text.as_str().to_owned(),
            // Active tracing needs rights that the role does not have.
            tracing: TracingMode::PassThrough.as_str().to_owned(),
            subnets,
            security_groups,
            failures,
            urls: BTreeMap::new(),
            layers: BTreeMap::new(),
            stalled: false,
        })
    }

    fn serves(spec: &FunctionSpec) -> bool {
        spec.serves
    }
}

impl OnAws for Function {
    async fn read(cx: &Cx, query: &Query<'_, Function>) -> Result<Vec<Live<Function>>, Error> {
        read::all(cx, query).await
    }

    async fn create(cx: &Cx, name: &str, want: &FunctionState) -> Result<FunctionOutput, Error> {
        let code = FunctionCode::builder().zip_file(code(cx, want)?).build();
        let call = cx.lambda.create_function().function_name(&want.name).code(code);
        let call = call.architectures(want.architecture.as_str().into()).runtime(want.runtime.as_str().into());
        let call = call.handler(&want.handler).role(&want.role).memory_size(want.memory).timeout(want.timeout);
        let call = call.environment(environment(want)).kms_key_arn(&want.kms_key).logging_config(logging(want));
        let call = call.tracing_config(tracing(want)).vpc_config(inside(&want.subnets, &want.security_groups));
        call.set_tags(Some(cx.scope.tags(name).into_iter().collect())).send().await?;
        // A new function has neither.
        if want.failures != Failures::default() {
            put_failures(cx, want).await?;
        }
        if want.concurrency != Reserved::Nothing {
            put_concurrency(cx, want).await?;
        }
        Ok(output(&cx.scope, &want.name))
    }

    async fn update(cx: &Cx, _: &Live<Function>, want: &FunctionState, changed: &Changed) -> Result<(), Error> {
        if changed.has("urls") {
            beside::remove_urls(cx, &want.name).await?;
        }
        if changed.has("failures") {
            put_failures(cx, want).await?;
        }
        if changed.has("concurrency") {
            put_concurrency(cx, want).await?;
        }
        if CONFIGURATION.iter().any(|field| changed.has(field)) {
            let call = cx.lambda.update_function_configuration().function_name(&want.name);
            let call = call.runtime(want.runtime.as_str().into()).handler(&want.handler).role(&want.role);
            let call = call.memory_size(want.memory).timeout(want.timeout).environment(environment(want));
            let call = call.kms_key_arn(&want.kms_key).logging_config(logging(want)).tracing_config(tracing(want));
            let call = call.set_layers(changed.has("layers").then(Vec::new));
            call.vpc_config(inside(&want.subnets, &want.security_groups)).send().await?;
        }
        if changed.any(&["code_sha256", "architecture"]) {
            let call = cx.lambda.update_function_code().function_name(&want.name).zip_file(code(cx, want)?);
            call.architectures(want.architecture.as_str().into()).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Function>, _: LastWish) -> Result<(), Error> {
        leaving::delete(cx, &live.output.name, !live.state.subnets.is_empty()).await
    }

    async fn explain(cx: &Cx, live: &Live<Function>) -> Evidence {
        let mut evidence = Evidence::default();
        let answer = cx.lambda.get_function_configuration().function_name(&live.output.name).send().await;
        let Some(found) = evidence.read("the state of the function", answer) else {
            return evidence;
        };
        let told = |of: &str, word: Option<&str>, code: Option<&str>, reason: Option<&str>| {
            let told: Vec<&str> = [word, code, reason].into_iter().flatten().collect();
            (reason.is_some() || code.is_some()).then(|| format!("{of}: {}", told.join(", ")))
        };
        let code = found.state_reason_code().map(|code| code.as_str());
        let update = found.last_update_status_reason_code().map(|code| code.as_str());
        evidence.lines.extend(told("state", found.state().map(Phase::as_str), code, found.state_reason()));
        let status = found.last_update_status().map(LastUpdateStatus::as_str);
        evidence.lines.extend(told("last update", status, update, found.last_update_status_reason()));
        evidence
    }
}

/// The fields that UpdateFunctionConfiguration sets.
const CONFIGURATION: &[&str] = &[
    "runtime",
    "handler",
    "role",
    "memory",
    "timeout",
    "environment",
    "kms_key",
    "log_group",
    "log_format",
    "tracing",
    "subnets",
    "security_groups",
    "layers",
    "stalled",
];

/// The ARN of a function, by its name in the stack.
pub fn function_arn(scope: &Scope, name: &str) -> String {
    output(scope, &aws_name(scope, name)).arn
}

fn aws_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 64)
}

fn output(scope: &Scope, name: &str) -> FunctionOutput {
    FunctionOutput { arn: scope.arn("lambda", &format!("function:{name}")), name: name.to_owned() }
}

fn code(cx: &Cx, want: &FunctionState) -> Result<Bytes, Error> {
    match &cx.artefacts.zip {
        Some(zip) if zip.sha256 == want.code_sha256 => Ok(Bytes::new(zip.bytes.clone())),
        Some(_) => Err(Error::ours("the runtime has changed since the plan. Run again")),
        None => Err(Error::ours(
            "there is no runtime to make a function of: build it with `runtime/build.sh x86_64` in the source checkout, \
             or name one with PROVISION_RUNTIME",
        )),
    }
}

fn environment(want: &FunctionState) -> Environment {
    Environment::builder().set_variables(Some(want.environment.clone().into_iter().collect())).build()
}

fn logging(want: &FunctionState) -> LoggingConfig {
    LoggingConfig::builder().log_group(&want.log_group).log_format(want.log_format.as_str().into()).build()
}

fn tracing(want: &FunctionState) -> TracingConfig {
    TracingConfig::builder().mode(want.tracing.as_str().into()).build()
}

/// The place inside a VPC. Empty lists take the function out of it.
fn inside(subnets: &BTreeSet<String>, groups: &BTreeSet<String>) -> VpcConfig {
    let list = |ids: &BTreeSet<String>| Some(ids.iter().cloned().collect());
    VpcConfig::builder().set_subnet_ids(list(subnets)).set_security_group_ids(list(groups)).build()
}

async fn put_failures(cx: &Cx, want: &FunctionState) -> Result<(), Error> {
    let failures = &want.failures;
    if *failures == Failures::default() {
        let call = cx.lambda.delete_function_event_invoke_config().function_name(&want.name);
        return Error::or_gone(call.send().await, GONE);
    }
    let to = OnFailure::builder().destination(&failures.to).build();
    let call = cx.lambda.put_function_event_invoke_config().function_name(&want.name);
    let call = call.destination_config(DestinationConfig::builder().on_failure(to).build());
    let call = call.set_maximum_retry_attempts(failures.retries);
    call.set_maximum_event_age_in_seconds(failures.max_age).send().await?;
    Ok(())
}

async fn put_concurrency(cx: &Cx, want: &FunctionState) -> Result<(), Error> {
    match want.concurrency {
        Reserved::Calls(most) => {
            let call = cx.lambda.put_function_concurrency().function_name(&want.name);
            call.reserved_concurrent_executions(most).send().await?;
        }
        Reserved::Nothing => {
            cx.lambda.delete_function_concurrency().function_name(&want.name).send().await?;
        }
    }
    Ok(())
}
