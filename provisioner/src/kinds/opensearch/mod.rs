//! Amazon OpenSearch Service.

mod domain;

use aws_sdk_opensearch::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below};

pub use domain::{Domain, DomainOutput, DomainReady, DomainSpec, DomainState, Inside, Searcher};

pub static SERVICE: Service = Service {
    name: "opensearch",
    prefix: "es",
    signs_as: "es",
    tags: Some(TagCalls {
        put_action: "es:AddTags",
        remove_action: "es:RemoveTags",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("es", Calls::All, 20.0, 10.0)],
    reads: Some(|scope| vec![scope.arn("es", "*"), scope.arn("opensearch", "*")]),
    writes: &[Writes::new(
        Actions::Every,
        &[
            On::Named("domain/"),
            // AddTags also asks for rights on resources that only the newer name of the service has.
            On::NamedBy(|scope, prefix| scope.arn("opensearch", &format!("application/{prefix}*"))),
            On::NamedBy(|scope, prefix| scope.arn("opensearch", &format!("datasource/{prefix}*"))),
        ],
        Bound::Name,
    )],
    for_roles: None,
    on_everything: &["es:ListDomainNames", "es:ListInstanceTypeDetails", "es:ListVersions"],
    dependent: &[Dependent::on("es:AddTags", "CreateDomain with tags", "opensearch")],
    types: &[],
    section,
    only_ready: "",
};

fn section(resource: &str, name: &str) -> Option<String> {
    match resource {
        "domain" => below("search", name),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Result<Vec<Tag>, Error> {
    let tags = tags.into_iter().map(|(key, value)| Ok(Tag::builder().key(key).value(value).build()?));
    tags.collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.opensearch.add_tags().arn(arn).set_tag_list(Some(tag_list(tags)?)).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.opensearch.remove_tags().arn(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
