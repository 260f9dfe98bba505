//! Tokens that say who sends a request: JSON Web Tokens, signed with HS256. <https://www.rfc-editor.org/rfc/rfc7519>
//!
//! This is our own code and not a library's: the usual library brings RSA and elliptic curves with each of its backends,
//! and a process that knows one algorithm cannot be talked into another. So a token of any other `alg` is refused.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::config::tokens;

/// Signs and verifies. It has at most two keys: tokens are signed with the current one, and one that was signed with the
/// key before is good until it expires.
pub struct Tokens {
    current: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
    lifetime: Duration,
}

/// What a token says.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Claims {
    pub user_id: u64,
    pub user_type: u8,
    /// The second at which it was signed.
    pub iat: u64,
    /// The second from which on it is good for nothing.
    pub exp: u64,
}

impl Tokens {
    pub fn new(config: &tokens::Tokens) -> anyhow::Result<Self> {
        Ok(Tokens {
            current: Hmac::new_from_slice(config.key.0.as_bytes())?,
            previous: config.previous.as_ref().map(|key| Hmac::new_from_slice(key.0.as_bytes())).transpose()?,
            lifetime: config.lifetime,
        })
    }

    /// A new token for a user.
    pub fn sign(&self, user_id: u64, user_type: u8) -> anyhow::Result<String> {
        let iat = now();
        let claims = Claims { user_id, user_type, iat, exp: iat + self.lifetime.as_secs() };
        let header = serde_json::to_vec(&Header { alg: ALGORITHM.to_owned(), typ: TYPE.to_owned() })?;
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(serde_json::to_vec(&claims)?));
        let signature = self.current.clone().chain_update(&signed).finalize().into_bytes();
        Ok(format!("{signed}.{}", BASE64.encode(signature)))
    }

    /// The claims of a token. `None` if it is not ours, or has expired.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        if token.len() > LONGEST {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = BASE64.decode(signature).ok()?;
        // The comparison takes the same time whatever differs.
        let is_by = |key: &Hmac<Sha256>| key.clone().chain_update(signed).verify_slice(&signature).is_ok();
        if !is_by(&self.current) && !self.previous.as_ref().is_some_and(is_by) {
            return None;
        }
        let (header, claims) = signed.split_once('.')?;
        let header: Header = read(header)?;
        if header.alg != ALGORITHM || header.typ != TYPE {
            return None;
        }
        let claims: Claims = read(claims)?;
        (claims.exp > now()).then_some(claims)
    }

    /// The claims of the token that a request shows: the second word of `Authorization`.
    pub fn shown(&self, headers: &HeaderMap) -> Option<Claims> {
        let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
        self.verify(header.split_whitespace().nth(1)?)
    }
}

const ALGORITHM: &str = "HS256";
const TYPE: &str = "JWT";
/// Bytes of a token. Ours have some 200.
const LONGEST: usize = 4096;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
}

/// Reads a part of a token. Only an object is one: serde would take an array too.
fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    let members: Map<String, Value> = serde_json::from_slice(&BASE64.decode(part).ok()?).ok()?;
    serde_json::from_value(Value::Object(members)).ok()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::stores::Secret;

    fn tokens(key: &str, previous: Option<&str>) -> Tokens {
        let secret = |key: &str| Secret(key.to_owned());
        let lifetime = Duration::from_secs(3600);
        Tokens::new(&tokens::Tokens { key: secret(key), previous: previous.map(secret), lifetime }).unwrap()
    }

    /// A token with any header and any claims, signed as HS256 would be.
    fn token(key: &str, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let key = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64.encode(key.chain_update(&signed).finalize().into_bytes()))
    }

    fn claims(exp: u64) -> Value {
        json!({ "user_id": 7, "user_type": 1, "iat": 1, "exp": exp })
    }

    #[test]
    fn a_token_says_who_it_is_for() {
        let tokens = tokens("key", None);
        let token = tokens.sign(7, 1).unwrap();
        let claims = tokens.verify(&token).unwrap();
        assert_eq!((claims.user_id, claims.user_type, claims.exp - claims.iat), (7, 1, 3600));
        // Any library reads it.
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(BASE64.decode(parts[0]).unwrap(), br#"{"alg":"HS256","typ":"JWT"}"#);
        let shown = |header: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, header.parse().unwrap());
            tokens.shown(&headers).map(|claims| claims.user_id)
        };
        assert_eq!(shown(&format!("Bearer {token}")), Some(7));
        for none in ["", "Bearer", "Bearer ", &token, &format!("Bearer x {token}")] {
            assert_eq!(shown(none), None, "{none}");
        }
        assert_eq!(tokens.shown(&HeaderMap::new()), None);
    }

    /// The example of RFC 7515, A.1, has a signature that others have made. Its claims are not ours, and it has expired.
    #[test]
    fn the_signature_is_that_of_the_standard() {
        let key = BASE64
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(signed).finalize().into_bytes();
        assert_eq!(BASE64.encode(signature), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn the_key_before_verifies_and_signs_nothing() {
        let (old, new) = (tokens("old", None), tokens("new", Some("old")));
        assert_eq!(new.verify(&old.sign(7, 0).unwrap()).map(|claims| claims.user_id), Some(7));
        assert_eq!(old.verify(&new.sign(7, 0).unwrap()), None);
        assert_eq!(tokens("newer", Some("new")).verify(&old.sign(7, 0).unwrap()), None);
    }

    #[test]
    fn only_hs256_is_accepted_and_only_with_all_claims() {
        let tokens = tokens("key", None);
        let good = json!({ "alg": "HS256", "typ": "JWT" });
        let later = now() + 60;
        assert!(tokens.verify(&token("key", &json!({ "typ": "JWT", "alg": "HS256" }), &claims(later))).is_some());
        for header in [
            json!({ "alg": "none", "typ": "JWT" }),
            json!({ "alg": "None", "typ": "JWT" }),
            json!({ "alg": "hs256", "typ": "JWT" }),
            json!({ "alg": "HS512", "typ": "JWT" }),
            json!({ "alg": "RS256", "typ": "JWT" }),
            json!({ "alg": "HS256", "typ": "JWE" }),
            json!({ "alg": "HS256" }),
            json!({ "typ": "JWT" }),
            json!({ "alg": "HS256", "typ": "JWT", "crit": ["exp"] }),
            json!({ "alg": ["HS256"], "typ": "JWT" }),
            json!(["HS256", "JWT"]),
            json!(null),
        ] {
            assert_eq!(tokens.verify(&token("key", &header, &claims(later))), None, "{header}");
        }
        for claims in [
            claims(now()),
            claims(now() - 1),
            claims(0),
            json!({ "user_id": 7, "user_type": 1 }),
            json!({ "user_id": 7, "user_type": 1, "iat": 1, "exp": null }),
            json!({ "user_id": "7", "user_type": 1, "iat": 1, "exp": later }),
            json!({ "user_id": -7, "user_type": 1, "iat": 1, "exp": later }),
            json!({ "user_id": 7, "user_type": 1, "iat": 1, "exp": 1e300 }),
        ] {
            assert_eq!(tokens.verify(&token("key", &good, &claims)), None, "{claims}");
        }
        let whole = token("key", &good, &claims(later));
        let unsigned = whole.rsplit_once('.').unwrap().0;
        for other in [
            "",
            ".",
            "..",
            "...",
            unsigned,
            &format!("{unsigned}."),
            &format!("{whole}."),
            &format!("{whole}="),
            &format!(".{whole}"),
            &format!("{whole} "),
            &format!("{}{}", "A".repeat(LONGEST), whole),
        ] {
            assert_eq!(tokens.verify(other), None, "{other:.300}");
        }
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_refused(user in any::<u64>(), kind in any::<u8>(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let tokens = tokens("key", Some("before"));
            let token = tokens.sign(user, kind).unwrap();
            prop_assert!(tokens.verify(&token).is_some());
            let mut bytes = token.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(tokens.verify(&String::from_utf8_lossy(&bytes)), None);
        }

        #[test]
        fn no_text_is_a_token(text in "\\PC*") {
            prop_assert_eq!(tokens("key", None).verify(&text), None);
        }

        #[test]
        fn another_key_makes_no_token_of_ours(key in "[a-z]{1,40}", user in any::<u64>()) {
            prop_assume!(key != "key");
            prop_assert_eq!(tokens("key", None).verify(&tokens(&key, None).sign(user, 1).unwrap()), None);
        }
    }
}
