//! The text of a filter pattern, read from left to right.

use std::fmt;

use super::{Condition, Kind, Operand, Selector, Step, Test};

/// A mistake in a pattern, and its place.
#[derive(Debug)]
pub struct Mistake {
    /// The column of the mistake, in characters, counted from 1.
    pub column: usize,
    pub what: String,
}

pub struct Parsed {
    pub kind: Kind,
    /// The first part of the pattern that only AWS makes sense of. If there is one, `kind` has no meaning.
    pub unsupported: Option<Mistake>,
}

pub fn parse(text: &str) -> Result<Parsed, Mistake> {
    let mut reader = Reader { rest: text, column: 1, depth: 0, unsupported: None };
    if text.chars().count() > LONGEST {
        return Err(Mistake { column: LONGEST + 1, what: format!("longer than {LONGEST} characters") });
    }
    reader.spaces();
    let kind = match reader.peek() {
        Some('{') => Kind::Json(json(&mut reader)?),
        Some('[') => columns(&mut reader)?,
        _ => terms(&mut reader)?,
    };
    Ok(Parsed { kind, unsupported: reader.unsupported })
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.what)
    }
}

impl std::error::Error for Mistake {}

/// The longest pattern that AWS takes.
const LONGEST: usize = 1024;
const DEEPEST: usize = 32;
const REGEX: &str = "a regular expression is not supported";
const COLUMNS: &str = "a pattern for columns is not supported";

struct Reader<'a> {
    rest: &'a str,
    column: usize,
    depth: usize,
    unsupported: Option<Mistake>,
}

/// Reads a pattern for columns: `[ip, status_code = 4*, ..., bytes > 1000]`. It checks only the frame. What a column
/// may say is for AWS to know.
fn columns(reader: &mut Reader<'_>) -> Result<Kind, Mistake> {
    reader.note(COLUMNS);
    reader.next();
    loop {
        reader.spaces();
        let start = reader.column;
        column(reader)?;
        if reader.column == start {
            return Err(reader.mistake("expected a column"));
        }
        match reader.next() {
            Some(',') => {}
            Some(_) => break,
            None => return Err(reader.mistake("expected `]`")),
        }
    }
    reader.spaces();
    match reader.peek() {
        None => Ok(Kind::Terms { all: Vec::new(), none: Vec::new(), any: Vec::new() }),
        Some(_) => Err(reader.mistake("expected the end")),
    }
}

/// Reads one column, up to the `,` or `]` behind it.
fn column(reader: &mut Reader<'_>) -> Result<(), Mistake> {
    let mut open = 0_usize;
    while let Some(next) = reader.peek() {
        match next {
            '"' => drop(quoted(reader)?),
            '%' => regex(reader)?,
            ',' | ']' if open > 0 => return Err(reader.mistake("expected `)`")),
            ',' | ']' => break,
            ')' if open == 0 => return Err(reader.mistake("expected `,` or `]`")),
            _ => {
                open = if next == '(' { open + 1 } else { open - usize::from(next == ')') };
                reader.next();
            }
        }
    }
    Ok(())
}

/// Reads a regular expression, as in `%[a-z]+%`, and the spaces after it.
fn regex(reader: &mut Reader<'_>) -> Result<(), Mistake> {
    reader.note(REGEX);
    reader.next();
    loop {
        match reader.next() {
            Some('%') => break,
            Some('\\') => drop(reader.next()),
            Some(_) => {}
            None => return Err(reader.mistake("expected `%`")),
        }
    }
    reader.spaces();
    Ok(())
}

fn terms(reader: &mut Reader<'_>) -> Result<Kind, Mistake> {
    let (mut all, mut none, mut any) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(first) = reader.peek() {
        let list = match first {
            '?' => &mut any,
            '-' => &mut none,
            _ => &mut all,
        };
        let column = reader.column;
        if first == '?' || first == '-' {
            reader.next();
        }
        let term = match reader.peek() {
            Some('"') => quoted(reader)?,
            Some('%') => {
                regex(reader)?;
                REGEX.to_owned()
            }
            _ => reader.take_while(|c| !c.is_whitespace() && c != '"'),
        };
        if term.is_empty() {
            return Err(reader.mistake("expected a term"));
        }
        list.push(term);
        let others = !all.is_empty() || !none.is_empty();
        if others && !any.is_empty() {
            return Err(Mistake { column, what: "a term without `?` beside one with it".to_owned() });
        }
        reader.spaces();
    }
    Ok(Kind::Terms { all, none, any })
}

fn json(reader: &mut Reader<'_>) -> Result<Condition, Mistake> {
    reader.expect("{")?;
    let condition = any(reader)?;
    if !reader.eat("}") {
        return Err(reader.mistake("expected `&&`, `||` or `}`"));
    }
    match reader.peek() {
        None => Ok(condition),
        Some(_) => Err(reader.mistake("expected the end")),
    }
}

fn any(reader: &mut Reader<'_>) -> Result<Condition, Mistake> {
    let mut conditions = vec![all(reader)?];
    while reader.eat("||") {
        conditions.push(all(reader)?);
    }
    Ok(Condition::Any(conditions))
}

fn all(reader: &mut Reader<'_>) -> Result<Condition, Mistake> {
    let mut conditions = vec![one(reader)?];
    while reader.eat("&&") {
        conditions.push(one(reader)?);
    }
    Ok(Condition::All(conditions))
}

fn one(reader: &mut Reader<'_>) -> Result<Condition, Mistake> {
    reader.spaces();
    if reader.depth == DEEPEST && reader.peek() == Some('(') {
        return Err(reader.mistake(&format!("more than {DEEPEST} parentheses inside each other")));
    }
    if reader.eat("(") {
        reader.depth += 1;
        let condition = any(reader)?;
        reader.expect(")")?;
        reader.depth -= 1;
        return Ok(condition);
    }
    let selector = selector(reader)?;
    Ok(Condition::Is(selector, test(reader)?))
}

fn selector(reader: &mut Reader<'_>) -> Result<Selector, Mistake> {
    if reader.peek() != Some('$') {
        return Err(reader.mistake("expected a selector, like `$.event`"));
    }
    reader.next();
    let mut steps = Vec::new();
    loop {
        match reader.peek() {
            Some('[') => steps.push(bracket(reader)?),
            Some('.') => {
                reader.next();
                match reader.peek() {
                    Some('[') => steps.push(bracket(reader)?),
                    Some('*') => {
                        reader.next();
                        steps.push(Step::Each);
                    }
                    _ => match reader.take_while(|c| !c.is_whitespace() && !"=!<>&|(){}[].*\"'$".contains(c)) {
                        name if name.is_empty() => return Err(reader.mistake("expected the name of a field")),
                        name => steps.push(Step::Field(name)),
                    },
                }
            }
            _ => return Ok(steps),
        }
    }
}

fn bracket(reader: &mut Reader<'_>) -> Result<Step, Mistake> {
    reader.next();
    let step = match reader.peek() {
        Some('*') => {
            reader.next();
            Step::Each
        }
        Some('"' | '\'') => Step::Field(quoted(reader)?),
        _ => {
            let mistake = reader.mistake("expected a place, `*` or a name in quotes");
            Step::Place(reader.take_while(|c| c.is_ascii_digit()).parse().map_err(|_| mistake)?)
        }
    };
    match reader.peek() {
        Some(']') => {
            reader.next();
            Ok(step)
        }
        _ => Err(reader.mistake("expected `]`")),
    }
}

fn test(reader: &mut Reader<'_>) -> Result<Test, Mistake> {
    if reader.eat("IS") {
        return state(reader);
    }
    if reader.eat("EXISTS") {
        return Ok(Test::Exists);
    }
    if reader.eat("NOT") {
        reader.expect("EXISTS")?;
        return Ok(Test::NotExists);
    }
    // The longer operators come first, because `<` begins `<=`.
    for operator in ["!=", "<=", ">=", "=", "<", ">"] {
        if reader.eat(operator) {
            return comparison(reader, operator);
        }
    }
    Err(reader.mistake("expected an operator"))
}

fn state(reader: &mut Reader<'_>) -> Result<Test, Mistake> {
    for (word, test) in [("NULL", Test::Null), ("TRUE", Test::Boolean(true)), ("FALSE", Test::Boolean(false))] {
        if reader.eat(word) {
            return Ok(test);
        }
    }
    Err(reader.mistake("expected `NULL`, `TRUE` or `FALSE`"))
}

fn comparison(reader: &mut Reader<'_>, operator: &str) -> Result<Test, Mistake> {
    match operator {
        "=" => operand(reader).map(Test::Equal),
        "!=" => operand(reader).map(Test::NotEqual),
        "<" => number(reader).map(Test::Less),
        "<=" => number(reader).map(Test::LessOrEqual),
        ">" => number(reader).map(Test::Greater),
        _ => number(reader).map(Test::GreaterOrEqual),
    }
}

fn number(reader: &mut Reader<'_>) -> Result<f64, Mistake> {
    let mistake = reader.mistake("expected a number");
    match operand(reader)? {
        Operand::Number(number) => Ok(number),
        Operand::Text { .. } => Err(mistake),
    }
}

fn operand(reader: &mut Reader<'_>) -> Result<Operand, Mistake> {
    match reader.peek() {
        Some('%') => {
            regex(reader)?;
            return Ok(Operand::Text { parts: Vec::new(), quoted: true });
        }
        Some('"') => return Ok(Operand::Text { parts: parts(&quoted(reader)?), quoted: true }),
        _ => {}
    }
    let word = reader.take_while(|c| !c.is_whitespace() && !"=!<>&|(){}\"".contains(c));
    let digits = word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let operand = match word.parse::<f64>() {
        _ if word.is_empty() => return Err(reader.mistake("expected a value")),
        Ok(number) if digits && number.is_finite() => Operand::Number(number),
        _ => Operand::Text { parts: parts(&word), quoted: false },
    };
    reader.spaces();
    Ok(operand)
}

fn parts(text: &str) -> Vec<String> {
    text.split('*').map(str::to_owned).collect()
}

/// Reads a text in quotes, and skips the spaces after it. A `\` may stand before a quote or another `\`.
fn quoted(reader: &mut Reader<'_>) -> Result<String, Mistake> {
    let quote = reader.next();
    let mut text = String::new();
    loop {
        match reader.next() {
            Some(c) if Some(c) == quote => break,
            Some('\\') => match reader.peek() {
                Some(c) if Some(c) == quote || c == '\\' => text.extend(reader.next()),
                _ => text.push('\\'),
            },
            Some(c) => text.push(c),
            None => return Err(reader.mistake(&format!("expected `{}`", quote.unwrap_or('"')))),
        }
    }
    reader.spaces();
    Ok(text)
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        self.column += 1;
        Some(next)
    }

    fn spaces(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        let taken = taken.to_owned();
        self.column += taken.chars().count();
        self.rest = rest;
        taken
    }

    /// Skips a symbol or word and the spaces around it. Whether it was there.
    fn eat(&mut self, symbol: &str) -> bool {
        self.spaces();
        let Some(rest) = self.rest.strip_prefix(symbol) else {
            return false;
        };
        self.rest = rest;
        self.column += symbol.len();
        self.spaces();
        true
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Mistake> {
        match self.eat(symbol) {
            true => Ok(()),
            false => Err(self.mistake(&format!("expected `{symbol}`"))),
        }
    }

    fn mistake(&self, what: &str) -> Mistake {
        Mistake { column: self.column, what: what.to_owned() }
    }

    /// Notes a part of the pattern that only AWS makes sense of. Only the first such part is kept.
    fn note(&mut self, what: &str) {
        self.unsupported = self.unsupported.take().or_else(|| Some(self.mistake(what)));
    }
}
