//! A page about one stack on this machine, for its user and nobody else. It shows which parts run, how many messages
//! wait in the queues, what is in the tables and how far their streams are handled, what the functions have done, how to reach each part, what the parts log, and what happened while nobody looked.
//!
//! The page is a part like the balancer: the supervisor runs it, and nothing depends on it. If it fails or is killed,
//! nothing else stops. It owns only the history, an SQLite file that is filled from what the supervisor writes down. So
//! the history also has what happens while the page is not served.
//!
//! # Who may look
//!
//! Only loopback listens. Anybody who has the address `http://127.0.0.1:PORT/TOKEN/` may look. The token is random for
//! each stack, in a file for its user only. Requests to another name than this machine's are refused, because a page
//! from elsewhere can have its name point here. A request that changes something or gives a secret away also needs the
//! token in the header `x-provision-token`, which no page from elsewhere can add. The page loads nothing from elsewhere
//! either.
//!
//! # What it answers
//! Below `/TOKEN/`; JSON, and `{"error": "..."}` with a status of 400 and above.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET api/stack` | `stack`, `environment`, `nodes`, `links`, `queues`, `tables`, and `connections` with `text` masked |
//! | `GET api/state` | `parts` as of `provision status --json`, `queues` and `tables` by id, `lags` and `functions` by part, `revision` of the stack |
//! | `GET api/connection?name=` | the whole `text` of one; needs the header |
//! | `GET api/logs?part=&text=&id=&quiet=1&before=&cursor=` | `lines` (`part`, `at`, `text`), the oldest first, and a `cursor`: given back, it gives what was written since |
//! | `GET api/history?part=&before=` | `events` (`id`, `at`, `part`, `what`, `text`), the latest first; `before` an id |
//! | `POST api/part?name=&do=` | `restart`, `kill`, `pause` or `resume`; needs the header |
//! | `POST api/redrive?queue=` | dead letters back to where they came from: `moved`; needs the header |

mod answer;
pub mod config;
mod guard;
mod history;
mod live;
mod logs;
pub mod messages;
pub mod part;
pub mod serve;
