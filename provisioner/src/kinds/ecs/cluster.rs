//! `ecs.cluster`: the place where the stack's services run. It is only a name: Fargate has no machines of ours.
//!
//! Clusters are found by name: one `DescribeClusters` asks for the wanted ones and for those that the tag index names.
//! Names have at most 255 letters, digits, `-` and `_` (ECS API reference, CreateCluster). All calls end within a
//! second. A deleted cluster is shown as `INACTIVE` for a while. Creating a cluster that exists succeeds, so we look
//! first. A cluster goes only when it is empty, which ECS notices late.

use std::collections::HashMap;

use aws_sdk_ecs::types::{Cluster as Answer, ClusterField, ClusterSetting, ClusterSettingName};
use serde::{Deserialize, Serialize};

use super::{pairs, tag_list};
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Status};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Cluster;

#[derive(Serialize, Deserialize)]
pub struct ClusterSpec {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ClusterState {
    pub name: String,
    /// The setting for metrics of each task.
    pub container_insights: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ClusterOutput {
    pub arn: String,
    pub name: String,
}

impl Kind for Cluster {
    const FACTS: Facts = Facts {
        name: "ecs.cluster",
        fields: &[Field::fixed("name"), Field::wanted("container_insights")],
        retry: &[
            Retry::code("ClusterContainsContainerInstancesException", 600),
            Retry::code("ClusterContainsServicesException", 600),
            Retry::code("ClusterContainsTasksException", 600),
            Retry::code("ClusterContainsCapacityProviderException", 600),
            Retry::code("UpdateInProgressException", 300),
        ],
        actions: &[
            "ecs:CreateCluster",
            "ecs:DeleteCluster",
            "ecs:DescribeClusters",
            "ecs:TagResource",
            "ecs:UntagResource",
            "ecs:UpdateClusterSettings",
            "iam:CreateServiceLinkedRole",
            "tag:GetResources",
        ],
        ..Facts::DEFAULT
    };

    type Spec = ClusterSpec;
    type State = ClusterState;
    type Output = ClusterOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, _: &ClusterSpec, _: &Outputs) -> Result<ClusterState, Missing> {
        Ok(ClusterState { name: aws_name(scope, name), container_insights: "enabled".to_owned() })
    }
}

impl OnAws for Cluster {
    async fn read(cx: &Cx, query: &Query<'_, Cluster>) -> Result<Vec<Live<Cluster>>, Error> {
        let wanted = query.named(|name, _| aws_name(&cx.scope, name));
        let mut names: Vec<String> = wanted.keys().cloned().collect();
        let hints = query.look.tagged(cx, "ecs:cluster").await;
        names.extend(hints.iter().filter_map(|arn| arn.rsplit('/').next()).map(str::to_owned));
        names.sort();
        names.dedup();
        let mut live = Vec::new();
        // AWS takes 100 names at once.
        for batch in names.chunks(100) {
            let call = cx.ecs.describe_clusters().set_clusters(Some(batch.to_vec()));
            let answer = call.include(ClusterField::Tags).include(ClusterField::Settings).send().await?;
            for cluster in answer.clusters() {
                live.extend(live_one(cx, cluster, &wanted));
            }
        }
        Ok(live)
    }

    async fn create(cx: &Cx, name: &str, want: &ClusterState) -> Result<ClusterOutput, Error> {
        let call = cx.ecs.create_cluster().cluster_name(&want.name).settings(insights(want));
        call.set_tags(Some(tag_list(cx.scope.tags(name)))).send().await?;
        Ok(output(&cx.scope, &want.name))
    }

    async fn update(cx: &Cx, _: &Live<Cluster>, want: &ClusterState, _: &Changed) -> Result<(), Error> {
        cx.ecs.update_cluster_settings().cluster(&want.name).settings(insights(want)).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Cluster>, _: LastWish) -> Result<(), Error> {
        let call = cx.ecs.delete_cluster().cluster(&live.output.name);
        Error::or_gone(call.send().await, &["ClusterNotFoundException"])
    }
}

fn aws_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 255)
}

fn output(scope: &Scope, name: &str) -> ClusterOutput {
    ClusterOutput { arn: scope.arn("ecs", &format!("cluster/{name}")), name: name.to_owned() }
}

fn insights(want: &ClusterState) -> ClusterSetting {
    ClusterSetting::builder().name(ClusterSettingName::ContainerInsights).value(&want.container_insights).build()
}

fn live_one(cx: &Cx, found: &Answer, wanted: &HashMap<String, &str>) -> Option<Live<Cluster>> {
    let status = match found.status().unwrap_or_default() {
        "ACTIVE" => Status::Ready,
        "INACTIVE" => return None,
        "DEPROVISIONING" => Status::Deleting,
        "FAILED" => Status::Failed("ECS could not make it".to_owned()),
        other => Status::Busy(other.to_lowercase()),
    };
    let state = state(found);
    let (name, owner) = cx.scope.whose(pairs(found.tags()), wanted.get(&state.name).copied())?;
    let output = output(&cx.scope, &state.name);
    Some(Live { status, ..Live::ready((name, owner), output.arn.clone(), state, output) })
}

fn state(found: &Answer) -> ClusterState {
    let insights = |setting: &&ClusterSetting| setting.name() == Some(&ClusterSettingName::ContainerInsights);
    let value = found.settings().iter().find(insights).and_then(ClusterSetting::value);
    ClusterState {
        name: found.cluster_name().unwrap_or_default().to_owned(),
        container_insights: value.unwrap_or("disabled").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of DescribeClusters in botocore's ecs examples.
    #[test]
    fn a_cluster_without_settings_has_no_insights() {
        let answer = Answer::builder().cluster_name("default").status("ACTIVE").running_tasks_count(0).build();
        assert_eq!(state(&answer).container_insights, "disabled");
    }
}
