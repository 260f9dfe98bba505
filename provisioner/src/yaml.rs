//! YAML as a tree that remembers where everything stood, so that every mistake can be located.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

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
        Problem { at, what: what.into(), hint: None }
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
    /// In the order of the file, each key with its own position.
    Map(Vec<(String, Position, Node)>),
}

/// A document deeper than this is refused: no stack needs it, and a bomb does.
const DEPTH: usize = 40;
/// Aliases may blow a document up to this many nodes.
const NODES: usize = 200_000;
const BYTES: usize = 1 << 20;

/// The tree of the only document, with every problem that was found on the way.
pub fn parse(text: &str) -> (Option<Node>, Vec<Problem>) {
    let start = Position { line: 1, column: 1 };
    if text.len() > BYTES {
        return (
            None,
            vec![Problem::new(
                start,
                format!("the file has {} bytes, more than the {BYTES} that are allowed", text.len()),
            )],
        );
    }
    if let Some(line) = text.lines().position(|line| line.contains('\0')) {
        return (
            None,
            vec![Problem::new(Position { line: line + 1, column: 1 }, "a NUL character: this is no text file")],
        );
    }
    let mut builder =
        Builder { stack: Vec::new(), root: None, anchors: BTreeMap::new(), nodes: 0, problems: Vec::new() };
    for event in Parser::new_from_str(text) {
        let more = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let at = Position { line: error.marker().line(), column: error.marker().col() + 1 };
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

impl Node {
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|(name, ..)| name == key).map(|(_, _, node)| node),
            _ => None,
        }
    }

    /// Plain data, and where each part of it stood, by JSON pointer.
    pub fn to_value(&self) -> (Value, Positions) {
        let mut positions = Positions::default();
        let value = value_of(self, String::new(), &mut positions);
        (value, positions)
    }
}

/// `over` laid upon `base`: maps are merged key by key, anything else replaces.
pub fn merge(base: &Node, over: &Node) -> Node {
    let (Data::Map(old), Data::Map(new)) = (&base.data, &over.data) else {
        return over.clone();
    };
    let mut entries = old.clone();
    for (key, at, node) in new {
        match entries.iter_mut().find(|(name, ..)| name == key) {
            Some((_, place, below)) => {
                *below = merge(below, node);
                *place = *at;
            }
            None => entries.push((key.clone(), *at, node.clone())),
        }
    }
    Node { at: base.at, data: Data::Map(entries) }
}

/// Where the values of a tree stood, and the keys that hold them.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    values: BTreeMap<String, Position>,
    keys: BTreeMap<String, Position>,
}

impl Positions {
    /// The value at a JSON pointer, or the nearest thing around it that is in the file.
    pub fn of(&self, pointer: &str) -> Position {
        nearest(&self.values, pointer)
    }

    /// The key that leads to a JSON pointer.
    pub fn key(&self, pointer: &str) -> Position {
        self.keys.get(pointer).copied().unwrap_or_else(|| self.of(pointer))
    }
}

fn nearest(positions: &BTreeMap<String, Position>, pointer: &str) -> Position {
    let mut pointer = pointer;
    loop {
        if let Some(at) = positions.get(pointer) {
            return *at;
        }
        match pointer.rfind('/') {
            Some(cut) => pointer = &pointer[..cut],
            None => return Position { line: 1, column: 1 },
        }
    }
}

fn value_of(node: &Node, pointer: String, positions: &mut Positions) -> Value {
    positions.values.insert(pointer.clone(), node.at);
    match &node.data {
        Data::Scalar(value) => value.clone(),
        Data::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| value_of(item, format!("{pointer}/{index}"), positions))
            .collect(),
        Data::Map(entries) => {
            let mut map = Map::new();
            for (key, at, inner) in entries {
                let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                positions.keys.insert(below.clone(), *at);
                map.insert(key.clone(), value_of(inner, below, positions));
            }
            Value::Object(map)
        }
    }
}

struct Builder {
    stack: Vec<Open>,
    root: Option<Node>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    problems: Vec<Problem>,
}

struct Open {
    at: Position,
    anchor: usize,
    what: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map(Vec<(String, Position, Node)>, Option<(String, Position)>),
}

impl Builder {
    /// Takes one event; says whether to go on.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        let at = Position { line: span.start.line(), column: span.start.col() + 1 };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                self.close(
                    anchor,
                    Node { at, data: Data::Scalar(if plain { scalar(&text) } else { Value::from(text.as_ref()) }) },
                )
            }
            Event::SequenceStart(anchor, _) => self.open(Open { at, anchor, what: Kind::List(Vec::new()) }),
            Event::MappingStart(anchor, _) => self.open(Open { at, anchor, what: Kind::Map(Vec::new(), None) }),
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Open { at, anchor, what: Kind::List(items) }) => {
                    self.close(anchor, Node { at, data: Data::List(items) })
                }
                Some(Open { at, anchor, what: Kind::Map(entries, _) }) => {
                    self.close(anchor, Node { at, data: Data::Map(entries) })
                }
                None => true,
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(mut node) => {
                    node.at = at;
                    self.nodes += size(&node);
                    self.within_budget(at) && self.close(0, node)
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

    fn open(&mut self, open: Open) -> bool {
        if self.stack.len() >= DEPTH {
            self.problems.push(Problem::new(open.at, format!("nested more than {DEPTH} levels deep")));
            return false;
        }
        self.stack.push(open);
        true
    }

    fn within_budget(&mut self, at: Position) -> bool {
        if self.nodes <= NODES {
            return true;
        }
        self.problems.push(Problem::new(at, format!("with its aliases the file has more than {NODES} values")));
        false
    }

    fn close(&mut self, anchor: usize, node: Node) -> bool {
        self.nodes += 1;
        if !self.within_budget(node.at) {
            return false;
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|open| &mut open.what) {
            None => self.root = Some(node),
            Some(Kind::List(items)) => items.push(node),
            Some(Kind::Map(entries, key)) => match key.take() {
                None => match &node.data {
                    Data::Scalar(value) => *key = Some((key_text(value), node.at)),
                    _ => {
                        self.problems.push(Problem::new(node.at, "a key that is a list or a map"));
                        return false;
                    }
                },
                Some((name, at)) => match entries.iter().find(|(other, ..)| *other == name) {
                    Some((_, first, _)) => self.problems.push(
                        Problem::new(at, format!("`{name}` is here twice"))
                            .hint(format!("the first is in line {}", first.line)),
                    ),
                    None => entries.push((name, at, node)),
                },
            },
        }
        true
    }
}

fn size(node: &Node) -> usize {
    match &node.data {
        Data::Scalar(_) => 1,
        Data::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Data::Map(entries) => 1 + entries.iter().map(|(_, _, node)| size(node)).sum::<usize>(),
    }
}

fn key_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A plain scalar by the core schema of YAML 1.2: `no` and `on` are text.
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
        false => Problem::new(at, format!("this is no YAML: {info}")),
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
