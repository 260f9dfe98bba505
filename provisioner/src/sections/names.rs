//! Names: long, twice, or taken by provision itself, by AWS or by an engine.

use std::collections::BTreeMap;

use super::{Say, used};
use crate::scope::PREFIX_LIMIT;
use crate::stack::{Loaded, Name, Stack, database_schema};

pub(super) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    prefix(loaded, say);
    // `uses:` names a thing without saying of which section, so a name is used once.
    let mut seen: BTreeMap<&Name, &str> = BTreeMap::new();
    for (section, name) in used(stack) {
        match seen.get(name) {
            Some(first) => say.problem(
                format!("/{section}/{name}"),
                format!("`{name}` is also the name of one of the {first}"),
                Some("`uses` needs different names".into()),
            ),
            None => {
                seen.insert(name, section);
            }
        }
    }
    // A key of the schema's maps has a pattern, but no length.
    let all = used(stack).into_iter().chain(stack.services.keys().map(|name| ("services", name)));
    for (section, name) in all.filter(|(_, name)| name.0.len() > LONGEST) {
        let what = format!("`{name}` has {} characters, more than the {LONGEST} of a name", name.0.len());
        say.problem(format!("/{section}/{name}"), what, None);
    }
    own(stack, say);
    schemas(stack, say);
}

const LONGEST: usize = 40;

/// Checks the prefix that every name begins with. EC2 and ELB keep one prefix each for themselves (API references,
/// `CreateSecurityGroup`, `CreateLoadBalancer`).
fn prefix(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    let prefix = format!("{}-{}", stack.stack, loaded.env);
    if prefix.len() > PREFIX_LIMIT {
        let what = format!(
            "`{prefix}` has {} characters, more than the {PREFIX_LIMIT} that leave room in AWS's shortest names",
            prefix.len()
        );
        say.problem("/stack".into(), what, Some("take a shorter name for the stack or the environment".into()));
    }
    for (begin, whose, there) in
        [("sg-", "firewall group", loaded.needs_network()), ("internal-", "load balancer", stack.has_load_balancer())]
    {
        if there && prefix.starts_with(begin) {
            let what = format!("the name of a {whose} would begin with `{begin}`, which AWS keeps for itself");
            say.problem("/stack".into(), what, Some("take another name for the stack".into()));
        }
    }
}

/// Names that the stack's own parts have, on AWS or on a laptop.
fn own(stack: &Stack, say: &mut Say<'_>) {
    let mut taken = |section: &str, name: &Name| {
        let what = format!("`{name}` is the name of a part that provision makes itself");
        say.problem(format!("/{section}/{name}"), what, None);
    };
    for name in stack.services.keys() {
        let prefixed = ["database-", "cache-", "search-"].iter().any(|prefix| name.0.starts_with(prefix));
        if prefixed || ["web", "redirect", "forwarder", "flow-logs"].contains(&name.0.as_str()) {
            taken("services", name);
        }
    }
    for name in stack.topics.keys().filter(|name| name.0 == "alerts") {
        taken("topics", name);
    }
    for name in stack.queues.keys().filter(|name| name.0 == "forwarder-failed" || name.0.ends_with("-dead-letter")) {
        taken("queues", name);
    }
    for name in stack.databases.keys().filter(|name| name.0.ends_with("-replica")) {
        taken("databases", name);
    }
}

/// A database's name is its schema's too, with `_` for `-`: RDS refuses a word that MySQL reserves (API reference,
/// `CreateDBInstance`, `DBName`), and a schema of the server's own would be shared with it.
fn schemas(stack: &Stack, say: &mut Say<'_>) {
    for name in stack.databases.keys() {
        let schema = database_schema(&name.0);
        let what = match (SERVERS_OWN.contains(&&*schema), RESERVED.binary_search(&&*schema)) {
            (true, _) => format!("`{schema}` is a schema of the database server itself"),
            (false, Ok(_)) => format!("`{schema}` is a word that MySQL reserves, and RDS takes no schema of that name"),
            (false, Err(_)) => continue,
        };
        let hint = "name it after what is in it, as in `orders`".to_owned();
        say.at_key(&format!("/databases/{name}"), what, &hint);
    }
}

const SERVERS_OWN: &[&str] = &["information_schema", "innodb", "mysql", "performance_schema", "rdsadmin", "sys"];

/// MySQL 8.0 and 8.4, reserved words that can be a name here, in order.
/// <https://dev.mysql.com/doc/refman/8.4/en/keywords.html>
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "accessible", "add", "all", "alter", "analyze", "and", "as", "asc", "asensitive", "before", "between", "bigint", "binary",
    "blob", "both", "by", "call", "cascade", "case", "change", "char", "character", "check", "collate", "column", "condition",
    "constraint", "continue", "convert", "create", "cross", "cube", "cume_dist", "current_date", "current_time",
    "current_timestamp", "current_user", "cursor", "database", "databases", "day_hour", "day_microsecond", "day_minute",
    "day_second", "dec", "decimal", "declare", "default", "delayed", "delete", "dense_rank", "desc", "describe",
    "deterministic", "distinct", "distinctrow", "div", "double", "drop", "dual", "each", "else", "elseif", "empty", "enclosed",
    "escaped", "except", "exists", "exit", "explain", "false", "fetch", "first_value", "float", "float4", "float8", "for",
    "force", "foreign", "from", "fulltext", "function", "generated", "get", "grant", "group", "grouping", "groups", "having",
    "high_priority", "hour_microsecond", "hour_minute", "hour_second", "if", "ignore", "in", "index", "infile", "inner",
    "inout", "insensitive", "insert", "int", "int1", "int2", "int3", "int4", "int8", "integer", "intersect", "interval", "into",
    "io_after_gtids", "io_before_gtids", "is", "iterate", "join", "json_table", "key", "keys", "kill", "lag", "last_value",
    "lateral", "lead", "leading", "leave", "left", "like", "limit", "linear", "lines", "load", "localtime", "localtimestamp",
    "lock", "long", "longblob", "longtext", "loop", "low_priority", "manual", "master_bind", "master_ssl_verify_server_cert",
    "match", "maxvalue", "mediumblob", "mediumint", "mediumtext", "middleint", "minute_microsecond", "minute_second", "mod",
    "modifies", "natural", "no_write_to_binlog", "not", "nth_value", "ntile", "null", "numeric", "of", "on", "optimize",
    "optimizer_costs", "option", "optionally", "or", "order", "out", "outer", "outfile", "over", "parallel", "partition",
    "percent_rank", "precision", "primary", "procedure", "purge", "qualify", "range", "rank", "read", "read_write", "reads",
    "real", "recursive", "references", "regexp", "release", "rename", "repeat", "replace", "require", "resignal", "restrict",
    "return", "revoke", "right", "rlike", "row", "row_number", "rows", "schema", "schemas", "second_microsecond", "select",
    "sensitive", "separator", "set", "show", "signal", "smallint", "spatial", "specific", "sql", "sql_big_result",
    "sql_calc_found_rows", "sql_small_result", "sqlexception", "sqlstate", "sqlwarning", "ssl", "starting", "stored",
    "straight_join", "system", "table", "tablesample", "terminated", "then", "tinyblob", "tinyint", "tinytext", "to",
    "trailing", "trigger", "true", "undo", "union", "unique", "unlock", "unsigned", "update", "usage", "use", "using",
    "utc_date", "utc_time", "utc_timestamp", "values", "varbinary", "varchar", "varcharacter", "varying", "virtual", "when",
    "where", "while", "window", "with", "write", "xor", "year_month", "zerofill",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_in_order() {
        assert!(RESERVED.is_sorted());
    }
}
