//! `provision graph`: draws what uses what, for Mermaid or Graphviz, without a network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::commands::failure::{Exit, Failure};
use crate::commands::load;
use crate::commands::options::{By, Drawing, Global};
use crate::image::Digests;
use crate::plan::desired::Desired;
use crate::printer::{Document, Printer};
use crate::scope::Scope;
use crate::sections::aws::expand;
use crate::sections::secrets::aws::pattern;

/// A stand-in for the account, which is not known offline. No node and no edge depends on it.
const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

/// Mermaid draws no more edges than this, unless the page that shows the drawing allows more. The text of a drawing
/// cannot allow it.
const MERMAID_EDGES: usize = 500;

pub(crate) fn graph(file: &Path, global: &Global, format: Drawing, by: By, printer: Printer) -> Result<Exit, Failure> {
    if global.json {
        return Err(Failure::usage("a graph is not printed as JSON").hint("choose --format mermaid or --format dot"));
    }
    let loaded = load(file, global)?;
    let stack = &loaded.stack;
    let account = stack.account.clone().unwrap_or_else(|| ACCOUNT.to_owned());
    let region = global.region.clone().or_else(|| stack.region.clone()).unwrap_or_else(|| REGION.to_owned());
    let scope = Scope::of(&loaded, account, region);
    let desired = expand(&loaded, &scope, &Digests::default()).desired;
    let mut graph = match by {
        By::Section => by_section(&desired),
        By::Resource => by_resource(&desired),
    };
    for (name, from) in stack.existing_secrets() {
        graph.existing_secret(name, &pattern(&scope, from), &desired, by);
    }
    match format {
        Drawing::Mermaid => printer.document(&Document(mermaid(&graph))),
        Drawing::Dot => printer.document(&Document(dot(&scope.prefix(), &graph))),
    }
    if matches!(format, Drawing::Mermaid) && graph.edges.len() > MERMAID_EDGES {
        printer
            .talk(format!("{} edges: Mermaid draws {MERMAID_EDGES}, unless its maxEdges is raised", graph.edges.len()));
        printer.hint("--format dot has no such limit");
    }
    Ok(Exit::Done)
}

/// A drawing. A node is known by its label, which is unique. Edges go from the user to the node that it uses.
struct Graph {
    frames: Vec<Frame>,
    edges: BTreeSet<(String, String)>,
}

struct Frame {
    /// The title, or `None` for nodes without a frame.
    title: Option<String>,
    nodes: Vec<String>,
}

impl Graph {
    /// Adds a secret that somebody else made. It is no resource of the stack, and those who use it have its ARN.
    fn existing_secret(&mut self, name: &str, arn: &str, desired: &Desired, by: By) {
        let section = format!("secrets.{name}");
        let users = desired.resources().iter().filter(|wanted| has_text(&wanted.spec.tree(), arn));
        match by {
            By::Section => {
                self.edges.extend(users.map(|wanted| (wanted.section.clone(), section.clone())));
                self.frames[0].nodes.push(section);
            }
            By::Resource => {
                let node = format!("existing secret {name}");
                self.edges.extend(users.map(|wanted| (wanted.address.to_string(), node.clone())));
                self.frames.push(Frame { nodes: vec![node], title: Some(section) });
            }
        }
    }
}

/// Whether the text is a value somewhere inside.
fn has_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(other) => other == text,
        Value::Array(items) => items.iter().any(|item| has_text(item, text)),
        Value::Object(members) => members.values().any(|inner| has_text(inner, text)),
        _ => false,
    }
}

fn by_section(desired: &Desired) -> Graph {
    let section: BTreeMap<_, _> = desired.resources().iter().map(|wanted| (&wanted.address, &wanted.section)).collect();
    let edges = desired.edges();
    let mut between = BTreeSet::new();
    // The rules of a firewall group name who may come in. They do not use those resources: the edges would point back
    // at every user.
    for wanted in desired.resources().iter().filter(|wanted| !wanted.kind.facts().part) {
        for target in &edges[&wanted.address] {
            if *section[target] != wanted.section {
                between.insert((wanted.section.clone(), section[target].clone()));
            }
        }
    }
    Graph { frames: vec![Frame { title: None, nodes: sections(desired) }], edges: between }
}

fn by_resource(desired: &Desired) -> Graph {
    let mut nodes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for wanted in desired.resources() {
        nodes.entry(&wanted.section).or_default().push(wanted.address.to_string());
    }
    let frame = |section: String| {
        let nodes = nodes.get(section.as_str()).cloned().unwrap_or_default();
        Frame { nodes, title: Some(section) }
    };
    let mut edges = BTreeSet::new();
    for (user, targets) in desired.edges() {
        edges.extend(targets.iter().map(|target| (user.to_string(), target.to_string())));
    }
    Graph { frames: sections(desired).into_iter().map(frame).collect(), edges }
}

/// The sections, in the order in which the stack expands.
fn sections(desired: &Desired) -> Vec<String> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let first = desired.resources().iter().filter(|wanted| seen.insert(&wanted.section));
    first.map(|wanted| wanted.section.clone()).collect()
}

/// The drawing for Mermaid. Its nodes are numbered, because Mermaid allows neither dots nor its own words, such as
/// `end`, in an id.
fn mermaid(graph: &Graph) -> String {
    let mut lines = vec!["flowchart LR".to_owned()];
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, frame) in graph.frames.iter().enumerate() {
        let indent = if frame.title.is_some() { "    " } else { "  " };
        lines.extend(frame.title.iter().map(|title| format!("  subgraph s{place}[\"{}\"]", in_mermaid(title))));
        for node in &frame.nodes {
            let number = numbers.len();
            numbers.insert(node, number);
            lines.push(format!("{indent}n{number}[\"{}\"]", in_mermaid(node)));
        }
        lines.extend(frame.title.iter().map(|_| "  end".to_owned()));
    }
    let mut edges: Vec<(usize, usize)> =
        graph.edges.iter().map(|(user, used)| (numbers[user.as_str()], numbers[used.as_str()])).collect();
    edges.sort_unstable();
    lines.extend(edges.into_iter().map(|(user, used)| format!("  n{user} --> n{used}")));
    lines.join("\n")
}

/// The text for a label in quotes. Any character may be given by its number there, so all those are that could mean
/// something to Mermaid, Markdown or HTML.
fn in_mermaid(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " ._-/@".contains(c);
    text.chars().map(|c| if plain(c) { c.to_string() } else { format!("#{};", u32::from(c)) }).collect()
}

fn dot(name: &str, graph: &Graph) -> String {
    let mut lines =
        vec![format!("digraph {} {{", in_dot(name)), "  rankdir=LR;".to_owned(), "  node [shape=box];".to_owned()];
    for frame in &graph.frames {
        let indent = if frame.title.is_some() { "    " } else { "  " };
        if let Some(title) = &frame.title {
            // Graphviz draws a frame around a subgraph whose name begins with this word.
            lines.push(format!("  subgraph {} {{", in_dot(&format!("cluster_{title}"))));
            lines.push(format!("    label={};", in_dot(title)));
        }
        lines.extend(frame.nodes.iter().map(|node| format!("{indent}{};", in_dot(node))));
        lines.extend(frame.title.iter().map(|_| "  }".to_owned()));
    }
    for (user, used) in &graph.edges {
        lines.push(format!("  {} -> {};", in_dot(user), in_dot(used)));
    }
    lines.push("}".to_owned());
    lines.join("\n")
}

fn in_dot(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Ref;
    use crate::kinds::REGISTRY;
    use crate::kinds::sns::{Endpoint, Subscription, SubscriptionSpec, Topic, TopicSpec};

    fn alerts() -> Desired {
        let mut desired = Desired::new(REGISTRY);
        // The resources are out of order, and have characters that mean something to both languages.
        let topic = TopicSpec { fifo: false, kms_key: None };
        let endpoint = Endpoint::Email("a@b.example".into());
        let spec = SubscriptionSpec { topic: Ref::to("alerts"), endpoint, raw: false, filter: None, failed: None };
        desired.add::<Subscription>("alerts", r#"to "a\b#<i>`@b.example"#, spec);
        desired.add::<Topic>("topics.end", "end", TopicSpec { fifo: false, kms_key: None });
        desired.add::<Topic>("alerts", "alerts", topic);
        desired
    }

    #[test]
    fn names_are_quoted_and_resources_framed() {
        let graph = by_resource(&alerts());
        insta::assert_snapshot!(mermaid(&graph), @r##"
        flowchart LR
          subgraph s0["alerts"]
            n0["sns.subscription to #34;a#92;b#35;#60;i#62;#96;@b.example"]
            n1["sns.topic alerts"]
          end
          subgraph s1["topics.end"]
            n2["sns.topic end"]
          end
          n0 --> n1
        "##);
        insta::assert_snapshot!(dot("a\"b", &graph), @r##"
        digraph "a\"b" {
          rankdir=LR;
          node [shape=box];
          subgraph "cluster_alerts" {
            label="alerts";
            "sns.subscription to \"a\\b#<i>`@b.example";
            "sns.topic alerts";
          }
          subgraph "cluster_topics.end" {
            label="topics.end";
            "sns.topic end";
          }
          "sns.subscription to \"a\\b#<i>`@b.example" -> "sns.topic alerts";
        }
        "##);
    }

    #[test]
    fn sections_without_edges_to_themselves() {
        insta::assert_snapshot!(mermaid(&by_section(&alerts())), @r#"
        flowchart LR
          n0["alerts"]
          n1["topics.end"]
        "#);
    }
}
