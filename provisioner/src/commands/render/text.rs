//! A plan for people, in the 80 columns of a terminal. A word or a sign says everything that a colour says.

use super::words::{because, named, on_of, printable, renamed, risks, values};
use crate::plan::Action;
use crate::printer::Printer;
use crate::review::{Disruption, Field, Item, Review, Section, range};

const COLUMNS: usize = 80;
/// From how many seconds on the time of a change is shown.
const WORTH_TELLING: u32 = 30;
const INDENT: &str = "      ";

pub(crate) fn text(review: &Review<'_>, file: &str, printer: Printer) -> Vec<String> {
    let mut lines: Vec<String> = review.against.warning().into_iter().collect();
    for section in &review.sections {
        heading(section, file, printer, &mut lines);
        section.items.iter().for_each(|item| one(item, section, printer, &mut lines));
    }
    for (address, word) in &review.busy {
        lines.push(format!("  . {address} is {}", printable(word)));
    }
    lines.extend(review.kept.iter().map(|address| printer.dim(format!("  = {address} is kept"))));
    for address in &review.left_out {
        lines.push(printer.dim(format!("  . {address} would change too, and is left out")));
    }
    lines.extend(totals(review));
    lines
}

/// The totals: `Plan: 3 to create, 1 to change.`, the risks, and how long it takes.
fn totals(review: &Review<'_>) -> Vec<String> {
    let said: Vec<String> = review.totals().iter().map(|(count, what)| format!("{count} {what}")).collect();
    if review.is_empty() {
        let besides = if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) };
        return vec![format!("No changes: {} resources are as the stack file says{besides}.", review.resources)];
    }
    let mut lines = vec![format!("Plan: {}.", said.join(", "))];
    let risks = risks(&review.risks());
    if !risks.is_empty() {
        lines.extend(wrapped(&format!("Risk: {risks}."), "", "  "));
    }
    if review.takes.1 >= WORTH_TELLING {
        lines.push(format!("Time: {}.", range(review.takes.0, review.takes.1)));
    }
    lines
}

fn heading(section: &Section<'_>, file: &str, printer: Printer, lines: &mut Vec<String>) {
    let place = section.line.map_or_else(String::new, |line| match format!("  {file}:{line}") {
        place if width(section.name) + width(&place) <= COLUMNS => place,
        _ => format!("  line {line}"),
    });
    lines.push(format!("{}{}", printer.bold(section.name), printer.dim(place)));
    if let Some(of) = &section.renamed {
        let (before, name, after) = renamed(of);
        lines.extend(wrapped(&format!("{before}{name}{after}"), "  ", "  "));
    }
}

fn one(item: &Item<'_>, section: &Section<'_>, printer: Printer, lines: &mut Vec<String>) {
    let step = item.step;
    let action = format!("{} {:<7}", step.action.symbol(), step.action.word());
    let action = match &step.action {
        Action::Create { .. } => printer.green(action),
        Action::Update { .. } => printer.yellow(action),
        _ => printer.red(action),
    };
    let line = format!("  {action} {}", printable(&step.address.to_string()));
    let mut facts = Vec::new();
    if item.disruption != Disruption::None {
        facts.push(match item.disruption {
            Disruption::Restart | Disruption::Failover => printer.yellow(item.disruption.told(item.outage)),
            _ => printer.red(item.disruption.told(item.outage)),
        });
    }
    if let Some(loss) = &step.loss {
        facts.push(format!("lost: {}", printable(loss)));
    }
    if item.takes.1 >= WORTH_TELLING {
        facts.push(format!("takes {}", range(item.takes.0, item.takes.1)));
    }
    if let (Action::Refuse, Some(id)) = (&step.action, &step.id) {
        facts.push(format!("{} exists, but this stack did not make it", printable(id)));
    }
    facts.extend(item.notes.iter().map(|note| (*note).to_owned()));
    if item.fields.is_empty() {
        facts.extend(step.on.as_ref().map(|on| on_of(&on.to_string(), step.id.as_deref(), printable)));
        facts.extend(because(&item.why, section.line));
    }
    if let Some(busy) = &step.busy {
        facts.push(format!("AWS says: {}", printable(busy)));
    }
    let facts = facts.join("; ");
    match &step.action {
        _ if facts.is_empty() => lines.push(line),
        Action::Create { .. } if width(&line) + width(&facts) + 4 <= COLUMNS => {
            lines.push(format!("{line}  {}", printer.dim(format!("[{facts}]"))));
        }
        _ => {
            lines.push(line);
            lines.extend(wrapped(&facts, INDENT, INDENT));
        }
    }
    item.fields.iter().for_each(|one| field(one, item, section.line, printer, lines));
}

fn field(field: &Field<'_>, item: &Item<'_>, section: Option<usize>, printer: Printer, lines: &mut Vec<String>) {
    let change = field.change;
    let mut behind: Vec<String> = because(&field.why, section).into_iter().collect();
    if field.disruption != Disruption::None && item.fields.len() > 1 {
        let replaces = matches!(item.step.action, Action::Replace { .. }) && field.disruption == Disruption::Downtime;
        behind.insert(0, if replaces { "replaces it".to_owned() } else { field.disruption.told((0, 0)) });
    }
    let behind = if behind.is_empty() { String::new() } else { format!("  [{}]", behind.join(", ")) };
    let path = named(change, item.step.kind.facts());
    let values = values(change, &field.why, "->", str::to_owned);
    let whole = format!("{INDENT}{path}: {values}");
    if whole.chars().count() + behind.chars().count() <= COLUMNS {
        lines.push(format!("{whole}{}", printer.dim(behind)));
        return;
    }
    lines.extend(wrapped(&format!("{path}: {values}"), INDENT, "          "));
    if !behind.is_empty() {
        lines.push(printer.dim(format!("        {}", behind.trim())));
    }
}

/// Breaks the text into lines between words. A word that is longer than a line is broken where the line ends.
fn wrapped(text: &str, first: &str, further: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        let mut word = word;
        if !empty && width(&line) + 1 + width(word) > COLUMNS {
            lines.push(std::mem::replace(&mut line, further.to_owned()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        while width(&line) + width(word) > COLUMNS {
            let room = COLUMNS - width(&line);
            let cut = word.char_indices().nth(room).map_or(word.len(), |(cut, _)| cut);
            line.push_str(&word[..cut]);
            word = &word[cut..];
            lines.push(std::mem::replace(&mut line, further.to_owned()));
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines
}

/// The width of a text on the terminal, without the codes of colours.
fn width(text: &str) -> usize {
    let mut inside = false;
    let seen = text.chars().filter(|c| {
        match *c {
            '\x1b' => inside = true,
            'm' if inside => {
                inside = false;
                return false;
            }
            _ => {}
        }
        !inside
    });
    seen.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_whatever_the_words_are() {
        let long = "x".repeat(200);
        for text in ["", "a", &long, &format!("a {long} b"), &"word ".repeat(60)] {
            let lines = wrapped(text, "  ", "    ");
            assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:?}");
            let kept: String = lines.concat().chars().filter(|c| *c != ' ').collect();
            assert_eq!(kept, text.replace(' ', ""), "nothing is lost");
        }
    }
}
