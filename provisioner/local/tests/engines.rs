//! Real engines under the supervisor: a MariaDB primary with its replica, and Redis.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what was measured")]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use local::engines::find::Places;
use local::engines::mariadb::{self, Choice, Rights, Role, Server, User};
use local::engines::redis::{self, Cache, Tls};
use local::engines::replica::{self, Replication};
use local::engines::{light, ports};
use local::http;
use local::supervisor::part::Part;
use local::supervisor::probe::{self, Probe};
use local::supervisor::protocol::State;
use local::supervisor::sql::{self, Address, Login};
use mysql_async::prelude::Queryable;
use support::{Stack, kill, until};

const PASSWORD: &str = "it's a \"pass\\word\" # 비밀";

fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("templates")
}

struct Pair {
    program: mariadb::Program,
    primary: Server,
    replica: Server,
}

impl Pair {
    fn new(stack: &Stack) -> Pair {
        let program = mariadb::find(&Places::of_this_machine(), &Choice::Auto).unwrap();
        let place = stack.place();
        let (ports, _) = ports::choose(place.state(), &["primary", "replica"], &BTreeSet::new()).unwrap();
        let server = |name: &str, role: Role| Server {
            name: name.into(),
            directory: place.state().join(name),
            socket: place.socket(name),
            port: ports[name],
            database: "shop".into(),
            users: vec![
                User { name: "app".into(), password: PASSWORD.into(), rights: Rights::Rows },
                User { name: "owner".into(), password: PASSWORD.into(), rights: Rights::Owner },
            ],
            replication_password: PASSWORD.into(),
            role,
        };
        let replica = server("replica", Role::Replica { of: ports["primary"] });
        Pair { program, primary: server("primary", Role::Primary), replica }
    }

    fn parts(&self) -> Vec<Part> {
        let part = |server| {
            mariadb::prepare(&self.program, server, &cache()).unwrap();
            mariadb::part(&self.program, server).unwrap()
        };
        let mut replica = part(&self.replica);
        replica.ready = mariadb::caught_up(&self.primary, &self.replica);
        replica.after = vec!["primary".into()];
        vec![part(&self.primary), replica]
    }

    fn caught_up(&self) {
        let probe = mariadb::caught_up(&self.primary, &self.replica);
        until("the replica to catch up", || probe::once(&probe).ok());
    }
}

fn as_user(server: &Server, user: &str, statement: &str) -> Result<Vec<String>, String> {
    let login = Login { at: Address::Port(server.port), user: user.into(), password: PASSWORD.into() };
    let asking = sql::block_on(sql::within(Duration::from_secs(5), async {
        let mut connection = sql::connect(&login).await?;
        Ok(connection.query(statement).await?)
    }));
    asking.map_err(|error| format!("{error:#}"))
}

#[test]
fn a_pair_replicates_survives_kills_and_keeps_its_rows() {
    let stack = Stack::named("상태 with spaces");
    let pair = Pair::new(&stack);
    let begin = Instant::now();
    let parts = pair.parts();
    println!("prepared after {:?}", begin.elapsed());
    let begin = Instant::now();
    stack.up_whole(&parts);
    println!("first start, caught up, after {:?}", begin.elapsed());
    as_user(&pair.primary, "owner", "CREATE TABLE shop.row (id INT PRIMARY KEY, text VARCHAR(50))").unwrap();
    as_user(&pair.primary, "app", "INSERT INTO shop.row VALUES (1, '한')").unwrap();
    pair.caught_up();
    assert_eq!(as_user(&pair.replica, "app", "SELECT text FROM shop.row").unwrap(), ["한"]);

    for user in ["app", "owner"] {
        let refused = as_user(&pair.replica, user, "INSERT INTO shop.row VALUES (2, '')").unwrap_err();
        assert!(refused.contains("1290"), "{refused}");
    }
    assert!(as_user(&pair.primary, "app", "DROP TABLE shop.row").is_err());
    let root = Login { at: Address::Port(pair.primary.port), user: "root".into(), password: String::new() };
    assert!(sql::block_on(sql::connect(&root)).is_err(), "root came in over TCP");
    let wrong = Login { at: Address::Port(pair.primary.port), user: "app".into(), password: "no".into() };
    assert!(probe::once(&Probe::Sql { login: wrong }).is_err());

    let pid = stack.pid("primary");
    stack.client().kill("primary").unwrap();
    stack.client().kill("replica").unwrap();
    until("both again", || {
        let ready = |name: &str| stack.status(name).state == State::Ready;
        (stack.status("primary").pid != Some(pid) && ready("primary") && ready("replica")).then_some(())
    });
    as_user(&pair.primary, "app", "INSERT INTO shop.row VALUES (2, 'two')").unwrap();
    pair.caught_up();
    assert_eq!(as_user(&pair.replica, "app", "SELECT id FROM shop.row").unwrap(), ["1", "2"]);

    // This is the state of a replica that was killed while it noted where it is.
    sql_as_root(&pair.replica, "SET SESSION sql_log_bin = 0; DELETE FROM mysql.gtid_slave_pos");
    stack.client().kill("replica").unwrap();
    as_user(&pair.primary, "app", "INSERT INTO shop.row VALUES (3, 'three')").unwrap();
    pair.caught_up();
    assert_eq!(as_user(&pair.replica, "app", "SELECT id FROM shop.row").unwrap(), ["1", "2", "3"]);

    // This is the state of a replica that was killed while it deleted a relay log.
    let data = pair.replica.directory.join("data");
    let noted = std::fs::read_to_string(data.join("relay-log.info")).unwrap();
    std::fs::remove_file(data.join(noted.lines().nth(1).unwrap())).unwrap();
    stack.client().kill("replica").unwrap();
    as_user(&pair.primary, "app", "INSERT INTO shop.row VALUES (4, 'four')").unwrap();
    pair.caught_up();
    assert_eq!(as_user(&pair.replica, "app", "SELECT id FROM shop.row").unwrap(), ["1", "2", "3", "4"]);
    for status in stack.client().status().unwrap() {
        println!("{}: {} KiB", status.name, status.memory_kib.unwrap());
    }
    let supervisor = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", stack.supervisor())).unwrap();
    println!("supervisor: {}", supervisor.lines().find(|line| line.starts_with("Pss:")).unwrap());

    let begin = Instant::now();
    stack.down();
    println!("stopped after {:?}", begin.elapsed());
    let begin = Instant::now();
    stack.up_whole(&pair.parts());
    println!("started again, caught up, after {:?}", begin.elapsed());
    assert_eq!(as_user(&pair.replica, "app", "SELECT id FROM shop.row").unwrap(), ["1", "2", "3", "4"]);
    let found =
        std::process::Command::new("grep").args(["-rlF", "비밀"]).arg(stack.place().state().join("logs")).output();
    assert!(found.unwrap().stdout.is_empty());
}

#[test]
fn a_replica_is_promoted_and_the_old_primary_follows_it() {
    let stack = Stack::new();
    let mut pair = Pair::new(&stack);
    let parts = pair.parts();
    stack.up_whole(&parts);
    as_user(&pair.primary, "owner", "CREATE TABLE shop.row (id INT PRIMARY KEY)").unwrap();
    as_user(&pair.primary, "app", "INSERT INTO shop.row VALUES (1)").unwrap();
    pair.caught_up();

    replica::delay(&pair.program, &pair.replica, 2).unwrap();
    as_user(&pair.primary, "app", "INSERT INTO shop.row VALUES (2)").unwrap();
    until("the replica to lag", || replication(&pair.replica).lag_seconds.filter(|lag| *lag > 0));
    assert_eq!(replication(&pair.replica).delay_seconds, 2);
    // `hand_over` waits until the replica has applied everything that it held back.
    replica::hand_over(Some(&pair.primary), &pair.replica).unwrap();
    assert_eq!(as_user(&pair.replica, "app", "SELECT COUNT(*) FROM shop.row").unwrap(), ["2"]);
    assert!(as_user(&pair.primary, "app", "INSERT INTO shop.row VALUES (9)").unwrap_err().contains("1290"));
    sql_as_root(&pair.primary, "SET GLOBAL read_only=0");
    replica::delay(&pair.program, &pair.replica, 0).unwrap();
    until("replication", || Some(replication(&pair.replica)).filter(|it| it.replicating && it.delay_seconds == 0));
    pair.caught_up();

    let begin = Instant::now();
    stack.client().kill("primary").unwrap();
    replica::hand_over(None, &pair.replica).unwrap();
    mariadb::promote(&pair.program, &mut pair.replica).unwrap();
    as_user(&pair.replica, "app", "INSERT INTO shop.row VALUES (3)").unwrap();
    println!("first write on the promoted replica after {:?}", begin.elapsed());
    until("the old primary", || as_user(&pair.primary, "app", "SELECT 1").ok());
    let begin = Instant::now();
    mariadb::rejoin(&pair.program, &mut pair.primary, &pair.replica).unwrap();
    println!("the old primary follows after {:?}", begin.elapsed());
    assert_eq!(as_user(&pair.primary, "app", "SELECT id FROM shop.row").unwrap(), ["1", "2", "3"]);
    assert!(as_user(&pair.primary, "app", "INSERT INTO shop.row VALUES (4)").unwrap_err().contains("1290"));

    // The new roles need no restart, and hold after one.
    std::mem::swap(&mut pair.primary, &mut pair.replica);
    let mut parts = pair.parts();
    parts.reverse();
    let part = |name: &str| parts.iter().position(|part| part.name == name).unwrap();
    let (old, new) = (part("primary"), part("replica"));
    (parts[old].after, parts[new].after) = (vec!["replica".into()], vec![]);
    let pids = ["primary", "replica"].map(|name| stack.pid(name));
    stack.up_whole(&parts);
    assert_eq!(["primary", "replica"].map(|name| stack.pid(name)), pids);
    kill(stack.supervisor());
    stack.up_whole(&parts);
    as_user(&pair.primary, "app", "INSERT INTO shop.row VALUES (5)").unwrap();
    pair.caught_up();
    assert_eq!(as_user(&pair.replica, "app", "SELECT COUNT(*) FROM shop.row").unwrap(), ["4"]);

    // Only the old primary has some rows. It says so, and is filled again from the new one.
    sql_as_root(&pair.replica, "SET GLOBAL read_only=0");
    as_user(&pair.replica, "app", "INSERT INTO shop.row VALUES (6)").unwrap();
    as_user(&pair.primary, "app", "INSERT INTO shop.row VALUES (7)").unwrap();
    let error = format!("{:#}", mariadb::rejoin(&pair.program, &mut pair.replica, &pair.primary).unwrap_err());
    println!("{error}");
    assert!(error.contains("cannot follow"), "{error}");
    stack.up_whole(&[parts[new].clone()]);
    mariadb::rebuild(&pair.replica).unwrap();
    assert!(mariadb::rebuild(&pair.primary).is_err());
    pair.parts();
    stack.up_whole(&parts);
    pair.caught_up();
    assert_eq!(as_user(&pair.replica, "app", "SELECT id FROM shop.row").unwrap(), ["1", "2", "3", "5", "7"]);
}

fn replication(server: &Server) -> Replication {
    let login = Login { at: Address::Socket(server.socket.clone()), user: "root".into(), password: String::new() };
    replica::replication(&login).unwrap().unwrap()
}

fn sql_as_root(server: &Server, statement: &str) {
    let login = Login { at: Address::Socket(server.socket.clone()), user: "root".into(), password: String::new() };
    sql::block_on(async { Ok(sql::connect(&login).await?.query_drop(statement).await?) }).unwrap();
}

#[test]
fn redis_has_its_password_its_certificate_and_its_replica() {
    let stack = Stack::named("캐시 하나");
    let place = stack.place();
    let program = redis::find(&Places::of_this_machine(), None).unwrap();
    let (ports, _) = ports::choose(place.state(), &["cache", "copy", "sealed"], &BTreeSet::new()).unwrap();
    let cache = |name: &str| Cache {
        name: name.into(),
        directory: place.state().join(name),
        socket: place.socket(name),
        port: ports[name],
        password: Some(PASSWORD.into()),
        tls: None,
        replica_of: None,
    };
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = place.state().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let certificate = file("c.pem", key.cert.pem());
    let tls = Tls { key: file("k.pem", key.signing_key.serialize_pem()), authority: certificate.clone(), certificate };
    let caches = [
        cache("cache"),
        Cache { replica_of: Some(ports["cache"]), ..cache("copy") },
        Cache { tls: Some(tls.clone()), ..cache("sealed") },
    ];
    let parts = caches.each_ref().map(|cache| {
        redis::prepare(&program, cache).unwrap();
        redis::part(&program, cache)
    });
    let begin = Instant::now();
    stack.up_whole(&parts);
    println!("three of redis after {:?}", begin.elapsed());
    let ask = |cache: &str, more: &[&str]| {
        let mut command = std::process::Command::new("redis-cli");
        command.args(["-p", &ports[cache].to_string(), "--no-auth-warning"]).args(more);
        String::from_utf8(command.env("REDISCLI_AUTH", PASSWORD).output().unwrap().stdout).unwrap().trim().to_owned()
    };
    assert_eq!(ask("cache", &["set", "a", "1"]), "OK");
    until("the copy", || (ask("copy", &["get", "a"]) == "1").then_some(()));
    let authority = tls.authority.display().to_string();
    assert_eq!(ask("sealed", &["--tls", "--cacert", &authority, "--sni", "localhost", "ping"]), "PONG");
    assert_ne!(ask("sealed", &["ping"]), "PONG");
    let at = Address::Port(ports["cache"]);
    let error = probe::once(&Probe::Redis { at: at.clone(), password: Some("no".into()) }).unwrap_err().to_string();
    assert!(error.contains("WRONGPASS"), "{error}");
    assert!(probe::once(&Probe::Redis { at, password: None }).unwrap_err().to_string().contains("NOAUTH"));
    println!("one redis: {} KiB", stack.status("cache").memory_kib.unwrap());
}

#[test]
fn a_port_that_somebody_took_meanwhile_is_replaced_and_told() {
    let stack = Stack::new();
    let mut pair = Pair::new(&stack);
    stack.up_whole(&pair.parts()[..1]);
    as_user(&pair.primary, "owner", "CREATE TABLE shop.row (id INT PRIMARY KEY)").unwrap();
    stack.down();
    let taken = std::net::TcpListener::bind(("127.0.0.1", pair.primary.port)).unwrap();
    let (outcome, _) = stack.up(&pair.parts()[..1]);
    let error = &outcome.failed[0].error;
    assert!(error.contains("Address already in use") && error.contains("Do you already have another"), "{error}");
    let running = stack.client().status().unwrap();
    let running = running.into_iter().filter(|it| it.pid.is_some()).map(|it| it.name).collect::<BTreeSet<_>>();
    let (ports, moved) = ports::choose(stack.place().state(), &["primary", "replica"], &running).unwrap();
    assert_eq!((moved.len(), moved[0].from), (1, pair.primary.port));
    pair.primary.port = ports["primary"];
    pair.replica.role = Role::Replica { of: pair.primary.port };
    stack.up_whole(&pair.parts());
    assert_eq!(as_user(&pair.replica, "app", "SELECT COUNT(*) FROM shop.row").unwrap(), ["0"]);
    drop(taken);
}

/// This runs with the engine in memory, if it is installed. Elsewhere it says that it was not run.
#[test]
fn the_oldest_log_documents_are_thrown_away() {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let fetched = home.join(".cache/provision/cache/osmem-server");
    let found = Places::of_this_machine().find(&["osmem-server"]).or(Some(fetched).filter(|it| it.is_file()));
    let Some(program) = found else {
        assert!(std::env::var_os("CI").is_none(), "CI has every program: `provisioner/setup.sh` fetches this one");
        eprintln!("not run: there is no osmem-server here");
        return;
    };
    let stack = Stack::new();
    let (ports, _) = ports::choose(stack.place().state(), &["logs"], &BTreeSet::new()).unwrap();
    let port = ports["logs"];
    stack.up_whole(&[light::part("logs", &program, port), light::cap_part("logs", support::program(), port)]);
    let bulk = |from: usize, count: usize| {
        let lines: String = (from..from + count)
            .map(|id| {
                let (minute, second) = (id / 60 % 60, id % 60);
                let time = format!("2026-11-21T{:02}:{minute:02}:{second:02}.000Z", id / 3600);
                let index = format!("{{\"create\":{{\"_index\":\"logs-{}\",\"_id\":\"{id}\"}}}}", id / 2000);
                format!("{index}\n{{\"@timestamp\":\"{time}\",\"number\":{id}}}\n")
            })
            .collect();
        let answer =
            http::ask(port, "POST", "/_bulk?refresh=true", &[], Some(&lines), Duration::from_secs(30)).unwrap();
        assert_eq!(answer.status, 200);
    };
    let count = |query: &str| {
        let answer =
            http::ask(port, "GET", &format!("/_all/_count{query}"), &[], None, Duration::from_secs(10)).unwrap();
        let text = String::from_utf8(answer.body).unwrap();
        let digits = text.split("\"count\":").nth(1).unwrap();
        digits.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().unwrap()
    };
    bulk(0, light::MOST);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(count(""), light::MOST, "not before there are more");
    bulk(light::MOST, 500);
    until("the oldest to go", || (count("") == light::KEPT).then_some(()));
    assert_eq!(count("?q=number:0"), 0);
    assert_eq!(count(&format!("?q=number:{}", light::MOST + 499)), 1);
    assert_eq!(stack.status("logs-cap").restarts, 0);
}
