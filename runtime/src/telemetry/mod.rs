//! JSON lines on standard output. Only this module writes there.

pub mod invocation;
pub mod metrics;
pub mod trace;

use std::io::Write;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use self::invocation::Handled;
use crate::config::Telemetry;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Sets the service and level of the lines, once in a process. Lines that were written before it have the defaults.
pub fn init(telemetry: &Telemetry) {
    SETTINGS.get_or_init(|| telemetry.clone());
    std::panic::set_hook(Box::new(|panic| {
        // The line has the place of the panic, and not the message, which may quote the data that led to the panic.
        let place = panic.location().map(ToString::to_string);
        error("panic", &json!({ "location": place }));
    }));
}

pub fn debug(event: &str, fields: &impl Serialize) {
    write(Level::Debug, event, fields);
}

pub fn info(event: &str, fields: &impl Serialize) {
    write(Level::Info, event, fields);
}

pub fn warn(event: &str, fields: &impl Serialize) {
    write(Level::Warn, event, fields);
}

pub fn error(event: &str, fields: &impl Serialize) {
    write(Level::Error, event, fields);
}

/// A line of metrics, whatever the level.
pub fn metrics(values: &impl Serialize) {
    line(Level::Info, "metrics", values);
}

impl FromStr for Level {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(Level::Debug),
            "info" => Ok(Level::Info),
            "warn" => Ok(Level::Warn),
            "error" => Ok(Level::Error),
            _ => Err(()),
        }
    }
}

static SETTINGS: OnceLock<Telemetry> = OnceLock::new();

#[derive(Serialize)]
struct Line<'a, F> {
    timestamp: String,
    level: Level,
    event: &'a str,
    service: &'a str,
    #[serde(flatten)]
    handled: Option<Handled>,
    #[serde(flatten)]
    fields: &'a F,
}

fn write(level: Level, event: &str, fields: &impl Serialize) {
    if SETTINGS.get().is_some_and(|settings| level < settings.level) {
        return;
    }
    line(level, event, fields);
}

fn line(level: Level, event: &str, fields: &impl Serialize) {
    let settings = SETTINGS.get();
    let line = Line {
        timestamp: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
        level,
        event,
        service: settings.map_or("runtime", |settings| &settings.service),
        handled: invocation::handled(),
        fields,
    };
    let Ok(mut bytes) = serde_json::to_vec(&line) else {
        return;
    };
    bytes.push(b'\n');
    // `println!` would end the service if the reader went away.
    let _ = std::io::stdout().lock().write_all(&bytes);
}
