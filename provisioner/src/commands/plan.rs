//! `provision plan`: shows the difference between the stack file and what is live.

use std::path::Path;

use super::document::pretty;
use super::options::{Form, PlanOptions};
use super::{allow_region, load, no_region, open, read, render, take, write_whole};
use crate::aws::{Cx, Proof};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::doctor::zones;
use crate::image::Digests;
use crate::plan::Plan;
use crate::plan::desired::Desired;
use crate::plan::kept::Kept;
use crate::plan::saved::Saved;
use crate::plan::snapshot::Snapshot;
use crate::printer::Printer;
use crate::review::sources::{File, Sources};
use crate::review::{Against, Review};
use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::aws::Expanded;
use crate::sections::aws::expand;

/// Everything that a plan is made from.
pub(super) struct Basis {
    pub(super) scope: Scope,
    pub(super) loaded: Loaded,
    pub(super) digests: Digests,
    pub(super) expanded: Expanded,
    pub(super) snapshot: Snapshot,
    pub(super) against: Against,
    /// The way to the account, if it was asked.
    pub(super) cx: Option<Cx>,
}

pub(crate) async fn plan(
    file: &Path,
    global: &Global,
    options: &PlanOptions,
    printer: Printer,
) -> Result<Exit, Failure> {
    let format = match (options.format, global.json) {
        (Some(Form::Text | Form::Markdown), true) => return Err(Failure::usage("--json and another --format")),
        (None, true) => Form::Json,
        (format, _) => format.unwrap_or(Form::Text),
    };
    let basis = match (&options.snapshot, options.offline) {
        (None, false) => live(file, global, printer).await?,
        (kept, _) => offline(file, global, kept.as_deref())?,
    };
    let (plan, left_out) = options.part.plan(&basis.scope, &basis.expanded.desired, &basis.snapshot)?;
    let name = file.display().to_string();
    let sources = basis.sources(&plan);
    let mut review = Review::new(&basis.scope, &plan, &basis.expanded.desired, &sources);
    review.left_out = left_out;
    review.against = basis.against;
    let saved = Saved::of(&basis.scope, &plan);
    let hash = saved.hash();
    let hash = (!plan.is_empty() && basis.against == Against::Aws).then_some(hash.as_str());
    match format {
        Form::Json => printer.data(pretty(&render::json(&review, &plan, hash))),
        Form::Markdown => printer.data(render::markdown(&review, &name, hash)),
        Form::Text => {
            printer.data(render::text(&review, &name, printer));
            if let Some(hash) = hash {
                printer.data(format!("Hash: {hash}"));
            }
        }
    }
    if let Some(cx) = &basis.cx
        && is_stopped(cx, &basis.expanded.desired, &plan, printer).await
    {
        return Ok(Exit::Failed);
    }
    if let Some(out) = &options.out {
        write(out, &saved)?;
    }
    options.part.allow(&plan)?;
    match options.exit_code && !plan.is_empty() {
        true => Ok(Exit::Difference),
        false => Ok(Exit::Done),
    }
}

async fn live(file: &Path, global: &Global, printer: Printer) -> Result<Basis, Failure> {
    let session = open(file, global).await?;
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
            printer.talk(super::doctor::text(&finding, printer));
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
        let digests = Digests { image: BUILT_LATER.to_owned(), zip: BUILT_LATER.to_owned(), boundary: None };
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
    let kept = Kept::read(&read(path)?).map_err(refuse)?;
    let (stack, env) = (&loaded.stack.stack.0, &loaded.env);
    if (&kept.stack, &kept.env) != (stack, env) {
        return Err(refuse(format!("it is of {}/{}, and this is {stack}/{env}", kept.stack, kept.env)));
    }
    if let Some(account) = loaded.stack.account.as_ref().filter(|account| **account != kept.account) {
        return Err(refuse(format!("it is of account {}, and the stack is for {account}", kept.account)));
    }
    let snapshot = kept.snapshot().map_err(refuse)?;
    let against = Against::Snapshot { age_seconds: kept.age() };
    let Kept { account, region, digests, .. } = kept;
    Ok((Scope::of(loaded, account, region), digests, snapshot, against))
}

impl Basis {
    fn sources(&self, plan: &Plan) -> Sources {
        let (scope, loaded, digests) = (&self.scope, &self.loaded, &self.digests);
        let (desired, snapshot) = (&self.expanded.desired, &self.snapshot);
        Sources::find(&File { loaded, scope, digests, desired, snapshot }, plan)
    }
}

fn write(out: &Path, saved: &Saved) -> Result<(), Failure> {
    let refused = saved.refused();
    if !refused.is_empty() {
        let refused = refused.join(", ");
        return Err(Failure::of(format!("a plan with this cannot be carried out, so it is not written: {refused}")));
    }
    write_whole(out, &pretty(&saved.document()))
}
