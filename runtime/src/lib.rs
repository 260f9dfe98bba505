//! The service code that runs on a stack made by `provision`: one static binary with many roles. The binary is the same
//! in a container image (`/runtime serve ROLE`) and as a Lambda function (`bootstrap`).
//!
//! These promises hold in every role:
//!
//! - Configuration comes from the environment. It is read once, in [`config`], and every mistake is reported at once.
//! - Standard output carries JSON lines and nothing else ([`telemetry`]). No line has the value of a secret in it.
//! - No input ends the process. SIGTERM does, after the requests in flight are answered ([`http::server`]).
//! - The process reads nothing from the file system, except the files of the C library that resolve a name: the roots
//!   of TLS are linked in.
//!
//! # The rooms
//!
//! [`systems`] has one folder for each system, with all code that only this system needs. The other folders are for
//! every system, and name none:
//!
//! - [`http`]: the server, the layers that every request passes, answers, readiness, idempotency keys, a client, and which
//!   addresses it may call for others.
//! - [`data`]: databases and their migrations, the cache, how far a replica is behind.
//! - [`events`]: the outbox with its relay or its sweep, the topic, the consumer of a queue, envelopes, the inbox.
//! - [`functions`]: the Lambda Runtime API, with the routes of a role behind an HTTP API, or the handler of a queue, a
//!   topic, a table or a schedule, and the function that migrates.
//! - [`stock`]: what is sold from a stock, what is ordered for it, and what a factory's callback credits to it.
//! - [`passwords`]: hashes passwords, a few at a time.
//! - [`forwarder`]: ships log lines to a search engine.
//! - [`config`], [`telemetry`], [`aws`], and [`background`] for the loops beside the requests.
//!
//! # A new role
//!
//! 1. Add a line to `runtime/roles/src/lib.rs`: the name of the role, its system, whether it is a server or a function,
//!    what it handles, and what a stack file gives it in `uses:`.
//! 2. Write its code in a file or a folder in `systems/<system>/`. A server has `serve(environment, background)`, which
//!    reads its configuration, begins to log, starts its loops and gives its routes. A function gives a
//!    [`functions::Function`]. It has no loops, so a [`events::sweep::Sweep`] publishes what it has committed.
//! 3. Add the role to the `roles` of its system's `SYSTEM`. A new system is one more line in [`systems::SYSTEMS`].
//! 4. Put its tables into `runtime/migrations/<system>/`, and into the [`data::schema::Schema`] of its system. Each
//!    database has one. The role waits for its schema with [`http::ready::schema`]. A role that publishes needs
//!    [`events::outbox::TABLE`] among the migrations. A role that handles each event once needs
//!    [`events::inbox::TABLE`].
//! 5. Tests without an engine stand beside the code. Tests with engines are files in `runtime/tests/`; `support/`
//!    starts the engines. `cargo test --workspace --test rooms` says whether the lists agree.

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

pub mod passwords;
pub mod stock;
