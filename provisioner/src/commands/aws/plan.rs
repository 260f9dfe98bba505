//! `provision plan`: shows the difference between the stack file and what is live.

use std::path::Path;

use super::existing_secrets::all_usable;
use super::session::{no_region, open, take};
use crate::aws::{Cx, Proof};
use crate::commands::failure::{Exit, Failure};
use crate::commands::files::read_document;
use crate::commands::options::Global;
use crate::commands::options::PlanOptions;
use crate::commands::show::{self, Shown};
use crate::commands::{allow_region, load};
use crate::doctor::zones;
use crate::image::Digests;
use crate::kinds::REGISTRY;
use crate::plan::Plan;
use crate::plan::desired::Desired;
use crate::plan::kept::Kept;
use crate::plan::snapshot::Snapshot;
use crate::printer::Printer;
use crate::review::Against;
use crate::review::sources::File;
use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::aws::{Expanded, expand, other};

/// Everything that a plan is made from.
struct Basis {
    scope: Scope,
    loaded: Loaded,
    digests: Digests,
    expanded: Expanded,
    snapshot: Snapshot,
    against: Against,
    /// The way to the account, if it was asked.
    cx: Option<Cx>,
}

pub(crate) async fn plan(
    file: &Path,
    global: &Global,
    options: &PlanOptions,
    printer: Printer,
) -> Result<Exit, Failure> {
    let form = show::form(options, global)?;
    let basis = match (&options.snapshot, options.offline) {
        (None, false) => live(file, global, printer).await?,
        (kept, _) => offline(file, global, kept.as_deref())?,
    };
    let Basis { scope, loaded, digests, expanded: Expanded { desired, .. }, snapshot, against, cx } = &basis;
    let (plan, left_out) = options.part.plan(scope, desired, snapshot)?;
    let expand = |loaded: &Loaded, built| other(loaded, scope, digests, built);
    let of = File { loaded, scope, desired, snapshot, expand: &expand };
    let shown = Shown { of, plan: &plan, left_out, against: *against, name: file.display().to_string() };
    shown.print(form, printer);
    if let Some(cx) = cx
        && is_stopped(cx, desired, &plan, printer).await
    {
        return Ok(Exit::Failed);
    }
    shown.end(options)
}

async fn live(file: &Path, global: &Global, printer: Printer) -> Result<Basis, Failure> {
    let session = open(file, global).await?;
    all_usable(&session, file)?;
    let snapshot = take(&session, Proof::Index, printer).await?;
    Ok(Basis {
        scope: session.cx.scope.clone(),
        loaded: session.loaded,
        digests: session.digests,
        expanded: session.expanded,
        snapshot,
        against: Against::Aws,
        cx: Some(session.cx),
    })
}

/// Whether the region has too few zones, which would stop every `up` of this plan. `doctor` examines more.
async fn is_stopped(cx: &Cx, desired: &Desired, plan: &Plan, printer: Printer) -> bool {
    match zones::lack(cx, desired, plan).await {
        Ok(Some(finding)) => {
            super::doctor::text(&finding, printer).iter().for_each(|line| printer.talk(line));
            true
        }
        Ok(None) => false,
        // Credentials that may not ask for the zones make plans without them.
        Err(error) => {
            printer.detail(format!("the zones of the region are not known: {error}"));
            false
        }
    }
}

/// A stand-in for the account, which is not known offline.
const ACCOUNT: &str = "000000000000";
/// A stand-in for the digests of the runtime, which need not be built for a review.
const BUILT_LATER: &str = "(known after the runtime is built)";

/// The basis of a plan without a call to AWS.
fn offline(file: &Path, global: &Global, kept: Option<&Path>) -> Result<Basis, Failure> {
    let loaded = load(file, global)?;
    let kept = kept.map(|path| kept_in(path, &loaded)).transpose()?;
    if let Some((scope, ..)) = &kept {
        allow_region(&loaded, &scope.region)?;
    }
    let Some((scope, digests, snapshot, against)) = kept else {
        let region = global.region.clone().or_else(|| loaded.stack.region.clone()).ok_or_else(no_region)?;
        let account = loaded.stack.account.clone().unwrap_or_else(|| ACCOUNT.to_owned());
        let scope = Scope::of(&loaded, account, region);
        let digests = Digests { image: BUILT_LATER.to_owned(), zip: BUILT_LATER.to_owned(), ..Digests::default() };
        let expanded = expand(&loaded, &scope, &digests);
        let snapshot = Snapshot::default();
        return Ok(Basis { scope, loaded, digests, expanded, snapshot, against: Against::Nothing, cx: None });
    };
    let expanded = expand(&loaded, &scope, &digests);
    Ok(Basis { scope, loaded, digests, expanded, snapshot, against, cx: None })
}

fn kept_in(path: &Path, loaded: &Loaded) -> Result<(Scope, Digests, Snapshot, Against), Failure> {
    let refuse = |why: String| {
        Failure::of(format!("{}: {why}", path.display()))
            .hint("`provision status --snapshot FILE` writes one, with credentials")
    };
    let kept = Kept::read(&read_document(path)?).map_err(refuse)?;
    let (stack, env) = (&loaded.stack.stack.0, &loaded.env);
    if (&kept.stack, &kept.env) != (stack, env) {
        return Err(refuse(format!("it is of {}/{}, and this is {stack}/{env}", kept.stack, kept.env)));
    }
    if let Some(account) = loaded.stack.account.as_ref().filter(|account| **account != kept.account) {
        return Err(refuse(format!("it is of account {}, and the stack is for {account}", kept.account)));
    }
    let snapshot = kept.snapshot(REGISTRY).map_err(refuse)?;
    let against = Against::Snapshot { age_seconds: kept.age() };
    let Kept { account, region, digests, .. } = kept;
    Ok((Scope::of(loaded, account, region), digests, snapshot, against))
}
