//! Checks the settings for the way to AWS in the environment, before the SDK reads them. The SDK takes some mistakes
//! for another source of credentials, and ends the process at others. No message shows a value that may be a secret.

use std::fmt;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Providing;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use super::Access;

/// A setting that cannot be used, and what to write instead.
#[derive(Debug, PartialEq)]
pub struct Mistake {
    pub what: String,
    pub hint: String,
}

/// Finds all mistakes at once. `variables` are those of the process.
pub fn mistakes(access: &Access, variables: &[(String, String)]) -> Vec<Mistake> {
    let get = |name: &str| {
        let found = variables.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.trim().is_empty())
    };
    let mut mistakes = Vec::new();
    let mut say = |what: String, hint: &str| mistakes.push(Mistake { what, hint: hint.to_owned() });
    for (name, word) in [(KEY, KEY_WORD), (SECRET, SECRET_WORD), (TOKEN, TOKEN_WORD)] {
        if let Some(wrong) = get(name).and_then(|value| stranger(value.trim())) {
            say(
                format!("{word} in {name} has {wrong} in it, which none has"),
                "set it again, with nothing but the key",
            );
        }
    }
    match (get(KEY), get(SECRET)) {
        (Some(_), None) => say(format!("{KEY} is set, and {SECRET} is not"), "set both, or none and use a profile"),
        (None, Some(_)) => say(format!("{SECRET} is set, and {KEY} is not"), "set both, or none and use a profile"),
        _ => {}
    }
    // The SDK puts both into a header of every request.
    for name in ["AWS_EXECUTION_ENV", "AWS_SDK_UA_APP_ID"] {
        if let Some(wrong) = get(name).and_then(|value| stranger(value).filter(|wrong| *wrong != SPACE)) {
            say(format!("{name} has {wrong} in it, which no request can carry"), "unset it, or set it again");
        }
    }
    for name in ["AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        if let Some(value) = get(name).filter(|value| value.trim() != *value || value.chars().any(char::is_control)) {
            let what = format!("{name} is {value:?}, with white space that does not belong there");
            say(what, "set it again without");
        }
    }
    let given = access.endpoint_url.as_deref().map(|url| ("--endpoint-url", url));
    let endpoints =
        variables.iter().filter(|(name, value)| name.starts_with("AWS_ENDPOINT_URL") && !value.trim().is_empty());
    for (name, url) in given.into_iter().chain(endpoints.map(|(name, url)| (name.as_str(), url.as_str()))) {
        if !is_address(url, &["http://", "https://"]) {
            say(format!("{name} is not an address"), "http:// or https://, a host, and a port if it has one");
        }
    }
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let known = ["http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://", ""];
        if get(name).is_some_and(|url| !is_address(url, &known)) {
            say(format!("{name} is not the address of a proxy"), "as in http://proxy.example.com:3128; or unset it");
        }
    }
    if let Some(path) = get("AWS_CA_BUNDLE").filter(|path| !std::path::Path::new(path).is_file()) {
        say(
            format!("AWS_CA_BUNDLE is {path:?}, and there is no such file"),
            "unset it, or name a file of certificates",
        );
    }
    // Keys in the environment take precedence over a profile that is named there.
    let named = get("AWS_PROFILE").filter(|_| get(KEY).is_none()).map(|name| (name, "AWS_PROFILE"));
    if let Some((name, from)) = access.profile.as_deref().map(|name| (name, "--profile")).or(named) {
        let home = get("HOME").unwrap_or_default();
        let file =
            |variable: &str, usual: &str| get(variable).map_or_else(|| format!("{home}/.aws/{usual}"), str::to_owned);
        let files = [file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
        // A pipe is left to the SDK: it can be read only once. A device may have no end.
        let is_pipe = |path: &String| std::fs::metadata(path).is_ok_and(|there| !there.is_file());
        let can_be_read = !files.iter().any(is_pipe);
        let texts = files.iter().filter(|_| can_be_read).filter_map(|path| std::fs::read(path).ok());
        let known: Vec<String> = texts.flat_map(|text| profiles(&text)).collect();
        if can_be_read && name != "default" && !known.iter().any(|known| known == name) {
            let [config, credentials] = &files;
            let hint = match known.is_empty() {
                true => "there is none".to_owned(),
                false => format!("there are: {}", known.join(", ")),
            };
            say(format!("{from} names the profile {name:?}, which is neither in {config} nor in {credentials}"), &hint);
        }
    }
    mistakes
}

/// The names of the profiles in a file, from its headings: `[name]` or `[profile name]`.
fn profiles(text: &[u8]) -> Vec<String> {
    let heading = |line: &str| {
        let inner = line.trim().strip_prefix('[')?.split_once(']')?.0.trim().to_owned();
        let name = inner.strip_prefix("profile ").unwrap_or(&inner).trim().trim_matches(['"', '\'']);
        (!name.starts_with("sso-session ") && !name.starts_with("services ")).then(|| name.to_owned())
    };
    String::from_utf8_lossy(text).lines().filter_map(heading).collect()
}

/// Why this is not the name of a region. `from` says where it was found. `None` if it is one.
pub fn against_region(region: &str, from: &str) -> Option<Mistake> {
    let mut parts = region.split('-');
    let word = |part: &str| (2..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let number = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let ends_in_number = parts.next_back().is_some_and(number);
    let words: Vec<&str> = parts.collect();
    let is_region = ends_in_number && words.len() >= 2 && words.into_iter().all(word);
    (!is_region).then(|| Mistake {
        what: format!("the region is {region:?} by {from}, which is not the name of one"),
        hint: "as in `ap-northeast-2`".to_owned(),
    })
}

/// Credentials from any source, without the white space that a file or a secret of a CI system may have put around
/// them. Any other character that a key cannot have is an error here: the SDK would put it into a header and panic.
#[derive(Debug)]
pub struct Clean(pub SharedCredentialsProvider);

impl ProvideCredentials for Clean {
    fn provide_credentials<'a>(&'a self) -> Providing<'a>
    where
        Self: 'a,
    {
        Providing::new(async { clean(self.0.provide_credentials().await?) })
    }
}

const KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
const KEY_WORD: &str = "the access key id";
const SECRET_WORD: &str = "the secret access key";
const TOKEN_WORD: &str = "the session token";

fn clean(given: Credentials) -> Result<Credentials, CredentialsError> {
    let (key, secret) = (given.access_key_id().trim(), given.secret_access_key().trim());
    let token = given.session_token().map(str::trim);
    for (word, value) in [(KEY_WORD, Some(key)), (SECRET_WORD, Some(secret)), (TOKEN_WORD, token)] {
        if let Some(wrong) = value.and_then(stranger) {
            return Err(CredentialsError::invalid_configuration(Unclean(format!(
                "{word} has {wrong} in it, which none has"
            ))));
        }
    }
    if (key, secret, token) == (given.access_key_id(), given.secret_access_key(), given.session_token()) {
        return Ok(given);
    }
    let mut clean = Credentials::builder().access_key_id(key).secret_access_key(secret).provider_name("clean");
    clean.set_session_token(token.map(str::to_owned));
    clean.set_expiry(given.expiry());
    clean.set_account_id(given.account_id().cloned());
    Ok(clean.build())
}

#[derive(Debug)]
struct Unclean(String);

impl fmt::Display for Unclean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unclean {}

const SPACE: &str = "a space";

/// The first character of a value that a key cannot have, in words.
fn stranger(value: &str) -> Option<&'static str> {
    value.chars().find_map(|c| match c {
        '\n' | '\r' => Some("a line end"),
        '\t' => Some("a tab"),
        c if c.is_whitespace() => Some(SPACE),
        '"' | '\'' => Some("a quote"),
        c if c.is_control() => Some("a control character"),
        c if !c.is_ascii() => Some("a character that is not ASCII"),
        _ => None,
    })
}

/// Whether the text is a URL with one of these schemes and a host, perhaps with a user before it and a port behind it.
fn is_address(url: &str, schemes: &[&str]) -> bool {
    let lower = url.to_ascii_lowercase();
    let Some(scheme) = schemes.iter().find(|scheme| lower.starts_with(**scheme)) else { return false };
    let rest = &url[scheme.len()..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    !url.chars().any(|c| c.is_whitespace() || c.is_control() || !c.is_ascii())
        && !rest.contains("://")
        && !name.is_empty()
        && name.chars().all(is_name)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variables: &[(&str, &str)]) -> String {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mistakes = mistakes(&Access::default(), &variables);
        let told: Vec<String> = mistakes.into_iter().map(|mistake| mistake.what).collect();
        told.join("; ")
    }

    #[test]
    fn white_space_around_a_key_is_no_mistake_and_all_else_is() {
        assert_eq!(told(&[(KEY, "AKID\r\n"), (SECRET, " secret/+=\n"), (TOKEN, "\ttoken ")]), "");
        assert_eq!(told(&[(KEY, ""), (SECRET, " ")]), "", "as if they were not set");
        let both = told(&[(KEY, "AK\nID"), (SECRET, "a b"), (TOKEN, "\"x\"")]);
        assert_eq!(
            both,
            "the access key id in AWS_ACCESS_KEY_ID has a line end in it, which none has; the secret access key in \
             AWS_SECRET_ACCESS_KEY has a space in it, which none has; the session token in AWS_SESSION_TOKEN has a quote in \
             it, which none has"
        );
        assert_eq!(told(&[(KEY, "AKID")]), "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not");
        assert_eq!(told(&[(SECRET, "x"), (KEY, "\n")]), "AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not");
    }

    #[test]
    fn what_goes_into_headers_and_addresses() {
        assert_eq!(told(&[("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs18.x"), ("AWS_SDK_UA_APP_ID", "my app")]), "");
        assert_eq!(
            told(&[("AWS_EXECUTION_ENV", "CI\n")]),
            "AWS_EXECUTION_ENV has a line end in it, which no request can carry"
        );
        let files = b"[default]\r\nx=1\n [profile 'my dev'] \n[sso-session s]\n[old\n[ci] # x\n";
        assert_eq!(profiles(files), ["default", "my dev", "ci"]);
        let missing = told(&[("AWS_PROFILE", "dev"), ("HOME", "/nowhere")]);
        let expected = "AWS_PROFILE names the profile \"dev\", which is neither in /nowhere/.aws/config nor in \
                        /nowhere/.aws/credentials";
        assert_eq!(missing, expected);
        let device = told(&[("AWS_PROFILE", "dev"), ("HOME", "/nowhere"), ("AWS_CONFIG_FILE", "/dev/zero")]);
        assert_eq!(device, "", "it is not read, so nothing is known about it");
        assert_eq!(told(&[("AWS_PROFILE", "dev"), ("HOME", "/nowhere"), (KEY, "A"), (SECRET, "b")]), "");
        let spaced = told(&[("AWS_PROFILE", "dev "), (KEY, "A"), (SECRET, "b")]);
        assert_eq!(spaced, "AWS_PROFILE is \"dev \", with white space that does not belong there");
        for (url, fine) in [
            ("http://localhost:4566", true),
            ("https://[::1]:443/x", true),
            ("http://user:p%40ss@proxy:3128", true),
            ("localhost:4566", false),
            ("http://", false),
            ("http://host:port", false),
            ("http://host:99999", false),
            ("http://a b", false),
            ("http://http://x", false),
            ("ftp://x", false),
        ] {
            assert_eq!(told(&[("AWS_ENDPOINT_URL_STS", url)]).is_empty(), fine, "{url}");
        }
        assert_eq!(told(&[("https_proxy", "proxy:3128"), ("NO_PROXY", "*,,\n")]), "");
        assert_eq!(told(&[("https_proxy", "http://:hunter2@")]), "https_proxy is not the address of a proxy");
        for (region, fine) in [
            ("ap-northeast-2", true),
            ("us-gov-west-1", true),
            ("eusc-de-east-1", true),
            ("us-isob-east-1", true),
            ("us-east-1 ", false),
            ("us-east", false),
            ("US-EAST-1", false),
            ("useast1", false),
            ("", false),
        ] {
            assert_eq!(against_region(region, "AWS_REGION").is_none(), fine, "{region}");
        }
    }

    #[tokio::test]
    async fn credentials_of_any_source_are_clean() {
        let of = |key: &str| {
            let given = Credentials::new(key, "secret\n", Some(" token".into()), None, "file");
            Clean(SharedCredentialsProvider::new(given))
        };
        let clean = of("\u{feff}AKID").provide_credentials().await.expect_err("a mark at the beginning of a file");
        let said = std::error::Error::source(&clean).map(ToString::to_string);
        assert_eq!(said.as_deref(), Some("the access key id has a character that is not ASCII in it, which none has"));
        let clean = of("AKID\r").provide_credentials().await.expect("white space only");
        assert_eq!(
            (clean.access_key_id(), clean.secret_access_key(), clean.session_token()),
            ("AKID", "secret", Some("token"))
        );
    }
}
