//! A small tree for the XML that AWS writes: elements with either text or children, never both.

/// One element. AWS answers carry no mixed content, so text and children need no order between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub fn with_text(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), ..Self::default() }
    }

    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The child of that name. It is made if there is none.
    pub fn child_or_new(&mut self, name: &str) -> &mut Element {
        let at = match self.children.iter().position(|child| child.name == name) {
            Some(at) => at,
            None => {
                self.children.push(Element::new(name));
                self.children.len() - 1
            }
        };
        &mut self.children[at]
    }

    /// The text at a path such as `State/Code`.
    pub fn at(&self, path: &str) -> Option<&str> {
        let mut here = self;
        for name in path.split('/') {
            here = here.child(name)?;
        }
        Some(&here.text)
    }

    /// Sets the text at a path, and makes the elements on the way.
    pub fn set(&mut self, path: &str, text: &str) {
        let mut here = self;
        for name in path.split('/') {
            here = here.child_or_new(name);
        }
        here.text = text.to_owned();
    }

    pub fn remove(&mut self, name: &str) {
        self.children.retain(|child| child.name != name);
    }

    /// The first element of that name, this one or any below.
    pub fn find(&self, name: &str) -> Option<&Element> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    pub fn find_mut(&mut self, name: &str) -> Option<&mut Element> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter_mut().find_map(|child| child.find_mut(name))
    }

    /// Calls `visit` for this element and all below, parents first.
    pub fn walk(&self, visit: &mut dyn FnMut(&Element)) {
        visit(self);
        for child in &self.children {
            child.walk(visit);
        }
    }

    pub fn walk_mut(&mut self, visit: &mut dyn FnMut(&mut Element)) {
        visit(self);
        for child in &mut self.children {
            child.walk_mut(visit);
        }
    }

    /// All elements of that name.
    pub fn all(&self, name: &str) -> Vec<&Element> {
        let mut found = Vec::new();
        self.collect(name, &mut found);
        found
    }

    fn collect<'a>(&'a self, name: &str, found: &mut Vec<&'a Element>) {
        if self.name == name {
            found.push(self);
        }
        for child in &self.children {
            child.collect(name, found);
        }
    }

    pub fn print(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.print_into(&mut out);
        out
    }

    fn print_into(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push_str(&format!(" {name}=\"{}\"", escape(value).replace('"', "&quot;")));
        }
        if self.children.is_empty() && self.text.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        out.push_str(&escape(&self.text));
        for child in &self.children {
            child.print_into(out);
        }
        out.push_str(&format!("</{}>", self.name));
    }
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Parses a document. `None` if it is not well-formed XML.
pub fn parse(text: &str) -> Option<Element> {
    let mut stack: Vec<Element> = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}').trim();
    loop {
        let open = rest.find('<')?;
        if let Some(top) = stack.last_mut() {
            top.text.push_str(&unescape(&rest[..open]));
        }
        rest = &rest[open..];
        if let Some(after) = rest.strip_prefix("<![CDATA[") {
            let end = after.find("]]>")?;
            stack.last_mut()?.text.push_str(&after[..end]);
            rest = &after[end + 3..];
        } else if let Some(after) = rest.strip_prefix("<!--") {
            rest = &after[after.find("-->")? + 3..];
        } else if rest.starts_with("<?") || rest.starts_with("<!") {
            rest = &rest[rest.find('>')? + 1..];
        } else if let Some(after) = rest.strip_prefix("</") {
            let end = after.find('>')?;
            let mut done = stack.pop()?;
            if after[..end].trim() != done.name {
                return None;
            }
            if !done.children.is_empty() && done.text.trim().is_empty() {
                // This text is indentation between elements.
                done.text.clear();
            }
            rest = &after[end + 1..];
            match stack.last_mut() {
                Some(parent) => parent.children.push(done),
                None => return Some(done),
            }
        } else {
            let end = tag_end(rest)?;
            let inside = &rest[1..end];
            rest = &rest[end + 1..];
            let (inside, empty) = match inside.strip_suffix('/') {
                Some(inside) => (inside, true),
                None => (inside, false),
            };
            let element = open_tag(inside)?;
            match (empty, stack.last_mut()) {
                (false, _) => stack.push(element),
                (true, Some(parent)) => parent.children.push(element),
                (true, None) => return Some(element),
            }
        }
    }
}

/// The place where the tag ends that starts `text`: the first `>` outside of quotes.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn open_tag(inside: &str) -> Option<Element> {
    let inside = inside.trim();
    let (name, mut rest) = match inside.split_once(char::is_whitespace) {
        Some((name, rest)) => (name, rest.trim()),
        None => (inside, ""),
    };
    let mut element = Element::new(name);
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next()?;
        let end = after[1..].find(quote)? + 1;
        element.attributes.push((key.trim().to_owned(), unescape(&after[1..end])));
        rest = after[end + 1..].trim_start();
    }
    Some(element)
}

fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(';').unwrap_or(0);
        let decoded = match rest.get(1..end) {
            Some("amp") => Some('&'),
            Some("lt") => Some('<'),
            Some("gt") => Some('>'),
            Some("quot") => Some('"'),
            Some("apos") => Some('\''),
            Some(code) => match code.strip_prefix("#x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok().and_then(char::from_u32),
                None => code.strip_prefix('#').and_then(|n| n.parse().ok()).and_then(char::from_u32),
            },
            None => None,
        };
        match decoded {
            Some(c) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let text = "<?xml version=\"1.0\"?>\n<A xmlns=\"http://x/\">\n  <b>1 &lt; 2 &#38; &quot;3&quot;</b>\n  <c/><d><item>x</item><item>y</item></d>\n</A>";
        let tree = parse(text).expect("well-formed");
        assert_eq!(tree.at("b"), Some("1 < 2 & \"3\""));
        assert_eq!(tree.all("item").len(), 2);
        assert_eq!(tree.attributes, vec![("xmlns".to_owned(), "http://x/".to_owned())]);
        assert_eq!(parse(&tree.print()), Some(tree));
    }

    #[test]
    fn keeps_spaces_that_are_the_value() {
        assert_eq!(parse("<a><b> </b></a>").and_then(|a| a.at("b").map(str::to_owned)), Some(" ".to_owned()));
    }

    #[test]
    fn refuses_what_is_not_xml() {
        assert_eq!(parse("{}"), None);
        assert_eq!(parse("<a><b></a>"), None);
    }

    #[test]
    fn sets_paths() {
        let mut tree = Element::new("a");
        tree.set("State/Code", "active");
        assert_eq!(tree.at("State/Code"), Some("active"));
    }
}
