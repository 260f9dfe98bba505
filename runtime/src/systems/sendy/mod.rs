//! Sendy: reservations are made, looked up, and told to drivers.

pub mod config;
pub mod lookup;
pub mod notification;
mod probe;
pub mod reservation;
mod texts;

use super::{Role, Run, System};
use crate::data::cache::Names;
use crate::data::schema::{Migration, Schema};
use crate::events::outbox;

pub const SYSTEM: System = System {
    name: "sendy",
    databases: &[SCHEMA],
    roles: &[
        Role {
            name: "reservation",
            run: Run::Server(|environment, background| Box::pin(reservation::serve(environment, background))),
        },
        Role {
            name: "lookup",
            run: Run::Server(|environment, background| Box::pin(lookup::serve(environment, background))),
        },
        Role {
            name: "notification",
            run: Run::Server(|environment, background| Box::pin(notification::serve(environment, background))),
        },
    ],
    probe: Some(|environment| Box::pin(probe::run(environment))),
};

pub const SCHEMA: &Schema = &Schema {
    name: "sendy",
    migrations: &[
        Migration {
            version: 1,
            name: "reservations",
            sql: include_str!("../../../migrations/sendy/1_reservations.sql"),
        },
        Migration {
            version: 2,
            name: "notifications",
            sql: include_str!("../../../migrations/sendy/2_notifications.sql"),
        },
        Migration { version: 3, name: "effects", sql: outbox::TABLE },
        Migration { version: 4, name: "probes", sql: include_str!("../../../migrations/sendy/4_probes.sql") },
    ],
};

/// The beginnings of the keys of the cache.
const NAMES: Names = Names { one: "reservation", many: "reservations" };
