//! The commands of `provision local`: what can be done to a part, as it is written on the command line.

use std::path::PathBuf;

use clap::Subcommand;

/// What can be done to one part of a stack that runs here, to see what the others make of it.
#[derive(Subcommand)]
pub(crate) enum Fault {
    /// End a part at once, as by `kill -9`; the supervisor starts it again
    Kill(Victim),
    /// Let a part stand still, with its port open
    Pause(Victim),
    /// End a part in order and leave it so
    Stop(Victim),
    /// Let a part go on that was paused or stopped
    Resume(Victim),
    /// End a part in order and start it again
    Restart(Victim),
    /// Make a replica the primary, at the address that the services know
    ///
    /// A primary that runs takes no more writes until the replica has them all; of one that is gone, what the replica has not
    /// received is on the old primary's disk only, as on RDS. The old primary is out of service until `rejoin`.
    Promote(Victim),
    /// Let the old primary follow the new one
    Rejoin {
        #[command(flatten)]
        victim: Victim,
        /// Throw away what only the old primary has, and fill it again from the new one
        #[arg(long)]
        discard: bool,
    },
    /// Let a replica hold back whatever it gets, for so long
    Lag {
        #[command(flatten)]
        victim: Victim,
        /// As in 30s or 2m; 0 ends it
        #[arg(value_parser = delay)]
        time: u32,
    },
}

#[derive(clap::Args)]
pub(crate) struct Victim {
    pub(super) file: PathBuf,
    /// Its name, as `status` shows it
    pub(super) part: String,
}

impl Fault {
    pub(super) fn victim(&self) -> &Victim {
        match self {
            Fault::Kill(victim) | Fault::Pause(victim) | Fault::Stop(victim) => victim,
            Fault::Resume(victim) | Fault::Restart(victim) | Fault::Promote(victim) => victim,
            Fault::Rejoin { victim, .. } | Fault::Lag { victim, .. } => victim,
        }
    }
}

fn delay(text: &str) -> Result<u32, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: Option<u32> = digits.parse().ok();
    let seconds = match (number, &text[digits.len()..]) {
        (Some(0), "") => Some(0),
        (Some(number), "s") => Some(number),
        (Some(number), "m") => number.checked_mul(60),
        _ => None,
    };
    seconds.filter(|seconds| *seconds <= 3600).ok_or_else(|| "30s, 2m, at most 60m, or 0".to_owned())
}
