//! The dashboard as a process of this same program.

use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::config::Config;
use super::serve::PAGE;
use crate::engines::ports;
use crate::hex;
use crate::supervisor::part::{Part, Stop, StopSignal};
use crate::supervisor::place::Place;
use crate::supervisor::probe::Probe;

/// The name of the part. The dot keeps it apart from every name in a stack file.
pub const NAME: &str = "provision.dashboard";

/// Writes the facts for the page to the file that a running dashboard reads.
pub fn prepare(place: &Place, config: &Config) -> Result<()> {
    ports::write(&place.state().join(CONFIG), &serde_json::to_vec_pretty(config)?)
}

/// The part that runs the dashboard. `program` is one that gives its arguments to `hidden::run`.
pub fn part(program: &Path, place: &Place, port: u16) -> Result<Part> {
    let state = place.state().to_str().context("a path that is not UTF-8")?;
    let mut page = Sha256::new();
    PAGE.iter().for_each(|(_, _, text)| page.update(text));
    Ok(Part {
        args: vec!["local".into(), "dashboard".into(), state.into(), port.to_string()],
        port: Some(port),
        ready: Probe::Tcp { port },
        stop: Stop { signal: StopSignal::Term, within_ms: 2_000 },
        // A new version of the page is a reason to start the part again.
        generation: hex(&page.finalize()[..12]),
        ..Part::new(NAME, "this dashboard", program)
    })
}

/// The address of the page, with the token. It is for the stack's user only.
pub fn address(place: &Place, port: u16) -> Result<String> {
    Ok(format!("http://127.0.0.1:{port}/{}/", token(place)?))
}

/// The address of a dashboard that was started here before. Makes no token.
pub fn known_address(place: &Place, port: u16) -> Option<String> {
    Some(format!("http://127.0.0.1:{port}/{}/", kept(place)?))
}

/// The same from the state directory alone.
pub fn address_at(state: &Path) -> Option<String> {
    let place = Place::find(state).ok()?;
    known_address(&place, *ports::kept(place.state()).ok()?.get(NAME)?)
}

pub(super) const CONFIG: &str = "dashboard.json";

/// The token. It is made once, so that a saved address works tomorrow.
pub(super) fn token(place: &Place) -> Result<String> {
    if let Some(token) = kept(place) {
        return Ok(token);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("generating a token: {error}"))?;
    let token = hex(&bytes);
    ports::write(&place.state().join(TOKEN), token.as_bytes())?;
    Ok(token)
}

const TOKEN: &str = "dashboard.token";

fn kept(place: &Place) -> Option<String> {
    std::fs::read_to_string(place.state().join(TOKEN)).ok().filter(|token| token.len() == 32)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_address_stays_and_only_its_user_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        let first = address(&place, 80).unwrap();
        assert_eq!(first, address(&place, 80).unwrap());
        assert_eq!(directory.path().join("dashboard.token").metadata().unwrap().mode() & 0o777, 0o600);
        prepare(&place, &Config::default()).unwrap();
        assert_eq!(directory.path().join(CONFIG).metadata().unwrap().mode() & 0o777, 0o600);
        let other = Place::open(&directory.path().join("other")).unwrap();
        assert_ne!(first, address(&other, 80).unwrap());
        assert_eq!(address_at(directory.path()), None);
        std::fs::write(directory.path().join("ports.json"), format!("{{\"{NAME}\": 80}}")).unwrap();
        assert_eq!(address_at(directory.path()), Some(first));
        let fresh = Place::open(&directory.path().join("fresh")).unwrap();
        assert_eq!(known_address(&fresh, 80), None);
        assert!(!fresh.state().join(TOKEN).exists());
    }
}
