//! The roles of the runtime: one list for the runtime, which serves by it, and for `provision`, which checks stack files by it.
//!
//! A new role is one line in [`ROLES`]. A test of the runtime compares this list with the systems that it has.

#[derive(Debug, PartialEq)]
pub struct Role {
    pub name: &'static str,
    /// The folder of `runtime/src/systems` that has the code of the role.
    pub system: &'static str,
    /// What the role does, in one line, for `runtime serve --help`.
    pub about: &'static str,
    pub runs: Runs,
    /// What the role handles.
    pub takes: &'static [Event],
    /// What `uses:` must give a service or a function with this role.
    pub needs: &'static [Need],
    /// The variables that the role needs besides those of `needs`: the value of a secret, or the address of a service or
    /// function. `uses: [admin-key]` gives `ADMIN_KEY`, and `uses: [factory]` gives `FACTORY_URL`.
    pub variables: &'static [&'static str],
    /// The schema of its database, by the name that `runtime migrate` and `MIGRATE_SCHEMA` take.
    pub schema: Option<&'static str>,
    /// The path of a request that only reads, for a probe of the functions.
    pub reads: Option<&'static str>,
    /// Whether the role counts the event of a probe, and does nothing else with it.
    pub counts_probes: bool,
    /// Whether the probe of the system runs in place of a service with this role, with the service's environment, IAM
    /// role and firewall group.
    pub probe: bool,
}

/// How a role is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// `runtime serve ROLE`: a process that answers HTTP requests, of one of the stack's `services:`.
    Server,
    /// A Lambda function, whose handler is the name of the role.
    Function,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Requests, of `http:`.
    Http,
    /// Messages of a queue, of `on: { queue: … }`.
    Queue,
    /// Messages of a topic, of `on: { topic: … }`.
    Topic,
    /// A schedule, of `on: { every: … }`.
    Schedule,
    /// Changes of a table, from its stream, of `on: { table: … }`.
    Table,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Exactly one thing of a sort. Its variables have no name in front: `TOPIC_ARN`.
    One(Sort),
    /// One of several things of a sort: the one that has this name in the stack file. Its variables begin with the
    /// name: `ORDERS_TOPIC_ARN`. A table is always named, also when it is the only one: `MARATHONS_TABLE`.
    Named(Sort, &'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Database,
    Cache,
    Topic,
    Queue,
    Table,
}

pub const ROLES: &[Role] = &[
    Role {
        name: "hello",
        system: "hello",
        about: "Answers every path, to prove that a stack serves",
        runs: Runs::Server,
        takes: &[Event::Http],
        needs: &[],
        variables: &[],
        schema: None,
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "reservation",
        system: "sendy",
        about: "Writes reservations, and relays what follows from them",
        runs: Runs::Server,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database), Need::One(Sort::Cache), Need::One(Sort::Topic)],
        variables: &[],
        schema: Some("sendy"),
        reads: None,
        counts_probes: false,
        // The way of a reservation begins at this service, and the service knows the database. So it knows most of what
        // the probe looks at.
        probe: true,
    },
    Role {
        name: "lookup",
        system: "sendy",
        about: "Reads reservations, through the cache",
        runs: Runs::Server,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database), Need::One(Sort::Cache)],
        variables: &[],
        schema: Some("sendy"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "notification",
        system: "sendy",
        about: "Takes events from the queue and serves them to drivers",
        runs: Runs::Server,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database), Need::One(Sort::Queue)],
        variables: &[],
        schema: Some("sendy"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "shop",
        system: "msa_study",
        about: "Sells items, and orders what is missing",
        runs: Runs::Function,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database), Need::One(Sort::Topic)],
        variables: &["ADMIN_KEY"],
        schema: Some("msa_study/item"),
        reads: Some("/item"),
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "shop-outbox",
        system: "msa_study",
        about: "Publishes orders that the shop has left in its outbox",
        runs: Runs::Function,
        takes: &[Event::Schedule],
        needs: &[Need::One(Sort::Database), Need::One(Sort::Topic)],
        variables: &[],
        schema: Some("msa_study/item"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "order",
        system: "msa_study",
        about: "Takes orders from the queue to the factory",
        runs: Runs::Function,
        takes: &[Event::Queue],
        needs: &[],
        variables: &["FACTORY_URL"],
        schema: None,
        reads: None,
        counts_probes: true,
        probe: false,
    },
    Role {
        name: "factory",
        system: "msa_study",
        about: "Logs what is produced, and publishes the delivery",
        runs: Runs::Function,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database), Need::One(Sort::Topic)],
        variables: &[],
        schema: Some("msa_study/log"),
        reads: Some("/log"),
        counts_probes: true,
        probe: false,
    },
    Role {
        name: "factory-outbox",
        system: "msa_study",
        about: "Publishes deliveries that the factory has left in its outbox",
        runs: Runs::Function,
        takes: &[Event::Schedule],
        needs: &[Need::One(Sort::Database), Need::One(Sort::Topic)],
        variables: &[],
        schema: Some("msa_study/log"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "delivery",
        system: "msa_study",
        about: "Takes deliveries from the queue into the stock",
        runs: Runs::Function,
        takes: &[Event::Queue],
        needs: &[Need::One(Sort::Database)],
        variables: &[],
        schema: Some("msa_study/item"),
        reads: None,
        counts_probes: true,
        probe: false,
    },
    Role {
        name: "factory-api",
        system: "factory_api",
        about: "Produces what others order, and calls them back",
        runs: Runs::Server,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database)],
        variables: &[],
        schema: Some("factory_api"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "factory-docs",
        system: "factory_api",
        about: "Shows how to order from a factory",
        runs: Runs::Server,
        takes: &[Event::Http],
        needs: &[],
        variables: &[],
        schema: None,
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "sale",
        system: "factoauto",
        about: "Sells one of a product, and orders more when nothing is left",
        runs: Runs::Function,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database), Need::One(Sort::Topic)],
        variables: &[],
        schema: Some("factoauto"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "sale-outbox",
        system: "factoauto",
        about: "Publishes orders that sales have left in their outbox",
        runs: Runs::Function,
        takes: &[Event::Schedule],
        needs: &[Need::One(Sort::Database), Need::One(Sort::Topic)],
        variables: &[],
        schema: Some("factoauto"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "stock-empty",
        system: "factoauto",
        about: "Takes orders from the queue to the factory",
        runs: Runs::Function,
        takes: &[Event::Queue],
        needs: &[],
        variables: &["FACTORY_URL", "STOCK_INC_URL"],
        schema: None,
        reads: None,
        counts_probes: true,
        probe: false,
    },
    Role {
        name: "stock-inc",
        system: "factoauto",
        about: "Takes what a factory has produced into the stock",
        runs: Runs::Function,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database)],
        variables: &["ADMIN_KEY"],
        schema: Some("factoauto"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "sales",
        system: "noted",
        about: "Sells donuts, and orders more when none is left",
        runs: Runs::Function,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database), Need::Named(Sort::Topic, "stock-empty"), Need::Named(Sort::Topic, "sold")],
        variables: &[],
        schema: Some("noted"),
        reads: Some("/product/donut"),
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "sales-outbox",
        system: "noted",
        about: "Publishes sales and orders that were left in the outbox",
        runs: Runs::Function,
        takes: &[Event::Schedule],
        needs: &[Need::One(Sort::Database), Need::Named(Sort::Topic, "stock-empty"), Need::Named(Sort::Topic, "sold")],
        variables: &[],
        schema: Some("noted"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "stock",
        system: "noted",
        about: "Takes orders from the queue to the factory",
        runs: Runs::Function,
        takes: &[Event::Queue],
        needs: &[],
        variables: &["FACTORY_URL", "STOCK_INCREASE_URL"],
        schema: None,
        reads: None,
        counts_probes: true,
        probe: false,
    },
    Role {
        name: "stock-increase",
        system: "noted",
        about: "Takes what a factory has produced into the stock",
        runs: Runs::Function,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database)],
        variables: &["ADMIN_KEY"],
        schema: Some("noted"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "ops",
        system: "noted",
        about: "Counts sales and orders for the team that runs the shop",
        runs: Runs::Function,
        takes: &[Event::Http, Event::Queue],
        needs: &[Need::One(Sort::Database)],
        variables: &[],
        schema: Some("noted"),
        reads: Some("/ops"),
        counts_probes: true,
        probe: false,
    },
    Role {
        name: "ad",
        system: "noted",
        about: "Counts orders for the team that advertises",
        runs: Runs::Function,
        takes: &[Event::Http, Event::Queue],
        needs: &[Need::One(Sort::Database)],
        variables: &[],
        schema: Some("noted"),
        reads: Some("/ad"),
        counts_probes: true,
        probe: false,
    },
    Role {
        name: "user",
        system: "mrmrthon",
        about: "Signs runners and organizers up and in",
        runs: Runs::Server,
        takes: &[Event::Http],
        needs: &[Need::One(Sort::Database)],
        variables: &["TOKEN_KEY"],
        schema: Some("mrmrthon"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "main",
        system: "mrmrthon",
        about: "Keeps marathons, players and records, and shows points",
        runs: Runs::Server,
        takes: &[Event::Http],
        needs: &[
            Need::One(Sort::Database),
            Need::Named(Sort::Table, "marathons"),
            Need::Named(Sort::Table, "players"),
            Need::Named(Sort::Table, "official-records"),
            Need::Named(Sort::Table, "non-official-records"),
        ],
        variables: &["TOKEN_KEY"],
        schema: Some("mrmrthon"),
        reads: None,
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "official-record",
        system: "mrmrthon",
        about: "Tells the topic what each new official record is worth",
        runs: Runs::Function,
        takes: &[Event::Table],
        needs: &[Need::One(Sort::Topic), Need::Named(Sort::Table, "marathons")],
        variables: &[],
        schema: None,
        reads: None,
        // The event of a probe begins at the topic: a record in the table would be one that people can see.
        counts_probes: false,
        probe: false,
    },
    Role {
        name: "point-increase",
        system: "mrmrthon",
        about: "Credits the points of each record, once",
        runs: Runs::Function,
        takes: &[Event::Queue],
        needs: &[Need::One(Sort::Database)],
        variables: &[],
        schema: Some("mrmrthon"),
        reads: None,
        counts_probes: true,
        probe: false,
    },
    Role {
        name: "webhook",
        system: "mrmrthon",
        about: "Tells a channel of Discord about each credit",
        runs: Runs::Function,
        takes: &[Event::Topic],
        needs: &[Need::Named(Sort::Table, "announcements")],
        variables: &["DISCORD_WEBHOOK_URL"],
        schema: None,
        reads: None,
        counts_probes: true,
        probe: false,
    },
];

pub fn find(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name == name)
}

/// The roles that a service can have.
pub fn servers() -> impl Iterator<Item = &'static Role> + Clone {
    ROLES.iter().filter(|role| role.runs == Runs::Server)
}

/// The roles in whose place a probe runs.
pub fn probed() -> impl Iterator<Item = &'static Role> + Clone {
    ROLES.iter().filter(|role| role.probe)
}

impl Need {
    pub fn sort(self) -> Sort {
        match self {
            Need::One(sort) | Need::Named(sort, _) => sort,
        }
    }
}

impl Sort {
    /// The sort in the words of an error.
    pub fn word(self) -> &'static str {
        match self {
            Sort::Database => "database",
            Sort::Cache => "cache",
            Sort::Topic => "topic",
            Sort::Queue => "queue",
            Sort::Table => "table",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a role can read its environment. If a role needs one thing of a sort, the variables have no name in front.
    /// If it needs several of a sort, all their variables have a name in front. A table's variable has one always.
    fn is_readable(needs: &[Need]) -> bool {
        needs.iter().all(|need| {
            let of_sort = needs.iter().filter(|other| other.sort() == need.sort()).count();
            match need {
                Need::One(sort) => of_sort == 1 && *sort != Sort::Table,
                Need::Named(sort, _) => of_sort > 1 || *sort == Sort::Table,
            }
        })
    }

    #[test]
    fn each_name_is_one_role_and_each_role_can_read_its_environment() {
        for role in ROLES {
            assert_eq!(find(role.name), Some(role));
            let same = ROLES.iter().filter(|other| other.name == role.name).count();
            assert_eq!(same, 1, "{}", role.name);
            assert!(is_readable(role.needs), "{}", role.name);
            let has_database = role.needs.iter().any(|need| need.sort() == Sort::Database);
            assert_eq!(role.schema.is_some(), has_database, "{}", role.name);
            assert!(!role.takes.is_empty(), "{}", role.name);
            let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'_');
            assert!(plain(role.name) && plain(role.system), "{}", role.name);
        }
    }

    #[test]
    fn two_of_a_sort_need_names() {
        use Need::{Named, One};
        let (topic, queue) = (Sort::Topic, Sort::Queue);
        assert!(is_readable(&[Named(topic, "orders"), Named(topic, "deliveries"), One(queue)]));
        assert!(!is_readable(&[One(topic), One(topic)]));
        assert!(!is_readable(&[One(topic), Named(topic, "orders")]));
        assert!(!is_readable(&[Named(topic, "orders")]));
        assert!(is_readable(&[Named(Sort::Table, "orders")]));
        assert!(!is_readable(&[One(Sort::Table)]));
    }
}
