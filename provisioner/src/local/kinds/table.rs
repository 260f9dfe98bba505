//! `local.table`: a table of the engine of tables. A change is made while the engine runs, and its items stay.

use std::collections::BTreeMap;

use local::tables;
use serde::{Deserialize, Serialize};

use super::Process;
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Missing, Outputs, Ref};
use crate::scope::Scope;

pub(crate) struct Table;

#[derive(Serialize, Deserialize)]
pub(crate) struct TableSpec {
    pub(crate) state: TableState,
    pub(crate) engine: Ref<Process>,
}

/// The names are those of `dynamodb.table`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableState {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) key: Vec<tables::Attribute>,
    pub(crate) stream: Option<tables::View>,
    pub(crate) indexes: BTreeMap<String, Vec<tables::Attribute>>,
    pub(crate) ttl: String,
}

impl TableState {
    pub(crate) fn of(scope: &Scope, name: &str, table: &tables::Table) -> TableState {
        TableState {
            name: name.to_owned(),
            arn: scope.arn("dynamodb", &format!("table/{name}")),
            key: table.key.clone(),
            stream: table.stream,
            indexes: table.indexes.clone(),
            ttl: table.ttl.clone().unwrap_or_default(),
        }
    }

    pub(crate) fn declaration(&self) -> tables::Table {
        tables::Table {
            key: self.key.clone(),
            stream: self.stream,
            indexes: self.indexes.clone(),
            ttl: Some(self.ttl.clone()).filter(|attribute| !attribute.is_empty()),
        }
    }
}

impl Kind for Table {
    const FACTS: Facts = Facts {
        name: "local.table",
        fields: &[
            Field::fixed("name"),
            Field::wanted("arn"),
            Field::fixed("key"),
            Field::wanted("stream").note("another stream: changes that no function has taken are lost to functions"),
            Field::wanted("indexes"),
            Field::wanted("ttl"),
        ],
        holds_data: true,
        untagged: "it belongs to the engine of tables of its stack",
        ..Facts::DEFAULT
    };

    type Spec = TableSpec;
    type State = TableState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &TableSpec, _: &Outputs) -> Result<TableState, Missing> {
        Ok(spec.state.clone())
    }
}
