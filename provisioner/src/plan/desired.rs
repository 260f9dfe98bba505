//! The resources that a stack expands into, and the order among them.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::kind::any::{AnyKind, Registry};
use crate::kind::facts::Address;
use crate::kind::json::Json;
use crate::kind::{Kind, references};

/// The resources of a stack, each with its typed spec, and the references between them.
pub struct Desired {
    pub registry: Registry,
    resources: Vec<Wanted>,
    places: HashMap<Address, usize>,
}

pub struct Wanted {
    pub address: Address,
    pub kind: &'static dyn AnyKind,
    /// The `Spec` of the kind, serialized.
    pub spec: Json,
    pub refers_to: Vec<Address>,
    /// The part of the stack file that asks for the resource: `queues.work`.
    pub section: String,
}

impl Desired {
    pub fn new(registry: Registry) -> Desired {
        Desired { registry, resources: Vec::new(), places: HashMap::new() }
    }

    pub fn add<K: Kind>(&mut self, section: &str, name: impl Into<String>, spec: K::Spec) {
        let known = |name: &str| (self.registry.find)(name).expect("every kind is in the registry: a test says so");
        let kind = known(K::FACTS.name);
        let address = Address { kind: K::FACTS.name, name: name.into() };
        let spec = Json::of(&spec);
        self.places.entry(address.clone()).or_insert(self.resources.len());
        self.resources.push(Wanted {
            address,
            kind,
            refers_to: references(&spec.tree(), &|kind| known(kind).facts().name),
            spec,
            section: section.to_owned(),
        });
    }

    /// Leaves of each spec only what another expansion of the same stack has too. `common` says what is left of two
    /// specs that differ.
    pub fn blur(&mut self, other: &Desired, common: &dyn Fn(&Value, &Value) -> Value) {
        for wanted in &mut self.resources {
            let other = other.get(&wanted.address).filter(|other| other.spec != wanted.spec);
            if let Some(other) = other {
                wanted.spec = Json::of(&common(&wanted.spec.tree(), &other.spec.tree()));
            }
        }
    }

    /// The resources, in the order of the stack file.
    pub fn resources(&self) -> &[Wanted] {
        &self.resources
    }

    pub fn get(&self, address: &Address) -> Option<&Wanted> {
        self.place(address).map(|place| &self.resources[place])
    }

    /// The place of a resource in `resources`.
    pub fn place(&self, address: &Address) -> Option<usize> {
        self.places.get(address).copied()
    }

    /// The resources that each resource refers to. A reference to a resource that does not exist is a bug of `expand`.
    pub fn edges(&self) -> BTreeMap<&Address, Vec<&Address>> {
        let targets = |wanted| self.targets(wanted).map(|place| &self.resources[place].address).collect();
        self.resources.iter().map(|wanted| (&wanted.address, targets(wanted))).collect()
    }

    /// The resources, dependencies first. Otherwise they keep the order of the stack file.
    pub fn in_order(&self) -> Vec<&Wanted> {
        let mut done = vec![false; self.resources.len()];
        let mut order = Vec::with_capacity(self.resources.len());
        for place in 0..self.resources.len() {
            self.visit(place, &mut done, &mut order);
        }
        order
    }

    fn visit<'a>(&'a self, place: usize, done: &mut Vec<bool>, order: &mut Vec<&'a Wanted>) {
        if std::mem::replace(&mut done[place], true) {
            return;
        }
        for target in self.targets(&self.resources[place]) {
            self.visit(target, done, order);
        }
        order.push(&self.resources[place]);
    }

    fn targets(&self, wanted: &Wanted) -> impl Iterator<Item = usize> {
        wanted.refers_to.iter().map(|target| match self.place(target) {
            Some(place) => place,
            None => panic!("{} refers to {target}, which the stack does not expand into", wanted.address),
        })
    }
}

/// For each resource the seconds from its start to the end of the longest path behind it. The resource with the longest
/// path starts first.
pub fn seconds_to_end(desired: &Desired) -> BTreeMap<&Address, u32> {
    let mut seconds: BTreeMap<&Address, u32> = BTreeMap::new();
    for wanted in desired.in_order().into_iter().rev() {
        let own = wanted.kind.facts().seconds.create;
        let total = own + seconds.get(&wanted.address).copied().unwrap_or(0);
        seconds.insert(&wanted.address, total);
        for target in &wanted.refers_to {
            let behind = seconds.entry(target).or_insert(0);
            *behind = total.max(*behind);
        }
    }
    seconds
}
