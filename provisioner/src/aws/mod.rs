//! The way to AWS: credentials, clients, one error type, rate limits.

pub mod denial;
mod error;
pub mod evidence;
pub mod lease;
pub mod limits;
mod look;
pub mod new_key;
pub mod plain;
pub mod policy;
pub mod principal;
pub mod surroundings;
pub mod take;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

pub use error::Error;
pub use look::{Look, Proof, Tags};

use limits::RateOf;
use new_key::NewKey;

use futures_util::StreamExt;

use crate::image::artefacts::Artefacts;
use crate::scope::Scope;
use crate::wait::Clock;

/// How to reach AWS, as the command line says.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub profile: Option<String>,
    pub region: Option<String>,
    pub endpoint_url: Option<String>,
}

/// Everything that a kind needs for its calls: the scope of the stack, the clock, and a client per service.
pub struct Cx {
    pub scope: Scope,
    pub clock: Clock,
    pub stop: Arc<Stop>,
    /// The key that this run has made, while KMS does not count its tags yet.
    pub new_key: Arc<NewKey>,
    /// The runtime as an image and as a Lambda package, if the stack uses it.
    pub artefacts: Arc<Artefacts>,
    pub acm: aws_sdk_acm::Client,
    pub apigateway: aws_sdk_apigatewayv2::Client,
    pub apigateway_once: aws_sdk_apigatewayv2::Client,
    pub autoscaling: aws_sdk_applicationautoscaling::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub dynamodb_streams: aws_sdk_dynamodbstreams::Client,
    pub ec2: aws_sdk_ec2::Client,
    /// A client without retries. It is for creates that AWS would carry out twice: only our own look before the next
    /// try prevents that.
    pub ec2_once: aws_sdk_ec2::Client,
    pub ecr: aws_sdk_ecr::Client,
    pub ecs: aws_sdk_ecs::Client,
    pub ecs_once: aws_sdk_ecs::Client,
    pub elasticache: aws_sdk_elasticache::Client,
    pub elbv2: aws_sdk_elasticloadbalancingv2::Client,
    pub events: aws_sdk_eventbridge::Client,
    pub iam: aws_sdk_iam::Client,
    pub kms: aws_sdk_kms::Client,
    pub kms_once: aws_sdk_kms::Client,
    pub lambda: aws_sdk_lambda::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub opensearch: aws_sdk_opensearch::Client,
    pub quotas: aws_sdk_servicequotas::Client,
    pub rds: aws_sdk_rds::Client,
    pub secrets: aws_sdk_secretsmanager::Client,
    pub sns: aws_sdk_sns::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub sts: aws_sdk_sts::Client,
    tagging: aws_sdk_resourcegroupstagging::Client,
}

/// The account and the user of the credentials, as AWS reports them.
pub struct Caller {
    pub account: String,
    pub arn: String,
}

/// Loads credentials and settings from the usual sources: environment, profile, SSO, process, container, instance.
pub async fn connect(access: &Access, region: Option<&str>, clock: Clock, rate_of: RateOf) -> SdkConfig {
    let mut loader = settings(clock, rate_of);
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &access.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    match config.credentials_provider() {
        Some(provider) => {
            let clean = SharedCredentialsProvider::new(surroundings::Clean(provider));
            config.to_builder().credentials_provider(clean).build()
        }
        None => config,
    }
}

/// The settings of this program, before anything that depends on an account.
pub fn settings(clock: Clock, rate_of: RateOf) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(limits::http_client(clock, rate_of))
        .retry_config(retries(clock))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(60)).build())
}

/// Asks AWS whose credentials these are.
pub async fn caller(config: &SdkConfig) -> Result<Caller, Error> {
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await?;
    Ok(Caller {
        account: answer.account().unwrap_or_default().to_owned(),
        arn: answer.arn().unwrap_or_default().to_owned(),
    })
}

impl Cx {
    pub fn new(scope: Scope, clock: Clock, config: &SdkConfig, artefacts: Artefacts) -> Cx {
        let once = config.to_builder().retry_config(RetryConfig::disabled()).build();
        Cx {
            scope,
            clock,
            stop: Arc::default(),
            new_key: Arc::default(),
            artefacts: Arc::new(artefacts),
            acm: aws_sdk_acm::Client::new(config),
            apigateway: aws_sdk_apigatewayv2::Client::new(config),
            apigateway_once: aws_sdk_apigatewayv2::Client::new(&once),
            autoscaling: aws_sdk_applicationautoscaling::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            dynamodb_streams: aws_sdk_dynamodbstreams::Client::new(config),
            ec2: aws_sdk_ec2::Client::new(config),
            ec2_once: aws_sdk_ec2::Client::new(&once),
            ecr: aws_sdk_ecr::Client::new(config),
            ecs: aws_sdk_ecs::Client::new(config),
            ecs_once: aws_sdk_ecs::Client::new(&once),
            elasticache: aws_sdk_elasticache::Client::new(config),
            elbv2: aws_sdk_elasticloadbalancingv2::Client::new(config),
            events: aws_sdk_eventbridge::Client::new(config),
            iam: aws_sdk_iam::Client::new(config),
            kms: aws_sdk_kms::Client::new(config),
            kms_once: aws_sdk_kms::Client::new(&once),
            lambda: aws_sdk_lambda::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            opensearch: aws_sdk_opensearch::Client::new(config),
            quotas: aws_sdk_servicequotas::Client::new(config),
            rds: aws_sdk_rds::Client::new(config),
            secrets: aws_sdk_secretsmanager::Client::new(config),
            sns: aws_sdk_sns::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            sts: aws_sdk_sts::Client::new(config),
            tagging: aws_sdk_resourcegroupstagging::Client::new(config),
        }
    }
}

/// Calls for each item, 16 at once, and returns the answers in the order of the items.
pub async fn each<T, R, F>(items: Vec<T>, call: impl Fn(T) -> F) -> Vec<R>
where
    F: Future<Output = R>,
{
    futures_util::stream::iter(items).map(call).buffered(16).collect().await
}

/// Everything that the calls for the items find, as [`each`] does it, or the first error.
pub async fn collect<T, R, L, F>(items: Vec<T>, call: impl Fn(T) -> F) -> Result<Vec<R>, Error>
where
    F: Future<Output = Result<L, Error>>,
    L: IntoIterator<Item = R>,
{
    let mut all = Vec::new();
    for found in each(items, call).await {
        all.extend(found?);
    }
    Ok(all)
}

/// Why no new call that changes something may start.
#[derive(Debug, Default)]
pub struct Stop {
    interrupted: AtomicBool,
    lease_lost: AtomicBool,
    login: AtomicBool,
    forced: AtomicBool,
}

impl Stop {
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
    }

    /// Makes the run end without waiting even for the calls in flight.
    pub fn force(&self) {
        self.forced.store(true, Ordering::SeqCst);
    }

    pub fn is_forced(&self) -> bool {
        self.forced.load(Ordering::SeqCst)
    }

    pub fn lose_lease(&self) {
        self.lease_lost.store(true, Ordering::SeqCst);
    }

    pub fn lose_login(&self) {
        self.login.store(true, Ordering::SeqCst);
    }

    pub fn reason(&self) -> Option<&'static str> {
        match self {
            stop if stop.interrupted.load(Ordering::SeqCst) => Some("interrupted"),
            stop if stop.lease_lost.load(Ordering::SeqCst) => Some("the lease could not be renewed"),
            stop if stop.login.load(Ordering::SeqCst) => Some("the credentials have expired"),
            _ => None,
        }
    }
}

fn retries(clock: Clock) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(6)
        .with_initial_backoff(clock.seconds(0.5).max(Duration::from_millis(5)))
        .with_max_backoff(clock.seconds(10.0).max(Duration::from_millis(10)))
}
