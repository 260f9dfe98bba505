//! Whether the region has as many zones as the stack wants. The number is chosen once. A run that learns half-way that
//! there are too few has made a VPC already.

use super::{Finding, Scene, list};
use crate::aws::Cx;
use crate::aws::Error;
use crate::kind::Kind;
use crate::kinds::ec2::Subnet;
use crate::plan::desired::Desired;
use crate::plan::{Action, Plan};

const NAME: &str = "zones";
/// The fewest zones that `network.zones` can ask for.
const LEAST: usize = 2;

pub(super) async fn check(scene: &Scene<'_>) -> Result<Vec<Finding>, Error> {
    lack(scene.cx, scene.desired, scene.plan).await.map(Vec::from_iter)
}

/// A finding if zones are missing. Existing subnets have their zones, so AWS is asked only if the plan makes others.
pub async fn lack(cx: &Cx, desired: &Desired, plan: &Plan) -> Result<Option<Finding>, Error> {
    let made = |step: &&crate::plan::Step| {
        step.address.kind == Subnet::FACTS.name && matches!(step.action, Action::Create { .. } | Action::Replace { .. })
    };
    let mut places = Vec::new();
    for step in plan.steps.iter().filter(made) {
        let spec = desired.get(&step.address).map(|wanted| wanted.spec.get("zone"));
        places.extend(spec.and_then(|zone| usize::try_from(zone.as_u64()?).ok()));
    }
    let Some(wanted) = places.into_iter().max().map(|last| last + 1) else { return Ok(None) };
    let zones = Subnet::zones(cx).await?;
    if zones.len() >= wanted {
        return Ok(None);
    }
    let (region, env, count) = (&cx.scope.region, &cx.scope.env, zones.len());
    let todo = match count {
        LEAST.. => format!(
            "write `network: {{zones: {count}}}` in the stack file, or under `environments.{env}` if only there; it is chosen once"
        ),
        _ => "choose another region: a stack takes two zones at least".to_owned(),
    };
    let what = format!("{region} has {count} zones for this account, {}, and the stack wants {wanted}", list(&zones));
    Ok(Some(Finding::stop(NAME, what, todo)))
}
