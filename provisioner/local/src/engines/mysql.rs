//! The statements and options in which MySQL 8 differs from MariaDB. **They were never run**: they were written from
//! its manual, for users who have one.

use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use super::mariadb::Role;

pub const OPTIONS: &str = "\
collation-server=utf8mb4_0900_ai_ci
log-replica-updates=1
gtid-mode=ON
enforce-gtid-consistency=ON
skip-replica-start
innodb-redo-log-capacity=32M
mysqlx=OFF
";

/// The command that makes a data directory. `directory` is a plain name in the current directory. The server makes it
/// by itself and calls no other program.
pub fn initialize(server: &Path, directory: &str) -> Command {
    let mut command = Command::new(server);
    command.args(["--no-defaults", "--initialize-insecure"]);
    // As root the server starts only if it is told so.
    if geteuid().is_root() {
        command.arg("--user=root");
    }
    command.arg(format!("--datadir=./{directory}"));
    command
}

pub fn follow(role: Role, password: &str) -> Vec<String> {
    match role {
        Role::Primary => vec![
            "STOP REPLICA".into(),
            "RESET REPLICA ALL".into(),
            "SET GLOBAL super_read_only=0".into(),
            "SET GLOBAL read_only=0".into(),
        ],
        Role::Replica { of } => vec![
            "SET GLOBAL read_only=1".into(),
            "STOP REPLICA".into(),
            // The key that encrypts the password comes by the same connection, because there is no TLS on loopback.
            format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={of}, SOURCE_USER='repl', \
                 SOURCE_PASSWORD={password}, SOURCE_AUTO_POSITION=1, SOURCE_CONNECT_RETRY=1, \
                 SOURCE_HEARTBEAT_PERIOD=5, SOURCE_DELAY=0, GET_SOURCE_PUBLIC_KEY=1"
            ),
            "START REPLICA".into(),
        ],
    }
}

pub fn delay(seconds: u32) -> [String; 3] {
    [
        "STOP REPLICA SQL_THREAD".into(),
        format!("CHANGE REPLICATION SOURCE TO SOURCE_DELAY={seconds}"),
        "START REPLICA".into(),
    ]
}
