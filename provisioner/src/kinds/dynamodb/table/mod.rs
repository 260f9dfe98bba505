//! `dynamodb.table`: a table, its stream and its indexes, paid by request.
//!
//! Tables are found by name: one list of the account's tables, then `DescribeTable` and three more calls for each of
//! ours. Names have 3 to 255 characters (DynamoDB API reference, CreateTable). A table is there after 5 to 30 seconds,
//! an index after minutes, and a table is gone after some seconds.
//!
//! - Backups (point-in-time recovery) and the expiry of items (TTL) are calls of their own, which AWS takes only for an
//!   active table. So a new table gets them when it is ready, and one that a crash left without them shows a difference.
//! - `UpdateTable` takes one sort of change at a time, one index at a time, and none while the table is busy. So the
//!   engine comes back while a change is left ([`crate::kind::facts::Facts::stepwise`]).
//! - The view of a stream cannot be changed. The stream is switched off and on again: that is another stream with
//!   another ARN, so the mappings on it are replaced.
//! - Another attribute for the expiry means off, and on again. AWS takes one such change an hour.
//! - Items are encrypted with DynamoDB's own key, which costs nothing and needs no rights.
//! - A table or a stream has no resource policy: roles of this account use it by IAM. A policy that others have put
//!   there is taken away.
//! - Before its removal a table can be copied by `CreateBackup`, within seconds, whatever its size.

mod answer;
mod request;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tag_list;
use crate::aws::{Cx, Error, collect};
use crate::kind::facts::{Facts, Field, Retry, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Table;

#[derive(Serialize, Deserialize)]
pub struct TableSpec {
    /// The partition key, and after it the sort key if there is one.
    pub key: Vec<KeyPart>,
    /// What the stream tells of a change, in DynamoDB's words. `None`: there is no stream.
    pub stream: Option<String>,
    pub indexes: BTreeMap<String, Vec<KeyPart>>,
    /// The attribute with the time at which an item expires.
    pub ttl: Option<String>,
    /// Whether the table is protected against deletion.
    pub protected: bool,
    /// Whether any second of the last 35 days can be restored.
    pub backups: bool,
}

/// An attribute of a key, with its type in DynamoDB's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPart {
    pub name: String,
    #[serde(rename = "type")]
    pub of: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TableState {
    pub name: String,
    pub key: Vec<KeyPart>,
    pub billing: String,
    /// What the stream tells of a change, or "" for no stream.
    pub stream: String,
    pub indexes: BTreeMap<String, IndexState>,
    /// The attribute with the time at which an item expires, or "" for none.
    pub ttl: String,
    pub protected: bool,
    pub backups: bool,
    /// The ARN of the key that items are encrypted under, or "" for DynamoDB's own.
    pub kms_key: String,
    /// The statements of the resource policies of the table and of its stream, by `Sid`.
    pub statements: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexState {
    pub key: Vec<KeyPart>,
    /// Which attributes of an item are in the index, in DynamoDB's words.
    pub projection: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TableOutput {
    pub arn: String,
    pub name: String,
    /// The ARN of the stream, or "" for none. Its end is the time at which the stream was made.
    pub stream_arn: String,
}

const ANOTHER_STREAM: &str = "another stream: changes that no function has taken from this one are lost to functions";
const ONE_INDEX: &str = "one index after the other, each takes minutes; a changed one is away until it is made anew";
const ONCE_AN_HOUR: &str = "to another attribute: `up` takes it off, and sets the other when it runs an hour later";

impl Kind for Table {
    const FACTS: Facts = Facts {
        name: "dynamodb.table",
        fields: &[
            Field::fixed("name"),
            Field::fixed("key"),
            Field::wanted("billing"),
            Field::wanted("stream").taking(5, 60).note(ANOTHER_STREAM).moves_output(),
            Field::wanted("indexes").taking(60, 3600).note(ONE_INDEX),
            Field::wanted("ttl").note(ONCE_AN_HOUR),
            Field::wanted("protected"),
            Field::wanted("backups"),
            Field::wanted("kms_key"),
            Field::beside("statements", "statement of its policy"),
        ],
        seconds: Seconds { create: 15, update: 15, delete: 15 },
        stepwise: true,
        holds_data: true,
        exists: &["ResourceInUseException"],
        retry: &[
            Retry::code("ResourceInUseException", 900),
            Retry::code("LimitExceededException", 900),
            Retry::code("BackupInUseException", 600),
            Retry::code("ContinuousBackupsUnavailableException", 120),
            Retry::saying("ValidationException", "Backups are being enabled", 120),
            Retry::code("ResourceNotFoundException", 20),
            Retry::code("TableNotFoundException", 20),
            // The protection has just been lifted.
            Retry::saying("ValidationException", "protected against deletion", 60),
        ],
        actions: &[
            "dynamodb:CreateBackup",
            "dynamodb:CreateTable",
            "dynamodb:DeleteResourcePolicy",
            "dynamodb:DeleteTable",
            "dynamodb:DescribeContinuousBackups",
            "dynamodb:DescribeTable",
            "dynamodb:DescribeTimeToLive",
            "dynamodb:GetResourcePolicy",
            "dynamodb:ListBackups",
            "dynamodb:ListTables",
            "dynamodb:ListTagsOfResource",
            "dynamodb:TagResource",
            "dynamodb:UntagResource",
            "dynamodb:UpdateContinuousBackups",
            "dynamodb:UpdateTable",
            "dynamodb:UpdateTimeToLive",
        ],
        protection: Some("protected"),
        ..Facts::DEFAULT
    };

    type Spec = TableSpec;
    type State = TableState;
    type Output = TableOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &TableSpec, _: &Outputs) -> Result<TableState, Missing> {
        let index = |key: &Vec<KeyPart>| IndexState { key: key.clone(), projection: "ALL".to_owned() };
        Ok(TableState {
            name: table_name(scope, name),
            key: spec.key.clone(),
            billing: BY_REQUEST.to_owned(),
            stream: spec.stream.clone().unwrap_or_default(),
            indexes: spec.indexes.iter().map(|(name, key)| (name.clone(), index(key))).collect(),
            ttl: spec.ttl.clone().unwrap_or_default(),
            protected: spec.protected,
            backups: spec.backups,
            kms_key: String::new(),
            statements: BTreeMap::new(),
        })
    }

    fn patience(spec: &TableSpec) -> u32 {
        u32::try_from(spec.indexes.len()).unwrap_or_default() * 3600
    }
}

impl OnAws for Table {
    async fn read(cx: &Cx, query: &Query<'_, Table>) -> Result<Vec<Live<Table>>, Error> {
        let wanted = query.named(|name, _| table_name(&cx.scope, name));
        let prefix = format!("{}-", cx.scope.prefix());
        let listed: Vec<String> = cx.dynamodb.list_tables().into_paginator().items().send().try_collect().await?;
        let mut names: Vec<String> = listed.into_iter().filter(|name| name.starts_with(&prefix)).collect();
        // The list may lag.
        names.extend(wanted.keys().cloned());
        names.sort();
        names.dedup();
        collect(names, |name| answer::one(cx, name, &wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &TableState) -> Result<TableOutput, Error> {
        request::make(cx, want, tag_list(cx.scope.tags(name))?).await
    }

    async fn update(cx: &Cx, live: &Live<Table>, want: &TableState, changed: &Changed) -> Result<(), Error> {
        request::change(cx, live, want, changed).await
    }

    async fn delete(cx: &Cx, live: &Live<Table>, last: LastWish) -> Result<(), Error> {
        if last == LastWish::Snapshot {
            request::keep_a_copy(cx, &live.state.name).await?;
        }
        Error::or_gone(cx.dynamodb.delete_table().table_name(&live.state.name).send().await, GONE)
    }

    async fn unprotect(cx: &Cx, live: &Live<Table>) -> Result<(), Error> {
        request::unprotect(cx, &live.state.name).await
    }
}

const BY_REQUEST: &str = "PAY_PER_REQUEST";
const GONE: &[&str] = &["ResourceNotFoundException", "TableNotFoundException"];

pub fn table_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 255)
}
