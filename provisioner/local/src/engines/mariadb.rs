//! A primary and its replica on MariaDB, or on a user's own MySQL 8 (`mysql`, which was never run here).
//!
//! A list of statements sets the users, their rights, and which server follows which. The server runs the list whenever
//! it starts, before it takes its first connection. So a server that was killed at any moment comes back as it should
//! be, and nobody sees it in another state. If something changes while the server runs, the same list is run over its
//! socket.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;
use sha2::{Digest, Sha256};

use super::find::{Install, Places, beside, configured};
use super::{mysql, ports, template};
use crate::hex;
use crate::supervisor::part::{Part, Stop, StopSignal};
use crate::supervisor::place::private_directory;
use crate::supervisor::probe::{self, Probe};
use crate::supervisor::replication::nothing_of_its_own;
use crate::supervisor::sql::{Address, Login, block_on, connect, within};

pub const INSTALL: Install = Install { apt: "mariadb-server-core mariadb-client-core", brew: "mariadb" };

/// The programs that the shell script `mariadb-install-db` or this crate calls by PATH. Three other programs of the
/// script are not called here: `awk` and `resolveip` because of `--force`, `chown` because there is no `--user`. The
/// script calls `my_print_defaults` by its place and not by PATH.
const TOOLS: [(&[&str], Install); 2] = [
    (&["cat", "chmod", "cp", "dirname", "id", "mkdir", "uname"], Install { apt: "coreutils", brew: "coreutils" }),
    (&["sed"], Install { apt: "sed", brew: "gnu-sed" }),
];
/// The program with which the script reads option files. The script calls it although it is told that there are none.
/// On Debian another package has it.
const READER: &str = "my_print_defaults";
/// The longest path of a server's folder, in bytes. A server takes no path of 512 bytes or more (`FN_REFLEN`), and
/// appends the names of schemas and tables to this one.
const LONGEST_PATH: usize = 340;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    Maria,
    /// MySQL. This was never run: there was none to run it with.
    Mysql,
}

/// The database that a stack asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A `mysqld` of version 8 if there is one, else MariaDB.
    Auto,
    Maria,
    Mysql,
    At(PathBuf),
}

#[derive(Debug, Clone)]
pub struct Program {
    pub server: PathBuf,
    pub flavour: Flavour,
    pub version: String,
    /// MariaDB's own program that makes a data directory. MySQL's server does that itself.
    pub installer: Option<PathBuf>,
}

/// One server. It has no `Debug`, because of the passwords.
#[derive(Clone)]
pub struct Server {
    pub name: String,
    pub directory: PathBuf,
    pub socket: PathBuf,
    pub port: u16,
    pub database: String,
    /// The users. The probes log in as the first one.
    pub users: Vec<User>,
    pub replication_password: String,
    pub role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Primary,
    Replica { of: u16 },
}

#[derive(Clone)]
pub struct User {
    pub name: String,
    pub password: String,
    pub rights: Rights,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// The rights of the user that RDS makes: all rights except those that would get round `read_only`.
    Owner,
    /// The rights to the rows of the database, not to its tables.
    Rows,
}

pub fn find(places: &Places, choice: &Choice) -> Result<Program> {
    let mysql = || places.find(&["mysqld"]).and_then(|server| of_flavour(server, places, Flavour::Mysql));
    let maria = || places.find(&["mariadbd", "mysqld"]).and_then(|server| of_flavour(server, places, Flavour::Maria));
    let found = match choice {
        Choice::Auto => mysql().or_else(maria),
        Choice::Maria => maria(),
        Choice::Mysql => match mysql() {
            Some(program) => Some(program),
            None => bail!("MySQL 8 is not installed: `mysqld` from dev.mysql.com, or `brew install mysql`"),
        },
        Choice::At(path) => Some(describe(configured(path)?, places)?),
    };
    let Some(program) = found else { return INSTALL.missing("MariaDB (`mariadbd`)") };
    if program.flavour == Flavour::Mysql {
        return Ok(program);
    }
    let Some(installer) = &program.installer else { return INSTALL.missing("`mariadb-install-db`") };
    if beside(installer, READER).is_none() {
        return INSTALL.missing(&format!("`{READER}`, which `mariadb-install-db` calls,"));
    }
    for (names, install) in TOOLS {
        if let Some(name) = names.iter().find(|name| places.find(&[name]).is_none()) {
            return install.missing(&format!("`{name}`, which `mariadb-install-db` calls,"));
        }
    }
    Ok(program)
}

/// Prepares the server's directory for its next start. Data that is there stays as it is.
pub fn prepare(program: &Program, server: &Server, cache: &Path) -> Result<()> {
    for directory in [&server.directory, cache] {
        let length = directory.as_os_str().len();
        ensure!(
            length <= LONGEST_PATH,
            "`{}` is a path of {length} bytes, and a database takes at most {LONGEST_PATH} here: set PROVISION_HOME to a \
             shorter one",
            directory.display()
        );
    }
    private_directory(&server.directory).with_context(|| format!("`{}`", server.directory.display()))?;
    let name: String =
        program.version.chars().map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' }).collect();
    let template = template::template(cache, &format!("data-{name}-1"), |directory| match &program.installer {
        // The installer is a shell script that quotes little. So no path that it is given may have a space, or another
        // character that a shell or the server takes apart. Without `--user` the script changes no owner, and the
        // server runs as root all the same for this. With `--force` it does not look up this machine's name.
        Some(installer) => {
            let mut command = Command::new(installer);
            command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--force"]);
            command.args(["--skip-name-resolve", "--innodb-log-file-size=16M", "--innodb-buffer-pool-size=32M"]);
            command.args(["--innodb-undo-tablespaces=0", "--tmpdir=."]).arg(format!("--datadir=./{directory}"));
            command
        }
        None => mysql::initialize(&program.server, directory),
    })?;
    let (data, id) = (server.directory.join("data"), server.directory.join("server-id"));
    if !data.exists() {
        // New data gets a new id. A replica passes over transactions that have its own id, and a log may hold the old
        // one.
        ports::write(&id, fastrand::u32(1..).to_string().as_bytes())?;
    }
    template::copy(&template, &data)?;
    let id = std::fs::read_to_string(&id).with_context(|| format!("`{}`", id.display()))?;
    let configuration = configuration(program, server) + &format!("server-id={id}\n");
    ports::write(&server.directory.join("my.cnf"), configuration.as_bytes())?;
    let statements: String =
        statements(program.flavour, server).into_iter().map(|statement| statement + ";\n").collect();
    ports::write(&server.directory.join("init.sql"), statements.as_bytes())
}

/// The part that runs the server. The role and the passwords are not in its fingerprint, because `settle` changes them
/// while the server runs.
pub fn part(program: &Program, server: &Server) -> Result<Part> {
    let kind = match (program.flavour, server.role) {
        (Flavour::Maria, Role::Primary) => "mariadb primary",
        (Flavour::Maria, Role::Replica { .. }) => "mariadb replica",
        (Flavour::Mysql, Role::Primary) => "mysql primary",
        (Flavour::Mysql, Role::Replica { .. }) => "mysql replica",
    };
    let configuration = configuration(program, server);
    Ok(Part {
        // As root the server starts only if it is told so.
        args: vec![
            format!("--defaults-file={}", server.directory.join("my.cnf").display()),
            format!("--user={}", user_name()?),
        ],
        cwd: server.directory.clone(),
        port: Some(server.port),
        ready: Probe::Sql { login: login(server)? },
        stop: Stop { signal: StopSignal::Term, within_ms: 10_000 },
        generation: hex(&Sha256::digest(configuration)),
        ..Part::new(&server.name, kind, &program.server)
    })
}

/// The first user's login over TCP, as a service logs in.
pub fn login(server: &Server) -> Result<Login> {
    let user = server.users.first().with_context(|| format!("`{}` has no user", server.name))?;
    Ok(Login { at: Address::Port(server.port), user: user.name.clone(), password: user.password.clone() })
}

/// A probe that passes once the replica is ready and has everything that the primary has committed by now.
pub fn caught_up(primary: &Server, replica: &Server) -> Probe {
    Probe::Replica { login: root(replica), primary: root(primary) }
}

/// Sets users, rights and role on a running server. Those that are right already stay as they are.
pub fn settle(program: &Program, server: &Server) -> Result<()> {
    let statements = statements(program.flavour, server);
    run(server, &statements).with_context(|| format!("setting up `{}`", server.name))
}

/// Makes the replica the primary, at once. Transactions that the old primary had committed and not yet sent are on its
/// disk only; `rejoin` finds them. `replica` has its new role afterwards; the caller prepares it again.
pub fn promote(program: &Program, replica: &mut Server) -> Result<()> {
    replica.role = Role::Primary;
    settle(program, replica).context("promoting")
}

/// Makes the old primary, which runs again, follow the new one. It is an error if the old one has rows that the new one
/// never got. Then somebody has to say which rows are right, and `rebuild` makes it a copy of the new one.
pub fn rejoin(program: &Program, old: &mut Server, primary: &Server) -> Result<()> {
    let asking = || async {
        let (mut replica, mut primary) = (connect(&root(old)).await?, connect(&root(primary)).await?);
        nothing_of_its_own(&mut replica, &mut primary).await
    };
    block_on(within(Duration::from_secs(5), asking())).with_context(|| format!("`{}` cannot follow", old.name))?;
    old.role = Role::Replica { of: primary.port };
    settle(program, old).context("rejoining")?;
    probe::once(&caught_up(primary, old)).with_context(|| format!("`{}` follows", old.name))
}

/// Deletes the data of a stopped server. It is filled again from its primary's log, which is kept from the start.
pub fn rebuild(server: &Server) -> Result<()> {
    ensure!(server.role != Role::Primary, "`{}` is a primary: its data is the only one", server.name);
    template::remove(&server.directory.join("data"))
}

pub(super) fn run(server: &Server, statements: &[String]) -> Result<()> {
    block_on(within(Duration::from_secs(10), async {
        let mut connection = connect(&root(server)).await?;
        for statement in statements {
            // Only the first words are shown: the rest may hold a password.
            let begin = statement.split(' ').take(3).collect::<Vec<_>>().join(" ");
            connection.query_drop(statement).await.context(begin)?;
        }
        connection.disconnect().await?;
        Ok(())
    }))
}

/// The login as root over the socket, which is in a directory for this user only. Root has no password, and no other
/// way in.
pub(super) fn root(server: &Server) -> Login {
    Login { at: Address::Socket(server.socket.clone()), user: "root".into(), password: String::new() }
}

/// The statements, one line each, because a server that reads them at its start wants them so. Nothing of them goes
/// into the log that replicas read: each server runs its own list.
fn statements(flavour: Flavour, server: &Server) -> Vec<String> {
    let mut all = vec!["SET SESSION sql_log_bin=0".to_owned()];
    all.push(format!("CREATE DATABASE IF NOT EXISTS {}", identifier(&server.database)));
    for user in &server.users {
        let (name, password) = (format!("{}@'%'", literal(&user.name)), literal(&user.password));
        all.push(format!("CREATE USER IF NOT EXISTS {name} IDENTIFIED BY {password}"));
        all.push(format!("ALTER USER {name} IDENTIFIED BY {password}"));
        all.push(match user.rights {
            Rights::Owner => format!("GRANT {OWNER} ON *.* TO {name} WITH GRANT OPTION"),
            Rights::Rows => {
                format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {}.* TO {name}", identifier(&server.database))
            }
        });
    }
    let password = literal(&server.replication_password);
    all.push(format!("CREATE USER IF NOT EXISTS 'repl'@'127.0.0.1' IDENTIFIED BY {password}"));
    all.push(format!("ALTER USER 'repl'@'127.0.0.1' IDENTIFIED BY {password}"));
    all.push("GRANT REPLICATION SLAVE ON *.* TO 'repl'@'127.0.0.1'".to_owned());
    all.extend(match flavour {
        Flavour::Maria => follow(server.role, &password),
        Flavour::Mysql => mysql::follow(server.role, &password),
    });
    all
}

fn follow(role: Role, password: &str) -> Vec<String> {
    // The users that the data directory was made with. They need no password.
    let strangers = "DROP USER IF EXISTS root@'127.0.0.1', root@'::1', ''@localhost";
    let own = |text: &[&str]| text.iter().map(|text| (*text).to_owned()).collect();
    match role {
        Role::Primary => own(&[strangers, "STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only=0"]),
        Role::Replica { of } => {
            // A server that is killed while it deletes a relay log notes a log that is gone, and then follows nobody.
            // With a GTID the relay logs are received anew anyway.
            let mut all: Vec<String> = own(&[strangers, "SET GLOBAL read_only=1", "STOP SLAVE", "RESET SLAVE"]);
            // The next statement empties the table of the position and fills it again. A server that is killed between
            // the two forgets how far it was, but its own log still says so. A server that was a primary has written
            // more than it ever received. To set it back to that is a warning, and a file that is read at the start
            // ends at its first warning.
            all.push(
                "SET GLOBAL gtid_slave_pos = \
                 IF(@@GLOBAL.gtid_slave_pos = '', @@GLOBAL.gtid_binlog_pos, @@GLOBAL.gtid_current_pos)"
                    .into(),
            );
            // `MASTER_DEMOTE_TO_SLAVE`, the last option, makes a server that was a primary count its own transactions
            // as received.
            all.push(format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={of}, MASTER_USER='repl', \
                 MASTER_PASSWORD={password}, MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, \
                 MASTER_HEARTBEAT_PERIOD=5, MASTER_DELAY=0, MASTER_DEMOTE_TO_SLAVE=1"
            ));
            all.push("START SLAVE".into());
            all
        }
    }
}

fn configuration(program: &Program, server: &Server) -> String {
    let at = |name: &str| server.directory.join(name).display().to_string();
    let own = [
        ("datadir", at("data")),
        ("socket", server.socket.display().to_string()),
        ("pid-file", at("pid")),
        ("tmpdir", temporary(&server.directory)),
        ("init-file", at("init.sql")),
        ("port", server.port.to_string()),
    ];
    let own = own.map(|(name, value)| format!("{name}={}\n", quoted(&value)));
    let flavour = match program.flavour {
        Flavour::Maria => MARIA,
        Flavour::Mysql => mysql::OPTIONS,
    };
    format!("[mysqld]\n{}{COMMON}{flavour}", own.concat())
}

/// The value in the form of an option file. There a backslash begins an escape, a `#` a comment, and a new line another
/// option.
fn quoted(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
    format!("\"{escaped}\"")
}

/// The value of `tmpdir`. The server takes it for a list with colons between the paths. A path with a colon is
/// therefore replaced by `.`: a server that runs is in its data directory.
fn temporary(directory: &Path) -> String {
    let whole = directory.display().to_string();
    if whole.contains(':') { ".".to_owned() } else { whole }
}

fn literal(text: &str) -> String {
    // The literal is on one line, whatever the text is.
    let escaped = text.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n").replace('\r', "\\r");
    format!("'{escaped}'")
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn of_flavour(server: PathBuf, places: &Places, flavour: Flavour) -> Option<Program> {
    describe(server, places).ok().filter(|program| program.flavour == flavour)
}

fn describe(server: PathBuf, places: &Places) -> Result<Program> {
    let output = Command::new(&server).arg("--version").output().with_context(|| format!("`{}`", server.display()))?;
    let version = String::from_utf8_lossy(&output.stdout);
    let version = version.split(" Ver ").nth(1).unwrap_or_default().split("  ").next().unwrap_or_default().trim();
    let (flavour, installer) = match version {
        _ if version.contains("MariaDB") => (Flavour::Maria, places.find(&["mariadb-install-db", "mysql_install_db"])),
        _ if version.starts_with("8.") => (Flavour::Mysql, None),
        _ => bail!("`{}` is neither MariaDB nor MySQL 8: `{version}`", server.display()),
    };
    let version = version.split(' ').next().unwrap_or_default().to_owned();
    Ok(Program { server, flavour, version, installer })
}

/// The name of this process's user, or its number if it has no name, as in some containers.
fn user_name() -> Result<String> {
    let output = Command::new("id").arg("-un").output().context("id -un")?;
    let name = String::from_utf8(output.stdout)?.trim().to_owned();
    let number = || rustix::process::geteuid().as_raw().to_string();
    Ok(if name.is_empty() || !output.status.success() { number() } else { name })
}

const OWNER: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, \
                     SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, \
                     REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, \
                     TRIGGER";

/// The options of both kinds of server. They make a small server that is safe against a killed process, but not against
/// a power cut: a laptop's data is for trying things out.
const COMMON: &str = "\
bind-address=127.0.0.1
skip-name-resolve
character-set-server=utf8mb4
sql-mode=ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION
transaction-isolation=REPEATABLE-READ
log-bin=bin
relay-log=relay
report-host=127.0.0.1
binlog-format=ROW
innodb-flush-log-at-trx-commit=2
sync-binlog=0
innodb-buffer-pool-size=32M
innodb-log-buffer-size=2M
innodb-buffer-pool-dump-at-shutdown=0
innodb-buffer-pool-load-at-startup=0
key-buffer-size=1M
table-open-cache=256
max-connections=200
performance-schema=OFF
";

/// The options of MariaDB. `skip-slave-start` is there because the statements start the replica once they have said
/// which server to follow.
const MARIA: &str = "\
collation-server=utf8mb4_unicode_ci
log-slave-updates=1
gtid-domain-id=0
gtid-strict-mode=1
skip-slave-start
innodb-log-file-size=16M
aria-pagecache-buffer-size=1M
query-cache-size=0
";

#[cfg(test)]
#[path = "mariadb_tests.rs"]
mod tests;
