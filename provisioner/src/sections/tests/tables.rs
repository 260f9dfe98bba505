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
    insta::assert_snapshot!(told(text), @r#"
    4:16: a key has one attribute or two, and this has 0
      hint: the partition key, and after it the sort key: `{ id: number }`
    5:17: a key has one attribute or two, and this has 3
      hint: the partition key, and after it the sort key: `{ id: number }`
    6:22: `tables.wrong.key.a`: "integer" is not one of "string", "number" or "binary"
    7:48: the name of an index has at least 3 characters, and `by` has 2
    7:54: `id` is a string here, and a number in another key of the table
      hint: an attribute has one type in all keys
    8:37: `at` is a string of the key, and an expiry is a number of seconds since 1970
      hint: name another attribute
    9:23: the name of an attribute of a key has 1 to 255 bytes, and this has 0
    12:11: `tables` is the name of a part that provision makes itself
    15:74: `record` is not a table of this stack
      hint: did you mean `records`?
    16:74: `plain` has no stream
      hint: give it one: `tables: {plain: {stream: new-image}}`
    17:21: the role `official-record` does not take messages of a queue
    17:70: `on` of `three-of` has 2 sources
      hint: one of `queue`, `table`, `topic` and `every`
    17:79: 3 functions take the stream of `records`, and a stream has 2 readers at most
      hint: let one of them publish to a topic that the others take
    17:105: a batch of 500 messages needs a `window` of at least 1s
    18:93: a window is at most 5m
    19:109: `functions.second.on.retries`: 10001 is greater than the maximum of 10000
    20:16: the role `official-record` does not take the events of a schedule
    20:84: `from` is for a table
    20:99: `batch` is for a queue or a table
    25:31: the secret `token-key-previous` would be the variable in which the earlier value of `token-key` is
      hint: take another name for `token-key-previous`
    "#);
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
