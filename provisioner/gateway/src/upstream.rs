//! The emulators: child processes on loopback, started when a call first needs them.

use crate::answer::Answer;
use crate::request::Request;
use crate::route::Base;
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// The account that both emulators report.
pub const ACCOUNT: &str = "123456789012";

/// The longest time until an emulator first answers, on a machine busy with builds.
const START: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulator {
    Moto,
    Ministack,
}

/// The program around each emulator. Both emulators run as Python programs that end when their standard input closes.
/// So an emulator never outlives the process that started it, however that process ends.
const WATCH: &str = "import os, sys, threading\ndef watch():\n    sys.stdin.buffer.read()\n    os._exit(0)\nthreading.Thread(target=watch, daemon=True).start()\n";

impl Emulator {
    fn name(self) -> &'static str {
        match self {
            Emulator::Moto => "moto",
            Emulator::Ministack => "ministack",
        }
    }

    fn command(self, home: &Path, port: u16) -> Command {
        let (venv, main) = match self {
            Emulator::Moto => ("venv", format!("from moto.server import main\nmain(['-H', '127.0.0.1', '-p', '{port}'])")),
            Emulator::Ministack => ("ministack", "from ministack.app import main\nmain()".to_owned()),
        };
        let mut command = Command::new(home.join(venv).join("bin/python"));
        command.arg("-c").arg(format!("{WATCH}sys.argv = ['{}']\n{main}", self.name()));
        // On AWS, the managed policies of AWS are always there.
        command.envs([("MOTO_ACCOUNT_ID", ACCOUNT), ("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")]);
        command.envs([("BIND_HOST", "127.0.0.1"), ("MINISTACK_ACCOUNT_ID", ACCOUNT), ("MINISTACK_REGION", "eu-west-1")]);
        command.env("GATEWAY_PORT", port.to_string());
        // The emulator gets nothing of the caller's AWS set-up, and no containers.
        for name in ["AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "DOCKER_HOST"] {
            command.env_remove(name);
        }
        command
    }

    fn reset_path(self) -> &'static str {
        match self {
            Emulator::Moto => "/moto-api/reset",
            Emulator::Ministack => "/_ministack/reset",
        }
    }
}

/// A running emulator. It ends with its last owner.
#[derive(Debug)]
struct Running {
    port: u16,
    child: Option<Mutex<Child>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(Ok(child)) = self.child.as_ref().map(Mutex::lock) {
            let mut child = child;
            // It may have ended by itself. Either way it is gone now.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The emulators of one or many gateways. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    moto: Arc<OnceCell<Running>>,
    ministack: Arc<OnceCell<Running>>,
}

impl Upstreams {
    /// Emulators of which none runs until a call needs it.
    pub fn lazy() -> Self {
        Self::default()
    }

    /// Starts the emulator of a base now.
    pub async fn start(base: Base) -> Result<Self> {
        let upstreams = Self::default();
        let emulator = match base {
            Base::Moto => Emulator::Moto,
            Base::Ministack => Emulator::Ministack,
        };
        upstreams.port(emulator).await?;
        Ok(upstreams)
    }

    /// Emulators that someone else runs.
    pub fn at(moto: Option<u16>, ministack: Option<u16>) -> Self {
        let cell = |port: Option<u16>| Arc::new(OnceCell::new_with(port.map(|port| Running { port, child: None })));
        Upstreams { moto: cell(moto), ministack: cell(ministack) }
    }

    fn cell(&self, emulator: Emulator) -> &OnceCell<Running> {
        match emulator {
            Emulator::Moto => &self.moto,
            Emulator::Ministack => &self.ministack,
        }
    }

    /// The port of an emulator, started if it is not running yet.
    pub async fn port(&self, emulator: Emulator) -> Result<u16> {
        let running = self.cell(emulator).get_or_try_init(|| launch(emulator)).await?;
        Ok(running.port)
    }

    /// An emulator's own answer, without any work of the gateway.
    pub async fn ask(&self, emulator: Emulator, request: &Request) -> Result<Answer> {
        let (status, headers, bytes) = send(&client(), self.port(emulator).await?, request).await?;
        Ok(Answer::parse(request, status, headers, bytes))
    }

    /// Empties the emulators that run.
    pub async fn reset(&self) -> Result<()> {
        for emulator in [Emulator::Moto, Emulator::Ministack] {
            if let Some(running) = self.cell(emulator).get() {
                post(running.port, emulator.reset_path(), "").await.with_context(|| format!("reset {}", emulator.name()))?;
                prepare(emulator, running.port).await?;
            }
        }
        Ok(())
    }
}

/// The folder into which install.sh put the emulators.
pub fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.emulators")
}

async fn launch(emulator: Emulator) -> Result<Running> {
    let home = home();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).context("find a free port")?.port();
    let logs = home.join("logs");
    fs::create_dir_all(&logs).with_context(|| format!("make {}", logs.display()))?;
    sweep(&logs);
    let log_path = logs.join(format!("{}-{port}.log", emulator.name()));
    let log = File::create(&log_path).with_context(|| format!("write {}", log_path.display()))?;
    let child = emulator
        .command(&home, port)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().context("share the log")?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("start {} (has provisioner/gateway/install.sh been run?)", emulator.name()))?;
    let running = Running { port, child: Some(Mutex::new(child)) };
    let began = Instant::now();
    while let Err(why) = prepare(emulator, port).await {
        if let Some(Ok(mut child)) = running.child.as_ref().map(Mutex::lock)
            && let Ok(Some(status)) = child.try_wait()
        {
            bail!("{} ended with {status}: see {}", emulator.name(), log_path.display());
        }
        if began.elapsed() > START {
            return Err(why.context(format!("{} does not answer: see {}", emulator.name(), log_path.display())));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(running)
}

/// Removes logs that are older than an hour. A log that cannot be removed stays.
fn sweep(logs: &Path) {
    for entry in fs::read_dir(logs).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|when| when.elapsed().ok());
        if age.is_some_and(|age| age > Duration::from_secs(3600)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes the settings that a start and a reset need.
async fn prepare(emulator: Emulator, port: u16) -> Result<()> {
    match emulator {
        Emulator::Moto => post(port, "/moto-api/config", r#"{"lambda":{"use_docker":false}}"#).await,
        Emulator::Ministack => get(port, "/_ministack/health").await,
    }
}

/// A client that opens a connection per call: emulators drop idle connections without notice, and loopback is cheap.
pub(crate) fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http()
}

type Headers = Vec<(String, String)>;

pub(crate) async fn send(
    client: &Client<HttpConnector, Full<Bytes>>,
    port: u16,
    request: &Request,
) -> Result<(u16, Headers, Bytes)> {
    let mut upstream =
        http::Request::builder().method(request.method.as_str()).uri(format!("http://127.0.0.1:{port}{}", request.target));
    for (name, value) in &request.headers {
        // The Host header stays the gateway's: emulators make the URLs of queues and registries from it.
        if !["accept-encoding", "connection", "content-length", "transfer-encoding", "expect"].contains(&name.as_str()) {
            upstream = upstream.header(name, value);
        }
    }
    let answer = client.request(upstream.body(Full::new(request.body.clone()))?).await.context("emulator does not answer")?;
    let (head, body) = answer.into_parts();
    let bytes = body.collect().await.context("emulator's answer breaks off")?.to_bytes();
    let mut headers = Vec::new();
    for (name, value) in &head.headers {
        if !["connection", "content-length", "transfer-encoding", "keep-alive", "date"].contains(&name.as_str()) {
            headers.push((name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
    }
    Ok((head.status.as_u16(), headers, bytes))
}

async fn post(port: u16, path: &str, body: &str) -> Result<()> {
    call(port, "POST", path, body).await
}

async fn get(port: u16, path: &str) -> Result<()> {
    call(port, "GET", path, "").await
}

async fn call(port: u16, method: &str, path: &str, body: &str) -> Result<()> {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://127.0.0.1:{port}{path}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_owned())))?;
    let answer = client().request(request).await?;
    let status = answer.status();
    let text = answer.into_body().collect().await?.to_bytes();
    if status.is_success() {
        return Ok(());
    }
    Err(anyhow!("{method} {path}: {status} {}", String::from_utf8_lossy(&text)))
}
