//! The users in the database.

use mysql_async::TxOpts;
use mysql_async::prelude::Queryable;
use serde::Serialize;

use super::super::values::Kind;
use crate::data::database::Database;

/// What somebody enters to sign up. It has a password in it, so it has no `Debug`.
pub struct Entered {
    pub kind: Kind,
    pub login: String,
    pub password: String,
    pub name: String,
    pub phone: String,
}

/// A user, as others may see him.
#[derive(Serialize)]
pub struct User {
    pub id: u64,
    #[serde(rename = "type")]
    pub kind: u8,
    pub login_id: String,
    pub name: String,
    pub phone: String,
    pub total_point: i64,
}

/// What a login is compared with.
pub struct Account {
    pub id: u64,
    pub kind: Kind,
    /// The hash.
    pub password: String,
}

const LIST: &str = "SELECT id, type, login_id, name, phone, total_point FROM users WHERE id > ? ORDER BY id LIMIT ?";
const BY_LOGIN: &str = "SELECT id, type, password FROM users WHERE login_id = ?";
const ADD: &str = "INSERT INTO users (type, login_id, password, name, phone) VALUES (?, ?, ?, ?, ?)";
const CHANGE: &str =
    "UPDATE users SET name = COALESCE(?, name), phone = COALESCE(?, phone) WHERE id = ? AND password = ?";

pub async fn list(database: &Database, after: u64, limit: u32) -> anyhow::Result<Vec<User>> {
    let mut connection = database.primary.connection().await?;
    let row = |(id, kind, login_id, name, phone, total_point)| User { id, kind, login_id, name, phone, total_point };
    Ok(connection.exec_map(LIST, (after, limit), row).await?)
}

pub async fn by_login(database: &Database, login: &str) -> anyhow::Result<Option<Account>> {
    let mut connection = database.primary.connection().await?;
    let found: Option<(u64, u8, String)> = connection.exec_first(BY_LOGIN, (login.as_bytes(),)).await?;
    Ok(found.and_then(|(id, kind, password)| Some(Account { id, kind: Kind::of(kind)?, password })))
}

/// Adds a user, and gives the id. The error is [`DUPLICATE`](crate::data::database::DUPLICATE) if somebody has the name.
pub async fn add(database: &Database, entered: &Entered, hash: &str) -> anyhow::Result<u64> {
    let Entered { kind, login, password: _, name, phone } = entered;
    let mut connection = database.primary.connection().await?;
    connection.exec_drop(ADD, (kind.number(), login.as_bytes(), hash, name, phone)).await?;
    Ok(connection.last_insert_id().unwrap_or_default())
}

/// Changes what is given. `false` if the user is gone, or has another password by now.
pub async fn change(
    database: &Database,
    account: &Account,
    name: Option<&str>,
    phone: Option<&str>,
) -> anyhow::Result<bool> {
    let mut connection = database.primary.connection().await?;
    connection.exec_drop(CHANGE, (name, phone, account.id, &account.password)).await?;
    Ok(connection.affected_rows() == 1)
}

/// Deletes a user with the points. `false` if there is none. The user's row is locked first, as a credit does it.
pub async fn remove(database: &Database, id: u64) -> anyhow::Result<bool> {
    let mut connection = database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    transaction.exec_drop("DELETE FROM users WHERE id = ?", (id,)).await?;
    let is_deleted = transaction.affected_rows() == 1;
    if is_deleted {
        transaction.exec_drop("DELETE FROM points WHERE user_id = ?", (id,)).await?;
    }
    transaction.commit().await?;
    Ok(is_deleted)
}
