//! `provision export`: prints the stack in another tool's language, offline, for users who want to go on without
//! `provision`.

use std::path::Path;

use crate::commands::document::pretty;
use crate::commands::failure::{Exit, Failure};
use crate::commands::load;
use crate::commands::options::{Global, Language};
use crate::export::{self, Template};
use crate::printer::{Document, Printer};

pub(crate) fn export(language: Language, file: &Path, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let Language::Cloudformation = language;
    let loaded = load(file, global)?;
    let template = export::cloudformation(&loaded).map_err(|refused| {
        Failure::errors(refused.into_iter().map(|what| (what, None)).collect()).hint("change the stack file")
    })?;
    let text = match global.json {
        true => pretty(&template.json()),
        false => Document(template.yaml().trim_end().to_owned()),
    };
    printer.document(&text);
    let parameters: Vec<&str> = template.parameters().collect();
    printer.talk(format!(
        "{} resources; {}",
        template.len(),
        match parameters.is_empty() {
            true => "no parameters".to_owned(),
            false => format!("parameters: {}", parameters.join(", ")),
        }
    ));
    if Template::needs_bucket(&text.0) {
        printer.talk("larger than a request may be: `aws cloudformation deploy` takes it with --s3-bucket");
    }
    for step in &template.by_hand {
        printer.talk(format!("by hand: {step}"));
    }
    Ok(Exit::Done)
}
