//! The service code that runs on a stack made by `provision`: one static binary, many roles, the same in a container
//! image (`/runtime serve ROLE`) and as a Lambda function (`bootstrap`).
//!
//! What holds in every role:
//!
//! - Configuration comes from the environment, is read once, in [`config`], and every mistake is reported at once.
//! - Standard output carries JSON lines and nothing else ([`telemetry`]); no value of a secret is ever in one.
//! - No input ends the process. SIGTERM does, after the requests in flight are answered ([`http::server`]).
//! - Nothing is read from the file system but what the C library needs to resolve a name: the roots of TLS are linked in.
//!
//! # The rooms
//!
//! [`systems`] has one folder for each system, with all that only this system knows. The other folders are for every system,
//! and name none:
//!
//! - [`http`]: the server, what every request passes, answers, readiness, idempotency keys, a client.
//! - [`data`]: databases and their migrations, the cache, how far a replica is behind.
//! - [`events`]: the outbox and its relay, the topic, the consumer of a queue, envelopes, the inbox.
//! - [`functions`]: the Lambda Runtime API, with the routes of a role behind an HTTP API, or the handler of a queue.
//! - [`forwarder`]: log lines to a search engine.
//! - [`config`], [`telemetry`], [`aws`], and [`background`] for the loops beside the requests.
//!
//! # A new role
//!
//! 1. The role is a line in `runtime/roles/src/lib.rs`: its name, its system, whether it is a server or a function, and what a
//!    stack file gives it in `uses:`.
//! 2. Its code is a file or a folder in `systems/<system>/`. A server has `serve(environment, background)`, which reads its
//!    configuration, begins to log, starts its loops and gives its routes. A function gives a [`functions::Function`]; it has no
//!    loops, so it ends its transaction with [`events::relay::once`].
//! 3. It is a line in the `roles` of its system's `SYSTEM`. A new system is one more line in [`systems::SYSTEMS`].
//! 4. Its tables are in `runtime/migrations/<system>/`, and in the [`data::schema::Schema`] of its system, one for each
//!    database. The role waits for its schema with [`http::ready::schema`]. Who publishes has [`events::outbox::TABLE`] among the
//!    migrations, and who handles an event once has [`events::inbox::TABLE`].
//! 5. What is tested without an engine stands beside the code. What needs engines is a file in `runtime/tests/`, which
//!    `support/` has for it. `cargo test --workspace --test rooms` says whether the lists agree.

pub mod systems;

pub mod config;
pub mod telemetry;

pub mod background;
pub mod http;

pub mod aws;
pub mod data;
pub mod events;

pub mod forwarder;
pub mod functions;
