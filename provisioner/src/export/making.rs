//! The template as it grows while the kinds are asked one after the other, dependencies first.

use std::collections::BTreeMap;

use serde_json::Value;

use super::it::It;
use super::registry::{self, Row};
use super::template::{Output, Resource};
use super::{names, suppressions, tokens};
use crate::kind::Late;
use crate::kind::board::{Board, Published};
use crate::kind::facts::Address;
use crate::kind::json::Json;
use crate::plan::desired::{Desired, Wanted};
use crate::scope::Scope;
use crate::sections::aws::making::Export;

pub(super) struct Making<'a> {
    scope: &'a Scope,
    ids: BTreeMap<Address, String>,
    board: Board,
    /// Texts that are known beforehand and name a resource of the template, such as the ARN of a role, each with its
    /// token.
    known: Vec<(String, String)>,
    resources: Vec<Resource>,
    made_by: BTreeMap<Address, Vec<String>>,
}

impl<'a> Making<'a> {
    pub(super) fn new(scope: &'a Scope, desired: &Desired) -> Making<'a> {
        Making {
            scope,
            ids: names::ids(desired, |kind| registry::find(kind).map(|row| row.word).unwrap_or_default()),
            board: Board::default(),
            known: Vec::new(),
            resources: Vec::new(),
            made_by: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, wanted: &Wanted) {
        let row = registry::find(wanted.address.kind).expect("every kind has a row: a test says so");
        let name = &wanted.address.name;
        let want = wanted.kind.want(self.scope, name, &wanted.spec, &self.board.outputs(Late::IsAwaited));
        let want = want.expect("everything upstream has published its tokens");
        let id = self.ids[&wanted.address].clone();
        let mut it = It {
            name,
            scope: self.scope,
            id: &id,
            ids: &self.ids,
            earlier: &mut self.resources,
            made_by: &self.made_by,
            new: Vec::new(),
        };
        (row.write)(&mut it, &wanted.spec, &want);
        let mut new = it.new;
        for resource in &mut new {
            resource.section.clone_from(&wanted.section);
            resource.of = (resource.id == id).then(|| wanted.address.clone());
        }
        let made = new.iter().map(|resource| resource.id.clone()).collect();
        self.made_by.insert(wanted.address.clone(), made);
        self.resources.extend(new);
        self.publish(wanted, row, &id, &want.tree());
    }

    /// Publishes a token in place of every text that the kind gives to others.
    fn publish(&mut self, wanted: &Wanted, row: &Row, id: &str, want: &Value) {
        let (mut output, mut ready) = wanted.kind.blank();
        for blank in [&mut output, &mut ready] {
            for (field, value) in blank.as_object_mut().into_iter().flatten() {
                if let Some(text) = row.gives(field).filter(|_| value.is_string()) {
                    *value = Value::from(text.text(self.scope, id, want));
                }
            }
        }
        if let (Some(known), Some(arn)) = (row.known, output["arn"].as_str()) {
            self.known.push((known(self.scope, want), arn.to_owned()));
        }
        let published = Published { output: Json::of(&output), ready: Some(Json::of(&ready)) };
        self.board.publish(&wanted.address, published);
    }

    pub(super) fn outputs(&self, exports: &[Export]) -> Vec<Output> {
        let mut outputs = Vec::new();
        for export in exports {
            let Some(published) = self.board.get(&export.of) else { continue };
            let value = match (published.output.get(export.field), &published.ready) {
                (Value::Null, Some(ready)) => ready.get(export.field),
                (value, _) => value,
            };
            let value = tokens::resolve(&value, &self.known);
            outputs.push(Output { id: names::pascal(&export.name), description: export.name.clone(), value });
        }
        outputs
    }

    /// The resources in the order of the stack file, with the tokens resolved.
    pub(super) fn finish(mut self, desired: &Desired) -> Vec<Resource> {
        let places = desired.resources().iter().enumerate();
        let place: BTreeMap<&str, usize> = places
            .flat_map(|(place, wanted)| self.made_by[&wanted.address].iter().map(move |id| (id.as_str(), place)))
            .collect();
        self.resources.sort_by_key(|resource| place[resource.id.as_str()]);
        for resource in &mut self.resources {
            resource.properties = tokens::resolve(&resource.properties, &self.known);
            // A resource waits for those that it refers to anyway.
            let properties = &resource.properties;
            resource.depends_on.retain(|id| !tokens::refers(properties, id));
            resource.suppressed = suppressions::of(resource.kind, &resource.properties);
        }
        self.resources
    }
}
