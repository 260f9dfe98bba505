//! Variables whose value is in Secrets Manager.
//!
//! A container gets the value of a secret in the variable `NAME`. A function gets `NAME_SECRET`, the ARN of the secret,
//! and `NAME_VERSION`, the id of its version: the environment of a function can be read by many, and never has a secret
//! in it. The values are fetched at the start, so that the roles read `NAME` in both cases.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use futures_util::future::try_join_all;
use hyper::Uri;
use serde_json::Value;

use super::stores::{Login, Secret};
use super::{Aws, Environment, all_or_problems, endpoint, uri};
use crate::aws::secrets::Manager;
use crate::http::client::Client;

/// The secret that the value of a variable came from.
#[derive(Clone, Debug)]
pub struct Origin {
    manager: Arc<Manager>,
    arn: String,
}

/// Fetches the variables that are secrets. A variable that has a value is left alone.
pub async fn fetched(mut environment: Environment) -> anyhow::Result<Environment> {
    let wanted = wanted(&environment);
    let mut managers = BTreeMap::new();
    let mut problems = Vec::new();
    for Wanted { arn, .. } in &wanted {
        let region = arn.split(':').nth(3).unwrap_or_default();
        if !managers.contains_key(region) {
            managers.insert(region.to_owned(), Arc::new(manager(&environment, region, &mut problems)?));
        }
    }
    all_or_problems((), problems)?;
    // A secret with the parts of several variables is fetched once.
    let texts: BTreeMap<(&str, Option<&str>), &Arc<Manager>> =
        wanted.iter().filter_map(|wanted| Some((wanted.key(), managers.get(wanted.arn.split(':').nth(3)?)?))).collect();
    let texts = texts.into_iter().map(|((arn, version), manager)| async move {
        let text = manager.text(arn, version).await.with_context(|| format!("configuration: the secret {arn}"))?;
        anyhow::Ok(((arn, version), (text, manager)))
    });
    let texts: BTreeMap<_, _> = try_join_all(texts).await?.into_iter().collect();
    let mut found = Vec::new();
    for wanted in &wanted {
        let (text, manager) = &texts[&wanted.key()];
        let value = part(&wanted.name, text).with_context(|| format!("configuration: {}", wanted.name))?;
        let origin = Origin { manager: Arc::clone(manager), arn: wanted.arn.clone() };
        found.push((wanted.name.clone(), value, origin));
    }
    for (name, value, origin) in found {
        environment.variables.insert(name.clone(), value);
        environment.origins.insert(name, origin);
    }
    Ok(environment)
}

impl Origin {
    /// The login that the secret has now, whatever version was fetched at the start. `user` is the name if the secret
    /// has none.
    pub async fn login(&self, user: &str) -> anyhow::Result<Login> {
        let text = self.manager.text(&self.arn, None).await.with_context(|| format!("the secret {}", self.arn))?;
        let user = member(&text, "username").unwrap_or_else(|| user.to_owned());
        let password = Secret(part("_PASSWORD", &text)?);
        Ok(Login { user, password, origin: Some(self.clone()) })
    }
}

/// A variable that is to be fetched.
struct Wanted {
    name: String,
    arn: String,
    version: Option<String>,
}

impl Wanted {
    fn key(&self) -> (&str, Option<&str>) {
        (&self.arn, self.version.as_deref())
    }
}

fn wanted(environment: &Environment) -> Vec<Wanted> {
    let names = environment.variables.keys().filter_map(|variable| variable.strip_suffix("_SECRET"));
    names
        .filter(|name| environment.get(name).is_none())
        .filter_map(|name| {
            let arn = environment.get(&format!("{name}_SECRET"))?;
            // Another variable may have a name that ends so, too.
            let is_secret = arn.starts_with("arn:") && arn.split(':').nth(2) == Some("secretsmanager");
            let version = environment.get(&format!("{name}_VERSION")).map(str::to_owned);
            is_secret.then(|| Wanted { name: name.to_owned(), arn: arn.to_owned(), version })
        })
        .collect()
}

fn manager(environment: &Environment, region: &str, problems: &mut Vec<String>) -> anyhow::Result<Manager> {
    let aws = Aws { region: region.to_owned(), ..Aws::read(environment, problems) };
    let endpoint = endpoint(environment, "AWS_ENDPOINT_URL_SECRETS_MANAGER", problems);
    Ok(Manager { client: Client::new()?, aws, endpoint: endpoint.unwrap_or_else(|| address(region, problems)) })
}

fn address(region: &str, problems: &mut Vec<String>) -> Uri {
    let suffix = partition::of(region).map_or("amazonaws.com", |partition| partition.dns_suffix);
    uri("the region of a secret", &format!("secretsmanager.{region}.{suffix}"), problems)
}

/// The part of a secret that a variable wants. A secret is a text, or a JSON object with a user and a password, or with
/// a token.
fn part(name: &str, text: &str) -> anyhow::Result<String> {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else { return Ok(text.to_owned()) };
    let key = match () {
        () if name.ends_with("_USER") => "username",
        () if name.ends_with("_PASSWORD") => "password",
        () => "token",
    };
    let only = members.values().next().filter(|_| members.len() == 1);
    let found = members.get(key).or(only).and_then(Value::as_str).map(str::to_owned);
    found.with_context(|| format!("the secret is a JSON object without a text `{key}`"))
}

fn member(text: &str, key: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    value[key].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_variable_wants_its_part_of_a_secret() {
        let login = r#"{"username":"app","password":"hunter2","engine":"mysql"}"#;
        for (name, text, expected) in [
            ("DATABASE_USER", login, Some("app")),
            ("ORDERS_DATABASE_OWNER_PASSWORD", login, Some("hunter2")),
            ("CACHE_TOKEN", r#"{"token":"t"}"#, Some("t")),
            ("ADMIN_KEY", "plain text", Some("plain text")),
            ("ADMIN_KEY", r#"{"token":"t"}"#, Some("t")),
            ("ADMIN_KEY", r#"{"key":"only"}"#, Some("only")),
            ("ADMIN_KEY", "12345678", Some("12345678")),
            ("ADMIN_KEY", login, None),
            ("DATABASE_PASSWORD", r#"{"username":"app","password":5}"#, None),
        ] {
            let part = part(name, text);
            assert_eq!(part.as_deref().ok(), expected, "{name} {text}");
            assert!(part.err().is_none_or(|error| !format!("{error:#}").contains("hunter2")));
        }
    }

    #[test]
    fn a_variable_with_a_value_and_one_that_only_looks_like_a_secret_are_left_alone() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf";
        let wanted = wanted(&environment(&[
            ("ADMIN_KEY_SECRET", arn),
            ("ADMIN_KEY_VERSION", "v1"),
            ("CACHE_TOKEN", ""),
            ("CACHE_TOKEN_SECRET", arn),
            ("DATABASE_PASSWORD", "given"),
            ("DATABASE_PASSWORD_SECRET", arn),
            ("CLIENT_SECRET", "hunter2"),
        ]));
        let wanted: Vec<_> = wanted.iter().map(|wanted| (wanted.name.as_str(), wanted.version.as_deref())).collect();
        assert_eq!(wanted, [("ADMIN_KEY", Some("v1")), ("CACHE_TOKEN", None)]);
    }

    #[tokio::test]
    async fn without_credentials_every_problem_is_told_and_no_call_is_made() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf";
        let error =
            fetched(environment(&[("ADMIN_KEY_SECRET", arn), ("AWS_REGION", "eu-west-1")])).await.err().unwrap();
        assert_eq!(error.to_string(), "configuration: AWS_ACCESS_KEY_ID is not set; AWS_SECRET_ACCESS_KEY is not set");
    }

    #[test]
    fn the_endpoint_is_that_of_the_partition() {
        let mut problems = Vec::new();
        assert_eq!(address("cn-north-1", &mut problems).host(), Some("secretsmanager.cn-north-1.amazonaws.com.cn"));
        assert!(problems.is_empty());
    }
}
