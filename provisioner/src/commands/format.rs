//! The formats of outputs, for a stack on AWS and on this machine.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::document::pretty;
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::printer::{Printer, shown};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// `queues.work.url = …`, for people
    Text,
    /// One object; the same as --json
    Json,
    /// `QUEUES_WORK_URL=…`, for shells
    Env,
}

/// The format that `--format` and `--json` ask for together.
pub(crate) fn chosen(format: Option<Format>, global: &Global) -> Result<Format, Failure> {
    match (format, global.json) {
        (None | Some(Format::Json), true) => Ok(Format::Json),
        (None, false) => Ok(Format::Text),
        (Some(format), false) => Ok(format),
        (Some(Format::Text | Format::Env), true) => Err(Failure::usage("--json is another format than --format says")),
    }
}

/// Prints all outputs on stdout.
pub(crate) fn write(outputs: &BTreeMap<String, Value>, format: Format, printer: Printer) -> Result<Exit, Failure> {
    match format {
        Format::Json => printer.document(&pretty(&json!(outputs))),
        Format::Text => outputs.iter().for_each(|(name, value)| printer.data(format!("{name} = {}", text(value)))),
        Format::Env => {
            let lines = environment(outputs);
            let lines = lines.map_err(|why| Failure::of(why).hint("--format json shows all outputs as they are"))?;
            lines.into_iter().for_each(|line| printer.data(line));
        }
    }
    Ok(Exit::Done)
}

/// A line `QUEUES_WORK_URL=…` for each output. Fails if two outputs get one name, since a shell would take whichever
/// comes last. Fails too if a value has a character that is not printed as it is.
fn environment(outputs: &BTreeMap<String, Value>) -> Result<Vec<String>, String> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let mut lines = Vec::new();
    for (output, value) in outputs {
        let name = variable(output);
        let value = text(value);
        if value.contains(shown::acts) {
            return Err(format!("`{output}` has a character that is no part of a word"));
        }
        lines.push(format!("{name}={}", quoted(&value)));
        if let Some(other) = taken.insert(name.clone(), output) {
            return Err(format!("`{other}` and `{output}` would both be {name}"));
        }
    }
    Ok(lines)
}

fn variable(output: &str) -> String {
    output.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The text as one word of a POSIX shell. Within single quotes every character stands for itself, except a single
/// quote.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A value as text. Text has no quotes around it.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn named(outputs: &[(&str, Value)]) -> BTreeMap<String, Value> {
        outputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn values_are_one_word_of_a_shell_each() {
        let outputs = named(&[
            ("databases.a-b.port", json!(3306)),
            ("queues.work.dead_letter_url", json!("")),
            ("queues.work.url", json!("https://sqs.eu-west-1.amazonaws.com/1/a-b.fifo")),
            ("services.a", json!("it's $HOME; `id` \"\\ ~ and more")),
            ("services.b", json!("~root")),
        ]);
        let lines = environment(&outputs).expect("no two are the same");
        insta::assert_snapshot!(lines.join("\n"), @r#"
        DATABASES_A_B_PORT=3306
        QUEUES_WORK_DEAD_LETTER_URL=''
        QUEUES_WORK_URL=https://sqs.eu-west-1.amazonaws.com/1/a-b.fifo
        SERVICES_A='it'\''s $HOME; `id` "\ ~ and more'
        SERVICES_B='~root'
        "#);
    }

    #[test]
    fn two_outputs_of_one_name_are_refused() {
        let outputs = named(&[("queues.a-b.url", json!("1")), ("queues.a.b_url", json!("2"))]);
        insta::assert_snapshot!(
            environment(&outputs).expect_err("they are the same"),
            @"`queues.a-b.url` and `queues.a.b_url` would both be QUEUES_A_B_URL"
        );
    }

    #[test]
    fn a_value_that_is_no_word_is_refused() {
        for value in ["a\nQUEUES_OTHER=b", "\x1b[2J", "\u{202e}"] {
            let refused = environment(&named(&[("queues.a", json!(value))])).expect_err("it is no word");
            assert_eq!(refused, "`queues.a` has a character that is no part of a word");
        }
    }
}
