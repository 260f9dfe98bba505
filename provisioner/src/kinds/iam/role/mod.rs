//! `iam.role`: a role that a service assumes, with one inline policy.
//!
//! A role is found by its path, `/provision/<stack>/<env>/`; [`read`] says how. Names have at most 64 characters, and
//! two names that differ only in case are the same (IAM API reference, CreateRole and ListRoles). Calls end at once,
//! but other services see a new role only after 7 to 9 seconds: they say so in words that `aws::Error` retries.
//!
//! Everything else that gives the role rights is a difference, and is taken away: other inline policies, attached
//! policies, another trust. A boundary gives no rights, so any boundary is kept if the stack file does not speak of
//! one and the account has none for the stack ([`super::boundary`]).

mod read;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{boundary, tag_list};
use crate::aws::{Cx, Error, policy};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::kms::Key;
use crate::kinds::logs::LogGroup;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::secretsmanager::Secret;
use crate::kinds::sns::Topic;
use crate::kinds::sqs::Queue;
use crate::scope::Scope;

pub struct Role;

#[derive(Serialize, Deserialize)]
pub struct RoleSpec {
    /// The service that may assume the role, such as `ecs-tasks.amazonaws.com`.
    pub service: String,
    pub statements: Vec<Statement>,
    /// The ARN of the policy that bounds the role, or "" for none. `None` keeps the live one.
    pub permissions_boundary: Option<String>,
}

/// One statement of the role's inline policy, always `Allow`.
#[derive(Serialize, Deserialize)]
pub struct Statement {
    pub actions: Vec<String>,
    pub resources: Vec<Resource>,
    /// The statement's `Condition` as JSON, or `null` for none.
    pub condition: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// An ARN that is known beforehand, or `*`.
    Arn(String),
    Topic(Ref<Topic>),
    Queue(Ref<Queue>),
    Secret(Ref<Secret>),
    Key(Ref<Key>),
    /// The streams of a log group: `<arn>:*`.
    LogStreams(Ref<LogGroup>),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RoleState {
    pub name: String,
    pub path: String,
    pub trust: Value,
    /// Our inline policy, or `{}` for none.
    pub policy: Value,
    /// The inline policies that others have added, by name.
    pub inline_policies: BTreeMap<String, Value>,
    /// The policies that others have attached, by ARN.
    pub managed: BTreeSet<String>,
    /// The ARN of the boundary, or "" for none.
    pub permissions_boundary: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RoleOutput {
    pub arn: String,
    pub name: String,
}

impl Kind for Role {
    const FACTS: Facts = Facts {
        name: "iam.role",
        fields: &[
            Field::fixed("name"),
            Field::fixed("path"),
            Field::wanted("trust"),
            Field::wanted("policy"),
            Field::beside("inline_policies", "inline policy"),
            Field::wanted("managed"),
            Field::wanted("permissions_boundary"),
        ],
        exists: &["EntityAlreadyExists"],
        retry: &[
            Retry::code("NoSuchEntity", 30),
            Retry::code("EntityTemporarilyUnmodifiable", 60),
            Retry::code("DeleteConflict", 60),
        ],
        actions: &[
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:DeleteRolePermissionsBoundary",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:GetAccountAuthorizationDetails",
            "iam:GetPolicy",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "iam:ListRoles",
            "iam:PutRolePermissionsBoundary",
            "iam:PutRolePolicy",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:UpdateAssumeRolePolicy",
        ],
        ..Facts::DEFAULT
    };

    type Spec = RoleSpec;
    type State = RoleState;
    type Output = RoleOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &RoleSpec, outputs: &Outputs) -> Result<RoleState, Missing> {
        let mut statements = Vec::new();
        for statement in &spec.statements {
            let mut resources = Vec::new();
            for resource in &statement.resources {
                resources.push(arn_of(resource, outputs)?);
            }
            let mut allow = json!({"Effect": "Allow", "Action": statement.actions, "Resource": resources});
            if !statement.condition.is_null() {
                allow["Condition"] = statement.condition.clone();
            }
            statements.push(allow);
        }
        let policy = match statements.is_empty() {
            true => json!({}),
            false => policy::normal(&json!({"Version": "2012-10-17", "Statement": statements})),
        };
        Ok(RoleState {
            name: role_name(scope, name),
            path: path(scope),
            trust: trust(scope, &spec.service),
            policy,
            inline_policies: BTreeMap::new(),
            managed: BTreeSet::new(),
            permissions_boundary: spec.permissions_boundary.clone(),
        })
    }
}

impl OnAws for Role {
    async fn read(cx: &Cx, query: &Query<'_, Role>) -> Result<Vec<Live<Role>>, Error> {
        read::all(cx, query).await
    }

    async fn create(cx: &Cx, name: &str, want: &RoleState) -> Result<RoleOutput, Error> {
        let boundary = want.permissions_boundary.clone().filter(|boundary| !boundary.is_empty());
        let call = cx.iam.create_role().role_name(&want.name).path(&want.path).set_permissions_boundary(boundary);
        let call = call.set_tags(Some(tag_list(cx.scope.tags(name))?));
        let made = call.assume_role_policy_document(want.trust.to_string()).send().await.map_err(Error::from);
        made.map_err(|error| unbounded(&cx.scope, want, error))?;
        put_policy(cx, want).await?;
        Ok(output(&cx.scope, want))
    }

    async fn update(cx: &Cx, live: &Live<Role>, want: &RoleState, changed: &Changed) -> Result<(), Error> {
        if changed.has("trust") {
            let call = cx.iam.update_assume_role_policy().role_name(&want.name);
            call.policy_document(want.trust.to_string()).send().await?;
        }
        // The boundary comes before the rights of the role, because our own policy may let us give rights only to roles
        // within the boundary.
        if changed.has("permissions_boundary") {
            bound(cx, want).await?;
        }
        if changed.has("policy") {
            put_policy(cx, want).await.map_err(|error| unbounded(&cx.scope, want, error))?;
        }
        if changed.has("inline_policies") {
            for name in live.state.inline_policies.keys() {
                delete_policy(cx, &want.name, name).await?;
            }
        }
        if changed.has("managed") {
            for arn in &live.state.managed {
                detach(cx, &want.name, arn).await?;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Role>, _: LastWish) -> Result<(), Error> {
        let role = &live.state.name;
        // IAM refuses to delete a role while it has any policy, also one from others.
        let attached = cx.iam.list_attached_role_policies().role_name(role).send().await;
        for policy in
            Error::unless_gone(attached, GONE)?.map(|answer| answer.attached_policies).into_iter().flatten().flatten()
        {
            detach(cx, role, policy.policy_arn().unwrap_or_default()).await?;
        }
        let inline = cx.iam.list_role_policies().role_name(role).send().await;
        for policy in Error::unless_gone(inline, GONE)?.map(|answer| answer.policy_names).into_iter().flatten() {
            delete_policy(cx, role, &policy).await?;
        }
        Error::or_gone(cx.iam.delete_role().role_name(role).send().await, GONE)
    }
}

const GONE: &[&str] = &["NoSuchEntity", "NoSuchEntityException"];
/// The name of our inline policy.
const INLINE: &str = "provision";
/// The services that say for which account they ask (confused deputy: IAM user guide, and the pages of ECS and VPC flow
/// logs). Lambda does not say it when it assumes an execution role.
const NAME_THE_ACCOUNT: &[&str] = &["ecs-tasks.amazonaws.com", "vpc-flow-logs.amazonaws.com"];

fn role_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 64)
}

fn path(scope: &Scope) -> String {
    format!("/provision/{}/{}/", scope.stack, scope.env)
}

fn output(scope: &Scope, state: &RoleState) -> RoleOutput {
    let arn = scope.global_arn("iam", &format!("role{}{}", state.path, state.name));
    RoleOutput { arn, name: state.name.clone() }
}

fn arn_of(resource: &Resource, outputs: &Outputs) -> Result<String, Missing> {
    Ok(match resource {
        Resource::Arn(arn) => arn.clone(),
        Resource::Topic(topic) => outputs.get(topic)?.arn,
        Resource::Queue(queue) => outputs.get(queue)?.arn,
        Resource::Secret(secret) => outputs.get(secret)?.arn,
        Resource::Key(key) => outputs.get(key)?.arn,
        Resource::LogStreams(group) => format!("{}:*", outputs.get(group)?.arn),
    })
}

fn trust(scope: &Scope, service: &str) -> Value {
    let mut allow = json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"});
    if NAME_THE_ACCOUNT.contains(&service) {
        allow["Condition"] = json!({"StringEquals": {"aws:SourceAccount": scope.account}});
    }
    policy::normal(&json!({"Version": "2012-10-17", "Statement": [allow]}))
}

async fn bound(cx: &Cx, want: &RoleState) -> Result<(), Error> {
    match want.permissions_boundary.as_deref().unwrap_or_default() {
        "" => {
            let call = cx.iam.delete_role_permissions_boundary().role_name(&want.name);
            Error::unless_gone(call.send().await, GONE)?;
        }
        arn => {
            let call = cx.iam.put_role_permissions_boundary().role_name(&want.name);
            call.permissions_boundary(arn).send().await?;
        }
    }
    Ok(())
}

async fn put_policy(cx: &Cx, want: &RoleState) -> Result<(), Error> {
    if want.policy == json!({}) {
        return delete_policy(cx, &want.name, INLINE).await;
    }
    let call = cx.iam.put_role_policy().role_name(&want.name).policy_name(INLINE);
    call.policy_document(want.policy.to_string()).send().await?;
    Ok(())
}

async fn delete_policy(cx: &Cx, role: &str, policy: &str) -> Result<(), Error> {
    let call = cx.iam.delete_role_policy().role_name(role).policy_name(policy);
    Error::or_gone(call.send().await, GONE)
}

/// The error, and the boundary that may be missing. The rights that `provision policy` prints make and fill only roles
/// within the stack's boundary.
fn unbounded(scope: &Scope, want: &RoleState, error: Error) -> Error {
    let is_bounded = want.permissions_boundary.as_deref().is_some_and(|boundary| !boundary.is_empty());
    if !error.is_denied() || is_bounded {
        return error;
    }
    let boundary = boundary::name(scope);
    let why = format!("the role has no permissions boundary, and `{boundary}` is not seen in this account");
    Error { message: format!("{}. Perhaps because {why}", error.message), ..error }
}

async fn detach(cx: &Cx, role: &str, arn: &str) -> Result<(), Error> {
    Error::or_gone(cx.iam.detach_role_policy().role_name(role).policy_arn(arn).send().await, GONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            account: "644160558196".into(),
            region: "us-east-1".into(),
            stack: "bell".into(),
            env: "dev".into(),
            tags: Default::default(),
        }
    }

    /// A trust policy in the url-encoded form of IAM's answers (IAM API reference, GetRole), without the account.
    #[test]
    fn a_recorded_trust_policy_reads_as_what_we_want() {
        let answer = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal\
            %22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
        assert_eq!(policy::parse(answer), trust(&scope(), "lambda.amazonaws.com"));
    }

    #[test]
    fn only_those_who_say_it_have_to_say_the_account() {
        let condition = |service| trust(&scope(), service)["Statement"][0]["Condition"].clone();
        let account = json!({"StringEquals": {"aws:SourceAccount": ["644160558196"]}});
        assert_eq!((condition("ecs-tasks.amazonaws.com"), condition("lambda.amazonaws.com")), (account, Value::Null));
    }
}
