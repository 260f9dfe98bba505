//! Tests of the problems that are told about tables and about functions that take their streams.

use super::told;
use crate::sections::load::load;
use crate::sections::tables::key::{Key, Type};
use crate::sections::words::Name;

#[test]
fn mistakes_in_tables_are_told() {
    let text = "
stack: s
tables:
  none: { key: {} }
  three: { key: { a: number, b: string, c: binary } }
  wrong: { key: { a: integer } }
  types: { key: { id: number }, indexes: { by: { id: string }, by-user: { user: number, id: number } } }
  late: { key: { at: string }, ttl: at }
  empty: { key: { '': number } }
  plain: { key: { id: number } }
  records: { key: { id: number }, stream: new-image }
  tables: { key: { id: number } }
  marathons: { key: { id: number } }
functions:
  one: { role: official-record, uses: [marathons, credits], on: { table: record } }
  two: { role: official-record, uses: [marathons, credits], on: { table: plain } }
  three-of: { role: official-record, uses: [marathons, credits], on: { table: records, queue: q, batch: 500 } }
  first: { role: official-record, uses: [marathons, credits], on: { table: records, window: 6m } }
  second: { role: official-record, uses: [marathons, credits], on: { table: records, from: oldest, retries: 10001 } }
  far: { role: official-record, uses: [marathons, credits], on: { every: 1m, from: latest, batch: 5 } }
topics: { credits: {} }
queues: { q: {} }
secrets: { token-key: {}, token-key-previous: {} }
services:
  both: { role: hello, uses: [token-key, token-key-previous, records] }
";
    insta::assert_snapshot!(told(text));
}

#[test]
fn a_key_has_the_order_of_the_file() {
    let key = |text: &str| load(text, "dev").expect("no problems").stack.tables[&Name("t".to_owned())].key.clone();
    let pair = |name: &str, of| (name.to_owned(), of);
    let expected = Key(vec![pair("user", Type::Number), pair("at", Type::String)]);
    assert_eq!(key("stack: s\ntables: {t: {key: {user: number, at: string}}}"), expected);
    let over = "stack: s\ntables: {t: {key: {user: number, at: string}}}\nenvironments: {dev: {tables: {t: {ttl: x}}}}";
    assert_eq!(key(over), expected);
    let whole = "stack: s\ntables: {a/b: {key: {x: number}}, t: {key: {user: number, at: string}}}";
    assert!(load(whole, "dev").is_err(), "a name has no slash");
}
