//! One call from end to end: count, break, refuse, forward, repair, observe, play, reword, answer.

use crate::answer::{Answer, common, fault};
use crate::request::Request;
use crate::route::route;
use crate::rules::Effect;
use crate::state::State;
use crate::upstream::{Emulator, Upstreams, client, send};
use crate::{Options, control, gaps, mutate};
use anyhow::{Context, Result};
use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) url: String,
    upstreams: Upstreams,
    client: Client<HttpConnector, Full<Bytes>>,
    record: Option<Mutex<File>>,
    state: Mutex<State>,
    /// The lock is held while twins are made: two calls at once would make two networks.
    pub(crate) twins: tokio::sync::Mutex<()>,
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection cut on order")
    }
}

impl std::error::Error for Cut {}

pub(crate) async fn bind(options: Options) -> Result<(TcpListener, Arc<Shared>)> {
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await.context("listen on loopback")?;
    let url = format!("http://{}", listener.local_addr()?);
    let record = match &options.record {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Some(Mutex::new(file.with_context(|| format!("record to {}", path.display()))?))
        }
        None => None,
    };
    let upstreams = options.upstreams.clone().unwrap_or_default();
    let shared = Shared {
        url,
        upstreams,
        client: client(),
        record,
        state: Mutex::new(State::new(options)),
        twins: tokio::sync::Mutex::default(),
    };
    Ok((listener, Arc::new(shared)))
}

pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Connections live as long as the gateway.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, shared.clone()));
            }
            // The process may be out of file descriptors. Others may close some.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // If this fails, only speed is lost.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(shared.clone(), request));
    // An error here means that a side closed the connection. Often it was the gateway.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(shared: Arc<Shared>, incoming: http::Request<Incoming>) -> Result<http::Response<Full<Bytes>>, Cut> {
    let (head, body) = incoming.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    if let Some(path) = target.strip_prefix("/_gateway/") {
        return Ok(control::answer(&shared, path, &body).await);
    }
    let headers = head.headers.iter().map(|(k, v)| (k.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect();
    let request = Request::read(head.method.as_str(), &target, headers, body);
    // A caller that is killed drops its connection. AWS would finish the call all the same.
    let call = tokio::spawn(async move { shared.call(&request).await });
    let answer = call.await.map_err(|_| Cut)??;
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(answer.bytes())).map_err(|_| Cut)
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere has already failed the test.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn reset(&self) -> Result<()> {
        self.upstreams.reset().await?;
        let mut state = self.state();
        let (options, policies) = (state.options.clone(), state.rights.policies.clone());
        *state = State::new(options);
        state.rights.policies = policies;
        Ok(())
    }

    async fn call(&self, request: &Request) -> Result<Answer, Cut> {
        let (n, effects) = self.state().arrive(request);
        self.write_down(n, request);
        let mut early = None;
        let mut late = None;
        for effect in effects {
            match effect {
                Effect::Nothing => {}
                Effect::Latency { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
                Effect::Hang { ms } => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    return self.cut(n, "hang");
                }
                Effect::ResetBefore => return self.cut(n, "reset before"),
                Effect::KillBefore => {
                    self.kill();
                    return self.cut(n, "kill before");
                }
                Effect::ResetAfter => late = Some("reset after"),
                Effect::KillAfter => late = Some("kill after"),
                Effect::Error { status, code, message } => early = early.or(Some(fault(status, &code, message))),
                Effect::Throttle
                | Effect::Internal
                | Effect::Unavailable
                | Effect::Denied
                | Effect::Expired
                | Effect::Bucket { .. } => {
                    early = early.or(effect.common().map(|which| common(request, which)));
                }
            }
        }
        let (answer, outcome) = match early {
            Some(fault) => (Answer::error(request, &fault), format!("fault {}", fault.code)),
            None => self.perform(n, request).await,
        };
        if let Some(how) = late {
            if how == "kill after" {
                self.kill();
            }
            return self.cut(n, how);
        }
        self.state().depart(n, Some(answer.status), outcome);
        Ok(answer)
    }

    async fn perform(&self, n: u64, request: &Request) -> (Answer, String) {
        let mut lowered = request.clone();
        if self.state().options.mutate {
            mutate::lower_names(&mut lowered);
        }
        let denied = gaps::denial::refusal(&self.state().repairs.denied, request);
        if let Some(fault) = denied {
            return (Answer::error(request, &fault), format!("fault {}", fault.code));
        }
        let forbidden = self.state().forbid(n, request);
        if let Some(fault) = forbidden {
            return (Answer::error(request, &fault), "refused rights".to_owned());
        }
        let verdict = self.state().refuse(n, &lowered);
        if let Some((fault, outcome)) = verdict {
            return (Answer::error(request, &fault), outcome);
        }
        let mut answer = match self.ask(&mut lowered).await {
            Ok(answer) => answer,
            Err(why) => Answer::error(request, &fault(502, "GatewayUpstream", format!("{why:#}"))),
        };
        self.state().learn(&lowered, &mut answer);
        self.state().learn_rights(request, &answer);
        let outcome = match answer.code() {
            Some(code) => format!("error {code}"),
            None if answer.ok() => "ok".to_owned(),
            None => format!("error {}", answer.status),
        };
        (answer, outcome)
    }

    /// The emulator's answer, with its gaps repaired.
    async fn ask(&self, request: &mut Request) -> Result<Answer> {
        if let Some(answer) = gaps::before(self, request).await? {
            return Ok(answer);
        }
        let mut answer = self.forward(request).await?;
        gaps::after(self, request, &mut answer).await?;
        Ok(answer)
    }

    /// The answer of the emulator that serves the request.
    pub(crate) async fn forward(&self, request: &Request) -> Result<Answer> {
        let base = self.state().options.base;
        self.forward_to(route(base, &request.service), request).await
    }

    pub(crate) async fn forward_to(&self, emulator: Emulator, request: &Request) -> Result<Answer> {
        let port = self.upstreams.port(emulator).await?;
        let (status, headers, mut bytes) = send(&self.client, port, request).await?;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let own = [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")];
            if own.iter().any(|url| text.contains(url)) {
                bytes = Bytes::from(text.replace(&own[0], &self.url).replace(&own[1], &self.url));
            }
        }
        Ok(Answer::parse(request, status, headers, bytes))
    }

    fn cut(&self, n: u64, how: &str) -> Result<Answer, Cut> {
        self.state().depart(n, None, how.to_owned());
        Err(Cut)
    }

    fn kill(&self) {
        if let Some(pid) = self.state().victim {
            // The victim may have ended already.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
    }

    /// Writes one line about the request, for validators outside of this process.
    fn write_down(&self, n: u64, request: &Request) {
        let Some(file) = &self.record else { return };
        let line = serde_json::json!({
            "id": n,
            "service": request.service,
            "action": request.action,
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
            "body_b64": base64::engine::general_purpose::STANDARD.encode(&request.body),
            "asks": self.state().rights.asked(request),
        });
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // If the disk is full, the validator misses the line.
        let _ = writeln!(file, "{line}");
    }
}
