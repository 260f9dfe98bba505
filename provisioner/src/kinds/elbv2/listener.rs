//! `elbv2.listener`: a port of the load balancer.
//!
//! A listener is found by its load balancer and port, with one `DescribeListeners` per load balancer and one
//! `DescribeTags` for all. The tags prove that it is ours. A port has at most one listener, so a second create is
//! refused (`DuplicateListener`). All calls end within a second, and the load balancer need not be active. Listeners
//! that others have put on our load balancer are taken away. So are certificates that others have put on our listeners:
//! one `DescribeListenerCertificates` per listener with TLS shows them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate, FixedResponseActionConfig, Listener as Answer, ProtocolEnum,
    RedirectActionConfig, RedirectActionStatusCodeEnum,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{GONE, LoadBalancer, TargetGroup, tag_list, tags_of};
use crate::aws::{Cx, Error, each};
use crate::kind::facts::{Address, Facts, Field, Retry};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Listener;

#[derive(Serialize, Deserialize)]
pub struct ListenerSpec {
    pub load_balancer: Ref<LoadBalancer>,
    pub port: u16,
    pub does: Does,
}

/// The action of a listener for requests that no rule takes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    /// The listener answers 404.
    NotFound,
    Forward(Ref<TargetGroup>),
    /// The listener redirects to HTTPS on 443 (301).
    ToHttps,
    /// The listener does the same as `NotFound` or `Forward`, over TLS with this ACM certificate.
    Secure {
        certificate: String,
        forward: Option<Ref<TargetGroup>>,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ListenerState {
    pub load_balancer: String,
    pub port: u16,
    pub protocol: String,
    pub does: Rest,
    pub certificate: Option<String>,
    /// The certificates that others have added, by ARN.
    pub certificates: BTreeMap<String, Value>,
    pub tls_policy: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    #[default]
    NotFound,
    Forward(String),
    ToHttps,
    /// An action that we never asked for, in AWS's word.
    Other(String),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ListenerOutput {
    pub arn: String,
}

impl Kind for Listener {
    const FACTS: Facts = Facts {
        name: "elbv2.listener",
        fields: &[
            Field::fixed("load_balancer"),
            Field::fixed("port"),
            Field::wanted("protocol"),
            Field::wanted("does"),
            Field::wanted("certificate"),
            Field::beside("certificates", "certificate"),
            Field::wanted("tls_policy"),
        ],
        read_after: &["elbv2.load_balancer"],
        exists: &["DuplicateListener", "DuplicateListenerException"],
        retry: &[
            Retry::code("LoadBalancerNotFound", 60),
            Retry::code("TargetGroupNotFound", 60),
            Retry::code("ListenerNotFound", 60),
        ],
        actions: &[
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:CreateListener",
            "elasticloadbalancing:DeleteListener",
            "elasticloadbalancing:DescribeListenerCertificates",
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:RemoveListenerCertificates",
            "elasticloadbalancing:RemoveTags",
        ],
        ..Facts::DEFAULT
    };

    type Spec = ListenerSpec;
    type State = ListenerState;
    type Output = ListenerOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &ListenerSpec, outputs: &Outputs) -> Result<ListenerState, Missing> {
        let rest = |target: &Option<Ref<TargetGroup>>| match target {
            Some(target) => Ok(Rest::Forward(outputs.get(target)?.arn)),
            None => Ok(Rest::NotFound),
        };
        let (does, certificate) = match &spec.does {
            Does::NotFound => (Rest::NotFound, None),
            Does::Forward(target) => (Rest::Forward(outputs.get(target)?.arn), None),
            Does::ToHttps => (Rest::ToHttps, None),
            Does::Secure { certificate, forward } => (rest(forward)?, Some(certificate.clone())),
        };
        let protocol = if certificate.is_some() { ProtocolEnum::Https } else { ProtocolEnum::Http };
        Ok(ListenerState {
            load_balancer: outputs.get(&spec.load_balancer)?.arn,
            port: spec.port,
            protocol: protocol.as_str().to_owned(),
            does,
            tls_policy: certificate.as_ref().map(|_| TLS_POLICY.to_owned()),
            certificate,
            certificates: BTreeMap::new(),
        })
    }
}

impl OnAws for Listener {
    async fn read(cx: &Cx, query: &Query<'_, Listener>) -> Result<Vec<Live<Listener>>, Error> {
        let mut wanted: HashMap<(String, i32), &str> = HashMap::new();
        for (name, spec) in &query.wanted {
            // Without its load balancer there is no listener.
            if let Ok(load_balancer) = query.outputs.get(&spec.load_balancer) {
                wanted.insert((load_balancer.arn, spec.port.into()), name);
            }
        }
        let parents: HashMap<String, String> =
            query.outputs.all::<LoadBalancer>().into_iter().map(|(name, parent)| (parent.arn, name)).collect();
        let mut found = Vec::new();
        for listeners in each(parents.keys().cloned().collect(), |parent| listed(cx, parent)).await {
            found.extend(listeners?);
        }
        let name_of = |listener: &Answer| {
            let place = (listener.load_balancer_arn().unwrap_or_default().to_owned(), listener.port().unwrap_or(0));
            wanted.get(&place).copied()
        };
        let arns = found.iter().filter_map(|listener| Some((listener.listener_arn()?, name_of(listener))));
        let tags = tags_of(cx, query.look, arns).await?;
        let mut live = Vec::new();
        for listener in found {
            let arn = listener.listener_arn().unwrap_or_default().to_owned();
            // A listener that has gone meanwhile has no tags.
            let Some(tags) = tags.get(&arn) else { continue };
            let parent = listener.load_balancer_arn().and_then(|parent| parents.get(parent));
            let whose = match (cx.scope.whose(tags, name_of(&listener)), parent) {
                (Some(whose), _) => whose,
                (None, Some(parent)) => beside(parent, &listener),
                (None, None) => continue,
            };
            let state = state(&listener);
            let output = ListenerOutput { arn: arn.clone() };
            live.push(Live::ready(whose, arn, state, output));
        }
        each(live, |live| with_certificates(cx, live)).await.into_iter().collect()
    }

    async fn create(cx: &Cx, name: &str, want: &ListenerState) -> Result<ListenerOutput, Error> {
        let call = cx.elbv2.create_listener().load_balancer_arn(&want.load_balancer).port(want.port.into());
        let call = call.protocol(want.protocol.as_str().into()).default_actions(action(&want.does)?);
        let call = call.set_certificates(certificates(want)).set_ssl_policy(want.tls_policy.clone());
        let made = call.set_tags(Some(tag_list(cx.scope.tags(name)))).send().await?.listeners.unwrap_or_default().pop();
        Ok(ListenerOutput { arn: made.and_then(|made| made.listener_arn).unwrap_or_default() })
    }

    async fn update(cx: &Cx, live: &Live<Listener>, want: &ListenerState, changed: &Changed) -> Result<(), Error> {
        if changed.has("certificates") {
            let others = live.state.certificates.keys();
            let others = others.map(|arn| Certificate::builder().certificate_arn(arn).build()).collect();
            let call = cx.elbv2.remove_listener_certificates().listener_arn(&live.output.arn);
            call.set_certificates(Some(others)).send().await?;
        }
        if changed.0.iter().all(|field| field == "certificates") {
            return Ok(());
        }
        // The settings of a protocol are given together with it.
        let call = cx.elbv2.modify_listener().listener_arn(&live.output.arn).port(want.port.into());
        let call = call.protocol(want.protocol.as_str().into()).default_actions(action(&want.does)?);
        call.set_certificates(certificates(want)).set_ssl_policy(want.tls_policy.clone()).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Listener>, _: LastWish) -> Result<(), Error> {
        Error::or_gone(cx.elbv2.delete_listener().listener_arn(&live.output.arn).send().await, GONE)
    }
}

/// The TLS policy: TLS 1.2 and 1.3 with forward secrecy (checkov CKV_AWS_103).
const TLS_POLICY: &str = "ELBSecurityPolicy-TLS13-1-2-2021-06";

fn certificates(want: &ListenerState) -> Option<Vec<Certificate>> {
    let arn = want.certificate.as_ref()?;
    Some(vec![Certificate::builder().certificate_arn(arn).build()])
}

fn action(does: &Rest) -> Result<Action, Error> {
    Ok(match does {
        Rest::NotFound => {
            let answer = FixedResponseActionConfig::builder().status_code("404").content_type("text/plain").build();
            Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(answer).build()
        }
        Rest::Forward(target) => forward(target),
        Rest::ToHttps => {
            let redirect = RedirectActionConfig::builder().protocol("HTTPS").port("443");
            let redirect = redirect.status_code(RedirectActionStatusCodeEnum::Http301).build();
            Action::builder().r#type(ActionTypeEnum::Redirect).redirect_config(redirect).build()
        }
        Rest::Other(what) => return Err(Error::ours(format!("a listener cannot be made to `{what}`"))),
    })
}

pub(super) fn forward(target: &str) -> Action {
    Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(target).build()
}

/// The group that an action forwards to. Some answers have it in `ForwardConfig` only.
pub(super) fn target_of(action: &Action) -> Option<&str> {
    let listed = || match action.forward_config()?.target_groups() {
        [one] => one.target_group_arn(),
        _ => None,
    };
    action.target_group_arn().or_else(listed)
}

async fn listed(cx: &Cx, parent: String) -> Result<Vec<Answer>, Error> {
    let pages = cx.elbv2.describe_listeners().load_balancer_arn(parent).into_paginator().items().send();
    Ok(Error::unless_gone(pages.try_collect().await, GONE)?.unwrap_or_default())
}

/// The name of a listener that somebody else made, as in `web/8443`, and the load balancer of ours that it is on.
fn beside(parent: &str, listener: &Answer) -> (String, Owner) {
    let on = Address { kind: LoadBalancer::FACTS.name, name: parent.to_owned() };
    (format!("{parent}/{}", listener.port().unwrap_or_default()), Owner::Beside(on))
}

/// Adds the certificates beside the listener's own. Only listeners with TLS have certificates.
async fn with_certificates(cx: &Cx, mut live: Live<Listener>) -> Result<Live<Listener>, Error> {
    let ours = matches!(live.owner, Owner::Tagged(_));
    if !ours || live.state.protocol != ProtocolEnum::Https.as_str() {
        return Ok(live);
    }
    let call = cx.elbv2.describe_listener_certificates().listener_arn(&live.output.arn);
    let pages = call.into_paginator().items().send();
    let found: Vec<Certificate> = Error::unless_gone(pages.try_collect().await, GONE)?.unwrap_or_default();
    live.state.certificates = others(&found, live.state.certificate.as_deref());
    Ok(live)
}

fn others(found: &[Certificate], own: Option<&str>) -> BTreeMap<String, Value> {
    let others = found.iter().filter(|one| one.is_default() != Some(true) && one.certificate_arn() != own);
    others.filter_map(|one| Some((one.certificate_arn()?.to_owned(), Value::from("for its names")))).collect()
}

fn state(listener: &Answer) -> ListenerState {
    ListenerState {
        load_balancer: listener.load_balancer_arn().unwrap_or_default().to_owned(),
        port: listener.port().and_then(|port| port.try_into().ok()).unwrap_or_default(),
        protocol: listener.protocol().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default(),
        does: match listener.default_actions() {
            [one] => does(one),
            several => Rest::Other(format!("{} actions", several.len())),
        },
        certificate: listener.certificates().first().and_then(Certificate::certificate_arn).map(str::to_owned),
        certificates: BTreeMap::new(),
        tls_policy: listener.ssl_policy().map(str::to_owned),
    }
}

fn does(action: &Action) -> Rest {
    if let Some(target) = target_of(action) {
        return Rest::Forward(target.to_owned());
    }
    let answers = |code: &str| action.fixed_response_config().is_some_and(|fixed| fixed.status_code() == Some(code));
    let to_https = action.redirect_config().is_some_and(|redirect| {
        redirect.protocol() == Some("HTTPS")
            && redirect.port() == Some("443")
            && redirect.host().is_none_or(|host| host == "#{host}")
            && redirect.path().is_none_or(|path| path == "/#{path}")
            && redirect.status_code() == Some(&RedirectActionStatusCodeEnum::Http301)
    });
    match action.r#type() {
        _ if answers("404") => Rest::NotFound,
        _ if to_https => Rest::ToHttps,
        other => Rest::Other(other.map_or("nothing", ActionTypeEnum::as_str).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of DescribeListeners in botocore's elbv2 examples.
    #[test]
    fn a_recorded_answer_reads_as_what_we_want() {
        let target = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067";
        let answer = Answer::builder()
            .default_actions(forward(target))
            .listener_arn("arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/my-load-balancer/50dc/f2f7")
            .port(80)
            .protocol(ProtocolEnum::Http)
            .build();
        let state = state(&answer);
        assert_eq!((state.does, state.port, state.certificate), (Rest::Forward(target.into()), 80, None));
    }

    /// Answers in the form of DescribeListenerCertificates in the Elastic Load Balancing API reference. No emulator can
    /// play this: moto shows an added certificate as the listener's own, and ministack shows none.
    #[test]
    fn certificates_beside_its_own_are_others() {
        let certificate = |arn: &str, own: bool| Certificate::builder().certificate_arn(arn).is_default(own).build();
        let found = [certificate("own", true), certificate("own", false), certificate("other", false)];
        assert_eq!(others(&found, Some("own")).into_keys().collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn what_we_send_reads_back_as_what_we_want() {
        for wanted in [Rest::NotFound, Rest::ToHttps, Rest::Forward("arn".into())] {
            assert_eq!(does(&action(&wanted).expect("an action")), wanted);
        }
    }
}
