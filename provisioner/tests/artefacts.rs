//! The image and the Lambda package run: the image's files as the root of a process, and the package's `bootstrap`
//! before a Runtime API that is played here. If there is no runtime, this builds it with `runtime/build.sh`.
//! `PROVISION_RUNTIME` names another.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use provision::image::{self, Architecture};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn the_image_serves() {
    let root = unpacked_rootfs();
    let mut command = in_root(root.path());
    command.args(["/runtime", "serve", "hello"]);
    command.envs([("HOST", "127.0.0.1"), ("PORT", "0")]);
    let mut process = Process::start(command);
    let address: SocketAddr = process.line("listening")["address"].as_str().unwrap().parse().unwrap();
    let answer = get(address, "/healthz");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"status":"ok"}"#), "{answer}");

    let mut health = in_root(root.path());
    health.args(["/runtime", "health"]).env("PORT", address.port().to_string());
    assert_eq!(Process::start(health).exit_code(), Some(0));
    process.terminate();
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn names_are_resolved_in_the_image() {
    let root = unpacked_rootfs();
    let mut command = in_root(root.path());
    command.arg("/runtime");
    assert_answers_the_runtime_api(command, "localhost");
}

#[test]
fn the_lambda_package_answers_the_runtime_api() {
    let package = image::lambda_zip(runtime()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    zip::ZipArchive::new(Cursor::new(package)).unwrap().extract(directory.path()).unwrap();
    let mut command = Command::new(directory.path().join("bootstrap"));
    command.env_clear();
    assert_answers_the_runtime_api(command, "127.0.0.1");
}

#[test]
fn the_real_binary_gives_the_same_digest_twice() {
    let build = || image::build(runtime(), Architecture::X86_64).unwrap();
    let image = build();
    assert_eq!(image.manifest.digest, build().manifest.digest);
    let compressed = image.layers[0].bytes.len();
    assert!(compressed < 15 * 1024 * 1024, "{compressed} bytes to pull before a task starts");
}

/// Gives the function one event, a probe, which needs no search domain, and waits for the response to it.
fn assert_answers_the_runtime_api(mut command: Command, host: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut reader = BufReader::new(&stream);
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let body = if number == 0 { probe() } else { "{}".to_owned() };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: r0\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            (&stream).write_all(answer.as_bytes()).unwrap();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    command.envs([
        ("AWS_LAMBDA_RUNTIME_API", format!("{host}:{port}").as_str()),
        ("_HANDLER", "forwarder"),
        ("SEARCH_ENDPOINT", "search.invalid"),
        ("INDEX_PREFIX", "logs"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]);
    let _process = Process::start(command);
    for expected in ["GET /2018-06-01/runtime/invocation/next", "POST /2018-06-01/runtime/invocation/r0/response"] {
        let line = requests.recv_timeout(DEADLINE).unwrap();
        assert!(line.starts_with(expected), "{line}");
    }
}

fn probe() -> String {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(br#"{"messageType":"CONTROL_MESSAGE"}"#).unwrap();
    json!({ "awslogs": { "data": BASE64_STANDARD.encode(gzip.finish().unwrap()) } }).to_string()
}

/// The build script of this checkout writes a file in the place of a runtime. The program is copied into the checkout,
/// where it finds no real runtime.
#[test]
fn up_in_a_source_checkout_builds_the_runtime_that_is_missing() {
    let checkout = tempfile::tempdir().unwrap();
    let script = checkout.path().join("runtime/build.sh");
    std::fs::create_dir_all(script.parent().unwrap()).unwrap();
    let program = checkout.path().join("provision");
    std::fs::copy(env!("CARGO_BIN_EXE_provision"), &program).unwrap();
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/hello.yaml");
    let up = |build: &str, arguments: &[&str]| {
        std::fs::write(&script, format!("#!/bin/sh\n{build}\n")).unwrap();
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(&program);
        command.args(["up", stack.to_str().unwrap(), "--region", "eu-west-1"]).args(arguments);
        command.current_dir(checkout.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        // Nobody answers at this address, so the program ends when it asks who it is.
        command.envs([("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_EC2_METADATA_DISABLED", "true")]);
        command.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("PROVISION_TIME_SCALE", "1000"),
        ]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = up("echo built > built", &[]);
    assert!(said.contains("runtime/build.sh builds it") && !checkout.path().join("built").exists(), "{said}");

    let said = up("echo the compiler is not there >&2; exit 3", &["--yes"]);
    assert!(said.contains("the compiler is not there"), "{said}");
    assert!(said.contains("error: building the runtime: ") && said.contains("exit status: 3"), "{said}");

    let said = up("echo x86_64 = $1 > built", &["--yes"]);
    assert!(said.contains("asking AWS who we are"), "{said}");
    assert_eq!(std::fs::read_to_string(checkout.path().join("built")).unwrap(), "x86_64 = x86_64\n");
}

/// The runtime for this machine's architecture, found once per test run.
fn runtime() -> &'static [u8] {
    static RUNTIME: OnceLock<Vec<u8>> = OnceLock::new();
    RUNTIME.get_or_init(|| std::fs::read(find_or_build()).unwrap())
}

fn find_or_build() -> PathBuf {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => Architecture::Arm64,
        _ => Architecture::X86_64,
    };
    if let Ok(path) = image::find_runtime(architecture) {
        return path;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/build.sh");
    let output = Command::new(script).arg(std::env::consts::ARCH).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "runtime/build.sh failed");
    let stdout = String::from_utf8(output.stdout).unwrap();
    PathBuf::from(stdout.lines().last().unwrap())
}

fn unpacked_rootfs() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    // The user of the image must be able to enter the folder.
    std::fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    let rootfs = image::rootfs(runtime()).unwrap();
    let mut archive = tar::Archive::new(rootfs.as_slice());
    archive.set_preserve_permissions(true);
    archive.unpack(root.path()).unwrap();
    root
}

/// Runs a command in the root. As root it is the image's own user. Else it is the root of a user namespace, the only
/// user that there is in it.
fn in_root(root: &Path) -> Command {
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    let mut command = if id == b"0\n" {
        let mut chroot = Command::new("chroot");
        chroot.arg("--userspec=65532:65532");
        chroot
    } else {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "chroot"]);
        unshare
    };
    command.arg(root);
    // The search path is for `chroot` itself, which is in a folder that only root has in its path.
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

struct Process {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Process { child, lines }
    }

    fn line(&self, event: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(DEADLINE).unwrap();
            let value: Value = serde_json::from_str(&line).expect(&line);
            if value["event"] == event {
                return value;
            }
        }
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it did not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
