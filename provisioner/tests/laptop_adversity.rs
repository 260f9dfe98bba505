//! Sendy on a difficult machine: ports are taken, disks are full, programs are missing, connections are cut off. Each
//! case works, or gives one clear error.

#![allow(dead_code, reason = "shared by several tests")]
#![allow(clippy::print_stderr, reason = "what was not run here")]

#[path = "support/laptop.rs"]
mod support;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Laptop, program, reservation, said, until};

fn one_error(said: &str) -> &str {
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    errors[0]
}

#[test]
fn a_port_that_a_stranger_took_is_replaced_and_told() {
    let laptop = Laptop::new("taken");
    laptop.done(&["up", "--yes"]);
    laptop.ask("POST", "/reservations", &reservation("kept"));
    let port = |name: &str| laptop.part(name)["port"].as_u64().unwrap() as u16;
    let ports = ["reservations", "lookup", "web"].map(port);
    laptop.done(&["down"]);
    let strangers = ports.map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    let told = laptop.done(&["up", "--yes"]);
    for (name, old) in ["reservations", "lookup", "web"].iter().zip(ports) {
        assert!(told.contains(&format!("port {old} of `{name}` is taken by somebody else: it has ")), "{told}");
        assert_ne!(port(name), old);
    }
    assert!(laptop.ask("GET", "/reservations", "").contains("kept"));
    drop(strangers);

    // A port is taken while the stack runs, between a crash and the new start. `up` says so, and the next `up` mends
    // it.
    let status = laptop.status();
    let web = status["parts"].as_array().unwrap().iter().find(|part| part["name"] == "web").unwrap();
    laptop.done(&["local", "stop", "web"]);
    let stranger = TcpListener::bind(("127.0.0.1", web["port"].as_u64().unwrap() as u16)).unwrap();
    let told = laptop.done(&["up", "--yes"]);
    assert!(told.contains("is taken by somebody else"), "{told}");
    drop(stranger);
}

/// The stack is on file systems of its own. This needs root. Elsewhere it says that it was not run.
#[test]
fn a_full_disk_is_one_clear_error_and_passes() {
    let laptop = Laptop::new("full");
    let home = laptop.home();
    std::fs::create_dir_all(&home).unwrap();
    let mounted = |arguments: &[&str]| {
        let status = Command::new(arguments[0]).args(&arguments[1..]).arg(&home).status();
        status.is_ok_and(|status| status.success())
    };
    if !mounted(&["mount", "-t", "tmpfs", "-o", "size=8m", "none"]) {
        eprintln!("not run: no file system can be mounted here");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        // The file system is too small from the start.
        let output = laptop.run(&["up", "--yes"]);
        let told = said(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        one_error(&told);
        assert!(told.contains("out of disk space") || told.contains("No space left on device"), "{told}");

        // The file system is large enough, and fills later. Running parts go on, and a failed write is reported.
        assert!(mounted(&["mount", "-o", "remount,size=400m"]));
        laptop.done(&["up", "--yes"]);
        std::fs::write(home.join("fill"), vec![1; 500 << 20]).unwrap_err();
        laptop.change(
            "    uses: [reservations, lookups]\n",
            "    uses: [reservations, lookups]\n    env: { LOG_LEVEL: warn }\n",
        );
        let output = laptop.run(&["up", "--yes"]);
        let told = said(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("No space left on device"), "{told}");
        one_error(&told);
        std::fs::remove_file(home.join("fill")).unwrap();
        laptop.done(&["up", "--yes"]);
        laptop.ask("POST", "/reservations", &reservation("afterwards"));
    });
    laptop.run(&["down", "--yes"]);
    until("the file system to be free", || mounted(&["umount", "--quiet"]).then_some(()));
    outcome.unwrap();
}

/// The stack is in a network of its own, with nothing but loopback. This needs root. Elsewhere it says that it was not
/// run.
#[test]
fn without_a_network_everything_is_as_with_one() {
    let laptop = Laptop::new("offline");
    let inside = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-ec", &format!("ip link set lo up || ifconfig lo up\n{script}"), "sh"]);
        command.arg(program()).arg(&laptop.stack).env("PROVISION_HOME", laptop.home());
        command.env_remove("OPENSEARCH_URL").env_remove("PROVISION_SEARCH").output().unwrap()
    };
    if !inside("true").status.success() {
        eprintln!("not run: no network of its own can be had here");
        return;
    }
    let script = "\"$1\" up \"$2\" --local --yes\n\"$1\" probe \"$2\" --local\n\"$1\" down \"$2\" --local";
    let output = inside(script);
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("lookup hit"), "{told}");
}

#[test]
fn a_missing_engine_is_named_with_what_gets_it() {
    let laptop = Laptop::new("missing");
    let _ = std::fs::remove_file(laptop.home().join("cache/osmem-server"));
    let tools = tempfile::tempdir().unwrap();
    // The usual places are still looked at. On Debian one of the two programs of MariaDB is in none of them.
    let mut command = laptop.command(&["up", "--yes"]);
    let output = command.env("PATH", tools.path()).output().unwrap();
    let told = said(&output);
    if !output.status.success() {
        let error = one_error(&told);
        assert!(error.contains("`apt-get install -y --no-install-recommends mariadb-server-core"), "{told}");
        assert!(error.contains("`brew install mariadb`"), "{told}");
    }
    let output = Command::new(program())
        .args(["doctor", "--local", "--json"])
        .env("PATH", tools.path())
        .env("PROVISION_HOME", laptop.home())
        .env_remove("PROVISION_SEARCH")
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tool = |what: &str| document["tools"].as_array().unwrap().iter().find(|tool| tool["what"] == what).unwrap();
    assert_eq!(tool("a search engine")["found"], Value::Null);
    assert!(tool("a search engine")["commands"][0].as_str().unwrap().contains("osmem-server==0.1.6"));
    let redis = tool("Redis or Valkey");
    if redis["found"].is_null() {
        assert_eq!(document["ok"], false);
        assert!(redis["commands"][0].as_str().unwrap().contains("redis-tools"), "{redis}");
    }
}

/// A bare Debian does not have the package with the program that `mariadb-install-db` calls. Only root can hide a
/// program, in a mount namespace of its own. Without root the test says that it was not run.
#[test]
fn what_an_engines_own_script_calls_is_named_before_anything_starts() {
    let helper = "/usr/bin/my_print_defaults";
    let laptop = Laptop::new("helper");
    let inside = |arguments: &str| {
        let script = format!("mount --bind /dev/null {helper} && exec \"$0\" {arguments}");
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]).arg(program()).arg(&laptop.stack);
        command.env("PROVISION_HOME", laptop.home()).env_remove("OPENSEARCH_URL").env_remove("PROVISION_SEARCH");
        command.output().unwrap()
    };
    if !Path::new(helper).exists() || !inside("--version").status.success() {
        eprintln!("not run: there is no {helper} that can be hidden here");
        return;
    }
    let output = inside("up --local --yes \"$1\"");
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let error = one_error(&told);
    assert!(error.contains("`my_print_defaults`, which `mariadb-install-db` calls, is not installed"), "{told}");
    assert!(error.contains("mariadb-client-core"), "{told}");
    assert!(laptop.processes().is_empty() && !told.contains("starting"), "{told}");
    let told = said(&inside("doctor --local"));
    let line = told.lines().find(|line| line.contains("MariaDB")).unwrap();
    assert!(line.starts_with("missing") && line.contains("`my_print_defaults`"), "{told}");
    assert!(told.contains("mariadb-client-core"), "{told}");
}

#[test]
fn a_search_engine_that_was_asked_for_and_is_not_there_is_said() {
    let laptop = Laptop::new("search");
    let _ = std::fs::remove_file(laptop.home().join("cache/osmem-server"));
    let up = |choice: &str| {
        let output = laptop.command(&["plan"]).env("PROVISION_SEARCH", choice).output().unwrap();
        (output.status.code(), said(&output))
    };
    let (code, told) = up("opensearch");
    assert_eq!(code, Some(1), "{told}");
    assert!(one_error(&told).contains("`provision doctor --local --install` fetches one"), "{told}");
    assert!(one_error(&up("elastic").1).contains("not auto, opensearch, light or none"));
    let (code, told) = up("none");
    assert!(code == Some(0) && !told.contains("search engine"), "{told}");
}

/// This uses the OpenSearch that the tests of the runtime have fetched. Elsewhere it says that it was not run.
#[test]
fn a_real_opensearch_takes_the_logs() {
    let laptop = Laptop::new("jvm");
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.emulators/opensearch");
    if !fetched.join("pom.xml").is_file() {
        assert!(std::env::var_os("CI").is_none(), "CI has every program: `provisioner/setup.sh` fetches this one");
        eprintln!("not run: `runtime/tests/opensearch.sh install` fetches it");
        return;
    }
    let cache = laptop.home().join("cache");
    std::fs::create_dir_all(&cache).unwrap();
    std::os::unix::fs::symlink(fetched.canonicalize().unwrap(), cache.join("opensearch")).unwrap();
    let run = |arguments: &[&str]| {
        let output = laptop.command(arguments).env("PROVISION_SEARCH", "opensearch").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    let told = run(&["up", "--yes"]);
    assert!(told.contains("OpenSearch on the JVM, without its plugins"), "{told}");
    let hop = told.lines().find(|line| line.trim_start().starts_with("log ")).unwrap();
    assert!(hop.contains(" ok "), "{told}");
    let logs = laptop.part("logs");
    assert!((9201..=9299).contains(&logs["port"].as_u64().unwrap()), "{logs}");
    eprintln!("OpenSearch takes {} MiB", logs["memory_kib"].as_u64().unwrap() >> 10);
    // It keeps its documents.
    run(&["down"]);
    let told = run(&["up", "--yes"]);
    assert!(told.lines().any(|line| line.trim_start().starts_with("log ") && line.contains(" ok ")), "{told}");
}
