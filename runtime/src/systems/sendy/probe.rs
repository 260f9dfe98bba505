//! The probe of Sendy. It follows one reservation on its whole way, from outside in, and times each hop. Then it
//! deletes the reservation.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
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
use crate::http::client::{Answer, Client};
use crate::telemetry;

/// Runs the probe. It is an error if a hop failed. The lines say which hop, and how long each took.
pub async fn run(environment: &Environment) -> anyhow::Result<()> {
    let config = Probe::read(environment)?;
    telemetry::init(&config.telemetry);
    let started = Instant::now();
    // The signals are caught from here on, before there is anything to delete. A signal waits until there is.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let database = config.database.as_ref().map(Database::new).transpose()?;
    let probe = Walk { client: Client::new()?, name: format!("probe {:016x}", fastrand::u64(..)), config, database };
    let id = hop("reserve", probe.reserve()).await?;
    let walked = tokio::select! {
        walked = probe.rest(id) => walked,
        _ = terminate.recv() => Err(anyhow::anyhow!("stopped by SIGTERM")),
        _ = interrupt.recv() => Err(anyhow::anyhow!("stopped by SIGINT")),
    };
    // The reservation is deleted also after a hop that failed, or a signal. Nobody is to find the probe's reservation
    // tomorrow.
    let removed = hop("delete", probe.delete(id)).await;
    walked.and(removed)?;
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
    /// The name by which the probe finds its row, and the line of the row in the log.
    name: String,
}

impl Walk {
    async fn rest(&self, id: i64) -> anyhow::Result<()> {
        match &self.database {
            Some(database) => {
                hop("primary", self.row_on(&database.primary, id)).await?;
                match &database.replica {
                    Some(replica) => hop("replica", self.row_on(replica, id)).await?,
                    None => skip("replica", "DATABASE_REPLICA_HOST is not set"),
                }
            }
            None => {
                skip("primary", "DATABASE_HOST is not set");
                skip("replica", "DATABASE_HOST is not set");
            }
        }
        hop("notification", self.notified(id)).await?;
        hop("lookup miss", self.looked_up(id, "miss")).await?;
        hop("lookup hit", self.looked_up(id, "hit")).await?;
        match &self.config.search {
            Some(search) => timed("log", LOG_TIMEOUT, self.logged(search)).await,
            None => {
                skip("log", "SEARCH_ENDPOINT is not set");
                Ok(())
            }
        }
    }

    async fn reserve(&self) -> anyhow::Result<i64> {
        let body = json!({ "departure": "서울", "destination": "부산", "date": "2022-06-07", "user_name": self.name });
        // The entry may not have a healthy target yet. The key makes it safe to ask again.
        let answer = loop {
            let answer = self.ask(Method::POST, "/reservations", Some(&body)).await?;
            if !matches!(answer.status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) {
                break answer;
            }
            tokio::time::sleep(PAUSE).await;
        };
        ensure!(answer.status == StatusCode::CREATED, "POST /reservations answered {}", answer.status);
        json_of(&answer)?["id"].as_i64().context("the answer has no id")
    }

    async fn row_on(&self, server: &Server, id: i64) -> anyhow::Result<()> {
        loop {
            let mut connection = server.connection().await?;
            let asked = connection.exec_first("SELECT user_name FROM reservations WHERE id = ?", (id,)).await;
            match asked {
                Ok(Some(name)) if name == self.name => return Ok(()),
                Ok(Some::<String>(_)) => bail!("the row {id} is another one"),
                Ok(None) => {}
                // A young replica does not have the schema yet.
                Err(error) if database::code(&error) == Some(database::NO_SUCH_TABLE) => {}
                Err(error) => return Err(error.into()),
            }
            drop(connection);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn notified(&self, id: i64) -> anyhow::Result<()> {
        let mut after = 0;
        loop {
            let answer = self.ask(Method::GET, &format!("/notifications?after={after}"), None).await?;
            ensure!(answer.status.is_success(), "GET /notifications answered {}", answer.status);
            let items = json_of(&answer)?;
            let items = items.as_array().context("the feed is not an array")?;
            if items.iter().any(|item| item["reservationId"].as_i64() == Some(id)) {
                return Ok(());
            }
            after = items.last().and_then(|item| item["id"].as_u64()).unwrap_or(after);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn looked_up(&self, id: i64, expected: &str) -> anyhow::Result<()> {
        let path = format!("/reservations/{id}");
        let answer = self.ask(Method::GET, &path, None).await?;
        ensure!(answer.status == StatusCode::OK, "GET {path} answered {}", answer.status);
        ensure!(json_of(&answer)?["user_name"] == self.name.as_str(), "GET {path} answered with another row");
        let mark = answer.headers.get(X_CACHE).and_then(|mark| mark.to_str().ok()).unwrap_or("nothing");
        ensure!(mark == expected, "{X_CACHE} is {mark}, expected {expected}");
        Ok(())
    }

    async fn logged(&self, search: &Uri) -> anyhow::Result<()> {
        let query = json!({ "query": { "match_phrase": { "user_name": self.name } } });
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

    async fn delete(&self, id: i64) -> anyhow::Result<()> {
        let answer = self.ask(Method::DELETE, &format!("/reservations/{id}"), None).await?;
        ensure!(answer.status.is_success(), "DELETE /reservations/{id} answered {}", answer.status);
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let base = self.config.entry.to_string();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", base.trim_end_matches('/')))
            .header("content-type", "application/json")
            .header("idempotency-key", self.name.replace(' ', "-"))
            .body(Full::from(body.map(Value::to_string).map(Bytes::from).unwrap_or_default()))?;
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
