//! A session: a stack file and the account that it is for. Every command on AWS begins with it.

use std::ffi::OsString;
use std::path::Path;

use aws_config::SdkConfig;

use super::{boundary, existing_secrets};
use crate::aws::surroundings::{self, Mistake};
use crate::aws::take;
use crate::aws::{self, Access, Cx, Error, Proof};
use crate::commands::failure::Failure;
use crate::commands::options::Global;
use crate::commands::{allow_region, answer, load};
use crate::image::Digests;
use crate::image::artefacts::{self, Artefacts};
use crate::image::{self, Architecture};
use crate::kinds::{iam, rate_of};
use crate::plan::snapshot::Snapshot;
use crate::printer::Printer;
use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::aws::expand;
use crate::sections::aws::{Expanded, needs_runtime};
use crate::wait::Clock;
use crate::yaml::Problem;

/// A stack file, loaded for one environment, and the way to its account.
pub(crate) struct Session {
    pub(crate) cx: Cx,
    pub(crate) expanded: Expanded,
    pub(crate) principal: String,
    pub(crate) loaded: Loaded,
    pub(crate) digests: Digests,
    /// Why some secrets that somebody else made cannot be used.
    pub(super) problems: Vec<Problem>,
}

/// Loads the file, logs in, and works out the resources.
pub(crate) async fn open(file: &Path, global: &Global) -> Result<Session, Failure> {
    let loaded = load(file, global)?;
    log_in(&loaded, global, build_artefacts).await
}

/// Opens a session for `up`. If the stack needs the runtime and it is not built, it is built first, if people agree.
pub(crate) async fn open_and_build(file: &Path, global: &Global, printer: Printer) -> Result<Session, Failure> {
    let loaded = load(file, global)?;
    offer_runtime(&loaded, global, printer)?;
    log_in(&loaded, global, build_artefacts).await
}

/// Opens a session without the runtime, for commands that compare nothing. So nobody has to build the runtime for them.
pub(crate) async fn open_without_runtime(loaded: &Loaded, global: &Global) -> Result<Session, Failure> {
    log_in(loaded, global, |_| Ok(Artefacts::default())).await
}

async fn log_in(
    loaded: &Loaded,
    global: &Global,
    build: fn(&Loaded) -> Result<Artefacts, Failure>,
) -> Result<Session, Failure> {
    let access = Access {
        profile: global.profile.clone(),
        region: global.region.clone(),
        endpoint_url: global.endpoint_url.clone(),
    };
    let clock = Clock::new(time_scale()?);
    let region = access.region.clone().or_else(|| loaded.stack.region.clone());
    let config = connect(&access, region.as_deref(), clock).await?;
    let region = config.region().map(ToString::to_string).ok_or_else(no_region)?;
    allow_region(loaded, &region)?;
    let caller = aws::caller(&config).await.map_err(|error| {
        Failure::of(format!("asking AWS who we are, in {region}: {error}")).hint(login_hint(&error))
    })?;
    if let Some(account) = loaded.stack.account.as_ref().filter(|account| **account != caller.account) {
        return Err(Failure::of(format!(
            "the stack may only be deployed to account {account}, and these credentials are of {}",
            caller.account
        ))
        .hint("choose another --profile, or change `account:` in the stack file"));
    }
    let scope = Scope::of(loaded, caller.account, region);
    let artefacts = build(loaded)?;
    let mut digests = Digests {
        image: artefacts.image.as_ref().map(|image| image.manifest.digest.clone()).unwrap_or_default(),
        zip: artefacts.zip.as_ref().map(|zip| zip.sha256.clone()).unwrap_or_default(),
        ..Digests::default()
    };
    let (loaded, cx) = (loaded.clone(), Cx::new(scope, clock, &config, artefacts));
    let (found, problems) = existing_secrets::find(&cx, &loaded).await;
    digests.secrets = found;
    let mut expanded = expand(&loaded, &cx.scope, &digests);
    if boundary::is_wanted(&loaded, &expanded.desired) && boundary::is_there(&cx).await? {
        digests.boundary = Some(iam::boundary::arn(&cx.scope));
        expanded = expand(&loaded, &cx.scope, &digests);
    }
    Ok(Session { cx, expanded, principal: caller.arn, loaded, digests, problems })
}

/// In a source checkout, offers to build the runtime that the stack needs. If there is no terminal to ask on, the step
/// that misses the runtime says how to build it.
fn offer_runtime(loaded: &Loaded, global: &Global, printer: Printer) -> Result<(), Failure> {
    let (image, zip) = needs_runtime(loaded);
    if !(image || zip) || std::env::var_os("PROVISION_RUNTIME").is_some() {
        return Ok(());
    }
    let architecture = Architecture::X86_64;
    let (Err(_), Some(script)) = (image::find_runtime(architecture), image::build_script()) else { return Ok(()) };
    printer.talk(format!("the stack runs the bundled runtime, which is not built: {} builds it", script.display()));
    if answer(global, "Build it now? It takes some minutes. [y/N]", printer) != Some(true) {
        return Ok(());
    }
    image::build_runtime(&script, architecture).map_err(|error| {
        Failure::from(error).hint("the compiler says why above; when it is mended, run the same command again")
    })
}

/// Connects to AWS. Refuses settings of the environment that cannot work.
pub(crate) async fn connect(access: &Access, region: Option<&str>, clock: Clock) -> Result<SdkConfig, Failure> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let variables: Vec<(String, String)> = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
    let refuse = |mistakes: Vec<Mistake>| {
        Failure::errors(mistakes.into_iter().map(|Mistake { what, hint }| (what, Some(hint))).collect())
    };
    let mistakes = surroundings::mistakes(access, &variables);
    if !mistakes.is_empty() {
        return Err(refuse(mistakes));
    }
    let config = aws::connect(access, region, clock, rate_of).await;
    let found = config.region().map(ToString::to_string).unwrap_or_default();
    let named = |name: &&str| variables.iter().any(|(other, value)| other == name && *value == found);
    let from = match &access.region {
        Some(given) if *given == found => "--region",
        _ => ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find(named).unwrap_or("the AWS profile"),
    };
    match surroundings::against_region(&found, from) {
        Some(mistake) if config.region().is_some() => Err(refuse(vec![mistake])),
        _ => Ok(config),
    }
}

/// Builds the image and the Lambda package of the runtime, if the stack needs them.
fn build_artefacts(loaded: &Loaded) -> Result<Artefacts, Failure> {
    let (image, zip) = needs_runtime(loaded);
    Ok(artefacts::build(image, zip)?)
}

pub(crate) async fn take(session: &Session, proof: Proof, printer: Printer) -> Result<Snapshot, Failure> {
    match take::take(&session.cx, &session.expanded.desired, proof).await {
        Ok(snapshot) => {
            if !snapshot.unread.is_empty() {
                printer
                    .detail(format!("not allowed to read, and not used by this stack: {}", snapshot.unread.join(", ")));
            }
            Ok(snapshot)
        }
        Err(failures) => {
            // Without a login every read fails. That is one root cause, so it is reported once.
            if let Some((_, error)) = failures.iter().find(|(_, error)| error.is_login()) {
                return Err(Failure::of(format!("the credentials do not work: {error}")).hint(login_hint(error)));
            }
            let told = failures.iter().map(|(what, error)| (format!("{what}: {error}"), None));
            Err(Failure::errors(told.collect()))
        }
    }
}

pub(crate) fn time_scale() -> Result<f64, Failure> {
    match std::env::var("PROVISION_TIME_SCALE") {
        Err(_) => Ok(1.0),
        Ok(text) => {
            text.parse().ok().filter(|scale: &f64| scale.is_finite() && *scale > 0.0).ok_or_else(|| {
                Failure::usage(format!("PROVISION_TIME_SCALE is `{text}`, which is not a positive number"))
            })
        }
    }
}

pub(crate) fn no_region() -> Failure {
    Failure::usage("no region is known").hint("set `region:` in the stack file, or give --region")
}

pub(crate) fn login_hint(error: &Error) -> &'static str {
    match error {
        error if error.is_login() => "log in (`aws sso login`, or fresh keys), then run the same command again",
        error if error.is_skewed() => "this machine's clock is more than five minutes off: set it, then run again",
        error if error.is_denied() => "these credentials lack a permission",
        _ => "is the network there, and does the region exist?",
    }
}
