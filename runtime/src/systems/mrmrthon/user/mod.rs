//! The role `user`: it signs users up and in, and shows, changes and deletes them.
//!
//! - Anybody may sign up, sign in, and read the list of the users. The list has no passwords. Only an organizer, and the user,
//!   sees a telephone number whole.
//! - Who knows the password of a user may change the name and the telephone number.
//! - The user, or an organizer, may delete a user, with the points. A token that was signed before is good for other things
//!   until it expires.

mod accounts;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Extension, Router};
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::accounts::Entered;
use super::config::{self, Statuses};
use super::values::{self, Kind};
use super::{SCHEMA, texts};
use crate::background::Background;
use crate::config::{Environment, Serve};
use crate::data::database::{self, Database};
use crate::http::answer;
use crate::http::edge::{self, Caller};
use crate::http::ready::{self, Ready};
use crate::http::token::{Claims, Tokens};
use crate::passwords::{self, Passwords, Turn};
use crate::telemetry::{self, metrics};

/// The state that the handlers share.
struct Service {
    database: Arc<Database>,
    passwords: Passwords,
    tokens: Tokens,
    statuses: Statuses,
    /// The name of the database's host, which `/` has always shown.
    host: String,
}

pub async fn serve(environment: &Environment, background: &Background) -> anyhow::Result<(Serve, Router)> {
    let config = config::User::read(environment)?;
    telemetry::init(&config.serve.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let service = Arc::new(Service {
        database: Arc::clone(&database),
        passwords: Passwords::new(config.hashes),
        tokens: Tokens::new(&config.tokens)?,
        statuses: config.statuses,
        host: config.database.primary.host.clone(),
    });
    let ready = Ready::default();
    background.spawn("schema", |this| ready::schema(config.database, database, SCHEMA, ready.clone(), this));
    let router = Router::new()
        .route("/", get(host))
        .route("/user", get(list))
        .route("/user/signup", post(sign_up))
        // A body of a GET is lost on some ways, so a POST does the same.
        .route("/user/login", get(sign_in).post(sign_in))
        .route("/users/login", get(sign_in).post(sign_in))
        .route("/user/update/{id}", put(change))
        .route("/user/{id}", delete(remove))
        .with_state(service)
        .merge(ready.router())
        .fallback(answer::nothing_here);
    Ok((config.serve, router))
}

async fn host(State(service): State<Arc<Service>>) -> String {
    format!("host: {}", service.host)
}

#[derive(Deserialize)]
struct Page {
    after: Option<u64>,
    limit: Option<u32>,
}

/// The most users in one answer. The further ones come after the id of the last.
const MOST_USERS: u32 = 1_000;

async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Response {
    let Ok(Query(page)) = page else { return texts::error(StatusCode::BAD_REQUEST, "after and limit are numbers") };
    let (after, limit) = (page.after.unwrap_or_default(), page.limit.unwrap_or(MOST_USERS).min(MOST_USERS));
    let claims = service.tokens.shown(&headers);
    let sees = |id: u64| claims.as_ref().is_some_and(|claims| may_act_for(claims, id));
    match database::attempts(|| accounts::list(&service.database, after, limit)).await {
        Ok(mut users) => {
            for user in users.iter_mut().filter(|user| !sees(user.id)) {
                user.phone = masked(&user.phone);
            }
            answer::json(StatusCode::OK, &users)
        }
        Err(error) => unavailable(&caller, "users.failed", &error),
    }
}

async fn sign_up(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    let entered = match object(&body).and_then(|body| entered(&body)) {
        Ok(entered) => entered,
        Err(wrong) => return texts::error(StatusCode::BAD_REQUEST, wrong),
    };
    let Ok(turn) = service.passwords.turn().await else { return busy() };
    match added(&service, &entered, turn).await {
        Ok(Some(id)) => {
            metrics::count("SignedUp", 1);
            let line = json!({ "request_id": &*caller.request_id, "user_id": id, "user_type": entered.kind.number() });
            telemetry::info("user.signed_up", &line);
            texts::signed_up(&entered.name)
        }
        Ok(None) => texts::name_is_taken(),
        Err(error) => unavailable(&caller, "signup.failed", &error),
    }
}

async fn sign_in(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    let (login, password) = match object(&body).and_then(|body| credentials(&body)) {
        Ok(credentials) => credentials,
        Err(wrong) => return texts::error(StatusCode::BAD_REQUEST, wrong),
    };
    let account = match database::attempts(|| accounts::by_login(&service.database, &login)).await {
        Ok(account) => account,
        Err(error) => return unavailable(&caller, "login.failed", &error),
    };
    let Ok(turn) = service.passwords.turn().await else { return busy() };
    let hash = account.as_ref().map(|account| account.password.as_str());
    let signed_in = match (turn.is_right(&password, hash).await, account) {
        (Ok(true), Some(account)) => {
            let token = service.tokens.sign(account.id, account.kind.number());
            token.map(|token| Some((account, token)))
        }
        (Ok(_), _) => Ok(None),
        (Err(error), _) => Err(error),
    };
    match signed_in {
        Ok(Some((account, token))) => {
            metrics::count("SignedIn", 1);
            texts::signed_in(account.kind, &token)
        }
        Ok(None) => {
            metrics::count("LoginsRefused", 1);
            texts::not_signed_in(service.statuses)
        }
        Err(error) => unavailable(&caller, "login.failed", &error),
    }
}

/// Changes the name and the telephone number of a user, for somebody who knows login and password.
async fn change(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let read = object(&body).and_then(|body| Ok((credentials(&body)?, changes(&body)?)));
    let ((login, password), (name, phone)) = match read {
        Ok(read) => read,
        Err(wrong) => return texts::error(StatusCode::BAD_REQUEST, wrong),
    };
    let account = match database::attempts(|| accounts::by_login(&service.database, &login)).await {
        Ok(account) => account.filter(|account| Some(account.id) == values::id(&id)),
        Err(error) => return unavailable(&caller, "update.failed", &error),
    };
    let Ok(turn) = service.passwords.turn().await else { return busy() };
    let hash = account.as_ref().map(|account| account.password.as_str());
    let account = match turn.is_right(&password, hash).await {
        Ok(true) => account,
        Ok(false) => None,
        Err(error) => return unavailable(&caller, "update.failed", &error),
    };
    let Some(account) = account else { return texts::not_changed(service.statuses) };
    let changed =
        database::attempts(|| accounts::change(&service.database, &account, name.as_deref(), phone.as_deref()));
    match changed.await {
        Ok(true) => texts::changed(),
        // The user was deleted meanwhile.
        Ok(false) => texts::not_changed(service.statuses),
        Err(error) => unavailable(&caller, "update.failed", &error),
    }
}

async fn remove(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(claims) = service.tokens.shown(&headers) else { return texts::not_oneself(false) };
    let known = values::id(&id);
    if !known.map_or(claims.user_type == Kind::Organizer.number(), |id| may_act_for(&claims, id)) {
        return texts::not_oneself(true);
    }
    let Some(known) = known else { return texts::no_user() };
    match database::attempts(|| accounts::remove(&service.database, known)).await {
        Ok(true) => {
            let line = json!({ "request_id": &*caller.request_id, "user_id": known, "by": claims.user_id });
            telemetry::info("user.deleted", &line);
            answer::json(StatusCode::OK, &json!({ "id": id }))
        }
        Ok(false) => texts::no_user(),
        Err(error) => unavailable(&caller, "delete.failed", &error),
    }
}

/// Adds a user, and gives the id. `None` if somebody has the name. Whether somebody has it is looked at before the hash is
/// made: of many who want one name at the same time, only a few cost one.
async fn added(service: &Service, entered: &Entered, turn: Turn) -> anyhow::Result<Option<u64>> {
    let before = database::attempts(|| accounts::by_login(&service.database, &entered.login)).await?;
    if before.is_some() {
        return Ok(None);
    }
    let hash = turn.hash(&entered.password).await?;
    match database::attempts(|| accounts::add(&service.database, entered, &hash)).await {
        Ok(id) => Ok(Some(id)),
        Err(error) if database::refusal(&error) == Some(database::DUPLICATE) => Ok(None),
        Err(error) => Err(error),
    }
}

fn may_act_for(claims: &Claims, user: u64) -> bool {
    claims.user_id == user || claims.user_type == Kind::Organizer.number()
}

/// A telephone number, of which only the last four digits can be read.
fn masked(phone: &str) -> String {
    let all = phone.chars().filter(char::is_ascii_digit).count();
    let mut seen = 0;
    let mask = |c: char| {
        seen += usize::from(c.is_ascii_digit());
        if c.is_ascii_digit() && seen + 4 > all {
            c
        } else if c.is_alphanumeric() {
            '*'
        } else {
            c
        }
    };
    phone.chars().map(mask).collect()
}

type Wrong = &'static str;

fn object(body: &[u8]) -> Result<Map<String, Value>, Wrong> {
    // The error of the parser may quote a password.
    serde_json::from_slice(body).map_err(|_| "the body is not a JSON object")
}

fn entered(body: &Map<String, Value>) -> Result<Entered, Wrong> {
    let kind = body.get("type").and_then(values::whole).and_then(|number| Kind::of(u8::try_from(number).ok()?));
    let (login, password) = credentials(body)?;
    Ok(Entered {
        kind: kind.ok_or("type is not 0 (an individual) or 1 (an organizer)")?,
        login: values::text(body, "login_id", values::LONGEST_NAME).map(|_| login).ok_or(LOGIN)?,
        password,
        name: values::text(body, "name", values::LONGEST_NAME).ok_or(NAME)?.to_owned(),
        phone: phone(body)?.unwrap_or_default(),
    })
}

const LOGIN: Wrong = "login_id is not a text of 1 to 255 characters";
const NAME: Wrong = "name is not a text of 1 to 255 characters";

fn credentials(body: &Map<String, Value>) -> Result<(String, String), Wrong> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let login = text("login_id").ok_or(LOGIN)?;
    let password = text("password").ok_or("password is not a text of 1 to 1024 bytes")?;
    if password.len() > passwords::LONGEST {
        return Err("password is longer than 1024 bytes");
    }
    Ok((login.to_owned(), password.to_owned()))
}

/// The name and the telephone number, as far as they are to change.
fn changes(body: &Map<String, Value>) -> Result<(Option<String>, Option<String>), Wrong> {
    let name = match body.get("name") {
        None | Some(Value::Null) => None,
        Some(_) => Some(values::text(body, "name", values::LONGEST_NAME).ok_or(NAME)?.to_owned()),
    };
    Ok((name, phone(body)?))
}

fn phone(body: &Map<String, Value>) -> Result<Option<String>, Wrong> {
    match body.get("phone") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(phone)) if phone.is_empty() => Ok(Some(String::new())),
        Some(_) => {
            let phone = values::text(body, "phone", values::LONGEST_PHONE);
            Ok(Some(phone.ok_or("phone is not a text of at most 64 characters")?.to_owned()))
        }
    }
}

fn busy() -> Response {
    edge::refuse(StatusCode::SERVICE_UNAVAILABLE, &passwords::Busy.to_string())
}

fn unavailable(caller: &Caller, event: &str, error: &anyhow::Error) -> Response {
    caller.failed(event, error);
    texts::no_database()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_telephone_number_the_last_four_digits_are_shown() {
        for (phone, expected) in [
            ("010-1234-5678", "***-****-5678"),
            ("+82 (10) 1234 5678", "+** (**) **** 5678"),
            ("1234", "1234"),
            ("", ""),
            ("부산 051", "** 051"),
        ] {
            assert_eq!(masked(phone), expected);
        }
    }

    #[test]
    fn what_is_wrong_with_a_signup_is_said_and_nothing_of_it_is_quoted() {
        let good =
            json!({ "type": 0, "login_id": "runner", "password": "pw1", "name": "나혜", "phone": "010-0000-0000" });
        let read = |body: &Value| object(body.to_string().as_bytes()).and_then(|body| entered(&body)).map(|_| ());
        assert_eq!(read(&good), Ok(()));
        for (name, value, expected) in [
            ("type", json!(2), "type is not 0 (an individual) or 1 (an organizer)"),
            ("type", json!(null), "type is not 0 (an individual) or 1 (an organizer)"),
            ("type", json!(256), "type is not 0 (an individual) or 1 (an organizer)"),
            ("login_id", json!(""), LOGIN),
            ("login_id", json!(5), LOGIN),
            ("login_id", json!("a\0"), LOGIN),
            ("login_id", json!("x".repeat(256)), LOGIN),
            ("password", json!(""), "password is not a text of 1 to 1024 bytes"),
            ("password", json!("x".repeat(1025)), "password is longer than 1024 bytes"),
            ("name", json!(null), NAME),
            ("phone", json!(10), "phone is not a text of at most 64 characters"),
        ] {
            let mut body = good.clone();
            body[name] = value;
            assert_eq!(read(&body), Err(expected), "{body:.200}");
        }
        for body in ["", "[]", "null", "{", "\"x\""] {
            assert_eq!(object(body.as_bytes()), Err("the body is not a JSON object"), "{body}");
        }
    }
}
