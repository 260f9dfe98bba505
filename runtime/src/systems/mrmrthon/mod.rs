//! Marathons: who runs, what they have run, and the points that they get for it.
//!
//! [`user`] signs users up and in, in the database. [`main`] keeps marathons, players and records, in tables, and shows the
//! points. A new official record goes from the stream of its table to [`official_record`], which asks what its marathon is
//! worth and tells the topic. From there it goes to [`point_increase`], which credits it, and to [`webhook`], which tells
//! people. The message has the id of the record on its whole way, so each record counts once.
//!
//! The event of a probe begins at the topic. A record that begins it would be one that people can see.

mod config;
mod credit;
mod main;
mod official_record;
mod point_increase;
mod texts;
mod user;
mod values;
mod webhook;

use super::{Role, Run, System};
use crate::data::schema::{Migration, Schema};

pub const SYSTEM: System = System {
    name: "mrmrthon",
    databases: &[SCHEMA],
    roles: &[
        Role {
            name: "user",
            run: Run::Server(|environment, background| Box::pin(user::serve(environment, background))),
        },
        Role {
            name: "main",
            run: Run::Server(|environment, background| Box::pin(main::serve(environment, background))),
        },
        Role {
            name: "official-record",
            run: Run::Function(|environment| Box::pin(official_record::function(environment))),
        },
        Role {
            name: "point-increase",
            run: Run::Function(|environment| Box::pin(async { point_increase::function(environment) })),
        },
        Role { name: "webhook", run: Run::Function(|environment| Box::pin(webhook::function(environment))) },
    ],
    probe: None,
};

const SCHEMA: &Schema = &Schema {
    name: "mrmrthon",
    migrations: &[Migration {
        version: 1,
        name: "users",
        sql: include_str!("../../../migrations/mrmrthon/1_users.sql"),
    }],
};
