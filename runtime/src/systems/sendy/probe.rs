//! The probe of Sendy. It sends one event that everybody counts and nobody applies on the whole way of a reservation,
//! from outside in, and times each hop. It leaves everything as it was: what people can see, and the next ids.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_credential_types::provider::ProvideCredentials;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::config::Probe;
use super::lookup::X_CACHE;
use crate::aws::{self, signed};
use crate::config::{Aws, Environment};
use crate::data::database::{self, Database, Server};
use crate::data::freshness;
use crate::events::probe::HEADER;
use crate::http::client::{Answer, Client};
use crate::telemetry;

/// Runs the probe. It is an error if a hop failed. The lines say which hop, and how long each took.
pub async fn run(environment: &Environment) -> anyhow::Result<()> {
    let config = Probe::read(environment)?;
    telemetry::init(&config.telemetry);
    let started = Instant::now();
    // The first process of a container gets no signal that it does not catch.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let database = config.database.as_ref().map(Database::new).transpose()?;
    let probe = Walk { client: Client::new()?, name: format!("probe-{:016x}", fastrand::u64(..)), config, database };
    tokio::select! {
        walked = probe.walk() => walked?,
        _ = terminate.recv() => anyhow::bail!("stopped by SIGTERM"),
        _ = interrupt.recv() => anyhow::bail!("stopped by SIGINT"),
    }
    telemetry::info("probe.passed", &json!({ "milliseconds": milliseconds(started) }));
    Ok(())
}

/// The time for each hop. The hop to the log has longer.
const HOP_TIMEOUT: Duration = Duration::from_secs(30);
/// The patience with a search engine that answers with a failure.
const SEARCH_PATIENCE: Duration = Duration::from_secs(15);
/// The time for the hop to the log. CloudWatch Logs hands events on within seconds, and a search engine refreshes once
/// a second.
const LOG_TIMEOUT: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(100);

struct Walk {
    config: Probe,
    client: Client,
    database: Option<Database>,
    /// The mark of the event. No reservation has it in a field.
    name: String,
}

impl Walk {
    async fn walk(&self) -> anyhow::Result<()> {
        hop("reservation", self.sent()).await?;
        match &self.database {
            Some(database) => {
                let before = hop("primary", heartbeat(&database.primary)).await?;
                match &database.replica {
                    Some(replica) => hop("replica", passed(replica, before)).await?,
                    None => skip("replica", "DATABASE_REPLICA_HOST is not set"),
                }
            }
            None => {
                skip("primary", "DATABASE_HOST is not set");
                skip("replica", "DATABASE_HOST is not set");
            }
        }
        hop("notification", self.counted()).await?;
        hop("lookup miss", self.missed()).await?;
        hop("lookup hit", self.hit()).await?;
        match &self.config.search {
            Some(search) => timed("log", LOG_TIMEOUT, self.logged(search)).await,
            None => {
                skip("log", "SEARCH_ENDPOINT is not set: no line of a probe is shipped");
                Ok(())
            }
        }
    }

    /// Hands the event to the service that writes. The service puts it into the outbox on the primary.
    async fn sent(&self) -> anyhow::Result<()> {
        // The entry may not have a healthy target yet. An event that is sent twice is counted twice, and no more.
        let answer = loop {
            let answer = self.ask(Method::POST, "/reservations").await?;
            if !matches!(answer.status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) {
                break answer;
            }
            tokio::time::sleep(PAUSE).await;
        };
        ensure!(answer.status == StatusCode::ACCEPTED, "POST /reservations answered {}", answer.status);
        Ok(())
    }

    /// Waits until the event has come through topic and queue to the service that tells the drivers.
    async fn counted(&self) -> anyhow::Result<()> {
        loop {
            let answer = self.ask(Method::GET, &format!("/notifications/probes/{}", self.name)).await?;
            ensure!(answer.status.is_success(), "GET /notifications/probes answered {}", answer.status);
            if json_of(&answer)?["seen"] == true {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A search for the name of the probe finds nothing, and the cache does not know that yet.
    async fn missed(&self) -> anyhow::Result<()> {
        let mark = self.searched().await?;
        ensure!(mark == "miss", "{X_CACHE} is {mark}, expected miss");
        Ok(())
    }

    /// Now the cache knows it. If somebody writes a reservation in between, the cache forgets all lists. So the search
    /// is repeated.
    async fn hit(&self) -> anyhow::Result<()> {
        loop {
            for _ in 0..2 {
                match self.searched().await?.as_str() {
                    "hit" => return Ok(()),
                    mark => ensure!(mark == "miss", "{X_CACHE} is {mark}, expected hit"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Searches for the name of the probe, and says where the answer came from.
    async fn searched(&self) -> anyhow::Result<String> {
        let answer = self.ask(Method::GET, &format!("/reservations?search={}", self.name)).await?;
        ensure!(answer.status == StatusCode::OK, "GET /reservations answered {}", answer.status);
        ensure!(json_of(&answer)?["jobs"] == json!([]), "GET /reservations found what nobody has reserved");
        let mark = answer.headers.get(X_CACHE).and_then(|mark| mark.to_str().ok());
        Ok(mark.unwrap_or("nothing").to_owned())
    }

    /// Waits until the search engine has the line with which the first service has counted the event.
    async fn logged(&self, search: &Uri) -> anyhow::Result<()> {
        let query = json!({ "query": { "match_phrase": { "probe": self.name } } });
        let path = format!("/{}/_search?ignore_unavailable=true", self.config.index);
        let begun = Instant::now();
        loop {
            let answer = self.search(search, &path, &query).await?;
            // For a moment a new index has no shard to ask. A busy domain also answers so.
            let busy = answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS;
            let waits = busy && begun.elapsed() < SEARCH_PATIENCE;
            ensure!(answer.status.is_success() || waits, "the search answered {}", answer.status);
            if !busy && json_of(&answer)?["hits"]["total"]["value"].as_u64().unwrap_or(0) > 0 {
                return Ok(());
            }
            tokio::time::sleep(PAUSE * 5).await;
        }
    }

    /// Sends a request that is marked as the probe's. A service that does not know the mark refuses the empty object.
    async fn ask(&self, method: Method, path: &str) -> anyhow::Result<Answer> {
        let base = self.config.entry.to_string();
        let body = if method == Method::POST { "{}" } else { "" };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", base.trim_end_matches('/')))
            .header("content-type", "application/json")
            .header(HEADER, &self.name)
            .body(Full::from(Bytes::from_static(body.as_bytes())))?;
        self.client.send(request).await.with_context(|| format!("asking {base}"))
    }

    /// Asks the search engine. The request is signed if there are credentials.
    async fn search(&self, search: &Uri, path: &str, query: &Value) -> anyhow::Result<Answer> {
        let body = query.to_string().into_bytes();
        let sdk = aws::config(&self.config.region).await;
        let credentials = match sdk.credentials_provider() {
            Some(provider) => provider.provide_credentials().await.ok(),
            None => None,
        };
        let headers = [("content-type", "application/json")];
        let request = match credentials {
            Some(credentials) => {
                let aws = Aws { region: self.config.region.clone(), credentials };
                signed::request(&aws, "es", Method::POST, search, path, &headers, body)?
            }
            None => {
                let uri = format!("{}{path}", search.to_string().trim_end_matches('/'));
                Request::post(uri).header(headers[0].0, headers[0].1).body(Full::from(body))?
            }
        };
        self.client.send(request).await.context("asking the search domain")
    }
}

/// Reads how far the heartbeat of a server is, which the owner of the schema counts up on the primary.
async fn heartbeat(server: &Server) -> anyhow::Result<u64> {
    loop {
        let mut connection = server.connection().await?;
        match connection.query_first(freshness::BEAT).await {
            Ok(Some(beat)) => return Ok(beat),
            // A young replica does not have the schema yet.
            Ok(None) => {}
            Err(error) if database::code(&error) == Some(database::NO_SUCH_TABLE) => {}
            Err(error) => return Err(error.into()),
        }
        drop(connection);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until a replica is past the heartbeat that the primary had. Then it has the event of this probe too.
async fn passed(replica: &Server, before: u64) -> anyhow::Result<()> {
    while heartbeat(replica).await? <= before {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn hop<T>(name: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    timed(name, HOP_TIMEOUT, work).await
}

async fn timed<T>(name: &str, time: Duration, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let started = Instant::now();
    let outcome = tokio::time::timeout(time, work)
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("not there within {} s", time.as_secs())));
    let milliseconds = milliseconds(started);
    match outcome {
        Ok(value) => {
            telemetry::info("probe.hop", &json!({ "hop": name, "status": "ok", "milliseconds": milliseconds }));
            Ok(value)
        }
        Err(error) => {
            let message = format!("{error:#}");
            let line = json!({ "hop": name, "status": "failed", "milliseconds": milliseconds, "message": message });
            telemetry::error("probe.hop", &line);
            Err(error.context(format!("the hop `{name}`")))
        }
    }
}

fn skip(name: &str, why: &str) {
    telemetry::info("probe.hop", &json!({ "hop": name, "status": "skipped", "message": why }));
}

fn json_of(answer: &Answer) -> anyhow::Result<Value> {
    serde_json::from_slice(&answer.body).map_err(|_| anyhow::anyhow!("the answer is not JSON"))
}

fn milliseconds(started: Instant) -> f64 {
    (started.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
