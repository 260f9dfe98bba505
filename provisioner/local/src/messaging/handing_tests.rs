use super::*;
use crate::messaging::arn::Place;
use crate::messaging::config::{Attributes, Config, FunctionSubscription};
use crate::messaging::sns::Form;
use crate::messaging::store::Store;
use crate::messaging::{declare, sns};

/// What a function has not been handed yet stays, whatever else changes.
#[test]
fn messages_for_functions_are_kept_until_they_are_handed_over() {
    let directory = tempfile::tempdir().unwrap();
    let config = |region: &str, port: u16| Config {
        region: region.into(),
        topics: [("events".to_owned(), Attributes::new())].into(),
        functions: vec![FunctionSubscription {
            topic: "events".into(),
            function: "shop".into(),
            port,
            attributes: Attributes::new(),
        }],
        ..Config::default()
    };
    let open = |config: &Config| {
        let place = Place { account: config.account.clone(), region: config.region.clone() };
        let mut store = Store::open(directory.path(), place).unwrap();
        let records = declare::difference(&store, config, 1_000).unwrap();
        store.commit(records, 1_000).unwrap();
        store
    };
    let mut store = open(&config("us-east-1", 1));
    for message in ["one", "two"] {
        let form = format!("Action=Publish&TopicArn=arn:aws:sns:us-east-1:000000000000:events&Message={message}");
        let (status, answer) = sns::answer(&mut store, &Form::parse(form.as_bytes()), 1_000);
        assert_eq!(status, 200, "{answer}");
    }
    let texts = |store: &Store| -> Vec<bool> {
        let events = store.state.handing.values().flat_map(|events| events.values());
        events.map(|event| event.contains("\"Message\":\"one\"")).collect()
    };
    drop(store);
    let mut store = open(&config("eu-west-1", 2));
    assert_eq!(texts(&store), [true, false]);
    assert_eq!(store.state.functions["events shop"].subscription.port, 2);
    let first = *store.state.handing["events shop"].first_key_value().unwrap().0;
    store.commit(vec![Record::Handed { key: "events shop".into(), order: first }], 2_000).unwrap();
    store.compact(2_000).unwrap();
    drop(store);
    let mut store = open(&config("eu-west-1", 2));
    assert_eq!(texts(&store), [false]);
    assert!(store.next_order(&[]) > first);
    assert_eq!(declare::difference(&store, &config("eu-west-1", 2), 3_000), Ok(Vec::new()));
    let nobody = Config { functions: Vec::new(), ..config("eu-west-1", 2) };
    let records = declare::difference(&store, &nobody, 3_000).unwrap();
    store.commit(records, 3_000).unwrap();
    assert!(texts(&store).is_empty());
}
