//! Writes the little XML that the answers of the query protocol need.

pub fn element(name: &str, value: &str) -> String {
    format!("<{name}>{}</{name}>", text(value))
}

/// Writes `<entry><key>…</key><value>…</value></entry>` for each entry.
pub fn entries<'a>(map: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let entry =
        |(key, value): (&String, &String)| format!("<entry>{}{}</entry>", element("key", key), element("value", value));
    map.into_iter().map(entry).collect()
}

pub fn text(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#xD;"),
            // XML 1.0 has no form for the other control characters.
            letter if letter < ' ' && letter != '\n' && letter != '\t' => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
