use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Parser, Subcommand};
use runtime::background::Background;
use runtime::config::{self, Environment};
use runtime::data::schema;
use runtime::forwarder::follow;
use runtime::functions::{self, Function, lambda};
use runtime::http::{health, server};
use runtime::systems::{self, Run};
use runtime::{forwarder, telemetry};
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
    Serve {
        #[arg(value_parser = roles())]
        role: String,
    },
    /// Bring the schema of the database up to date, as its owner, and end
    Migrate {
        /// The name of the schema, instead of MIGRATE_SCHEMA
        schema: Option<String>,
    },
    /// Follow something on its whole way through a system; the exit code says whether each hop worked
    Probe {
        /// The system, instead of PROBE_SYSTEM; it is needed where several systems have a probe
        system: Option<String>,
    },
    /// Ship log lines, of files or of a log group, to a search engine, until SIGTERM
    Forward(follow::Arguments),
    /// Ask the server in this container whether it is healthy; the exit code says so
    Health,
}

fn main() -> ExitCode {
    // Among the libraries that speak TLS here, two use the process's provider instead of naming one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let environment = Environment::of_this_process();
    let outcome = match (Arguments::parse().command, environment.lambda_handler()) {
        (Some(Command::Serve { role }), _) => serve(&role, &environment),
        (Some(Command::Migrate { schema }), _) => migrate(schema.as_deref(), &environment),
        (Some(Command::Probe { system }), _) => probe(system.as_deref(), &environment),
        (Some(Command::Forward(arguments)), _) => forward(arguments, &environment),
        (Some(Command::Health), _) => health::check(&environment),
        // Lambda starts `bootstrap` without arguments and names the role in `_HANDLER`.
        (None, Some(handler)) => invoke(&handler, environment),
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

/// The roles that can be served.
fn roles() -> PossibleValuesParser {
    PossibleValuesParser::new(roles::servers().map(|role| PossibleValue::new(role.name).help(role.about)))
}

fn serve(role: &str, environment: &Environment) -> anyhow::Result<()> {
    let Some(Run::Server(start)) = systems::role(role) else { anyhow::bail!("no role `{role}`") };
    // A second thread costs more than it gives on one core, or on the quarter of a core of a small task: 15 % of a
    // cached answer.
    let tokio = match std::thread::available_parallelism() {
        Ok(cores) if cores.get() > 1 => tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
    };
    tokio.block_on(async {
        let background = Background::new();
        let (serve, router) = start(environment, &background).await?;
        server::run(serve, router, background).await
    })
}

fn migrate(schema: Option<&str>, environment: &Environment) -> anyhow::Result<()> {
    let schema = systems::schema(schema.or(environment.get("MIGRATE_SCHEMA")))?;
    let config = config::Migrate::read(environment)?;
    telemetry::init(&config.telemetry);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(schema::migrate(&config.database, schema))?;
    Ok(())
}

fn probe(system: Option<&str>, environment: &Environment) -> anyhow::Result<()> {
    let probe = systems::probe(system.or_else(|| environment.get("PROBE_SYSTEM")))?;
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(probe(environment))
}

fn forward(arguments: follow::Arguments, environment: &Environment) -> anyhow::Result<()> {
    let config = config::Forwarder::read(environment)?;
    telemetry::init(&config.telemetry);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(follow::run(&forwarder::Forwarder::new(config)?, arguments))
}

fn invoke(handler: &str, environment: Environment) -> anyhow::Result<()> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(async {
        let lambda = lambda::Runtime::new(&environment)?;
        match function(handler, environment).await {
            Ok(function) => lambda.run(&function).await,
            // Without this report Lambda says only that the process ended.
            Err(error) => Err(lambda.report_init_error(error).await),
        }
    })
}

/// The function that a handler names: the log forwarder or the migration of a schema, which belong to no system, or a
/// role.
async fn function(handler: &str, environment: Environment) -> anyhow::Result<Function> {
    let environment = &config::secrets::fetched(environment).await?;
    match (handler, systems::role(handler)) {
        ("forwarder", _) => forwarder::function(environment),
        ("migrate", _) => {
            let schema = systems::schema(environment.get("MIGRATE_SCHEMA"))?;
            Ok(functions::migrate::function(config::Migrate::read(environment)?, schema))
        }
        (_, Some(Run::Function(make))) => make(environment).await,
        (other, _) => Err(anyhow::anyhow!("no role for the handler `{other}`")),
    }
}
