//! `provision logs --local`: prints what the parts of a stack say.

use std::path::Path;

use local::supervisor::logs as files;
use local::supervisor::place::Place;

use super::looked::found;
use super::words::NOTHING_RUNS;
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::local::home::status as live;
use crate::printer::Printer;

/// Prints the last lines of each part. With `follow` it goes on with all new lines.
pub(crate) fn logs(
    file: &Path,
    global: &Global,
    parts: &[String],
    follow: bool,
    printer: Printer,
) -> Result<Exit, Failure> {
    let (_, state) = found(file, global)?;
    let known: Vec<String> = live(&state).unwrap_or_default().into_iter().map(|part| part.name).collect();
    if let Some(unknown) = parts.iter().find(|part| !known.contains(part)) {
        return Err(Failure::usage(format!("nothing with the name `{unknown}` runs here"))
            .hint(format!("there are: {}", known.join(", "))));
    }
    let chosen: Vec<String> = known.into_iter().filter(|part| parts.is_empty() || parts.contains(part)).collect();
    let Ok(place) = Place::find(&state) else {
        printer.talk(NOTHING_RUNS);
        return Ok(Exit::Done);
    };
    let goes_on = || follow && !printer.is_over();
    files::follow(&place, &chosen, LINES, goes_on, |part, line| printer.data(format!("{part} | {line}")));
    Ok(Exit::Done)
}

const LINES: usize = 20;
