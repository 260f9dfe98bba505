//! A plan as a comment on a pull request. The biggest risk comes first, the rest is folded, and changes that have no
//! room are counted. The reader knows AWS, and need not know this program.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::words::{because, named, on_of, printable, renamed, risks, values};
use crate::review::sources::Why;
use crate::review::{Against, Disruption, Item, Review, Section, range};

/// GitHub refuses a comment with more characters. Bytes are counted here, and there are never fewer of them.
const LIMIT: usize = 65_536;
/// The room that is kept free for the end of the comment.
const RESERVE: usize = 1_500;
/// The room that risky changes may take.
const FOR_RISKS: usize = 45_000;
/// How many fields are shown of one resource.
const MOST_FIELDS: usize = 12;
const MOST_OF_A_NAME: usize = 120;

pub(crate) fn markdown(review: &Review<'_>, file: &str, hash: Option<&str>) -> String {
    let mut out = head(review, file, hash);
    let mut items: Vec<(&Section<'_>, &Item<'_>)> =
        review.sections.iter().flat_map(|section| section.items.iter().map(move |item| (section, item))).collect();
    items.sort_by_key(|(_, item)| (std::cmp::Reverse(item.disruption), std::cmp::Reverse(item.outage.1)));
    let (risky, calm): (Vec<_>, Vec<_>) = items.into_iter().partition(|(_, item)| item.disruption != Disruption::None);
    if !risky.is_empty() {
        out.push_str("\n#### To look at, the biggest risk first\n\n");
        let mut more: BTreeMap<Disruption, usize> = BTreeMap::new();
        for (section, item) in risky {
            let entry = entry(review, section, item, file, true);
            match more.is_empty() && out.len() + entry.len() <= FOR_RISKS {
                true => out.push_str(&entry),
                false => *more.entry(item.disruption).or_default() += 1,
            }
        }
        if !more.is_empty() {
            let more: Vec<_> = more.into_iter().rev().map(|(risk, count)| (count, risk)).collect();
            let _ = writeln!(out, "- **and more that has no room here: {}**", risks(&more));
        }
    }
    if !calm.is_empty() {
        fold(review, &calm, file, &mut out);
    }
    beside(review, &mut out);
    debug_assert!(out.len() <= LIMIT);
    out
}

fn head(review: &Review<'_>, file: &str, hash: Option<&str>) -> String {
    let scope = review.scope;
    let mut out = format!("### Plan for {}\n\n", code(&scope.tag()));
    let _ = match review.against {
        Against::ThisMachine => write!(out, "On this machine, as {} says.", code(file)),
        _ => {
            write!(out, "Account {}, region {}, as {} says.", code(&scope.account), code(&scope.region), code(file))
        }
    };
    if let Some(hash) = hash {
        let _ = write!(out, " Plan {}.", code(hash));
    }
    if let Some(warning) = review.against.warning() {
        let _ = write!(out, "\n\n> {warning}");
    }
    let totals: Vec<String> = review.totals().iter().map(|(count, what)| format!("{count} {what}")).collect();
    if review.is_empty() {
        let _ = writeln!(out, "\n\n**No changes**: {} resources are as the stack file says.", review.resources);
        return out;
    }
    let _ = write!(out, "\n\n**{}**", totals.join(", "));
    if review.takes.1 > 0 {
        let _ = write!(out, ", {}", range(review.takes.0, review.takes.1));
    }
    out.push_str(".\n");
    let risks = review.risks();
    for (count, risk) in &risks {
        let _ = write!(out, "\n- **{}**: {count}. {}", risk.told((0, 0)), meaning(*risk));
    }
    if !risks.is_empty() {
        out.push('\n');
    }
    out
}

/// What a disruption means, for readers who do not know the word.
fn meaning(risk: Disruption) -> &'static str {
    match risk {
        Disruption::None => "",
        Disruption::Restart => "What runs is replaced or started again.",
        Disruption::Failover => "Another node takes over; connections break once.",
        Disruption::Removed => "It goes, and holds no data.",
        Disruption::Downtime => "It does not answer meanwhile.",
        Disruption::DataLoss => {
            "Gone for good. Databases, caches and search domains only if `--delete-data` names them."
        }
        Disruption::Blocked => "The name is taken by something that this stack did not make: `up` does nothing at all.",
    }
}

fn entry(review: &Review<'_>, section: &Section<'_>, item: &Item<'_>, file: &str, risky: bool) -> String {
    let step = item.step;
    let mut out = String::from("- ");
    if risky {
        let _ = write!(out, "**{}**: ", item.disruption.told(item.outage));
    }
    let _ = write!(out, "{} {}", step.action.word(), code(&step.address.to_string()));
    let place = section.line.map_or_else(String::new, |line| format!(", {}", code(&format!("{file}:{line}"))));
    let _ = write!(out, " ({}{place})", code(section.name));
    let mut facts: Vec<String> = Vec::new();
    if let Some(of) = section.renamed.as_ref().filter(|_| risky) {
        let (before, name, after) = renamed(of);
        facts.push(format!("{before}{}{after}", code(name)));
    }
    facts.extend(step.loss.as_deref().map(|loss| format!("lost: {}", escaped(loss))));
    if step.loses_data {
        facts.push(format!("only done with {}", code(&format!("--delete-data={}", step.address.name))));
    }
    if item.takes.1 >= 30 {
        facts.push(format!("takes {}", range(item.takes.0, item.takes.1)));
    }
    facts.extend(item.notes.iter().map(|note| (*note).to_owned()));
    if let Some(id) = step.id.as_deref().filter(|_| risky && review.against != Against::ThisMachine) {
        facts.push(format!("in AWS: {}", code(id)));
    }
    if item.fields.is_empty() {
        facts.extend(step.on.as_ref().map(|on| on_of(&on.to_string(), step.id.as_deref(), code)));
        facts.extend(reason(&item.why, section.line));
    }
    if !facts.is_empty() {
        let facts = facts.join("; ");
        let first = facts.chars().next().map_or(0, char::len_utf8);
        let _ = write!(out, ". {}{}", facts[..first].to_uppercase(), &facts[first..]);
    }
    out.push('\n');
    for field in item.fields.iter().take(MOST_FIELDS) {
        let change = field.change;
        let values = values(change, &field.why, "→", code);
        let _ = write!(out, "  - {}: {values}", code(&named(change, step.kind.facts())));
        let behind: Vec<String> = reason(&field.why, section.line).into_iter().collect();
        if !behind.is_empty() {
            let _ = write!(out, " ({})", behind.join(", "));
        }
        out.push('\n');
    }
    if item.fields.len() > MOST_FIELDS {
        let _ = writeln!(out, "  - and {} more fields", item.fields.len() - MOST_FIELDS);
    }
    out
}

fn reason(why: &Why, section: Option<usize>) -> Option<String> {
    because(why, section).map(|said| escaped(&said))
}

/// Writes the changes without disruption, by section, as far as there is room.
fn fold(review: &Review<'_>, calm: &[(&Section<'_>, &Item<'_>)], file: &str, out: &mut String) {
    let _ = writeln!(out, "\n<details><summary>Without disruption: {} changes</summary>\n", calm.len());
    let mut more: BTreeMap<&str, usize> = BTreeMap::new();
    for (section, item) in calm {
        let entry = entry(review, section, item, file, false);
        match more.is_empty() && out.len() + entry.len() + RESERVE <= LIMIT {
            true => out.push_str(&entry),
            false => *more.entry(item.step.action.word()).or_default() += 1,
        }
    }
    let told: Vec<String> = more.iter().map(|(word, count)| format!("{count} to {word}")).collect();
    if !told.is_empty() {
        let _ = writeln!(out, "- and more that has no room here: {}", told.join(", "));
    }
    out.push_str("\n</details>\n");
}

/// Writes the resources that this plan does not touch, although the reader might expect it.
fn beside(review: &Review<'_>, out: &mut String) {
    let mut list = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            let shown: Vec<String> = names.iter().take(5).map(|name| code(name)).collect();
            let more = if names.len() > 5 { format!(" and {} more", names.len() - 5) } else { String::new() };
            let line = format!("\n{what}: {}{more}.\n", shown.join(", "));
            if out.len() + line.len() <= LIMIT {
                out.push_str(&line);
            }
        }
    };
    list("Kept", review.kept.iter().map(ToString::to_string).collect());
    list("Would change too, and is left out", review.left_out.iter().map(ToString::to_string).collect());
}

/// The text as code. It mentions nobody, and nothing in it becomes a tag, a link or a table.
fn code(text: &str) -> String {
    let text = cut(&printable(text));
    let plain = |c: char| !matches!(c, '`' | '|' | '<' | '>' | '&' | '@' | '\\');
    if !text.is_empty() && text.chars().all(plain) && text.trim() == text {
        return format!("`{text}`");
    }
    format!("<code>{}</code>", numbered(&text, |c| c.is_alphanumeric() || " ._-/:,=".contains(c)))
}

/// The text as plain text of Markdown.
fn escaped(text: &str) -> String {
    numbered(&cut(&printable(text)), |c| c.is_alphanumeric() || " .,;:-()'/".contains(c))
}

fn numbered(text: &str, plain: impl Fn(char) -> bool) -> String {
    text.chars().map(|c| if plain(c) { c.to_string() } else { format!("&#{};", u32::from(c)) }).collect()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_OF_A_NAME) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_wrote_stays_text() {
        let told: Vec<String> = ["a b", "@team", "a`b", "a|b", "<img src=x>", "[x](http://y)", "a\nb", "\u{202e}x", ""]
            .into_iter()
            .map(|text| format!("{} {}", code(text), escaped(text)))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        `a b` a b
        <code>&#64;team</code> &#64;team
        <code>a&#96;b</code> a&#96;b
        <code>a&#124;b</code> a&#124;b
        <code>&#60;img src=x&#62;</code> &#60;img src&#61;x&#62;
        `[x](http://y)` &#91;x&#93;(http://y)
        <code>a&#92;nb</code> a&#92;nb
        <code>&#92;u202ex</code> &#92;u202ex
        <code></code>
        ");
    }
}
