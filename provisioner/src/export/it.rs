//! The way from one resource of the stack into the template, as the function of its kind sees it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::template::Resource;
use super::tokens;
use crate::kind::facts::Address;
use crate::kind::{Kind, Ref};
use crate::scope::Scope;

/// The context for the function of a kind. It is one resource of the stack on its way into the template.
pub(super) struct It<'a> {
    /// The resource's name in the stack: `work`.
    pub(super) name: &'a str,
    pub(super) scope: &'a Scope,
    pub(super) id: &'a str,
    pub(super) ids: &'a BTreeMap<Address, String>,
    pub(super) earlier: &'a mut Vec<Resource>,
    pub(super) made_by: &'a BTreeMap<Address, Vec<String>>,
    pub(super) new: Vec<Resource>,
}

impl It<'_> {
    /// Adds the resource itself.
    pub(super) fn put(&mut self, kind: &'static str, properties: Value) -> &mut Resource {
        self.push(self.id.to_owned(), kind, properties)
    }

    /// Adds a part of it that is a resource of its own in CloudFormation.
    pub(super) fn part(&mut self, suffix: &str, kind: &'static str, properties: Value) -> &mut Resource {
        self.push(format!("{}{suffix}", self.id), kind, properties)
    }

    fn push(&mut self, id: String, kind: &'static str, properties: Value) -> &mut Resource {
        self.new.push(Resource::new(id, kind, properties));
        self.new.last_mut().expect("it was pushed")
    }

    /// The token for what `Ref` gives of the resource.
    pub(super) fn own(&self) -> String {
        tokens::of(self.id, "")
    }

    pub(super) fn id_of<K: Kind>(&self, reference: &Ref<K>) -> &str {
        &self.ids[&address(reference)]
    }

    /// The ids of everything that a resource of the stack has become.
    pub(super) fn all_of<K: Kind>(&self, reference: &Ref<K>) -> Vec<String> {
        self.made_by[&address(reference)].clone()
    }

    /// The CloudFormation resource that another resource of the stack has become.
    pub(super) fn other<K: Kind>(&mut self, reference: &Ref<K>) -> &mut Resource {
        let id = &self.ids[&address(reference)];
        self.earlier.iter_mut().find(|resource| resource.id == *id).expect("what is referred to comes first")
    }

    /// The name that people see, and the stack's own tags. The tags by which `provision` knows its own resources are
    /// left out: CloudFormation owns the resource now.
    pub(super) fn tags(&self) -> Value {
        let name = json!({"Key": "Name", "Value": format!("{}-{}", self.scope.prefix(), self.name)});
        let own = self.scope.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
        [name].into_iter().chain(own).collect()
    }

    pub(super) fn prefix(&self) -> String {
        self.scope.prefix()
    }
}

fn address<K: Kind>(reference: &Ref<K>) -> Address {
    Address { kind: K::FACTS.name, name: reference.name.clone() }
}
