//! `lambda.migration`: a call of a function that brings the schema of a database up to date.
//!
//! The function is called once the database and the function are ready, and again whenever its code has changed (the
//! migrations are in the code), the database is another one, or its user has a new password, which the migration sets.
//! It may be called as often as one likes, because it applies only what is missing. Functions and services that use
//! the database come after the migration, so that no code meets a schema that is older than itself.
//!
//! A tag on the function, `provision:migrated`, says with which code, in which database and with which version of the
//! password the last call succeeded. The tag index lags by minutes, so the tag is read from the function itself: one
//! `ListTags` per migration. The call takes as long as the migrations do, at most the five minutes that the function
//! has. A run that is cut off leaves no tag, and the next one calls again.
//!
//! A call is made only when the function has the wanted code and no update is under way. Until then it is refused, in
//! the way in which Lambda itself would refuse it, and is made again. If the function fails, the error has its reason
//! and the last lines of its log, which come with the answer.

use std::time::Duration;

use aws_sdk_lambda::types::{LastUpdateStatus, State as Phase};
use serde::{Deserialize, Serialize};

use super::Function;
use super::call::{Failed, call};
use super::leaving::{CONFLICT, GONE, NOT_NOW};
use crate::aws::{Cx, Error, collect};
use crate::kind::facts::{Facts, Field, Retry, Seconds};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::rds::Instance;
use crate::kinds::secretsmanager::Secret;
use crate::scope::Scope;

pub struct Migration;

#[derive(Serialize, Deserialize)]
pub struct MigrationSpec {
    pub function: Ref<Function>,
    /// The digest of the function's code, as in [`super::FunctionSpec`].
    pub code_sha256: String,
    pub database: Ref<Instance>,
    /// The login of the user that the migration lets in.
    pub login: Ref<Secret>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MigrationState {
    pub function: String,
    /// The digest of the code that migrated last.
    pub code_sha256: String,
    /// The id that AWS gave the database. A new database of the same name has another.
    pub database: String,
    /// The version of the user's login.
    pub login: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MigrationOutput {
    /// The value of the tag.
    pub migrated: String,
}

impl Kind for Migration {
    const FACTS: Facts = Facts {
        name: "lambda.migration",
        untagged: "it is a tag of its function",
        fields: &[
            Field::fixed("function"),
            Field::wanted("code_sha256"),
            Field::wanted("database"),
            Field::wanted("login"),
        ],
        seconds: Seconds { create: 10, update: 10, delete: 1 },
        read_after: &["lambda.function"],
        update_moves_output: true,
        serves: true,
        only_a_record: true,
        retry: &[
            Retry::saying(CONFLICT, NOT_NOW, 900),
            Retry::code("ResourceNotFoundException", 30),
            // Nobody has called the function for weeks, and its network interfaces come back with the first call.
            Retry::code("ResourceNotReadyException", 300),
            Retry::code("EC2ThrottledException", 300),
        ],
        actions: &[
            "lambda:GetFunctionConfiguration",
            "lambda:InvokeFunction",
            "lambda:ListTags",
            "lambda:TagResource",
            "lambda:UntagResource",
        ],
        ..Facts::DEFAULT
    };

    type Spec = MigrationSpec;
    type State = MigrationState;
    type Output = MigrationOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &MigrationSpec, outputs: &Outputs) -> Result<MigrationState, Missing> {
        outputs.ready(&spec.function)?;
        Ok(MigrationState {
            function: outputs.get(&spec.function)?.name,
            code_sha256: spec.code_sha256.clone(),
            database: outputs.ready(&spec.database)?.resource,
            login: outputs.get(&spec.login)?.version_id,
        })
    }

    /// The most that the function takes for one call.
    fn patience(_: &MigrationSpec) -> u32 {
        300
    }
}

impl OnAws for Migration {
    async fn read(cx: &Cx, query: &Query<'_, Migration>) -> Result<Vec<Live<Migration>>, Error> {
        let wanted = |name: &str| query.wanted.iter().any(|(wanted, _)| wanted == name);
        // Other functions never migrate. One that did once, and is not wanted any more, has the name still.
        let functions = query.outputs.all::<Function>().into_iter();
        let functions = functions.filter(|(name, _)| wanted(name) || name.ends_with(MIGRATE)).collect();
        collect(functions, |(name, function)| async move {
            let answer = Error::unless_gone(cx.lambda.list_tags().resource(&function.arn).send().await, GONE)?;
            let migrated = answer.and_then(|answer| answer.tags?.remove(MIGRATED_TAG));
            Ok(migrated.map(|migrated| {
                let id = format!("{MIGRATED_TAG} of {}", function.name);
                let state = state(function.name, &migrated);
                Live::ready((name, Owner::Child), id, state, MigrationOutput { migrated })
            }))
        })
        .await
    }

    async fn create(cx: &Cx, _: &str, want: &MigrationState) -> Result<MigrationOutput, Error> {
        migrate(cx, want).await?;
        Ok(MigrationOutput { migrated: tag(want) })
    }

    async fn update(cx: &Cx, _: &Live<Migration>, want: &MigrationState, _: &Changed) -> Result<(), Error> {
        migrate(cx, want).await
    }

    async fn delete(cx: &Cx, live: &Live<Migration>, _: LastWish) -> Result<(), Error> {
        let arn = arn(cx, &live.state.function);
        Error::or_gone(cx.lambda.untag_resource().resource(arn).tag_keys(MIGRATED_TAG).send().await, GONE)
    }
}

const MIGRATED_TAG: &str = "provision:migrated";
/// The end of the name of every function that migrates. No other function of a stack may have such a name.
const MIGRATE: &str = "-migrate";
/// A little more than the most that the function has for a call.
const TIMEOUT: Duration = Duration::from_secs(330);
/// The lines of the function's log that an error shows.
const LINES: usize = 10;

/// The value of the tag. No part of it has a space.
fn tag(state: &MigrationState) -> String {
    format!("{} {} {}", state.code_sha256, state.database, state.login)
}

fn state(function: String, tag: &str) -> MigrationState {
    let mut words = tag.split(' ').map(str::to_owned);
    let mut next = || words.next().unwrap_or_default();
    MigrationState { function, code_sha256: next(), database: next(), login: next() }
}

async fn migrate(cx: &Cx, want: &MigrationState) -> Result<(), Error> {
    let now = cx.lambda.get_function_configuration().function_name(&want.function).send().await?;
    let updating = now.last_update_status() == Some(&LastUpdateStatus::InProgress);
    let variables = now.environment().and_then(|answer| answer.variables());
    let has_login = variables.is_some_and(|all| all.values().any(|value| *value == want.login));
    let is_as_wanted = now.code_sha256() == Some(&want.code_sha256) && has_login;
    if now.state() == Some(&Phase::Pending) || updating || !is_as_wanted {
        let message = format!("the migration {NOT_NOW}: the function is being changed");
        return Err(Error { code: CONFLICT.to_owned(), message, request_id: None, ambiguous: false });
    }
    if let Some(failure) = call(cx, &want.function, None, TIMEOUT).await? {
        return Err(Error::ours(failed(&failure)));
    }
    let call = cx.lambda.tag_resource().resource(arn(cx, &want.function));
    call.tags(MIGRATED_TAG, tag(want)).send().await?;
    Ok(())
}

fn arn(cx: &Cx, function: &str) -> String {
    cx.scope.arn("lambda", &format!("function:{function}"))
}

/// The reason why a function failed, and the end of its log.
fn failed(Failed { reason, log }: &Failed) -> String {
    // Lambda's own lines around a call say nothing of the schema.
    let ours = |line: &&str| !["START ", "END ", "REPORT ", "INIT_START "].iter().any(|word| line.starts_with(word));
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).filter(ours).collect();
    let lines = &lines[lines.len().saturating_sub(LINES)..];
    match lines {
        [] => format!("the schema was not brought up to date: {reason}"),
        lines => format!("the schema was not brought up to date: {reason}\nthe end of its log:\n{}", lines.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn a_failure_has_its_reason_and_the_end_of_its_log() {
        let answer =
            br#"{"errorType":"Migrate.Failed","errorMessage":"item: migration 2: a table is missing","stackTrace":[]}"#;
        let log = BASE64_STANDARD.encode(
            "START RequestId: 1 Version: $LATEST\n{\"event\":\"failed\"}\n\nEND RequestId: 1\nREPORT RequestId: 1\tDuration: 5 ms\n",
        );
        insta::assert_snapshot!(failed(&Failed::read(answer, &log)), @r#"
        the schema was not brought up to date: item: migration 2: a table is missing
        the end of its log:
        {"event":"failed"}
        "#);
        let silent = failed(&Failed::read(b"", "?"));
        assert_eq!(silent, "the schema was not brought up to date: the function does not say why");
    }

    #[test]
    fn the_tag_says_what_was_done() {
        let done = MigrationState {
            function: "f".to_owned(),
            code_sha256: "YFgDgEKG3ugvF1+pX64gV6tu9qNuIYNUdgJm8nCxsm4=".to_owned(),
            database: "db-ABCDEFGHIJKL01234".to_owned(),
            login: "00000000-0000-0000-0000-000000000000".to_owned(),
        };
        assert_eq!(tag(&state("f".to_owned(), &tag(&done))), tag(&done));
        assert!(tag(&done).len() <= 256, "AWS takes no longer one");
        assert_eq!(state("f".to_owned(), "").database, "");
    }

    #[test]
    fn a_call_that_is_too_early_is_made_again() {
        let message = format!("the migration {NOT_NOW}: the function is being changed");
        let error = Error { code: CONFLICT.to_owned(), message, request_id: None, ambiguous: false };
        assert_eq!(error.worth_retrying(&Migration::FACTS), Some(900));
    }
}
