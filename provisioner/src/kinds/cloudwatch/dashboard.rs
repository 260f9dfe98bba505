//! `cloudwatch.dashboard`: one page that shows the state of the stack.
//!
//! A stack has one dashboard, [`MAIN`], which one call finds by its name. Names have at most 255 characters of
//! `[A-Za-z0-9-_]`. Two things say that a dashboard is ours: its first widget, which people can read too, and its tags.
//! AWS takes the tags only for a new dashboard, and we ask for them only when the widget is gone. Putting a dashboard
//! creates or updates it (CloudWatch API reference, PutDashboard).

use aws_sdk_cloudwatch::types::Tag;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::tag_list;
use crate::aws::{Cx, Error, each};
use crate::kind::facts::{Facts, Field};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Dashboard;

/// The name of a stack's dashboard. We look for it even if nothing asks for it any more.
pub const MAIN: &str = "main";

#[derive(Serialize, Deserialize)]
pub struct DashboardSpec {
    /// The graphs. Each has a title, and metrics as CloudWatch writes them: `[namespace, metric, dimension, value]`.
    pub graphs: Vec<Graph>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Graph {
    pub title: String,
    pub metrics: Vec<Vec<String>>,
    pub statistic: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DashboardState {
    pub name: String,
    pub body: Value,
}

impl Kind for Dashboard {
    const FACTS: Facts = Facts {
        name: "cloudwatch.dashboard",
        untagged: "its first widget says whose it is; AWS takes tags only when it is new",
        fields: &[Field::fixed("name"), Field::wanted("body")],
        actions: &[
            "cloudwatch:DeleteDashboards",
            "cloudwatch:GetDashboard",
            "cloudwatch:ListTagsForResource",
            "cloudwatch:PutDashboard",
            "cloudwatch:TagResource",
        ],
        ..Facts::DEFAULT
    };

    type Spec = DashboardSpec;
    type State = DashboardState;
    type Output = ();
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &DashboardSpec, _: &Outputs) -> Result<DashboardState, Missing> {
        Ok(DashboardState { name: dashboard_name(scope, name), body: body(scope, &spec.graphs) })
    }
}

impl OnAws for Dashboard {
    async fn read(cx: &Cx, query: &Query<'_, Dashboard>) -> Result<Vec<Live<Dashboard>>, Error> {
        let mut names: Vec<String> = query.wanted.iter().map(|(name, _)| name.clone()).collect();
        if !names.iter().any(|name| name == MAIN) {
            names.push(MAIN.to_owned());
        }
        let mut live = Vec::new();
        for (name, body) in each(names, async |name| (name.clone(), body_of(cx, &name).await)).await {
            let Some(body) = body? else { continue };
            let dashboard = dashboard_name(&cx.scope, &name);
            let says_so = body.to_string().contains(&made_by(&cx.scope));
            let ours = says_so || is_tagged(cx, &dashboard).await?;
            if !ours && query.wanted.is_empty() {
                continue;
            }
            live.push(Live::ready(
                (name, if ours { Owner::Child } else { Owner::Foreign }),
                dashboard.clone(),
                DashboardState { name: dashboard, body },
                (),
            ));
        }
        Ok(live)
    }

    async fn create(cx: &Cx, name: &str, want: &DashboardState) -> Result<(), Error> {
        put(cx, want, Some(tag_list(cx.scope.tags(name)))).await
    }

    async fn update(cx: &Cx, _: &Live<Dashboard>, want: &DashboardState, _: &Changed) -> Result<(), Error> {
        put(cx, want, None).await
    }

    async fn delete(cx: &Cx, live: &Live<Dashboard>, _: LastWish) -> Result<(), Error> {
        let call = cx.cloudwatch.delete_dashboards().dashboard_names(&live.state.name);
        Error::or_gone(call.send().await, GONE)
    }
}

const GONE: &[&str] = &["ResourceNotFound", "ResourceNotFoundException", "DashboardNotFoundError"];

async fn put(cx: &Cx, want: &DashboardState, tags: Option<Vec<Tag>>) -> Result<(), Error> {
    let call = cx.cloudwatch.put_dashboard().dashboard_name(&want.name).dashboard_body(want.body.to_string());
    call.set_tags(tags).send().await?;
    Ok(())
}

async fn is_tagged(cx: &Cx, dashboard: &str) -> Result<bool, Error> {
    let arn = cx.scope.global_arn("cloudwatch", &format!("dashboard/{dashboard}"));
    let answer = cx.cloudwatch.list_tags_for_resource().resource_arn(arn).send().await;
    let tags = Error::unless_gone(answer, GONE)?.and_then(|answer| answer.tags).unwrap_or_default();
    let tags = tags.iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()));
    Ok(cx.scope.whose(tags, None).is_some())
}

pub(super) fn dashboard_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 255)
}

async fn body_of(cx: &Cx, name: &str) -> Result<Option<Value>, Error> {
    let answer = cx.cloudwatch.get_dashboard().dashboard_name(dashboard_name(&cx.scope, name)).send().await;
    let body = Error::unless_gone(answer, GONE)?.map(|answer| answer.dashboard_body.unwrap_or_default());
    Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
}

fn made_by(scope: &Scope) -> String {
    format!("Made by provision for the stack {}", scope.tag())
}

/// The body of the dashboard: two graphs in a row of 24 columns, below a line that says which stack it belongs to.
fn body(scope: &Scope, graphs: &[Graph]) -> Value {
    let text = json!({"markdown": made_by(scope)});
    let mut widgets = vec![json!({"type": "text", "x": 0, "y": 0, "width": 24, "height": 1, "properties": text})];
    for (index, graph) in graphs.iter().enumerate() {
        widgets.push(json!({
            "type": "metric", "x": 12 * (index % 2), "y": 1 + 6 * (index / 2), "width": 12, "height": 6,
            "properties": {
                "title": graph.title, "metrics": graph.metrics, "stat": graph.statistic, "region": scope.region,
                "period": 60, "view": "timeSeries",
            },
        }));
    }
    json!({"widgets": widgets})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_stand_two_in_a_row() {
        let scope = Scope {
            account: "1".into(),
            region: "eu-west-1".into(),
            stack: "a".into(),
            env: "b".into(),
            tags: Default::default(),
        };
        let graph = |title: &str| Graph { title: title.into(), metrics: Vec::new(), statistic: "Sum".into() };
        let body = body(&scope, &[graph("one"), graph("two"), graph("three")]);
        let at = |index: usize| (body["widgets"][index]["x"].clone(), body["widgets"][index]["y"].clone());
        assert_eq!([at(1), at(2), at(3)], [(json!(0), json!(1)), (json!(12), json!(1)), (json!(0), json!(7))]);
    }
}
