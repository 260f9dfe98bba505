//! Expands `uses:`. One fact becomes three artefacts: the environment variable, the firewall rule and the IAM
//! statement.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Used, User, Value, given as variables, used};
use crate::image::ExistingSecret;
use crate::kind::Ref;
use crate::kinds::ec2::Rule;
use crate::kinds::ecs::FromSecret;
use crate::kinds::iam::{Resource, Statement};
use crate::kinds::secretsmanager::AnySecret;
use crate::kinds::variable::Variable;
use crate::sections::aws::making::Making;
use crate::sections::functions::API;
use crate::sections::network::aws as network;
use crate::sections::search::Search;
use crate::sections::services::WEB;
use crate::sections::tables::aws as tables;
use crate::sections::words::Name;
use crate::sections::{caches, databases, search, secrets};

/// The variables and rights that a service gets for the things that it uses.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) environment: Vec<(String, Variable)>,
    pub(crate) secrets: Vec<FromSecret>,
    pub(crate) egress: Vec<Rule>,
    pub(crate) statements: Vec<Statement>,
}

pub(crate) fn given(making: &Making<'_>, user: User<'_>) -> Given {
    let stack = &making.loaded.stack;
    let mut given = Given::default();
    for variable in variables(stack, user) {
        given.variable(making, variable.name(), variable.value);
    }
    let things: Used<'_> = used(stack, user);
    given
        .egress
        .extend(things.databases.iter().map(|name| network::from_group(databases::firewall(name), databases::PORT)));
    given.egress.extend(things.caches.iter().map(|name| network::from_group(caches::firewall(name), caches::PORT)));
    // The load balancer's name leads to public addresses. Port 443 is open anyway.
    let by_http = !things.services.is_empty() && stack.network.certificate.is_none();
    given.egress.extend(by_http.then(|| network::anywhere(80)));
    for name in things.topics {
        given.topic(making, name);
    }
    for name in things.queues {
        given.queue(name);
    }
    for name in things.tables {
        given.table(making, name);
    }
    for name in things.searches {
        given.search(making, name);
    }
    given
}

/// The address of the load balancer: its own name, or the one that its certificate is for.
fn balancer(making: &Making<'_>) -> Variable {
    match making.loaded.stack.network.secure_address() {
        Some(address) => Variable::Text(address),
        None => Variable::BalancerUrl(Ref::to(WEB)),
    }
}

/// The rights to read exactly these secrets.
pub(crate) fn reading(making: &Making<'_>, secrets: &[FromSecret]) -> Vec<Statement> {
    let mut seen = BTreeSet::new();
    let (mut own, mut existing): (Vec<Resource>, Vec<&ExistingSecret>) = (Vec::new(), Vec::new());
    for from in secrets {
        match &from.secret {
            AnySecret::Own(secret) if seen.insert(secret.name.as_str()) => own.push(Resource::Secret(secret.clone())),
            AnySecret::Existing(secret) if seen.insert(secret.arn.as_str()) => existing.push(secret),
            AnySecret::Own(_) | AnySecret::Existing(_) => {}
        }
    }
    let words = |action: &str| vec![action.to_owned()];
    let through = json!({"kms:ViaService": making.scope.regional("secretsmanager")});
    let mut statements = Vec::new();
    if !own.is_empty() {
        let key = vec![Resource::Key(making.key())];
        let condition = json!({"StringEquals": through.clone()});
        statements.push(Statement { actions: words(READ), resources: own, condition: serde_json::Value::Null });
        statements.push(Statement { actions: words("kms:Decrypt"), resources: key, condition });
    }
    if !existing.is_empty() {
        let resources = existing.iter().map(|secret| Resource::Arn(secret.arn.clone())).collect();
        statements.push(Statement { actions: words(READ), resources, condition: serde_json::Value::Null });
    }
    for secret in existing {
        let Some(key) = &secret.key else { continue };
        // Other things may be under that key. Secrets Manager names the secret in the context of each decryption (user
        // guide, "Secret encryption and decryption"). Offline the ARN is a pattern.
        let condition =
            json!({"StringEquals": through.clone(), "StringLike": {"kms:EncryptionContext:SecretARN": secret.arn}});
        statements.push(Statement {
            actions: words("kms:Decrypt"),
            resources: vec![Resource::Arn(key.clone())],
            condition,
        });
    }
    statements
}

const READ: &str = "secretsmanager:GetSecretValue";

impl Given {
    fn set(&mut self, name: String, variable: Variable) {
        self.environment.push((name, variable));
    }

    fn secret(&mut self, name: String, secret: String, key: &str) {
        let secret = AnySecret::Own(Ref::to(secret));
        self.secrets.push(FromSecret { name, secret, key: key.to_owned(), and_previous: false });
    }

    fn allow(&mut self, actions: &[&str], resources: Vec<Resource>, condition: serde_json::Value) {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        self.statements.push(Statement { actions, resources, condition });
    }

    fn variable(&mut self, making: &Making<'_>, variable: String, value: Value<'_>) {
        match value {
            Value::DatabaseHost(name) => self.set(variable, Variable::DatabaseHost(Ref::to(name))),
            Value::DatabasePort(_) => self.set(variable, Variable::Text(databases::PORT.to_string())),
            Value::DatabaseName(name) => self.set(variable, Variable::Text(databases::schema(name))),
            Value::ReplicaHost(name) => self.set(variable, Variable::ReplicaHost(Ref::to(databases::replica(name)))),
            Value::AppUser(name) => self.secret(variable, databases::app(name), "username"),
            Value::AppPassword(name) => self.secret(variable, databases::app(name), "password"),
            Value::OwnerUser(name) => self.secret(variable, databases::master(name), "username"),
            Value::OwnerPassword(name) => self.secret(variable, databases::master(name), "password"),
            Value::CacheHost(name) => self.set(variable, Variable::CacheHost(Ref::to(name))),
            Value::CacheReaderHost(name) => self.set(variable, Variable::CacheReaderHost(Ref::to(name))),
            Value::CachePort(_) => self.set(variable, Variable::Text(caches::PORT.to_string())),
            Value::CacheToken(name) => self.secret(variable, caches::token(name), "token"),
            Value::TopicArn(name) => self.set(variable, Variable::TopicArn(Ref::to(name))),
            Value::QueueUrl(name) => self.set(variable, Variable::QueueUrl(Ref::to(name))),
            Value::TableName(name) => self.set(variable, Variable::TableName(Ref::to(name))),
            Value::Secret(name) => {
                let secret = secrets::aws::reference(making, name);
                self.secrets.push(FromSecret { name: variable, secret, key: String::new(), and_previous: true });
            }
            Value::ApiUrl => self.set(variable, Variable::ApiUrl(Ref::to(API))),
            Value::BalancerUrl => self.set(variable, balancer(making)),
            Value::SearchEndpoint(name) => self.set(variable, Variable::LateSearchEndpoint(Ref::to(name))),
        }
    }

    fn topic(&mut self, making: &Making<'_>, name: &str) {
        self.allow(&["sns:Publish"], vec![Resource::Topic(Ref::to(name))], serde_json::Value::Null);
        // A service that publishes to an encrypted topic also needs a right to use the key (SNS developer guide, key
        // management).
        let through = json!({"StringEquals": {"kms:ViaService": making.scope.regional("sns")}});
        self.allow(&["kms:Decrypt", "kms:GenerateDataKey"], vec![Resource::Key(making.key())], through);
    }

    fn queue(&mut self, name: &str) {
        let actions = [
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ];
        self.allow(&actions, vec![Resource::Queue(Ref::to(name))], serde_json::Value::Null);
    }

    /// A table's items and indexes may be read and written. The table itself stays as it is.
    fn table(&mut self, making: &Making<'_>, name: &str) {
        let actions = [
            "dynamodb:BatchGetItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:DeleteItem",
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        ];
        let table = tables::arn(making, name);
        let mut resources = vec![Resource::Arn(table.clone())];
        let has_indexes =
            making.loaded.stack.tables.get(&Name(name.to_owned())).is_some_and(|it| !it.indexes.is_empty());
        resources.extend(has_indexes.then(|| Resource::Arn(format!("{table}/index/*"))));
        self.allow(&actions, resources, serde_json::Value::Null);
    }

    fn search(&mut self, making: &Making<'_>, name: &str) {
        let domain = making.scope.arn("es", &format!("domain/{}/*", making.scope.name(name, 28)));
        self.allow(&["es:ESHttpGet", "es:ESHttpPost"], vec![Resource::Arn(domain)], serde_json::Value::Null);
        if Search::is_inside(making.loaded.profile) {
            self.egress.push(network::from_group(search::firewall(name), search::PORT));
        }
    }
}
