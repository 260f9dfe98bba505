//! Tells of stacks that may be this one under another path or name.

use std::path::Path;

use super::words::shell;
use crate::local::stacks::{self, Stray};
use crate::printer::Printer;
use crate::sections::Loaded;

/// Prints the stacks that may be this one under another path or name. It is called if this one does not run.
pub(super) fn tell_strays(file: &Path, loaded: &Loaded, state: &Path, printer: Printer) {
    // Nothing depends on this. If the list cannot be read, the next step says why.
    for (known, stray) in stacks::strays(file, loaded, state).unwrap_or_default() {
        let Some(origin) = &known.origin else { continue };
        let (name, runs) =
            (&known.name, if known.is_running() { "runs here" } else { "is stopped here, with its data" });
        let end = format!("`provision down --local {name}` ends it, and with --delete-data deletes its data");
        match stray {
            Stray::Moved => {
                printer.talk(format!(
                    "note: `{name}` {runs}: a stack of the same name, which was started from {}. That file is not there any more",
                    origin.file
                ));
                let old = Path::new(&origin.file).parent().unwrap_or(Path::new("/")).display().to_string();
                printer.hint(format!(
                    "if it is this stack, move its folder back to {} to have it and its data again; {end}",
                    shell(&old)
                ));
            }
            Stray::Renamed => {
                printer.talk(format!(
                    "note: `{name}` {runs}: it was started from this file, {}, when that said `stack: {}`",
                    origin.file, origin.stack
                ));
                printer.hint(format!("write `stack: {}` again to have it and its data; {end}", origin.stack));
            }
        }
    }
}
