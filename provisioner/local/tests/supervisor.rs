//! The supervisor with parts that are small scripts: which are started, stopped, restarted and told, and which are left
//! alone.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what was measured")]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use local::supervisor::client;
use local::supervisor::part::{Part, Stop, StopSignal, Wanted};
use local::supervisor::probe::Probe;
use local::supervisor::protocol::{State, What};
use support::{MINUTE, Stack, after, kill, program, shell, until};

#[test]
fn parts_start_after_what_they_need_and_stop_before_it() {
    let stack = Stack::new();
    let parts = [after(shell("api", "exec sleep 600"), &["db", "cache"]), shell("db", "exec sleep 600"), {
        after(shell("cache", "exec sleep 600"), &["db"])
    }];
    let events = stack.up_whole(&parts);
    let at = |part: &str, wanted: fn(&What) -> bool| {
        events.iter().position(|event| event.part == part && wanted(&event.what)).unwrap()
    };
    let starting = |part| at(part, |what| matches!(what, What::Starting));
    let ready = |part| at(part, |what| matches!(what, What::Ready { .. }));
    assert!(ready("db") < starting("cache") && ready("cache") < starting("api"));
    let mut stopped = Vec::new();
    let begin = Instant::now();
    client::stop_all_by(program(), &stack.state, MINUTE, |event| {
        if event.what == What::Stopped {
            stopped.push(event.part.clone());
        }
    })
    .unwrap();
    println!("stopped three in {:?}", begin.elapsed());
    assert_eq!(stopped, ["api", "cache", "db"]);
    assert_eq!(stack.processes(), []);
    assert!(!stack.place().control().exists() && !stack.place().journal().exists());
}

#[test]
fn only_what_changed_is_restarted() {
    let stack = Stack::new();
    let mut parts = vec![
        shell("db", "exec sleep 600"),
        after(shell("api", "exec sleep 600"), &["db"]),
        shell("x", "exec sleep 600"),
    ];
    stack.up_whole(&parts);
    let before = ["db", "api", "x"].map(|name| stack.pid(name));
    assert_eq!(stack.up_whole(&parts), []);
    parts[0].generation = "2".into();
    parts[1].ready_within_ms = 1;
    parts[2] = shell("y", "exec sleep 600");
    stack.up_whole(&parts);
    assert_ne!(stack.pid("db"), before[0]);
    assert_eq!(stack.pid("api"), before[1]);
    assert_eq!(stack.client().status().unwrap().len(), 3);
    assert_eq!(stack.status("db").restarts, 0);
}

#[test]
fn what_dies_comes_back_and_what_keeps_dying_is_given_up_until_asked_for_again() {
    let stack = Stack::new();
    let marker = stack.directory.path().join("works");
    let script = format!(
        "echo password is hunter22; test -e {} && exec sleep 600; echo no such thing; exit 7",
        marker.display()
    );
    let mut broken = shell("broken", &script);
    broken.env.insert("PASSWORD".into(), "hunter22".into());
    broken.secrets.insert("PASSWORD".into());
    broken.ready = Probe::Tcp { port: 1 };
    let parts =
        [broken.clone(), after(shell("needs-it", "exec sleep 600"), &["broken"]), shell("well", "exec sleep 600")];
    let begin = Instant::now();
    let (outcome, events) = stack.up(&parts);
    println!("given up after {:?}", begin.elapsed());
    let waits: Vec<u64> = events
        .iter()
        .filter_map(|event| match event.what {
            What::Exited { again_in_ms, .. } => Some(again_in_ms),
            _ => None,
        })
        .collect();
    assert_eq!(waits, [200, 400, 800, 1600]);
    assert_eq!(outcome.ready, ["well"]);
    assert_eq!((outcome.skipped[0].part.as_str(), outcome.skipped[0].after.as_str()), ("needs-it", "broken"));
    let error = &outcome.failed[0].error;
    assert!(
        error.contains("exit status: 7") && error.contains("no such thing") && error.contains("5 times"),
        "{error}"
    );
    assert!(error.contains("password is ***") && !error.contains("hunter22"), "{error}");
    assert_eq!(stack.status("broken").state, State::Failed);
    std::fs::write(&marker, "").unwrap();
    broken.ready = Probe::Running;
    let pid = stack.pid("well");
    stack.up_whole(&[broken, parts[1].clone(), parts[2].clone()]);
    assert_eq!(stack.pid("well"), pid);

    stack.client().kill("well").unwrap();
    let again = until("a new process", || {
        let status = stack.status("well");
        (status.state == State::Ready && status.pid != Some(pid)).then_some(status)
    });
    assert_eq!((again.restarts, again.last_error.unwrap().contains("signal: 9")), (1, true));
}

/// Yelp/pgctl#208: a start reported a process as ready although it ended at once, again and again.
#[test]
fn one_without_a_port_is_ready_when_it_has_lived_for_a_moment_and_others_do_not_wait_for_that() {
    let stack = Stack::new();
    let begin = Instant::now();
    let parts = ["a", "b", "c"].map(|name| shell(name, "exec sleep 600"));
    let events = stack.up_whole(&parts);
    let after = |part: &str| {
        let ready = |event: &local::supervisor::protocol::Event| match event.what {
            What::Ready { after_ms } if event.part == part => Some(after_ms),
            _ => None,
        };
        events.iter().find_map(ready).unwrap()
    };
    for part in ["a", "b", "c"] {
        assert!(after(part) >= 500, "{events:?}");
    }
    println!("three without a port after {:?}", begin.elapsed());
    let starting = events.iter().position(|event| event.part == "c" && event.what == What::Starting).unwrap();
    let ready = events.iter().position(|event| matches!(event.what, What::Ready { .. })).unwrap();
    assert!(starting < ready, "{events:?}");

    let dies = shell("dies", "echo one; sleep 0.05; echo column 13: a value is expected; exit 3");
    let (outcome, events) = stack.up(&[dies, parts[0].clone()]);
    assert_eq!(outcome.ready, ["a"]);
    assert!(!events.iter().any(|event| matches!(event.what, What::Ready { .. })), "{events:?}");
    let failure = &outcome.failed[0];
    assert_eq!(failure.part, "dies");
    let cause = "ended with exit status: 3: column 13: a value is expected (5 times in a row)";
    assert_eq!(failure.cause(), cause);
    assert!(failure.error.contains("\n    one\n"), "{}", failure.error);
    let told = events.iter().find(|event| matches!(event.what, What::Failed { .. })).unwrap();
    assert_eq!(told.to_string(), format!("dies: {cause}"));
}

#[test]
fn one_that_is_not_ready_in_time_or_cannot_be_run_says_why() {
    let stack = Stack::new();
    let mut slow = shell("slow", "trap '' TERM; while :; do sleep 0.05; done");
    slow.ready = Probe::Http { port: 1, path: "/health".into() };
    slow.ready_within_ms = 100;
    slow.stop = Stop { signal: StopSignal::Term, within_ms: 50 };
    let missing = Part::new("missing", "fake", "/nonexistent/mariadbd");
    let (outcome, _) = stack.up(&[slow, missing]);
    let errors: BTreeMap<&str, &str> =
        outcome.failed.iter().map(|failure| (failure.part.as_str(), failure.error.as_str())).collect();
    assert!(errors["slow"].starts_with("not ready within 0.1 s: Connection refused"), "{errors:?}");
    assert!(errors["missing"].contains("`/nonexistent/mariadbd`: No such file"), "{errors:?}");
}

#[test]
fn an_apply_that_takes_too_long_says_what_it_waits_for() {
    let stack = Stack::new();
    let mut slow = shell("slow", "exec sleep 600");
    slow.ready = Probe::Tcp { port: 1 };
    let wanted = Wanted { parts: vec![slow, after(shell("next", "exec sleep 600"), &["slow"])], ..Wanted::default() };
    let error = stack.client().apply(&wanted, Duration::from_millis(300), |_| {}).unwrap_err();
    assert_eq!(format!("{error:#}"), "not ready in time: next (waiting), slow (starting)");
    // The start goes on without the client that asked, and gives way to the next client that asks.
    assert_eq!(stack.status("slow").state, State::Starting);
    let (pid, begin) = (stack.pid("slow"), Instant::now());
    stack.up_whole(&[shell("slow", "exec sleep 600")]);
    assert!(begin.elapsed() < Duration::from_secs(5) && stack.pid("slow") == pid);
}

#[test]
fn a_stopped_part_takes_its_children_with_it_and_a_deaf_one_is_killed() {
    let stack = Stack::new();
    let mut deaf = shell("deaf", "trap '' TERM; sleep 601 & while :; do sleep 0.05; done");
    deaf.stop.within_ms = 200;
    stack.up_whole(&[deaf, shell("parent", "sleep 602 & exec sleep 603")]);
    until("five processes", || (stack.processes().len() >= 5).then_some(()));
    let begin = Instant::now();
    stack.up_whole(&[]);
    assert!(begin.elapsed() < Duration::from_secs(5));
    until("the supervisor alone", || (stack.processes().len() == 1).then_some(()));
}

#[test]
fn a_paused_part_stands_still_and_can_be_stopped() {
    let stack = Stack::new();
    let file = stack.directory.path().join("ticks");
    stack.up_whole(&[shell("ticks", &format!("while :; do echo x >> {}; sleep 0.01; done", file.display()))]);
    let length = || std::fs::metadata(&file).map_or(0, |file| file.len());
    until("a tick", || (length() > 0).then_some(()));
    stack.client().pause("ticks").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let before = length();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!((length(), stack.status("ticks").state), (before, State::Paused));
    stack.client().resume("ticks").unwrap();
    until("another tick", || (length() > before).then_some(()));
    stack.client().pause("ticks").unwrap();
    assert!(stack.client().kill("nothing").unwrap_err().to_string().contains("there is no part `nothing`"));
    let begin = Instant::now();
    stack.down();
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_held_part_stays_down_until_somebody_wants_it_again() {
    let stack = Stack::new();
    let parts = [shell("a", "exec sleep 600"), after(shell("b", "exec sleep 600"), &["a"])];
    stack.up_whole(&parts);
    let pid = stack.pid("b");
    stack.client().hold("a", MINUTE).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((stack.status("a").state, stack.status("a").pid, stack.pid("b")), (State::Held, None, pid));
    stack.client().resume("a").unwrap();
    until("a again", || (stack.status("a").state == State::Ready).then_some(()));
    stack.client().hold("a", MINUTE).unwrap();
    stack.client().pause("b").unwrap();
    stack.up_whole(&parts);
    assert_eq!((stack.status("b").state, stack.pid("b")), (State::Ready, pid));
}

#[test]
fn a_log_that_is_full_begins_anew_and_loses_no_line() {
    let stack = Stack::new();
    // A line is 100 bytes and ends with its number. The lines come for some seconds, so that some come while the log is
    // cut.
    let script = "i=0; while [ $i -lt 120000 ]; do i=$((i+1)); printf '%099d\\n' $i; [ $((i % 2000)) = 0 ] && sleep 0.05; \
                  done; exec sleep 600";
    stack.up_whole(&[shell("a", script)]);
    let log = stack.place().log("a");
    let read =
        || [log.with_extension("log.1"), log.clone()].map(|path| std::fs::read(path).unwrap_or_default()).concat();
    until("all lines, in two files", || {
        let is_cut = log.metadata().is_ok_and(|file| file.len() < local::supervisor::logs::CAP);
        (is_cut && read().ends_with(b"120000\n")).then_some(())
    });
    let all = String::from_utf8(read()).unwrap();
    let numbers: Vec<u32> = all.lines().map(|line| line.trim_start_matches('0').parse().unwrap()).collect();
    assert_eq!(numbers, (1..=120_000).collect::<Vec<_>>());
    assert_eq!(stack.status("a").state, State::Ready);
}

#[test]
fn a_supervisor_that_is_killed_leaves_nothing_for_long() {
    let stack = Stack::new();
    let parts = [shell("a", "exec sleep 600"), shell("b", "sleep 601 & setsid sleep 602 & exec sleep 603")];
    stack.up_whole(&parts);
    until("all", || (stack.processes().len() == 5).then_some(()));
    let direct = ["a", "b"].map(|name| stack.pid(name) as i32);
    kill(stack.supervisor());
    until("its children to end with it", || {
        stack.processes().iter().all(|(pid, _)| !direct.contains(pid)).then_some(())
    });
    assert_eq!(stack.processes().len(), 2, "those of a child live on for now: {:?}", stack.processes());
    let begin = Instant::now();
    stack.up_whole(&parts);
    println!("up again after {:?}", begin.elapsed());
    until("all, once", || (stack.processes().len() == 5).then_some(()));
    kill(stack.supervisor());
    stack.down();
    assert_eq!(stack.processes(), []);
    stack.down();
}

#[test]
fn somebody_elses_process_with_a_journalled_id_is_left_alone() {
    let stack = Stack::new();
    let mut bystander = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let place = stack.place();
    std::fs::write(
        place.journal(),
        format!("{{\"did\":\"spawned\",\"part\":\"a\",\"pid\":{},\"start\":5}}\n", bystander.id()),
    )
    .unwrap();
    stack.up_whole(&[]);
    assert!(bystander.try_wait().unwrap().is_none());
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn many_clients_at_once_have_one_supervisor() {
    let stack = Stack::new();
    let mut pids: Vec<i32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| stack.supervisor())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    pids.dedup();
    assert_eq!(pids.len(), 1);
    until("one", || (stack.processes().len() == 1).then_some(()));
}

#[test]
fn two_stacks_side_by_side_know_nothing_of_each_other() {
    let (first, second) = (Stack::new(), Stack::named("다른 스택 #2"));
    let parts = [shell("a", "exec sleep 600")];
    first.up_whole(&parts);
    second.up_whole(&parts);
    let pid = second.pid("a");
    kill(first.supervisor());
    first.up_whole(&parts);
    first.down();
    assert_eq!(second.pid("a"), pid);
}

#[test]
fn secrets_are_in_no_file_and_no_command_line() {
    let stack = Stack::new();
    let mut part = shell("a", "exec sleep 600");
    part.env.insert("PASSWORD".into(), "hunter22".into());
    stack.up_whole(&[part]);
    let found = std::process::Command::new("grep").args(["-r", "hunter22"]).arg(&stack.state).output().unwrap();
    assert!(found.stdout.is_empty(), "{found:?}");
    assert!(stack.processes().iter().all(|(_, line)| !line.contains("hunter22")));
    let status = format!("{:?}", stack.client().status().unwrap());
    assert!(!status.contains("hunter22"));
    use std::os::unix::fs::PermissionsExt;
    for path in [stack.place().journal(), stack.place().log("a"), stack.place().control(), stack.state.clone()] {
        let mode = path.metadata().unwrap().permissions().mode() & 0o077;
        assert_eq!(mode, 0, "{}", path.display());
    }
}

#[test]
fn a_supervisor_told_to_end_stops_everything_in_order() {
    let stack = Stack::new();
    let file = stack.directory.path().join("said");
    let script = format!("trap 'echo bye > {}; exit 0' TERM; while :; do sleep 0.01; done", file.display());
    stack.up_whole(&[shell("a", &script)]);
    std::thread::sleep(Duration::from_millis(50));
    let pid = rustix::process::Pid::from_raw(stack.supervisor()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    until("nothing", || stack.processes().is_empty().then_some(()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "bye\n");
}

#[test]
fn a_state_directory_that_is_removed_takes_its_processes_with_it() {
    let stack = Stack::new();
    stack.up_whole(&[shell("a", "exec sleep 600")]);
    let before = stack.processes();
    std::fs::remove_dir_all(&stack.state).unwrap();
    until("nothing", || {
        before.iter().all(|(pid, _)| !std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
}

#[test]
fn a_state_directory_that_cannot_be_written_is_one_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (state, expected) in [
        (file.join("state"), "Not a directory"),
        (file.clone(), "File exists"),
        ("/proc/state".into(), "No such file or directory"),
    ] {
        let error = format!("{:#}", client::ensure_by(program(), &state).unwrap_err());
        assert!(error.starts_with("state directory `") && error.contains(expected), "{error}");
    }
}

/// The state directory is on a file system of its own, of 64 KiB. This needs root. Elsewhere it says that it was not
/// run.
#[test]
fn a_full_disk_is_one_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let mount = |args: &[&str]| {
        let status = std::process::Command::new(args[0]).args(&args[1..]).arg(directory.path()).status();
        status.is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "none"]) {
        eprintln!("not run: no file system can be mounted here");
        return;
    }
    let state = directory.path().join("state");
    let fill = directory.path().join("fill");
    let _ = std::fs::write(&fill, vec![1; 1 << 20]);
    let from_nothing = client::ensure_by(program(), &state).map(drop);
    std::fs::remove_file(&fill).unwrap();
    let client = client::ensure_by(program(), &state).unwrap();
    let _ = std::fs::write(&fill, vec![1; 1 << 20]);
    let wanted = Wanted { parts: vec![shell("a", "exec sleep 600")], ..Wanted::default() };
    let outcome = client.apply(&wanted, MINUTE, |_| {});
    std::fs::remove_file(&fill).unwrap();
    let after = client.apply(&wanted, MINUTE, |_| {});
    let down = client::stop_all_by(program(), &state, MINUTE, |_| {});
    // A process that has just ended may hold the file system for a moment longer.
    let deadline = std::time::Instant::now() + MINUTE;
    while !mount(&["umount", "--quiet"]) {
        assert!(std::time::Instant::now() < deadline, "the file system stays busy");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // Empty files fit on a full file system.
    if let Err(error) = from_nothing {
        assert!(format!("{error:#}").contains("No space left on device"), "{error:#}");
    }
    let failure = outcome.unwrap().failed[0].error.clone();
    println!("{failure}");
    assert!(failure.contains("No space left on device"), "{failure}");
    assert_eq!(after.unwrap().ready, ["a"]);
    down.unwrap();
}

#[test]
fn children_that_left_their_group_end_with_their_part() {
    let stack = Stack::new();
    let parts = [shell("family", "setsid sleep 605 & wait"), shell("other", "setsid sleep 606 & exec sleep 607")];
    stack.up_whole(&parts);
    let count = |what: &str| stack.processes().iter().filter(|(_, line)| line.starts_with(what)).count();
    until("both", || (count("sleep 605") == 1 && count("sleep 606") == 1).then_some(()));
    let pid = stack.pid("family");
    kill(pid as i32);
    until("a new one", || stack.status("family").pid.filter(|it| *it != pid));
    until("one child again", || (count("sleep 605") == 1).then_some(()));
    stack.up_whole(&parts[..1]);
    assert_eq!((count("sleep 606"), count("sleep 607")), (0, 0));
}

/// A kept part is not touched and not waited for, whatever state it is in. A view tells how a part runs.
#[test]
fn what_is_kept_stays_as_it_is_and_a_view_says_how_a_part_runs() {
    let stack = Stack::new();
    let mut secret = shell("a", "exec sleep 600");
    secret.env.insert("PASSWORD".into(), "pa55-word".into());
    secret.secrets.insert("PASSWORD".into());
    stack.up_whole(&[secret.clone(), shell("b", "exec sleep 600"), shell("c", "exec sleep 600")]);
    let client = stack.client();
    client.pause("a").unwrap();
    client.hold("b", MINUTE).unwrap();
    let before = stack.pid("a");
    let kept = ["a", "b", "gone"].map(str::to_owned).into_iter().collect();
    let wanted = Wanted { parts: vec![after(shell("d", "exec sleep 600"), &["a"])], kept };
    let outcome = client.apply(&wanted, MINUTE, |_| {}).unwrap();
    assert_eq!(outcome.ready, ["d"], "{outcome:?}");
    let names: Vec<String> = client.status().unwrap().into_iter().map(|part| part.name).collect();
    assert_eq!(names, ["a", "b", "d"]);
    assert_eq!((stack.status("a").state, stack.pid("a")), (State::Paused, before));
    assert_eq!(stack.status("b").state, State::Held);
    let views = client.views().unwrap().expect("this supervisor tells");
    assert_eq!(views["a"], secret.view());
    assert!(!format!("{views:?}").contains("pa55-word"));
    let wanted = Wanted { parts: vec![after(shell("e", "exec sleep 600"), &["gone"])], ..wanted };
    let refused = client.apply(&wanted, MINUTE, |_| {}).unwrap_err().to_string();
    assert_eq!(refused, "`e` starts after `gone`, which is not a part");
}
