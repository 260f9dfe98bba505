//! YAML as a tree that remembers the place of everything, so that every mistake can be located.

mod inside;
mod positions;
mod tags;
mod text;

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use serde_json::Value;

pub use inside::inside;
pub use positions::{Positions, below};

/// The largest stack file, in bytes.
pub const LARGEST_FILE: usize = 1 << 20;
/// The most problems that are told. The others are counted.
pub const MOST_PROBLEMS: usize = 100;

/// A mistake in a stack file. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub at: Position,
    pub what: String,
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Problem {
    pub fn new(at: Position, what: impl Into<String>) -> Problem {
        Problem { at, what: text::short(&what.into()), hint: None }
    }

    pub fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }
}

#[derive(Clone, Debug)]
pub struct Node {
    pub at: Position,
    pub data: Data,
}

#[derive(Clone, Debug)]
pub enum Data {
    Scalar(Value),
    List(Vec<Node>),
    /// The entries in the order of the file, each key with its own position.
    Map(Vec<(String, Position, Node)>),
}

/// The deepest document. No stack needs a deeper one, and a bomb does.
const DEPTH: usize = 40;
/// Aliases may blow a document up to this many nodes, and to this many times the bytes of the largest file.
const NODES: usize = 200_000;
const BLOWN: usize = 4;
/// The longest key. Messages name every value by the keys above it. No name in AWS is as long as this.
const KEY: usize = 256;

/// The tree of the only document, with every problem that was found on the way.
pub fn parse(text: &str) -> (Option<Node>, Vec<Problem>) {
    let start = Position { line: 1, column: 1 };
    if text.len() > LARGEST_FILE {
        return (None, vec![too_large()]);
    }
    let end = match text::end(text) {
        Ok(end) => end,
        Err(problem) => return (None, vec![problem]),
    };
    let mut builder = Builder { end, ..Builder::default() };
    for event in Parser::new_from_str(text) {
        let more = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let at = builder.place(error.marker());
                builder.problems.push(scan_problem(text, at, error.info()));
                false
            }
        };
        if !more {
            break;
        }
    }
    if builder.root.is_none() && builder.problems.is_empty() {
        builder.problems.push(Problem::new(start, "the file is empty").hint("a stack starts with `stack: <name>`"));
    }
    (builder.root, builder.problems)
}

/// The problem of a file that is too large, whatever is in it.
pub fn too_large() -> Problem {
    let what = format!("the file has more than the {LARGEST_FILE} bytes (1 MiB) that are allowed");
    Problem::new(Position { line: 1, column: 1 }, what)
}

impl Node {
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|(name, ..)| name == key).map(|(_, _, node)| node),
            _ => None,
        }
    }

    /// The plain data, and the place of each part of it, by JSON pointer.
    pub fn to_value(&self) -> (Value, Positions) {
        positions::split(self, self.at)
    }
}

/// Lays `over` upon `base`. Maps are merged key by key; any other value is replaced.
pub fn merge(base: Node, over: &Node) -> Node {
    let (mut entries, new) = match (base.data, &over.data) {
        (Data::Map(entries), Data::Map(new)) => (entries, new),
        _ => return over.clone(),
    };
    let places: HashMap<String, usize> =
        entries.iter().enumerate().map(|(place, (key, ..))| (key.clone(), place)).collect();
    for (key, at, node) in new {
        match places.get(key) {
            Some(place) => {
                let (_, stood, below) = &mut entries[*place];
                let old = std::mem::replace(below, Node { at: *at, data: Data::Scalar(Value::Null) });
                *below = merge(old, node);
                *stood = *at;
            }
            None => entries.push((key.clone(), *at, node.clone())),
        }
    }
    Node { at: base.at, data: Data::Map(entries) }
}

#[derive(Default)]
struct Builder {
    end: Position,
    stack: Vec<Open>,
    root: Option<Node>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    bytes: usize,
    problems: Vec<Problem>,
}

struct Open {
    at: Position,
    anchor: usize,
    what: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map(Map),
}

/// A map that is not closed yet: the key that waits for its value, and the first place of each key.
#[derive(Default)]
struct Map {
    entries: Vec<(String, Position, Node)>,
    key: Option<(String, Position)>,
    seen: HashMap<String, Position>,
    merged: Vec<Vec<(String, Position, Node)>>,
}

impl Map {
    fn closed(mut self) -> Vec<(String, Position, Node)> {
        for (key, at, node) in std::mem::take(&mut self.merged).into_iter().flatten() {
            if !self.seen.contains_key(&key) {
                self.seen.insert(key.clone(), at);
                self.entries.push((key, at, node));
            }
        }
        self.entries
    }

    fn take_key(&mut self, node: Node) -> Result<(), Problem> {
        let Data::Scalar(value) = &node.data else {
            let hint = "a template's `{{ … }}` is filled in before this program reads the file; a text with braces is in quotes";
            return Err(Problem::new(node.at, "a key that is a list or a map").hint(hint));
        };
        let key = key_text(value);
        if key.len() > KEY {
            return Err(Problem::new(
                node.at,
                format!("a key of {} bytes, more than the {KEY} that are allowed", key.len()),
            ));
        }
        self.key = Some((key, node.at));
        Ok(())
    }

    fn take_value(&mut self, key: String, at: Position, node: Node) -> Option<Problem> {
        if key == "<<" {
            // The keys that other tools would merge are added, so that nothing seems to be missing. The keys of the map
            // itself have precedence.
            let maps = match node.data {
                Data::List(items) => items,
                _ => vec![node],
            };
            self.merged.extend(maps.into_iter().filter_map(|node| match node.data {
                Data::Map(entries) => Some(entries),
                _ => None,
            }));
            let hint = "write the keys themselves; `*name` stands for a whole value";
            return Some(Problem::new(at, "`<<` merges maps in other tools, and is not known here").hint(hint));
        }
        if let Some(first) = self.seen.get(&key) {
            let hint = format!("the first is in line {}", first.line);
            return Some(Problem::new(at, format!("`{key}` is here twice")).hint(hint));
        }
        self.seen.insert(key.clone(), at);
        self.entries.push((key, at, node));
        None
    }
}

impl Builder {
    /// The place of a marker. To the parser, the end of the file is the start of a line that is not there.
    fn place(&self, marker: &Marker) -> Position {
        Position { line: marker.line(), column: marker.col() + 1 }.min(self.end)
    }

    /// Takes one event. Returns whether to go on.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        let at = self.place(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = match tag {
                    Some(tag) => tags::tagged(&text, &tag).unwrap_or_else(|wrong| {
                        self.wrong_tag(at, wrong);
                        Value::from(text.as_ref())
                    }),
                    None if style == ScalarStyle::Plain => scalar(&text),
                    None => Value::from(text.as_ref()),
                };
                self.close(anchor, Node { at, data: Data::Scalar(value) })
            }
            Event::SequenceStart(anchor, tag) => {
                let wrong = tag.and_then(|tag| tags::collection(&tag, true));
                wrong.into_iter().for_each(|wrong| self.wrong_tag(at, wrong));
                self.open(Open { at, anchor, what: Kind::List(Vec::new()) })
            }
            Event::MappingStart(anchor, tag) => {
                let wrong = tag.and_then(|tag| tags::collection(&tag, false));
                wrong.into_iter().for_each(|wrong| self.wrong_tag(at, wrong));
                self.open(Open { at, anchor, what: Kind::Map(Map::default()) })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Open { at, anchor, what: Kind::List(items) }) => {
                    self.close(anchor, Node { at, data: Data::List(items) })
                }
                Some(Open { at, anchor, what: Kind::Map(map) }) => {
                    self.close(anchor, Node { at, data: Data::Map(map.closed()) })
                }
                None => true,
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(mut node) => {
                    node.at = at;
                    self.spend(&node, at) && self.close(0, node)
                }
                None => {
                    self.problems
                        .push(Problem::new(at, "an alias to an anchor that is not there, or that contains the alias"));
                    false
                }
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                self.problems.push(Problem::new(at, "a second document").hint("one stack per file"));
                false
            }
            _ => true,
        }
    }

    fn wrong_tag(&mut self, at: Position, (what, hint): tags::Wrong) {
        self.problems.push(Problem::new(at, what).hint(hint));
    }

    fn open(&mut self, open: Open) -> bool {
        if self.stack.len() >= DEPTH {
            self.problems.push(Problem::new(open.at, format!("nested more than {DEPTH} levels deep")));
            return false;
        }
        self.stack.push(open);
        true
    }

    /// Takes a copy of a node from the budget. Returns whether there was enough.
    fn spend(&mut self, node: &Node, at: Position) -> bool {
        let (nodes, bytes) = size(node);
        self.nodes += nodes;
        self.bytes += bytes;
        self.within_budget(at)
    }

    fn within_budget(&mut self, at: Position) -> bool {
        let what = match (self.nodes, self.bytes) {
            (nodes, _) if nodes > NODES => format!("with its aliases the file has more than {NODES} values"),
            (_, bytes) if bytes > BLOWN * LARGEST_FILE => {
                format!("with its aliases the file has more than {} bytes", BLOWN * LARGEST_FILE)
            }
            _ => return true,
        };
        self.problems.push(Problem::new(at, what));
        false
    }

    fn close(&mut self, anchor: usize, node: Node) -> bool {
        self.nodes += 1;
        if !self.within_budget(node.at) {
            return false;
        }
        if anchor > 0 {
            if !self.spend(&node, node.at) {
                return false;
            }
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|open| &mut open.what) {
            None => self.root = Some(node),
            Some(Kind::List(items)) => items.push(node),
            Some(Kind::Map(map)) => {
                let taken = match map.key.take() {
                    None => map.take_key(node),
                    Some((key, at)) => {
                        self.problems.extend(map.take_value(key, at, node));
                        Ok(())
                    }
                };
                if let Err(problem) = taken {
                    self.problems.push(problem);
                    return false;
                }
            }
        }
        true
    }
}

/// The nodes of a tree and the bytes of its texts.
fn size(node: &Node) -> (usize, usize) {
    let sum = |(nodes, bytes): (usize, usize), more: (usize, usize)| (nodes + more.0, bytes + more.1);
    match &node.data {
        Data::Scalar(value) => (1, value.as_str().map_or(0, str::len)),
        Data::List(items) => items.iter().map(size).fold((1, 0), sum),
        Data::Map(entries) => entries.iter().map(|(key, _, node)| sum((0, key.len()), size(node))).fold((1, 0), sum),
    }
}

fn key_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The value of a plain scalar by the core schema of YAML 1.2: `no` and `on` are text.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        // An account id keeps its leading zeros, a version its last zero.
        number if number.len() > 1 && number.starts_with('0') && !number.contains('.') => Value::from(number),
        number => match (number.parse::<i64>(), number.parse::<f64>()) {
            (Ok(integer), _) => Value::from(integer),
            (_, Ok(float)) if float.is_finite() && number.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                Value::from(float)
            }
            _ => Value::from(text),
        },
    }
}

fn scan_problem(text: &str, at: Position, info: &str) -> Problem {
    let line = text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    match indent.contains('\t') {
        true => Problem::new(at, "a tab in the indentation").hint("YAML is indented with spaces"),
        false => Problem::new(at, format!("this is not YAML: {info}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        parse(text).1.iter().map(|p| format!("{}:{} {}", p.at.line, p.at.column, p.what)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn values_know_where_they_stood() {
        let (value, positions) = parse("a: 1\nb:\n  - x\n  - c: no\n").0.expect("parses").to_value();
        assert_eq!(value, serde_json::json!({"a": 1, "b": ["x", {"c": "no"}]}));
        assert_eq!(positions.of("/b/1/c"), Position { line: 4, column: 8 });
        assert_eq!(positions.key("/b/1/c"), Position { line: 4, column: 5 });
        assert_eq!(positions.of("/b/1/c/not/there"), Position { line: 4, column: 8 });
    }

    #[test]
    fn bombs_and_noise_are_errors() {
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(problems(bomb).contains("more than 200000 values"), "{}", problems(bomb));
        let deep = problems(&"[".repeat(100_000));
        assert!(deep.starts_with("1:") && deep.contains("recursion limit"), "{deep}");
        let deep = problems(&(0..50).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>());
        assert!(deep.contains("levels deep"), "{deep}");
        assert!(problems("a: b\0").contains("NUL"));
        assert!(problems("a: 1\na: 2").contains("2:1 `a` is here twice"));
        assert!(problems("a:\n\tb: 1").contains("tab"));
        assert!(problems("").contains("empty"));
    }
}
