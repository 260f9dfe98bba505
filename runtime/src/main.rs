use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use runtime::config::{Environment, Forwarder, Serve};
use runtime::forwarder::follow;
use runtime::{forwarder, health, hello, lambda, server, telemetry};
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
    /// Ship log lines, of files or of a log group, to a search engine, until SIGTERM
    Forward(follow::Arguments),
    /// Ask the server in this container whether it is healthy; the exit code says so
    Health,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    Hello,
}

fn main() -> ExitCode {
    let environment = Environment::of_this_process();
    let outcome = match (Arguments::parse().command, environment.lambda_handler()) {
        (Some(Command::Serve { role }), _) => serve(role, &environment),
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
    let config = Serve::read(environment)?;
    telemetry::init(&config.telemetry);
    let router = match role {
        Role::Hello => hello::router(&config.telemetry.service),
    };
    tokio::runtime::Runtime::new()?.block_on(server::run(config.listen, router))
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
