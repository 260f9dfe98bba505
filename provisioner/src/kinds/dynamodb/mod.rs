//! Amazon DynamoDB.

mod table;

use aws_sdk_dynamodb::types::Tag;

use crate::aws::lease;
use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below};
use crate::scope::Scope;

pub use table::{IndexState, KeyPart, Table, TableOutput, TableSpec, TableState, table_name};

pub static SERVICE: Service = Service {
    name: "dynamodb",
    prefix: "dynamodb",
    signs_as: "dynamodb",
    tags: Some(TagCalls {
        put_action: "dynamodb:TagResource",
        remove_action: "dynamodb:UntagResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    // Quotas of the developer guide: 10 a second of DescribeContinuousBackups and of ListTagsOfResource, 5 of
    // TagResource. Of the others no quota is told.
    rates: &[
        Rate::of("dynamodb-backups", Calls::Named(&["DescribeContinuousBackups"]), 10.0, 10.0),
        Rate::of("dynamodb-list-tags", Calls::Named(&["ListTagsOfResource"]), 10.0, 10.0),
        Rate::of("dynamodb-tag", Calls::Named(&["TagResource", "UntagResource"]), 5.0, 5.0),
        Rate::of("dynamodb", Calls::All, 100.0, 50.0),
    ],
    // The stack's own tables, their streams and indexes, and the table with the leases of all stacks.
    reads: Some(|scope| vec![On::Named("table/").arn(scope, "dynamodb"), LEASES.arn(scope, "dynamodb")]),
    writes: &[
        Writes::new(Actions::EveryBut(ITEMS), &[On::Named("table/")], Bound::Name),
        // Every stack of the account has its lease in one table.
        Writes::new(
            Actions::These(ITEMS),
            &[LEASES],
            Bound::By("ForAllValues:StringEquals", "dynamodb:LeadingKeys", Scope::tag),
        ),
        Writes::new(
            Actions::These(&["dynamodb:CreateTable"]),
            &[LEASES],
            Bound::Nothing { because: "the first `up` of an account makes the table for the leases of all stacks" },
        ),
    ],
    for_roles: None,
    on_everything: &["dynamodb:ListBackups", "dynamodb:ListTables"],
    dependent: &[Dependent::on("dynamodb:TagResource", "CreateTable with tags", "dynamodb")],
    types: &[],
    section,
    only_ready: "what a table is used for shows at the functions and services that use it",
};

/// The actions on items. `provision` itself looks at no item but those of leases.
const ITEMS: &[&str] = &["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];
const LEASES: On = On::NamedBy(|scope, _| scope.arn("dynamodb", &format!("table/{}", lease::TABLE)));

fn section(resource: &str, name: &str) -> Option<String> {
    match resource {
        "table" => below("tables", name),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Result<Vec<Tag>, Error> {
    let tags = tags.into_iter().map(|(key, value)| Ok(Tag::builder().key(key).value(value).build()?));
    tags.collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.dynamodb.tag_resource().resource_arn(arn).set_tags(Some(tag_list(tags)?)).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.dynamodb.untag_resource().resource_arn(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
