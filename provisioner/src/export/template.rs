//! The template and its two forms: JSON, and YAML with a line above each section of the stack file.

use serde_json::{Map, Value, json};

use super::parameters::Parameter;
use super::suppressions::{self, Suppression};
use super::yaml;
use crate::kind::facts::Address;

pub struct Template {
    pub(super) description: String,
    /// The steps that are left to do by hand.
    pub by_hand: Vec<String>,
    /// The places where the template differs from the work of `up`.
    pub(super) differences: Vec<String>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) resources: Vec<Resource>,
    pub(super) outputs: Vec<Output>,
}

pub(super) struct Resource {
    pub(super) id: String,
    /// The type in CloudFormation: `AWS::SQS::Queue`.
    pub(super) kind: &'static str,
    /// The section of the stack file that asks for it.
    pub(super) section: String,
    /// The resource of the stack that it is. `None` for a part of one.
    pub(super) of: Option<Address>,
    /// Whether it is made only if the image is there already.
    pub(super) needs_image: bool,
    /// Resources that it does not refer to, and has to come after all the same.
    pub(super) depends_on: Vec<String>,
    pub(super) data: Data,
    pub(super) suppressed: Vec<&'static Suppression>,
    pub(super) properties: Value,
}

/// What happens to the data of a resource that is deleted or replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// The resource holds no data.
    None,
    /// `down` deletes the data as well.
    Delete,
    Snapshot,
    Retain,
}

pub(super) struct Output {
    pub(super) id: String,
    pub(super) description: String,
    pub(super) value: Value,
}

/// The only condition of a template.
const HAS_IMAGE: &str = "HasImage";
/// The bytes of a template that CloudFormation takes in the request itself. It takes a larger one from a bucket.
const INLINE: usize = 51_200;
/// The most resources of a template (CloudFormation quotas).
pub(super) const MOST: usize = 500;

impl Resource {
    pub(super) fn new(id: String, kind: &'static str, properties: Value) -> Resource {
        Resource {
            id,
            kind,
            section: String::new(),
            of: None,
            needs_image: false,
            depends_on: Vec::new(),
            data: Data::None,
            suppressed: Vec::new(),
            properties,
        }
    }

    pub(super) fn after(&mut self, ids: impl IntoIterator<Item = String>) -> &mut Resource {
        self.depends_on.extend(ids);
        self
    }

    fn members(&self) -> Vec<(&'static str, Value)> {
        let mut members = vec![("Type", Value::from(self.kind))];
        if self.needs_image {
            members.push(("Condition", HAS_IMAGE.into()));
        }
        if !self.depends_on.is_empty() {
            let mut ids = self.depends_on.clone();
            ids.sort();
            ids.dedup();
            members.push(("DependsOn", ids.into()));
        }
        let kept = match self.data {
            Data::None => None,
            Data::Delete => Some("Delete"),
            Data::Snapshot => Some("Snapshot"),
            Data::Retain => Some("Retain"),
        };
        if let Some(kept) = kept {
            members.push(("DeletionPolicy", kept.into()));
            members.push(("UpdateReplacePolicy", kept.into()));
        }
        if !self.suppressed.is_empty() {
            members.push(("Metadata", suppressions::metadata(&self.suppressed)));
        }
        members.push(("Properties", self.properties.clone()));
        members
    }
}

impl Template {
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// The resources of the stack, by their ids in the template.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &Address)> {
        self.resources.iter().filter_map(|resource| Some((resource.id.as_str(), resource.of.as_ref()?)))
    }

    /// Whether a template is too large for a request, and goes through a bucket.
    pub fn needs_bucket(text: &str) -> bool {
        text.len() > INLINE
    }

    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.name.as_str())
    }

    pub fn json(&self) -> Value {
        let mut template = Map::new();
        for (key, value) in self.head() {
            template.insert(key.to_owned(), value);
        }
        let resources = self.resources.iter().map(|resource| {
            let members = resource.members().into_iter().map(|(key, value)| (key.to_owned(), value));
            (resource.id.clone(), Value::Object(members.collect()))
        });
        template.insert("Resources".to_owned(), Value::Object(resources.collect()));
        if let Some(outputs) = self.foot() {
            template.insert("Outputs".to_owned(), outputs);
        }
        Value::Object(template)
    }

    pub fn yaml(&self) -> String {
        let mut text = String::new();
        for (key, value) in self.head() {
            yaml::member(&mut text, 0, key, &value);
            text.push('\n');
        }
        text.push_str("Resources:\n");
        let mut section = "";
        for resource in &self.resources {
            if resource.section != section {
                section = &resource.section;
                text.push_str(&format!("\n  # {section}\n"));
            }
            text.push_str(&format!("  {}:\n", resource.id));
            for (key, value) in resource.members() {
                yaml::member(&mut text, 4, key, &value);
            }
        }
        if let Some(outputs) = self.foot() {
            text.push('\n');
            yaml::member(&mut text, 0, "Outputs", &outputs);
        }
        text
    }

    /// The part of the template before the resources.
    fn head(&self) -> Vec<(&'static str, Value)> {
        let mut head = vec![
            ("AWSTemplateFormatVersion", Value::from("2010-09-09")),
            ("Description", Value::from(self.description.as_str())),
            ("Metadata", json!({"Provision": {"ByHand": self.by_hand, "NotAsUp": self.differences}})),
        ];
        if !self.parameters.is_empty() {
            let parameters = self.parameters.iter().map(|parameter| {
                let Parameter { name, description, pattern, says } = parameter;
                let says = json!({"Type": "String", "Description": description, "AllowedPattern": pattern, "ConstraintDescription": says});
                (name.clone(), says)
            });
            head.push(("Parameters", Value::Object(parameters.collect())));
        }
        if self.resources.iter().any(|resource| resource.needs_image) {
            let there =
                json!({"Fn::Not": [{"Fn::Equals": [{"Ref": super::parameters::IMAGE}, super::parameters::NO_IMAGE]}]});
            head.push(("Conditions", json!({HAS_IMAGE: there})));
        }
        head
    }

    fn foot(&self) -> Option<Value> {
        let outputs = self
            .outputs
            .iter()
            .map(|output| (output.id.clone(), json!({"Description": output.description, "Value": output.value})));
        (!self.outputs.is_empty()).then(|| Value::Object(outputs.collect()))
    }
}

/// Texts of the stack file that CloudFormation would take for references to secrets. CloudFormation has no way to write
/// them.
pub(super) fn dynamic_texts(resources: &[Resource]) -> Vec<String> {
    let mut found = Vec::new();
    for resource in resources {
        let of = resource.of.as_ref().map_or_else(|| resource.id.clone(), ToString::to_string);
        walk(&resource.properties, &mut |text| {
            if text.contains("{{resolve:") {
                found.push(format!("{of}: CloudFormation would put a secret in the place of `{text}`"));
            }
        });
    }
    found
}

/// Visits every text except those of `Fn::Sub`, which hold our own references.
fn walk(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| walk(item, each)),
        Value::Object(map) if map.contains_key("Fn::Sub") => {}
        Value::Object(map) => map.values().for_each(|inner| walk(inner, each)),
        _ => {}
    }
}
