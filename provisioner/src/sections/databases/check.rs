//! Finds names that a database cannot have.

use crate::sections::databases::schema;
use crate::sections::say::Say;
use crate::sections::{Loaded, Stack};

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    for name in loaded.stack.databases.keys().filter(|name| name.0.ends_with("-replica")) {
        say.taken("databases", name);
    }
    schemas(&loaded.stack, say);
}

/// Refuses names that a schema cannot have. A database's name is its schema's too, with `_` for `-`. RDS refuses a word
/// that MySQL reserves (API reference, `CreateDBInstance`, `DBName`). A schema of the server's own would be shared with
/// it.
fn schemas(stack: &Stack, say: &mut Say<'_>) {
    for name in stack.databases.keys() {
        let schema = schema(&name.0);
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

/// The reserved words of MySQL 8.0 and 8.4 that can be a name here, in order.
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
