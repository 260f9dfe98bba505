//! The schema. The owner applies migrations under a lock, while everybody else waits for them.
//!
//! This is our own code and not a library's: no maintained library works with a database driver whose pool does not ask
//! the server about each connection. The rule is to expand first and to contract later: a migration leaves alone what
//! the tasks of the release before still use.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::config::stores::{self, Tls};
use crate::data::database::{self, Hex, Server};
use crate::telemetry;

/// The schema of one database of a system. Each database has a set of migrations of its own.
pub struct Schema {
    pub name: &'static str,
    /// The migrations in their order, from version 1 on.
    pub migrations: &'static [Migration],
}

pub struct Migration {
    pub version: u32,
    pub name: &'static str,
    /// The statements. Each ends with `;` at the end of a line, and each can be run again.
    pub sql: &'static str,
}

/// Applies the migrations that a schema lacks, and lets the services' user in. Any number of processes can do so at the
/// same time. Gives the migrations that this call applied.
pub async fn migrate<'a>(config: &stores::Database, schema: &'a Schema) -> anyhow::Result<Vec<&'a Migration>> {
    let owner =
        config.owner.as_ref().context("only the owner of the schema migrates: DATABASE_OWNER_USER is not set")?;
    let mut connection = database::as_owner(config, owner).await?;
    let lock = database::lock_name(&config.name, "migrate");
    let locked: Option<i64> = connection.exec_first(LOCK, (&lock, LOCK_SECONDS)).await?.flatten();
    ensure!(locked == Some(1), "another migration holds the lock `{lock}` since {LOCK_SECONDS} s");
    // The lock ends with the connection, whether this succeeds or fails.
    let applied = apply(&mut connection, schema).await;
    let allowed = match applied {
        Ok(applied) => allow(&mut connection, config).await.map(|()| applied),
        Err(error) => Err(error),
    };
    let _ = connection.disconnect().await;
    allowed
}

/// Whether the server has everything of the schema that this program needs. Additions of a later release do no harm.
pub async fn is_present(server: &Server, schema: &Schema) -> anyhow::Result<bool> {
    let mut connection = server.connection().await?;
    let version: Option<u32> = connection.query_first(VERSION).await?.flatten();
    Ok(version >= schema.migrations.last().map(|last| last.version))
}

const LOCK: &str = "SELECT GET_LOCK(?, ?)";
const LOCK_SECONDS: u32 = 60;
const VERSION: &str = "SELECT MAX(version) FROM schema_migrations";
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(600);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
  version INT UNSIGNED NOT NULL,
  name VARCHAR(200) NOT NULL,
  sha256 CHAR(64) CHARACTER SET ascii NOT NULL,
  applied_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci";

async fn apply<'a>(connection: &mut Conn, schema: &'a Schema) -> anyhow::Result<Vec<&'a Migration>> {
    connection.query_drop(TABLE).await.context("creating the table schema_migrations")?;
    let applied: Vec<(u32, String)> = connection.query("SELECT version, sha256 FROM schema_migrations").await?;
    let mut now = Vec::new();
    for migration in schema.migrations {
        let Migration { version, name, sql } = migration;
        let sha256 = Hex(&Sha256::digest(sql)).to_string();
        match applied.iter().find(|(applied, _)| applied == version) {
            Some((_, theirs)) if *theirs == sha256 => continue,
            Some(_) => bail!(
                "migration {version} ({name}) was applied with another text: add a new one instead of changing it"
            ),
            None => {}
        }
        for statement in statements(sql) {
            tokio::time::timeout(STATEMENT_TIMEOUT, connection.query_drop(&statement))
                .await
                .context("no answer in 10 minutes")
                .and_then(|done| Ok(done?))
                .with_context(|| {
                    format!("migration {version} ({name}): {}", statement.lines().next().unwrap_or_default())
                })?;
        }
        let row = "INSERT INTO schema_migrations (version, name, sha256) VALUES (?, ?, ?)";
        connection.exec_drop(row, (version, name, sha256)).await?;
        telemetry::info("migrated", &json!({ "version": version, "name": name }));
        now.push(migration);
    }
    Ok(now)
}

/// Makes the services' user, which may read and write rows and nothing else. A user that can log in is left alone.
async fn allow(connection: &mut Conn, config: &stores::Database) -> anyhow::Result<()> {
    let owner = config.owner.as_ref().map(|owner| &owner.user);
    if owner == Some(&config.user.user) || can_read(config).await {
        return Ok(());
    }
    let user = quoted(&config.user.user);
    let password = quoted(&config.user.password.0);
    let schema = config.name.replace('`', "``");
    let encrypted = if config.tls == Tls::Off { "" } else { " REQUIRE SSL" };
    for (what, sql) in [
        ("creating", format!("CREATE USER IF NOT EXISTS {user}@'%'")),
        ("giving a password to", format!("ALTER USER {user}@'%' IDENTIFIED BY {password}{encrypted}")),
        ("giving rights to", format!("GRANT SELECT, INSERT, UPDATE, DELETE ON `{schema}`.* TO {user}@'%'")),
    ] {
        // A statement with a password in it must not be quoted, so only the number of its error is reported.
        if let Err(error) = connection.query_drop(sql).await {
            bail!("{what} the user {}: error {:?}", config.user.user, database::code(&error));
        }
    }
    telemetry::info("user_allowed", &json!({ "user": config.user.user }));
    Ok(())
}

async fn can_read(config: &stores::Database) -> bool {
    let Ok(mut connection) = database::as_user(config).await else { return false };
    let read: Result<Option<Option<u32>>, _> = connection.query_first(VERSION).await;
    let _ = connection.disconnect().await;
    read.is_ok()
}

fn statements(sql: &str) -> Vec<String> {
    let lines: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let text = lines.join("\n");
    text.split(";\n")
        .map(|statement| statement.trim().trim_end_matches(';').to_owned())
        .filter(|s| !s.is_empty())
        .collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::SYSTEMS;

    #[test]
    fn versions_go_up_by_one_and_every_statement_can_be_run_again() {
        for schema in SYSTEMS.iter().flat_map(|system| system.databases) {
            for (position, migration) in schema.migrations.iter().enumerate() {
                assert_eq!(migration.version as usize, position + 1, "{}: {}", schema.name, migration.name);
                assert!(!statements(migration.sql).is_empty(), "{}: {}", schema.name, migration.name);
                for statement in statements(migration.sql) {
                    let again = statement.contains("IF NOT EXISTS") || statement.contains("ON DUPLICATE KEY UPDATE");
                    assert!(again, "{statement}");
                }
            }
        }
        let two = "-- One;\nCREATE TABLE a (\n  -- b;\n  c INT\n);\n\nINSERT INTO a\n(c) VALUES (1);\n";
        assert_eq!(statements(two), ["CREATE TABLE a (\n  c INT\n)", "INSERT INTO a\n(c) VALUES (1)"]);
    }

    #[test]
    fn a_quote_in_a_password_does_not_end_it() {
        assert_eq!(quoted(r"a'b\c"), r"'a''b\\c'");
    }
}
