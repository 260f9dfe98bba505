//! Kills the supervisor, the parts that it runs and the client that asks for them, at random moments. After each kill
//! the next `up` gives the wanted parts, once, and everything that was acknowledged is there.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what was measured")]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use local::engines::find::Places;
use local::engines::mariadb::{self, Choice, Rights, Role, Server, User};
use local::engines::redis::{self, Cache};
use local::engines::{ports, template};
use local::supervisor::part::{Part, Wanted};
use local::supervisor::probe;
use local::supervisor::sql::{self, Address, Login};
use mysql_async::prelude::Queryable;
use support::{Stack, after, kill, program, shell, until};

const PASSWORD: &str = "secret";
/// The deadline of all kills together, which take a minute.
const DEADLINE: Duration = Duration::from_secs(600);

fn parts(stack: &Stack) -> (Vec<Part>, Server, Server) {
    let program = mariadb::find(&Places::of_this_machine(), &Choice::Auto).unwrap();
    let server_of_redis = redis::find(&Places::of_this_machine(), None).unwrap();
    let place = stack.place();
    let (ports, _) = ports::choose(place.state(), &["primary", "replica", "cache"], &BTreeSet::new()).unwrap();
    let server = |name: &str, role: Role| Server {
        name: name.into(),
        directory: place.state().join(name),
        socket: place.socket(name),
        port: ports[name],
        database: "shop".into(),
        users: vec![User { name: "owner".into(), password: PASSWORD.into(), rights: Rights::Owner }],
        replication_password: PASSWORD.into(),
        role,
    };
    let (primary, replica) =
        (server("primary", Role::Primary), server("replica", Role::Replica { of: ports["primary"] }));
    let templates = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("templates");
    let mut all = Vec::new();
    for server in [&primary, &replica] {
        mariadb::prepare(&program, server, &templates).unwrap();
        all.push(mariadb::part(&program, server).unwrap());
    }
    all[1].ready = mariadb::caught_up(&primary, &replica);
    all[1].after = vec!["primary".into()];
    let cache = Cache {
        name: "cache".into(),
        directory: place.state().join("cache"),
        socket: place.socket("cache"),
        port: ports["cache"],
        password: Some(PASSWORD.into()),
        tls: None,
        replica_of: None,
    };
    redis::prepare(&server_of_redis, &cache).unwrap();
    all.push(redis::part(&server_of_redis, &cache));
    all.push(after(shell("worker", "sleep 7001 & wait"), &["primary", "cache"]));
    all.push(after(shell("family", "setsid sleep 7003 & wait"), &["worker"]));
    (all, primary, replica)
}

fn up(stack: &Stack, file: &PathBuf) -> Child {
    let mut command = Command::new(program());
    command.arg("up").arg(&stack.state).arg(file).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Ends the writer, also if the test fails. Otherwise the scope would wait for it for ever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes one row after the other, each on a connection that may break. Notes the last row that was acknowledged.
fn write_rows(primary: &Server, acknowledged: &AtomicU64, stop: &AtomicBool) {
    let login = Login { at: Address::Port(primary.port), user: "owner".into(), password: PASSWORD.into() };
    let mut next = 1;
    while !stop.load(Ordering::Relaxed) {
        let _ = sql::block_on(async {
            let mut connection = sql::connect(&login).await?;
            while !stop.load(Ordering::Relaxed) {
                // The row before may have been written without an answer.
                let insert = connection.exec_drop("INSERT IGNORE INTO shop.row VALUES (?)", (next,));
                sql::within(Duration::from_secs(2), async { Ok(insert.await?) }).await?;
                acknowledged.store(next, Ordering::Relaxed);
                next += 1;
            }
            Ok(())
        });
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_hundred_kills_at_random_lose_nothing_and_leave_nothing() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let kills: u32 = std::env::var("KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(100);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (stack, neighbour) = (Stack::named("흔들리는 상태"), Stack::new());
    neighbour.up_whole(&[shell("bystander", "exec sleep 7004")]);
    let bystander = neighbour.pid("bystander");
    let (parts, primary, replica) = parts(&stack);
    let file = stack.directory.path().join("wanted.json");
    std::fs::write(&file, serde_json::to_vec(&Wanted { parts: parts.clone(), ..Wanted::default() }).unwrap()).unwrap();
    stack.up_whole(&parts);
    let login = Login { at: Address::Port(primary.port), user: "owner".into(), password: PASSWORD.into() };
    let run = |statement: &'static str| {
        sql::block_on(async { Ok(sql::connect(&login).await?.query_drop(statement).await?) }).unwrap();
    };
    run("CREATE TABLE shop.row (id INT PRIMARY KEY)");

    let (acknowledged, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| write_rows(&primary, &acknowledged, &stop));
        let _stop = Stop(&stop);
        let mut killed = std::collections::BTreeMap::<String, u32>::new();
        let mut done = 0;
        while done < kills {
            assert!(begin.elapsed() < DEADLINE, "{done} kills only: something does not come back");
            let mut client = up(&stack, &file);
            std::thread::sleep(Duration::from_millis(random.u64(0..400)));
            // One to three are killed at once.
            for _ in 0..random.u32(1..4) {
                let mut victims = stack.processes();
                victims.sort();
                victims.retain(|(_, line)| !line.is_empty());
                if victims.is_empty() {
                    continue;
                }
                let (pid, line) = victims.swap_remove(random.usize(..victims.len()));
                kill(pid);
                done += 1;
                let name = line.split(' ').take(3).map(|word| word.rsplit('/').next().unwrap()).collect::<Vec<_>>();
                *killed.entry(name.join(" ").chars().take(24).collect()).or_default() += 1;
            }
            until("the client", || client.try_wait().unwrap());
            if random.u8(..10) == 0 {
                whole(&stack, &parts);
            }
        }
        println!("{killed:#?}");
    });
    println!("{kills} kills in {:?}", begin.elapsed());
    let last = Instant::now();
    whole(&stack, &parts);
    println!("up after the last one in {:?}", last.elapsed());

    probe::once(&mariadb::caught_up(&primary, &replica)).unwrap();
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    for port in [primary.port, replica.port] {
        let login = Login { at: Address::Port(port), ..login.clone() };
        let counted: Option<(u64, u64)> = sql::block_on(async {
            let mut connection = sql::connect(&login).await?;
            Ok(connection.query_first("SELECT COUNT(*), COALESCE(MAX(id), 0) FROM shop.row").await?)
        })
        .unwrap();
        let (count, highest) = counted.unwrap();
        println!("{acknowledged} acknowledged, {count} there");
        // The last row may have been written without an answer.
        assert!(count == highest && (acknowledged..=acknowledged + 1).contains(&count));
    }
    assert_eq!(neighbour.pid("bystander"), bystander);
    let begin = Instant::now();
    stack.down();
    println!("down in {:?}", begin.elapsed());
    assert_eq!(stack.processes(), []);
    assert!(!stack.place().control().exists());
    template::remove(&stack.state).unwrap();
}

/// Checks that everything runs, and no process twice: the supervisor, one process for each part, and the children of
/// two.
fn whole(stack: &Stack, parts: &[Part]) {
    stack.up_whole(parts);
    until("each process once", || {
        let mut lines: Vec<String> = stack.processes().into_iter().map(|(_, line)| line).collect();
        lines.sort();
        let all = lines.len();
        lines.dedup();
        (all == parts.len() + 3 && lines.len() == all).then_some(())
    });
}
