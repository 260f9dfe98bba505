//! Real engines as child processes: MariaDB with a replica that really replicates, Redis, and an emulator of SNS and
//! SQS that really delivers. Each has ports of its own, on loopback. Each is ended by the id of its process.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder};

use super::{DEADLINE, until};

pub const SCHEMA: &str = "reservations";
pub const OWNER: (&str, &str) = ("owner", "owner's \\ password");
pub const APP: (&str, &str) = ("app", "app's \\ password");
pub const TOKEN: &str = "cache-token";

/// A program that can be killed, and started again with its data.
pub struct Engine {
    command: Box<dyn Fn() -> Command + Send + Sync>,
    child: Option<Child>,
    pub port: u16,
}

pub struct Maria {
    pub engine: Engine,
    pub directory: PathBuf,
}

impl Engine {
    fn new(port: u16, command: impl Fn() -> Command + Send + Sync + 'static) -> Self {
        Engine { command: Box::new(command), child: None, port }
    }

    pub fn start(&mut self) {
        let mut command = (self.command)();
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let port = self.port;
        until(&format!("{command:?} to listen"), || TcpStream::connect(("127.0.0.1", port)).ok());
    }

    /// Kills the program as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops or continues the program, with its port open. A host whose disk hangs looks like this.
    pub fn pause(&self, paused: bool) {
        let signal = if paused { "-STOP" } else { "-CONT" };
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Maria {
    pub fn new(directory: &Path, id: u32, more: &[&str]) -> Self {
        let template = template();
        std::fs::create_dir_all(directory).unwrap();
        let copied =
            Command::new("cp").arg("-a").arg("--sparse=always").arg(&template).arg(directory.join("data")).status();
        assert!(copied.unwrap().success());
        let port = free_port();
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let at = |name: &str| directory.join(name).display().to_string();
        let mut arguments = vec![
            "--no-defaults".to_owned(),
            format!("--user={}", user.trim()),
            format!("--datadir={}", at("data")),
            format!("--socket={}", at("s")),
            format!("--pid-file={}", at("pid")),
            format!("--log-error={}", at("error.log")),
            format!("--port={port}"),
            format!("--server-id={id}"),
        ];
        arguments.extend(OPTIONS.iter().chain(more).map(|option| (*option).to_owned()));
        let engine = Engine::new(port, move || {
            let mut command = Command::new(found("mariadbd"));
            command.args(&arguments);
            command
        });
        let mut maria = Maria { engine, directory: directory.to_owned() };
        maria.engine.start();
        maria
    }

    /// A connection as root, over the socket.
    pub async fn root(&self) -> Conn {
        let options =
            OptsBuilder::default().user(Some("root")).socket(Some(self.directory.join("s").display().to_string()));
        let options = Opts::from(options);
        // The server listens on its port a moment before it has its socket.
        let deadline = Instant::now() + DEADLINE;
        loop {
            match Conn::new(options.clone()).await {
                Err(Error::Io(_)) if Instant::now() < deadline => pause(10).await,
                connection => return connection.unwrap(),
            }
        }
    }

    pub async fn run(&self, sql: &str) {
        self.root().await.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub async fn number(&self, sql: &str) -> u64 {
        self.root().await.query_first(sql).await.unwrap().unwrap()
    }
}

/// A primary with the schema's owner, as RDS makes it, and its replica.
pub async fn pair(directory: &Path) -> (Maria, Maria) {
    let primary = Maria::new(&directory.join("p"), 1, &[]);
    let replica = Maria::new(&directory.join("r"), 2, &["--read-only=1", "--relay-log=relay"]);
    let (owner, password) = (OWNER.0, sql(OWNER.1));
    for statement in [
        format!("CREATE DATABASE {SCHEMA}"),
        format!("CREATE USER {owner}@'%' IDENTIFIED BY {password}"),
        format!("GRANT ALL ON *.* TO {owner}@'%' WITH GRANT OPTION"),
        "CREATE USER repl@127.0.0.1 IDENTIFIED BY 'repl'".to_owned(),
        "GRANT REPLICATION SLAVE ON *.* TO repl@127.0.0.1".to_owned(),
    ] {
        primary.run(&statement).await;
    }
    let port = primary.engine.port;
    replica
        .run(&format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='repl', MASTER_PASSWORD='repl', \
             MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=2"
        ))
        .await;
    replica.run("START SLAVE").await;
    (primary, replica)
}

pub fn redis(directory: &Path, more: &[&str]) -> Engine {
    std::fs::create_dir_all(directory).unwrap();
    // Debian's redis-tools have the server under another name. The program looks at the name by which it is called.
    let server = directory.join("redis-server");
    if !server.exists() {
        std::os::unix::fs::symlink(found("redis-check-rdb"), &server).unwrap();
    }
    let port = free_port();
    let mut arguments: Vec<String> =
        vec!["--bind".into(), "127.0.0.1".into(), "--dir".into(), directory.display().to_string()];
    let port_text = port.to_string();
    let listening: &[&str] = if more.contains(&"--tls-port") { &[] } else { &["--port"] };
    arguments.extend(listening.iter().map(|option| (*option).to_owned()));
    if !listening.is_empty() {
        arguments.push(port_text.clone());
    }
    let options = ["--save", "", "--appendonly", "no", "--requirepass", TOKEN];
    arguments.extend(options.iter().chain(more).map(|option| option.replace("PORT", &port_text)));
    let mut engine = Engine::new(port, move || {
        let mut command = Command::new(&server);
        command.args(&arguments);
        command
    });
    engine.start();
    engine
}

/// An emulator of SNS and SQS.
pub fn moto() -> Engine {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.emulators/venv/bin/moto_server");
    assert!(program.exists(), "the emulators are not installed: run provisioner/setup.sh");
    let port = free_port();
    let mut engine = Engine::new(port, move || {
        let mut command = Command::new(&program);
        command.args(["-p", &port.to_string()]);
        command
    });
    engine.start();
    engine
}

/// A port for an engine. It is below those that the kernel gives to whoever asks for any port: one of these could be
/// taken before the engine listens.
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(16_384..32_768);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub fn sql(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

pub async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// The options that RDS sets, if MariaDB has them, in a size for tests.
const OPTIONS: &[&str] = &[
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--sql-mode=ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    "--log-bin=bin",
    "--log-slave-updates=1",
    "--binlog-format=ROW",
    "--gtid-strict-mode=1",
    "--innodb-flush-log-at-trx-commit=2",
    "--sync-binlog=0",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=1M",
    "--query-cache-size=0",
    "--max-connections=300",
    "--performance-schema=OFF",
];

/// A data directory to copy. It is made once for each version.
fn template() -> PathBuf {
    let server = found("mariadbd");
    let version = Command::new(&server).arg("--version").output().unwrap().stdout;
    let version: String =
        String::from_utf8_lossy(&version).chars().filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
    let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let template = all.join(format!("template-{version}"));
    let lock = std::fs::File::create(all.join("template.lock")).unwrap();
    lock.lock().unwrap();
    if !template.exists() {
        let made = all.join("template.new");
        let _ = std::fs::remove_dir_all(&made);
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let output = Command::new(found("mariadb-install-db"))
            .arg("--no-defaults")
            .arg(format!("--datadir={}", made.display()))
            .arg(format!("--user={}", user.trim()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
            .args(["--innodb-log-file-size=16M", "--innodb-buffer-pool-size=32M", "--innodb-undo-tablespaces=0"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(made, &template).unwrap();
    }
    template
}

fn found(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"].map(PathBuf::from);
    let places = std::env::split_paths(&path).chain(usual).map(|place| place.join(program));
    let found = places.into_iter().find(|place| place.is_file());
    found.unwrap_or_else(|| panic!("{program} is not installed: run provisioner/setup.sh"))
}
