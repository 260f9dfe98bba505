//! The resources that a stack expands into, and the order among them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::any::AnyKind;
use crate::kind::{Address, Kind, references};
use crate::kinds;

/// The resources of a stack: one typed spec each, references between them.
#[derive(Default)]
pub struct Desired {
    resources: Vec<Wanted>,
    places: HashMap<Address, usize>,
}

pub struct Wanted {
    pub address: Address,
    pub kind: &'static dyn AnyKind,
    /// The kind's own `Spec`, serialized.
    pub spec: Value,
    /// Which part of the stack file asks for it: `queues.work`.
    pub section: String,
}

impl Desired {
    pub fn add<K: Kind>(&mut self, section: &str, name: impl Into<String>, spec: K::Spec) {
        let kind = kinds::find(K::FACTS.name).expect("every kind is in the registry: a test says so");
        let address = Address { kind: K::FACTS.name, name: name.into() };
        self.places.entry(address.clone()).or_insert(self.resources.len());
        self.resources.push(Wanted {
            address,
            kind,
            spec: serde_json::to_value(spec).expect("specs are plain data"),
            section: section.to_owned(),
        });
    }

    /// In the order of the stack file.
    pub fn resources(&self) -> &[Wanted] {
        &self.resources
    }

    pub fn get(&self, address: &Address) -> Option<&Wanted> {
        self.place(address).map(|place| &self.resources[place])
    }

    /// Its place in `resources`.
    pub fn place(&self, address: &Address) -> Option<usize> {
        self.places.get(address).copied()
    }

    /// What each resource refers to. A reference to something that is not there is a bug of `expand`.
    pub fn edges(&self) -> BTreeMap<Address, Vec<Address>> {
        let known: BTreeMap<(&str, &str), &Address> = self
            .resources
            .iter()
            .map(|wanted| ((wanted.address.kind, wanted.address.name.as_str()), &wanted.address))
            .collect();
        let mut edges = BTreeMap::new();
        for wanted in &self.resources {
            let mut targets = Vec::new();
            for (kind, name) in references(&wanted.spec) {
                match known.get(&(kind.as_str(), name.as_str())) {
                    Some(address) => targets.push((*address).clone()),
                    None => panic!("{} refers to {kind} {name}, which the stack does not expand into", wanted.address),
                }
            }
            edges.insert(wanted.address.clone(), targets);
        }
        edges
    }

    /// Dependencies first. Resources that are equal in that keep the order of the stack file.
    pub fn in_order(&self) -> Vec<&Wanted> {
        let edges = self.edges();
        let by_address: BTreeMap<&Address, &Wanted> =
            self.resources.iter().map(|wanted| (&wanted.address, wanted)).collect();
        let mut done = BTreeSet::new();
        let mut order = Vec::new();
        for wanted in &self.resources {
            visit(&wanted.address, &edges, &by_address, &mut done, &mut order);
        }
        order
    }
}

fn visit<'a>(
    address: &Address,
    edges: &BTreeMap<Address, Vec<Address>>,
    by_address: &BTreeMap<&Address, &'a Wanted>,
    done: &mut BTreeSet<Address>,
    order: &mut Vec<&'a Wanted>,
) {
    if !done.insert(address.clone()) {
        return;
    }
    for target in &edges[address] {
        visit(target, edges, by_address, done, order);
    }
    order.push(by_address[address]);
}

/// For each resource the seconds from its start to the end of the longest path behind it. What has most behind it starts
/// first.
pub fn seconds_to_end(desired: &Desired) -> BTreeMap<Address, u32> {
    let edges = desired.edges();
    let mut seconds: BTreeMap<Address, u32> = BTreeMap::new();
    for wanted in desired.in_order().into_iter().rev() {
        let own = wanted.kind.facts().seconds.create;
        let total = own + seconds.get(&wanted.address).copied().unwrap_or(0);
        seconds.insert(wanted.address.clone(), total);
        for target in &edges[&wanted.address] {
            let behind = seconds.entry(target.clone()).or_insert(0);
            *behind = total.max(*behind);
        }
    }
    seconds
}
