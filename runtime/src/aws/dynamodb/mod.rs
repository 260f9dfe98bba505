//! DynamoDB: the few calls that the roles need, [signed](super::signed) by ourselves. The SDK for them would be as large as
//! the rest of the program. <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/Welcome.html>

mod call;
mod number;
mod value;

use std::borrow::Cow;
use std::fmt;

use anyhow::{Context, anyhow};
use hyper::Uri;
use serde_json::{Map, Value as Json, json};

use self::call::{Answered, Refusal};
pub use self::number::Number;
pub use self::value::{Item, LARGEST_ITEM, Value, parsed, read};
use super::credentials::Current;
use crate::config::stores;
use crate::http::client::Client;

pub struct DynamoDb {
    client: Client,
    credentials: Current,
    region: String,
    endpoint: Uri,
}

/// What has to be so for a write to be done, and what the placeholders of its expressions stand for: `#name` and `:value`.
#[derive(Clone, Copy)]
pub struct When<'a> {
    pub condition: &'a str,
    pub names: &'a [(&'a str, &'a str)],
    pub values: &'a [(&'a str, Value)],
}

/// What came of a write.
#[derive(Debug, PartialEq)]
pub enum Written<T> {
    Done(T),
    /// It is not so, and nothing was written. This is the item as it is, if there is one.
    Unmet(Option<Item>),
}

/// All items of a table.
#[derive(Debug, PartialEq)]
pub struct Scanned {
    /// The items as an array of plain JSON.
    pub items: String,
    /// There is no filter, so as many items were scanned as are given.
    pub count: u64,
}

/// Why a call failed.
#[derive(Debug)]
pub enum Failed {
    /// DynamoDB does not take what was sent.
    Refused(Refused),
    /// All items of the table are more than the caller can do with.
    TooMany,
    /// It was not reached, or it could not do it. The same call may succeed later.
    Other(anyhow::Error),
}

/// Why something is not taken, in a sentence for who has sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused(pub Cow<'static, str>);

impl DynamoDb {
    pub async fn new(config: &stores::Tables) -> anyhow::Result<Self> {
        Ok(DynamoDb {
            client: Client::with_kept_connections()?,
            credentials: Current::new(&config.region).await?,
            region: config.region.clone(),
            endpoint: config.endpoint.clone(),
        })
    }

    /// The item with this key, as it is after all writes so far.
    pub async fn get(&self, table: &str, key: &Item) -> Result<Option<Item>, Failed> {
        let asked = json!({ "TableName": table, "Key": value::written(key), "ConsistentRead": true });
        let answer = self.done("GetItem", &asked).await?;
        match answer.get("Item") {
            Some(item) => Ok(Some(item_of(item)?)),
            None => Ok(None),
        }
    }

    /// Puts an item in the place of the one that has its key.
    pub async fn put(&self, table: &str, item: &Item, when: &When<'_>) -> Result<Written<()>, Failed> {
        let mut asked = when.asked(table);
        asked["Item"] = value::written(item);
        match self.call("PutItem", &asked).await? {
            Answered { answer: Ok(_), .. } => Ok(Written::Done(())),
            Answered { answer: Err(refusal), is_repeated } => match unmet(refusal)? {
                // An attempt before, which was not answered, has put it.
                Some(there) if is_repeated && there == *item => Ok(Written::Done(())),
                there => Ok(Written::Unmet(there)),
            },
        }
    }

    /// Changes an item, or makes it if the condition lets it. Gives the item as it is then.
    pub async fn update(
        &self,
        table: &str,
        key: &Item,
        change: &str,
        when: &When<'_>,
    ) -> Result<Written<Item>, Failed> {
        let mut asked = when.asked(table);
        asked["Key"] = value::written(key);
        asked["UpdateExpression"] = json!(change);
        asked["ReturnValues"] = json!("ALL_NEW");
        match self.call("UpdateItem", &asked).await?.answer {
            Ok(answer) => {
                let item = answer.get("Attributes").context("UpdateItem gave no item").map_err(Failed::Other)?;
                Ok(Written::Done(item_of(item)?))
            }
            Err(refusal) => Ok(Written::Unmet(unmet(refusal)?)),
        }
    }

    pub async fn delete(&self, table: &str, key: &Item, when: &When<'_>) -> Result<Written<()>, Failed> {
        let mut asked = when.asked(table);
        asked["Key"] = value::written(key);
        match self.call("DeleteItem", &asked).await? {
            Answered { answer: Ok(_), .. } => Ok(Written::Done(())),
            Answered { answer: Err(refusal), is_repeated } => match unmet(refusal)? {
                // An attempt before, which was not answered, has deleted it.
                None if is_repeated => Ok(Written::Done(())),
                there => Ok(Written::Unmet(there)),
            },
        }
    }

    /// All items of a table, page by page. It is an error if they are more than so many bytes of JSON.
    pub async fn scan(&self, table: &str, most: usize) -> Result<Scanned, Failed> {
        let mut all = Scanned { items: "[".to_owned(), count: 0 };
        let mut asked = json!({ "TableName": table, "ConsistentRead": true });
        loop {
            let answer = self.done("Scan", &asked).await?;
            for item in answer.get("Items").and_then(Json::as_array).into_iter().flatten() {
                if all.count > 0 {
                    all.items.push(',');
                }
                let item = serde_json::to_string(&item_of(item)?);
                all.items.push_str(&item.context("writing an item").map_err(Failed::Other)?);
                all.count += 1;
                if all.items.len() >= most {
                    return Err(Failed::TooMany);
                }
            }
            match answer.get("LastEvaluatedKey").filter(|key| !key.is_null()) {
                Some(key) => asked["ExclusiveStartKey"] = key.clone(),
                None => break,
            }
        }
        all.items.push(']');
        Ok(all)
    }

    /// The answer to a call that has no condition.
    async fn done(&self, operation: &str, asked: &Json) -> Result<Map<String, Json>, Failed> {
        match self.call(operation, asked).await?.answer {
            Ok(answer) => Ok(answer),
            Err(_) => Err(Failed::Other(anyhow!("{operation} has no condition, and was refused for one"))),
        }
    }
}

impl<'a> When<'a> {
    /// A condition without placeholders.
    pub const fn new(condition: &'a str) -> Self {
        When { condition, names: &[], values: &[] }
    }

    fn asked(&self, table: &str) -> Json {
        let mut asked = json!({
            "TableName": table, "ConditionExpression": self.condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        });
        if !self.names.is_empty() {
            let names = self.names.iter().map(|(placeholder, name)| ((*placeholder).to_owned(), json!(name)));
            asked["ExpressionAttributeNames"] = Json::Object(names.collect());
        }
        if !self.values.is_empty() {
            let values = self.values.iter().map(|(name, it)| ((*name).to_owned(), value::written_value(it)));
            asked["ExpressionAttributeValues"] = Json::Object(values.collect());
        }
        asked
    }
}

/// A key of one attribute.
pub fn key(name: &str, value: impl Into<Value>) -> Item {
    Item::from([(name.to_owned(), value.into())])
}

fn item_of(item: &Json) -> Result<Item, Failed> {
    let item = item.as_object().and_then(value::parsed);
    item.context("DynamoDB gave an item that cannot be read").map_err(Failed::Other)
}

fn unmet(refusal: Refusal) -> Result<Option<Item>, Failed> {
    refusal.item.as_ref().map(item_of).transpose()
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Refused(refused) => refused.fmt(f),
            Failed::TooMany => f.write_str("the table has too many items to be given whole"),
            Failed::Other(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Failed {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Failed::Refused(refused)
    }
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
