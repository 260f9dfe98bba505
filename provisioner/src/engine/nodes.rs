//! The nodes of a run: one for each resource that is made or kept, one for each resource that is removed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Ending, Work};
use crate::kind::Status;
use crate::kind::any::AnyLive;
use crate::kind::facts::Address;
use crate::kind::json::Json;
use crate::kinds::on_aws::AnyOnAws;
use crate::plan::desired::{Wanted, seconds_to_end};
use crate::plan::diff::Change;
use crate::plan::{Action, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Make,
    Remove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The node waits for other nodes.
    Waiting,
    /// A call is under way.
    Acting,
    /// The poller watches the resource until it is ready, or gone.
    Settling,
    Done,
    /// The node failed, was skipped or was stopped.
    Lost,
}

pub(super) struct Node<'a> {
    pub(super) address: Address,
    pub(super) kind: &'static dyn AnyOnAws,
    pub(super) task: Task,
    pub(super) wanted: Option<&'a Wanted>,
    pub(super) live: Option<AnyLive>,
    /// The nodes that have to be done before this one.
    pub(super) after: Vec<usize>,
    pub(super) refers_to: Vec<Address>,
    pub(super) phase: Phase,
    /// Whether something has changed that the node may have waited for.
    pub(super) awake: bool,
    /// Whether the plan showed a change, or an input has changed since.
    pub(super) may_change: bool,
    pub(super) want: Option<Json>,
    /// Whether the change of the plan gives new outputs.
    pub(super) moves: bool,
    /// The changes that were left when the node acted last.
    pub(super) left: Vec<Change>,
    /// The late outputs that the resource was made without, for now.
    pub(super) without: Vec<Address>,
    pub(super) did: Option<Ending>,
    pub(super) ending: Option<Ending>,
    pub(super) removed_before: bool,
    /// Whether the stack answers requests only when the resource is ready.
    pub(super) serves: bool,
    pub(super) half_of_replacement: bool,
    pub(super) began: Instant,
    /// How often the poller has looked for the resource, whether it saw it or not.
    pub(super) looks: u32,
    pub(super) first_began: Option<Instant>,
    pub(super) took: Duration,
    pub(super) due: Instant,
}

impl Node<'_> {
    /// What the node does, for error messages: `creating sqs.queue work`.
    pub(super) fn doing(&self) -> String {
        let verb = match (self.task, &self.live, &self.did) {
            (Task::Remove, ..) => "deleting",
            (Task::Make, None, _) | (Task::Make, _, Some(Ending::Created)) => "creating",
            (Task::Make, Some(_), _) => "updating",
        };
        format!("{verb} {}", self.address)
    }

    /// The root cause, if this node will never be done.
    pub(super) fn lost(&self) -> Option<Address> {
        match &self.ending {
            Some(Ending::Skipped { after }) => Some(after.clone()),
            Some(Ending::Failed { .. } | Ending::Stopped) => Some(self.address.clone()),
            _ => None,
        }
    }
}

/// The nodes of a plan: first those that make, in the order of the longest path behind them, then those that remove.
pub(super) fn from_plan<'a>(work: &Work<'a>) -> Vec<Node<'a>> {
    let seconds = seconds_to_end(work.desired);
    let mut nodes: Vec<Node<'a>> = Vec::new();
    for step in &work.plan.steps {
        let live = work.snapshot.live.get(&step.address).cloned();
        let wanted = work.desired.get(&step.address);
        let refers_to = wanted.map(|wanted| wanted.refers_to.clone()).unwrap_or_default();
        let mut push = |task, live| {
            let mut node = node(work, step, task, live);
            node.refers_to.clone_from(&refers_to);
            nodes.push(node);
        };
        match &step.action {
            Action::Retain => {}
            Action::Delete => push(Task::Remove, live),
            // A resource that is being deleted has to be gone first, as with a replacement.
            Action::Create { .. } if live.as_ref().is_some_and(|live| live.status == Status::Deleting) => {
                push(Task::Remove, live);
                push(Task::Make, None);
            }
            Action::Replace { .. } => {
                push(Task::Remove, live);
                push(Task::Make, None);
            }
            _ => push(Task::Make, live),
        }
    }
    nodes.sort_by_key(|node| {
        (node.task == Task::Remove, std::cmp::Reverse(seconds.get(&node.address).copied().unwrap_or(0)))
    });
    connect(&mut nodes, work.desired.registry.position);
    nodes
}

/// The nodes that use the outputs of the resource at this address.
pub(super) fn users(nodes: &[Node<'_>], address: &Address) -> Vec<usize> {
    (0..nodes.len())
        .filter(|index| nodes[*index].task == Task::Make && nodes[*index].refers_to.contains(address))
        .collect()
}

fn node<'a>(work: &Work<'a>, step: &Step, task: Task, live: Option<AnyLive>) -> Node<'a> {
    let now = Instant::now();
    let replaced = matches!(step.action, Action::Replace { .. } | Action::Create { .. });
    let wanted = work.desired.get(&step.address);
    Node {
        address: step.address.clone(),
        kind: kind_of(step, work.kinds),
        task,
        serves: task == Task::Make && wanted.is_some_and(|wanted| wanted.kind.serves(&wanted.spec)),
        wanted,
        after: Vec::new(),
        refers_to: Vec::new(),
        phase: Phase::Waiting,
        awake: true,
        may_change: step.action.is_change(),
        want: None,
        moves: moves(step),
        left: Vec::new(),
        without: Vec::new(),
        did: None,
        ending: None,
        removed_before: task == Task::Make && replaced && live.is_none() && step.id.is_some(),
        half_of_replacement: task == Task::Remove && replaced,
        live,
        began: now,
        looks: 0,
        first_began: None,
        took: Duration::ZERO,
        due: now,
    }
}

/// Whether an update gives new outputs, so that nobody uses the old ones until the new ones are there.
pub(super) fn moves(step: &Step) -> bool {
    let facts = step.kind.facts();
    facts.update_moves_output || facts.moves_output(step.action.changes().iter().map(Change::field))
}

/// The kind of the step's resource, with its calls.
fn kind_of(step: &Step, kinds: &[&'static dyn AnyOnAws]) -> &'static dyn AnyOnAws {
    let found = kinds.iter().find(|kind| kind.facts().name == step.kind.facts().name);
    *found.expect("the plan is made of the kinds that the engine has")
}

/// Puts the nodes in order:
/// - A resource is removed after those that use it.
/// - A resource that nobody wants any more is removed when everything else is done.
/// - A replacement is made when the old resource is gone.
fn connect(nodes: &mut [Node<'_>], position: fn(&str) -> usize) {
    let removals: BTreeMap<Address, usize> = nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.task == Task::Remove)
        .map(|(index, node)| (node.address.clone(), index))
        .collect();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        match node.task {
            Task::Make => after[index].extend(removals.get(&node.address)),
            Task::Remove => {
                let used = node.refers_to.iter().filter_map(|address| removals.get(address));
                for used in used.filter(|used| !nodes[**used].kind.facts().only_a_record) {
                    after[*used].push(index);
                }
                if node.wanted.is_none() {
                    after[index].extend((0..nodes.len()).filter(|other| nodes[*other].task == Task::Make));
                }
            }
        }
    }
    // The rules of a firewall group stay until the resources behind it are gone: these still have work to finish.
    for part in removals.values().filter(|index| nodes[**index].kind.facts().part) {
        let whole = &nodes[*part].refers_to;
        let uses = |node: &Node<'_>| node.refers_to.iter().any(|address| whole.contains(address));
        let others = removals.values().filter(|index| !nodes[**index].kind.facts().part && uses(&nodes[**index]));
        after[*part].extend(others);
    }
    let orphan = |index: &usize| nodes[*index].wanted.is_none();
    for (first, second) in removals.values().flat_map(|a| removals.values().map(move |b| (a, b))) {
        let below = position(nodes[*first].address.kind) > position(nodes[*second].address.kind);
        if below && (orphan(first) || orphan(second)) {
            after[*second].push(*first);
        }
    }
    for (node, after) in nodes.iter_mut().zip(after) {
        node.after = after;
    }
}
