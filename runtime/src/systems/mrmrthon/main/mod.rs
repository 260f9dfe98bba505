//! The role `main`: marathons, players, official and other records, each in a table, and the points of the database.
//!
//! An organizer keeps marathons and official records. An individual keeps the entries and records that are the user's own:
//! the item has the `user_id` of the token. Nothing is overwritten, and nothing is made by changing it. The answers are those
//! of DynamoDB, as the system before gave them.

mod marathons;
mod non_official_records;
mod official_records;
mod players;
mod points;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use hyper::{HeaderMap, StatusCode};
use serde_json::json;
use tokio::sync::Semaphore;

use super::config::{self, Statuses};
use super::values::{self, Kind};
use super::{SCHEMA, texts};
use crate::aws::dynamodb::{self, DynamoDb, Failed, Item, Number, Scanned, Value, When, Written, key};
use crate::background::Background;
use crate::config::{Environment, Serve};
use crate::data::database::Database;
use crate::http::answer;
use crate::http::edge::{self, Caller};
use crate::http::ready::{self, Ready};
use crate::http::token::{Claims, Tokens};
use crate::telemetry;

/// The state that the handlers share.
struct Service {
    database: Arc<Database>,
    tables: DynamoDb,
    marathons: String,
    players: String,
    official_records: String,
    non_official_records: String,
    tokens: Tokens,
    statuses: Statuses,
    /// The name of the database's host, which `/` has always shown.
    host: String,
    /// The lists that are read at a time.
    lists: Semaphore,
}

/// Why a request is not done.
enum No {
    /// Only this kind of user may do it, and only with things of the user's own. `is_known` if there was a good token.
    Denied {
        only: Kind,
        is_known: bool,
    },
    Wrong(Cow<'static, str>),
    Missing(&'static str),
    Exists,
    /// The list is too long to be given whole.
    TooMany,
    Busy,
    Failed(anyhow::Error),
}

type Answer = Result<Response, No>;

/// The largest list, in bytes of JSON: some 40,000 records.
const LARGEST_LIST: usize = 4 * 1024 * 1024;
const LISTS: usize = 4;
/// The longest wait for a turn to read a list.
const PATIENCE: Duration = Duration::from_secs(5);

pub async fn serve(environment: &Environment, background: &Background) -> anyhow::Result<(Serve, Router)> {
    let config = config::Main::read(environment)?;
    telemetry::init(&config.serve.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let service = Arc::new(Service {
        database: Arc::clone(&database),
        tables: DynamoDb::new(&config.tables).await?,
        marathons: config.marathons,
        players: config.players,
        official_records: config.official_records,
        non_official_records: config.non_official_records,
        tokens: Tokens::new(&config.tokens)?,
        statuses: config.statuses,
        host: config.database.primary.host.clone(),
        lists: Semaphore::new(LISTS),
    });
    let ready = Ready::default();
    background.spawn("schema", |this| ready::schema(config.database, database, SCHEMA, ready.clone(), this));
    let router = Router::new()
        .route("/", get(host))
        .route("/marathon", get(marathons::list))
        .route("/marathon/add", post(marathons::add))
        .route("/marathon/update/{id}", put(marathons::change))
        .route("/marathon/{id}", delete(marathons::remove))
        .route("/player", get(players::list))
        .route("/player/add", post(players::add))
        .route("/player/{id}", get(players::show).delete(players::remove))
        .route("/official_record", get(official_records::list).post(official_records::add))
        .route("/official_record/{id}", put(official_records::change).delete(official_records::remove))
        .route("/non_official_record", get(non_official_records::list))
        .route("/non_official_record/add", post(non_official_records::add))
        .route("/non_official_record/{id}", put(non_official_records::change).delete(non_official_records::remove))
        .route("/point", get(points::all))
        // A fixed path goes before one with an id in it.
        .route("/point/total_point", get(points::ranking))
        .route("/point/total_point/{id}", get(points::total))
        .route("/point/{id}", get(points::of_user))
        .with_state(service)
        .merge(ready.router())
        .fallback(answer::nothing_here);
    Ok((config.serve, router))
}

async fn host(State(service): State<Arc<Service>>) -> String {
    format!("host: {}", service.host)
}

impl Service {
    fn told(&self, caller: &Caller, event: &str, answer: Answer) -> Response {
        match answer {
            Ok(response) => response,
            Err(No::Denied { only, is_known }) => texts::denied(self.statuses, only, is_known),
            Err(No::Wrong(why)) => texts::err(StatusCode::BAD_REQUEST, &why),
            Err(No::Missing(what)) => texts::err(StatusCode::NOT_FOUND, what),
            Err(No::Exists) => texts::err(StatusCode::CONFLICT, "the id exists already"),
            Err(No::TooMany) => {
                let error = anyhow::anyhow!("the list has more than {} MiB", LARGEST_LIST / 1024 / 1024);
                caller.failed(event, &error);
                texts::err(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
            }
            Err(No::Busy) => edge::refuse(StatusCode::SERVICE_UNAVAILABLE, "too many lists are being read"),
            Err(No::Failed(error)) => {
                caller.failed(event, &error);
                texts::went_wrong()
            }
        }
    }

    /// The claims of the request's token, if they are those of such a user.
    fn only(&self, only: Kind, headers: &HeaderMap) -> Result<Claims, No> {
        let claims = self.tokens.shown(headers).ok_or(No::Denied { only, is_known: false })?;
        match claims.user_type == only.number() {
            true => Ok(claims),
            false => Err(No::Denied { only, is_known: true }),
        }
    }

    async fn list(&self, table: &str) -> Answer {
        let turn = tokio::time::timeout(PATIENCE, self.lists.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(No::Busy) };
        let Scanned { items, count } = self.tables.scan(table, LARGEST_LIST).await?;
        let body = format!("{{\"Items\":{items},\"Count\":{count},\"ScannedCount\":{count}}}");
        Ok(answer::ready_made(StatusCode::OK, body))
    }

    /// Puts an item that is new.
    async fn put(&self, table: &str, item: &Item) -> Result<(), No> {
        match self.tables.put(table, item, &When::new("attribute_not_exists(id)")).await? {
            Written::Done(()) => Ok(()),
            Written::Unmet(_) => Err(No::Exists),
        }
    }

    /// Sets one attribute of an item. Of an owner's item, if there is an owner.
    async fn set(&self, table: &str, id: u64, name: &str, value: Value, owner: Option<&Claims>) -> Answer {
        let (names, mut values) = ([("#changed", name)], vec![(":changed", value)]);
        let condition = of(owner, &mut values);
        let when = When { condition, names: &names, values: &values };
        match self.tables.update(table, &key(ID, id), "SET #changed = :changed", &when).await? {
            Written::Done(item) => Ok(answer::json(StatusCode::OK, &json_of_attributes(&item))),
            Written::Unmet(there) => Err(not_there(there.as_ref())),
        }
    }

    async fn delete(&self, table: &str, id: u64, owner: Option<&Claims>) -> Answer {
        let mut values = Vec::new();
        let condition = of(owner, &mut values);
        let when = When { condition, names: &[], values: &values };
        match self.tables.delete(table, &key(ID, id), &when).await? {
            Written::Done(()) => Ok(nothing()),
            // What is not there is deleted, said the system before.
            Written::Unmet(None) if self.statuses == Statuses::Original => Ok(nothing()),
            Written::Unmet(there) => Err(not_there(there.as_ref())),
        }
    }
}

/// The name of the key of each table.
const ID: &str = "id";
/// The name of the attribute that says whose an item is.
const OWNER: &str = "user_id";
const NOTHING_THERE: &str = "there is nothing with this id";

/// The condition that an item is there, and is the owner's.
fn of(owner: Option<&Claims>, values: &mut Vec<(&'static str, Value)>) -> &'static str {
    match owner {
        Some(claims) => {
            values.push((":owner", claims.user_id.into()));
            "user_id = :owner"
        }
        None => "attribute_exists(id)",
    }
}

/// Why a change of an item was not done: there is none, or it is somebody else's.
fn not_there(there: Option<&Item>) -> No {
    match there {
        Some(_) => No::Denied { only: Kind::Individual, is_known: true },
        None => No::Missing(NOTHING_THERE),
    }
}

#[derive(serde::Serialize)]
struct Attributes<'a> {
    #[serde(rename = "Attributes")]
    attributes: &'a Item,
}

fn json_of_attributes(item: &Item) -> Attributes<'_> {
    Attributes { attributes: item }
}

/// The answer of DynamoDB to what has no answer.
fn nothing() -> Response {
    answer::json(StatusCode::OK, &json!({}))
}

fn id_in_path(id: &str) -> Result<u64, No> {
    values::id(id).ok_or(No::Wrong(Cow::Borrowed("the id in the path is not a whole number")))
}

/// The item of a body, with an id.
fn item(body: &[u8]) -> Result<Item, No> {
    let item = dynamodb::read(body).map_err(Failed::Refused)?;
    id_of(&item, ID)?;
    Ok(item)
}

/// An attribute that is an id.
fn id_of(item: &Item, name: &str) -> Result<u64, No> {
    let id = item.get(name).and_then(Value::whole).filter(|id| *id <= values::LARGEST_ID);
    id.ok_or_else(|| No::Wrong(format!("{name} is not a whole number up to {}", values::LARGEST_ID).into()))
}

/// Makes an item the user's own. It may say so already, and may not be somebody else's.
fn own(item: &mut Item, claims: &Claims) -> Result<(), No> {
    match item.get(OWNER) {
        None | Some(Value::Null) => {
            item.insert(OWNER.to_owned(), claims.user_id.into());
            Ok(())
        }
        Some(owner) if owner.whole() == Some(claims.user_id) => Ok(()),
        Some(_) => Err(No::Denied { only: Kind::Individual, is_known: true }),
    }
}

/// The `record` of a body: a number, or a text of one.
fn record(body: &[u8]) -> Result<Value, No> {
    let body = dynamodb::read(body).map_err(Failed::Refused)?;
    let record = match body.get("record") {
        Some(Value::Number(number)) => Some(number.clone()),
        Some(Value::Text(text)) => Number::read(text.trim()).ok(),
        _ => None,
    };
    record.map(Value::Number).ok_or(No::Wrong(Cow::Borrowed("record is not a number")))
}

impl From<Failed> for No {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(refused) => No::Wrong(refused.0),
            Failed::TooMany => No::TooMany,
            Failed::Other(error) => No::Failed(error),
        }
    }
}
