//! Tests of the problems that are told about secrets, and of what they become.

use super::told;
use crate::sections::load::load;

#[test]
fn mistakes_in_secrets_are_told() {
    let text = "stack: s
region: eu-west-1
secrets:
  admin-key: {}
  one: { from: '' }
  two: { from: }
  three: { from: my key }
  four: { from: \"käse\" }
  five: { from: 'prod:key' }
  six: { from: 5 }
  seven: { form: partner-key }
  eight: { from: arn:aws:secretsmanager:eu-west-1:123456789012:secret:key }
  nine: { from: arn:aws:secretsmanager:us-east-1:123456789012:secret:key-AbCdEf }
  ten: { from: arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:key-AbCdEf }
  eleven: { from: a/b_c+d=e.f@g-h }
  twelve: partner-key
";
    insta::assert_snapshot!(told(text), @r#"
    5:16: `secrets.one.from` is "", which does not fit
      hint: the name of a secret in Secrets Manager (letters, digits and `/_+=.@-`), or its whole ARN with the six characters at its end
    6:14: `secrets.two.from` is empty
      hint: write a value, or leave it out
    7:18: `secrets.three.from` is "my key", which does not fit
      hint: the name of a secret in Secrets Manager (letters, digits and `/_+=.@-`), or its whole ARN with the six characters at its end
    8:17: `secrets.four.from` is "käse", which does not fit
      hint: the name of a secret in Secrets Manager (letters, digits and `/_+=.@-`), or its whole ARN with the six characters at its end
    9:17: `secrets.five.from` is "prod:key", which does not fit
      hint: the name of a secret in Secrets Manager (letters, digits and `/_+=.@-`), or its whole ARN with the six characters at its end
    10:16: `secrets.six.from`: 5 is not of type "string"
      hint: a time has a unit, as in `5s`; a version or an account is in quotes
    11:12: `form` is not known in `secrets.seven`
      hint: did you mean `from`?
    12:18: `secrets.eight.from` is "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key", which does not fit
      hint: the name of a secret in Secrets Manager (letters, digits and `/_+=.@-`), or its whole ARN with the six characters at its end
    13:17: the secret is of us-east-1, and the stack is in eu-west-1
      hint: replicate the secret to eu-west-1, and name that replica
    14:16: the secret is in the partition aws-cn, and eu-west-1 is in aws
      hint: its ARN begins with `arn:aws:`
    16:11: `secrets.twelve`: "partner-key" is not of type "object"
    "#);
    let long = |length: usize| told(&format!("stack: s\nsecrets: {{key: {{from: {}}}}}\n", "x".repeat(length)));
    assert_eq!(long(512), "");
    assert!(long(513).contains("the name of a secret"), "{}", long(513));
}

#[test]
fn an_environment_may_have_a_secret_of_its_own() {
    let text = "stack: s\nsecrets: {key: {}}\nenvironments:\n  dev: {}\n  prod: {secrets: {key: {from: prod/key}}}\n";
    assert_eq!(told(text), "");
    let from = |env: &str| -> Vec<String> {
        let loaded = load(text, env).expect("no mistakes");
        loaded.stack.existing_secrets().map(|(name, from)| format!("{name} from {from}")).collect()
    };
    assert_eq!(from("dev"), [""; 0]);
    assert_eq!(from("prod"), ["key from prod/key"]);
}

/// The environment of a function has room for the ARN of a secret with a long name, or not.
#[test]
fn a_long_name_counts_for_the_environment_of_a_function() {
    let with = |length: usize| {
        let keys: Vec<String> = (0..8).map(|key| format!("key-{key}")).collect();
        let secrets: String = keys.iter().map(|key| format!("  {key}: {{from: {}}}\n", "x".repeat(length))).collect();
        told(&format!(
            "stack: s\nqueues: {{work: {{}}}}\nsecrets:\n{secrets}functions:\n  order: {{role: order, on: {{queue: work}}, \
             env: {{FACTORY_URL: x}}, uses: [{}]}}\n",
            keys.join(", ")
        ))
    };
    assert_eq!(with(200), "");
    assert!(with(500).contains("more than the 4096 that Lambda allows"), "{}", with(500));
}
