//! The effects that have to follow a change of a reservation, as rows for the outbox.

use std::time::SystemTime;

use serde::Serialize;

use super::super::NAMES;
use super::Fields;
use crate::data::database::Literal;
use crate::events::attributes::Attributes;
use crate::events::outbox::{self, Publication, Value};
use crate::telemetry::trace::Trace;

/// What happened to a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Created,
    Changed,
    Deleted,
}

/// The message that subscribers of the topic get. The id of the reservation is missing; it stands in front.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    /// The version of the row after the change. A reader that knows a later version ignores this event.
    version: u32,
    action: &'static str,
    /// The time of the change, in milliseconds since 1970.
    dtm: u64,
    /// The reservation after the change. `None` for one that was deleted.
    reservation: Option<&'a Fields>,
    traceparent: &'a str,
}

impl Change {
    pub fn event(self) -> &'static str {
        match self {
            Change::Created => "reservation.created",
            Change::Changed => "reservation.changed",
            Change::Deleted => "reservation.deleted",
        }
    }

    fn action(self) -> &'static str {
        match self {
            Change::Created => "Reservations: OK",
            Change::Changed => "Reservations: Changed",
            Change::Deleted => "Reservations: Deleted",
        }
    }
}

/// Both effects of a change: the invalidation, and the event. They lack only the id of the reservation.
pub struct Effects {
    version: u32,
    /// The event without its first brace. The id stands between the two.
    rest: String,
    trace: Trace,
}

/// The targets of the effects, as the outbox has them.
pub const TOPIC: &str = "events";
pub const CACHE: &str = NAMES.one;
/// The number of rows of one change.
pub const ROWS: usize = 2;

impl Effects {
    pub fn new(change: Change, version: u32, fields: Option<&Fields>, trace: &Trace) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut rest = serde_json::to_string(&Event {
            event: change.event(),
            version,
            action: change.action(),
            dtm: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            reservation: fields,
            traceparent: &trace.to_string(),
        })?;
        rest.remove(0);
        Ok(Effects { version, rest, trace: *trace })
    }

    /// The rows, the invalidation first. `id` is SQL: a number, or the id that the statement before inserted.
    pub fn rows(&self, id: &str) -> anyhow::Result<[String; ROWS]> {
        let Effects { version, rest, trace } = self;
        let event = format!("CONCAT('{{\"reservationId\":', {id}, ',', {})", Literal(rest));
        let publication = Publication {
            topic: TOPIC,
            subject: Value::Sql(id),
            version: *version,
            message: Value::Sql(&event),
            title: None,
            attributes: &Attributes::default(),
            trace,
        };
        Ok([outbox::invalidation(CACHE, Value::Sql(id), *version, trace), publication.row()?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_client_sends_is_sql() {
        let fields = Fields {
            departure: "'); DROP TABLE reservations; --".to_owned(),
            destination: "\\' OR 1=1 #".to_owned(),
            date: "2022-06-07".to_owned(),
            user_name: "\0\u{1f600}\"".to_owned(),
        };
        let effects = Effects::new(Change::Created, 1, Some(&fields), &Trace::begin()).unwrap();
        let sql = effects.rows("LAST_INSERT_ID()").unwrap().join(", ");
        assert!(!sql.contains("DROP") && !sql.contains('\\') && !sql.contains('#'), "{sql}");
        // All quotes are ours: those of two effects, their targets, two traces, the beginning of the event, the comma,
        // the rest.
        assert_eq!(sql.matches('\'').count(), 18, "{sql}");
    }
}
