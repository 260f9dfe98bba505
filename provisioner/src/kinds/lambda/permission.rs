//! `lambda.permission`: lets a log group, a topic, a rule or an API call a function.
//!
//! A permission is a statement in the function's policy. It is found by its id, with one `GetPolicy` per function. It
//! is ours because the function is ours, and its id begins as all our names do. Every other statement lets somebody
//! else call the function, and is taken away. Ids have at most 100 letters, digits, `-` and `_` (Lambda API reference,
//! AddPermission). Nothing in a permission can be changed. Calls end at once, but two calls for the same function
//! disturb each other: Lambda says so, and we come back.
//!
//! A statement names the source by its ARN. CloudWatch Logs and SNS tell the account of the source as well, so their
//! statements ask for it. Not every service does (Lambda API reference, AddPermission), and a statement that asks for
//! it in vain lets nobody call. The ARNs of rules and APIs have the account in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Function;
use crate::aws::{Cx, Error, each, policy};
use crate::kind::facts::{Address, Facts, Field, Retry};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::apigatewayv2::Api;
use crate::kinds::events::Rule;
use crate::kinds::logs::LogGroup;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::sns::Topic;
use crate::scope::Scope;

pub struct Permission;

#[derive(Serialize, Deserialize)]
pub struct PermissionSpec {
    pub function: Ref<Function>,
    /// The service that may call, such as `logs.amazonaws.com`.
    pub principal: String,
    pub source: PermissionSource,
}

/// The thing in whose name the service calls.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionSource {
    LogGroup(Ref<LogGroup>),
    Topic(Ref<Topic>),
    Rule(Ref<Rule>),
    /// Every route of the API, in every stage.
    Api(Ref<Api>),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PermissionState {
    pub id: String,
    pub function: String,
    pub principal: String,
    pub action: String,
    pub source_arn: String,
    pub source_account: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PermissionOutput {
    /// The source that may call, such as `<ARN of a log group>:*`.
    pub source_arn: String,
}

impl Kind for Permission {
    const FACTS: Facts = Facts {
        name: "lambda.permission",
        untagged: "it belongs to its function",
        fields: &[
            Field::fixed("id"),
            Field::fixed("function"),
            Field::fixed("principal"),
            Field::fixed("action"),
            Field::fixed("source_arn"),
            Field::fixed("source_account"),
        ],
        read_after: &["lambda.function"],
        exists: &["ResourceConflictException"],
        retry: &[
            Retry::text("concurrent update operation", 60),
            Retry::saying("ResourceConflictException", "cannot be performed at this time", 300),
            Retry::code("PreconditionFailedException", 60),
            Retry::code("ResourceNotFoundException", 30),
        ],
        actions: &["lambda:AddPermission", "lambda:GetPolicy", "lambda:RemovePermission"],
        ..Facts::DEFAULT
    };

    type Spec = PermissionSpec;
    type State = PermissionState;
    type Output = PermissionOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &PermissionSpec, outputs: &Outputs) -> Result<PermissionState, Missing> {
        let (source_arn, tells_account) = match &spec.source {
            PermissionSource::LogGroup(group) => (format!("{}:*", outputs.get(group)?.arn), true),
            PermissionSource::Topic(topic) => (outputs.get(topic)?.arn, true),
            PermissionSource::Rule(rule) => (outputs.get(rule)?.arn, false),
            // The ARN of a call is `<id>/<stage>/<method>/<path>`, and `<id>/<stage>/$default` (API Gateway developer
            // guide, "Working with AWS Lambda proxy integrations for HTTP APIs").
            PermissionSource::Api(api) => (scope.arn("execute-api", &format!("{}/*/*", outputs.get(api)?.id)), false),
        };
        Ok(PermissionState {
            id: statement_id(scope, name),
            function: outputs.get(&spec.function)?.name,
            principal: spec.principal.clone(),
            action: ACTION.to_owned(),
            source_arn,
            source_account: if tells_account { scope.account.clone() } else { String::new() },
        })
    }
}

impl OnAws for Permission {
    async fn read(cx: &Cx, query: &Query<'_, Permission>) -> Result<Vec<Live<Permission>>, Error> {
        let wanted: BTreeMap<String, &str> =
            query.wanted.iter().map(|(name, _)| (statement_id(query.scope, name), name.as_str())).collect();
        let prefix = format!("{}-", cx.scope.prefix());
        let functions = query.outputs.all::<Function>();
        let mut live = Vec::new();
        for found in each(functions, |(on, function)| statements(cx, on, function.name)).await {
            let (on, function, statements) = found?;
            for statement in statements {
                let state = state(&function, &statement);
                let ours = format!("{} of {function}", state.id);
                let (name, id, owner) = match (wanted.get(&state.id), state.id.strip_prefix(&prefix)) {
                    (Some(name), _) => ((*name).to_owned(), ours, Owner::Child),
                    (None, Some(rest)) => (rest.to_owned(), ours, Owner::Child),
                    (None, None) => (format!("{on}/{}", state.id), said(&statement), beside(&on)),
                };
                let output = PermissionOutput { source_arn: state.source_arn.clone() };
                live.push(Live::ready((name, owner), id, state, output));
            }
        }
        Ok(live)
    }

    async fn create(cx: &Cx, _: &str, want: &PermissionState) -> Result<PermissionOutput, Error> {
        let call = cx.lambda.add_permission().function_name(&want.function).statement_id(&want.id);
        let call = call.action(&want.action).principal(&want.principal);
        let account = Some(want.source_account.clone()).filter(|account| !account.is_empty());
        call.source_arn(&want.source_arn).set_source_account(account).send().await?;
        Ok(PermissionOutput { source_arn: want.source_arn.clone() })
    }

    async fn update(_: &Cx, live: &Live<Permission>, _: &PermissionState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours(format!("a permission never changes: {}", live.id)))
    }

    async fn delete(cx: &Cx, live: &Live<Permission>, _: LastWish) -> Result<(), Error> {
        let call = cx.lambda.remove_permission().function_name(&live.state.function).statement_id(&live.state.id);
        Error::or_gone(call.send().await, GONE)
    }
}

const GONE: &[&str] = &["ResourceNotFoundException"];
const ACTION: &str = "lambda:InvokeFunction";

fn statement_id(scope: &Scope, name: &str) -> String {
    scope.name(name, 100)
}

fn beside(function: &str) -> Owner {
    Owner::Beside(Address { kind: Function::FACTS.name, name: function.to_owned() })
}

/// A statement in words: `Allow {"AWS":["*"]} lambda:InvokeFunction`.
fn said(statement: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let actions = statement["Action"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
    format!("{} {} {actions}", text(&statement["Effect"]), text(&statement["Principal"]))
}

async fn statements(cx: &Cx, on: String, function: String) -> Result<(String, String, Vec<Value>), Error> {
    let call = cx.lambda.get_policy().function_name(&function);
    // A function without permissions has no policy.
    let answer = Error::unless_gone(call.send().await, GONE)?.and_then(|answer| answer.policy);
    let policy = policy::parse(&answer.unwrap_or_default());
    Ok((on, function, policy["Statement"].as_array().cloned().unwrap_or_default()))
}

fn state(function: &str, statement: &Value) -> PermissionState {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let condition = |operators: &[&str], key: &str| {
        let values = operators.iter().map(|operator| &statement["Condition"][operator][key][0]);
        values.map(text).find(|value| !value.is_empty()).unwrap_or_default()
    };
    PermissionState {
        id: text(&statement["Sid"]),
        function: function.to_owned(),
        principal: text(&statement["Principal"]["Service"][0]),
        action: text(&statement["Action"][0]),
        source_arn: condition(&["ArnLike", "ArnEquals", "StringEquals"], "AWS:SourceArn"),
        source_account: condition(&["StringEquals"], "AWS:SourceAccount"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A statement in the form of GetPolicy in botocore's lambda examples, with the conditions that AddPermission makes
    /// of its parameters.
    #[test]
    fn a_recorded_statement_reads_as_what_we_want() {
        let policy = policy::parse(
            r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"bell-dev-logs-web","Effect":"Allow",
            "Principal":{"Service":"logs.amazonaws.com"},"Action":"lambda:InvokeFunction",
            "Resource":"arn:aws:lambda:us-east-2:123456789012:function:my-function",
            "Condition":{"StringEquals":{"AWS:SourceAccount":"123456789012"},
            "ArnLike":{"AWS:SourceArn":"arn:aws:logs:us-east-2:123456789012:log-group:/bell-dev/web:*"}}}]}"#,
        );
        let state = state("my-function", &policy["Statement"][0]);
        assert_eq!((state.id.as_str(), state.principal.as_str()), ("bell-dev-logs-web", "logs.amazonaws.com"));
        assert_eq!(state.source_arn, "arn:aws:logs:us-east-2:123456789012:log-group:/bell-dev/web:*");
        assert_eq!((state.source_account.as_str(), state.action.as_str()), ("123456789012", ACTION));
    }
}
