use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use runtime::background::Background;
use runtime::config::{self, Environment, Forwarder, Serve};
use runtime::forwarder::follow;
use runtime::{forwarder, health, hello, lambda, lookup, notification, probe, reservation, schema, server, telemetry};
use serde_json::json;

/// The service code that runs on a stack made by `provision`: one binary, many roles.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Answer HTTP requests in one role, until SIGTERM
    Serve { role: Role },
    /// Bring the schema of the database up to date, as its owner, and end
    Migrate,
    /// Make one reservation and follow it on its whole way; the exit code says whether each hop worked
    Probe,
    /// Ship log lines, of files or of a log group, to a search engine, until SIGTERM
    Forward(follow::Arguments),
    /// Ask the server in this container whether it is healthy; the exit code says so
    Health,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// Answers every path, to prove that a stack serves
    Hello,
    /// Writes reservations, and relays what follows from them
    Reservation,
    /// Reads reservations, through the cache
    Lookup,
    /// Takes events from the queue and serves them to drivers
    Notification,
}

fn main() -> ExitCode {
    // Of the libraries that speak TLS here, two ask for the process's provider instead of taking one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let environment = Environment::of_this_process();
    let outcome = match (Arguments::parse().command, environment.lambda_handler()) {
        (Some(Command::Serve { role }), _) => serve(role, &environment),
        (Some(Command::Migrate), _) => migrate(&environment),
        (Some(Command::Probe), _) => probe(&environment),
        (Some(Command::Forward(arguments)), _) => forward(arguments, &environment),
        (Some(Command::Health), _) => health::check(&environment),
        // Lambda starts `bootstrap` without arguments and names the role in `_HANDLER`.
        (None, Some(handler)) => invoke(&handler, &environment),
        (None, None) => Err(anyhow::anyhow!("no role: run `runtime serve <role>`, or see `runtime --help`")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::error("failed", &json!({ "message": format!("{error:#}") }));
            ExitCode::FAILURE
        }
    }
}

fn serve(role: Role, environment: &Environment) -> anyhow::Result<()> {
    // On one core, or the quarter of one that a small task has, a second thread only costs: 15 % of a cached answer.
    let tokio = match std::thread::available_parallelism() {
        Ok(cores) if cores.get() > 1 => tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
    };
    tokio.block_on(async {
        let background = Background::new();
        let (serve, router) = match role {
            Role::Hello => {
                let config = Serve::read(environment)?;
                telemetry::init(&config.telemetry);
                let router = hello::router(&config.telemetry.service);
                (config, router)
            }
            Role::Reservation => {
                let config = config::Reservation::read(environment)?;
                telemetry::init(&config.serve.telemetry);
                (config.serve.clone(), reservation::start(config, &background).await?)
            }
            Role::Lookup => {
                let config = config::Lookup::read(environment)?;
                telemetry::init(&config.serve.telemetry);
                (config.serve.clone(), lookup::start(config, &background).await?)
            }
            Role::Notification => {
                let config = config::Notification::read(environment)?;
                telemetry::init(&config.serve.telemetry);
                (config.serve.clone(), notification::start(config, &background).await?)
            }
        };
        server::run(serve, router, background).await
    })
}

fn migrate(environment: &Environment) -> anyhow::Result<()> {
    let config = config::Migrate::read(environment)?;
    telemetry::init(&config.telemetry);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(schema::migrate(&config.database))
}

fn probe(environment: &Environment) -> anyhow::Result<()> {
    let config = config::Probe::read(environment)?;
    telemetry::init(&config.telemetry);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(probe::run(config))
}

fn forward(arguments: follow::Arguments, environment: &Environment) -> anyhow::Result<()> {
    let config = Forwarder::read(environment)?;
    telemetry::init(&config.telemetry);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(follow::run(&forwarder::Forwarder::new(config)?, arguments))
}

fn invoke(handler: &str, environment: &Environment) -> anyhow::Result<()> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(async {
        let lambda = lambda::Runtime::new(environment)?;
        let forwarder = match handler {
            "forwarder" => Forwarder::read(environment).and_then(|config| {
                telemetry::init(&config.telemetry);
                forwarder::Forwarder::new(config)
            }),
            other => Err(anyhow::anyhow!("no role for the handler `{other}`")),
        };
        match forwarder {
            Ok(forwarder) => lambda.run(&forwarder).await,
            // Without this report Lambda says only that the process ended.
            Err(error) => Err(lambda.report_init_error(error).await),
        }
    })
}
