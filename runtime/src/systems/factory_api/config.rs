//! The variables that the role `factory-api` reads from the environment.

use std::time::Duration;

use crate::config::stores::Database;
use crate::config::{Environment, Serve, all_or_problems};
use crate::http::reach::Reach;

#[derive(Debug)]
pub struct FactoryApi {
    pub serve: Serve,
    pub database: Database,
    /// `FACTORY_STEP_SECONDS` (10): the time of each of the four steps between the first and the last.
    pub step: Duration,
    /// Which addresses are called back: on a laptop those of this machine, else public ones.
    /// `FACTORY_CALLBACK_HOSTS`: the hosts, with commas between them, that may have a private address.
    pub reach: Reach,
}

/// The longest step, in seconds: an hour.
const LONGEST_STEP: u64 = 3_600;

impl FactoryApi {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let serve = Serve::of(environment, "factory-api", &mut problems);
        let step = environment.parsed("FACTORY_STEP_SECONDS", 10, "a number of seconds", &mut problems);
        if step > LONGEST_STEP {
            problems.push(format!("FACTORY_STEP_SECONDS is more than {LONGEST_STEP}"));
        }
        let hosts = environment.get("FACTORY_CALLBACK_HOSTS").unwrap_or_default().split(',').map(str::trim);
        let hosts: Vec<String> = hosts.filter(|host| !host.is_empty()).map(str::to_owned).collect();
        if hosts.iter().any(|host| host.contains(['/', '@', ' ']) || host.ends_with(':')) {
            problems.push("FACTORY_CALLBACK_HOSTS is not a list of hosts with commas between them".to_owned());
        }
        // A server that only this machine can reach is one of a stack on a laptop.
        let reach = match serve.listen.ip().is_loopback() {
            true => Reach::ThisMachine,
            false => Reach::Public { or: hosts.into_iter().chain(of_this_stack(environment)).collect() },
        };
        let config = FactoryApi {
            database: Database::read(environment, &mut problems),
            step: Duration::from_secs(step),
            reach,
            serve,
        };
        all_or_problems(config, problems)
    }
}

/// The hosts of the services and functions that `uses:` names. Their addresses are in the variables `NAME_URL`.
fn of_this_stack(environment: &Environment) -> impl Iterator<Item = String> {
    let urls = environment.iter().filter(|(name, _)| name.ends_with("_URL") && !name.starts_with("AWS_"));
    urls.filter_map(|(_, url)| Some(url.parse::<hyper::Uri>().ok()?.host()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> anyhow::Result<FactoryApi> {
        let database =
            [("DATABASE_HOST", "h"), ("DATABASE_NAME", "n"), ("DATABASE_USER", "u"), ("DATABASE_PASSWORD", "p")];
        let all = database.iter().chain(variables);
        let environment: Environment = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        FactoryApi::read(&environment)
    }

    #[test]
    fn where_it_calls_back_depends_on_where_it_runs() {
        assert_eq!(read(&[]).unwrap().reach, Reach::Public { or: vec![] });
        assert_eq!(read(&[("HOST", "127.0.0.1"), ("FACTORY_CALLBACK_HOSTS", "a")]).unwrap().reach, Reach::ThisMachine);
        let known = read(&[
            ("FACTORY_CALLBACK_HOSTS", "shop.internal, 10.0.0.7,"),
            ("STOCK_INC_URL", "http://balancer.internal"),
            ("AWS_ENDPOINT_URL", "http://aws.internal"),
        ]);
        let hosts = ["shop.internal", "10.0.0.7", "balancer.internal"].map(str::to_owned).to_vec();
        assert_eq!(known.unwrap().reach, Reach::Public { or: hosts });
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let error = read(&[("FACTORY_STEP_SECONDS", "3601"), ("FACTORY_CALLBACK_HOSTS", "http://a")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "configuration: FACTORY_STEP_SECONDS is more than 3600; FACTORY_CALLBACK_HOSTS is not a list of hosts with \
             commas between them"
        );
        assert_eq!(read(&[]).unwrap().step, Duration::from_secs(10));
        assert_eq!(read(&[("FACTORY_STEP_SECONDS", "0")]).unwrap().step, Duration::ZERO);
    }
}
