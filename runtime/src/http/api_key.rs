//! `x-api-key`: a secret that a client shows.

use hyper::HeaderMap;
use sha2::{Digest, Sha256};

use crate::config::stores::Secret;

pub const HEADER: &str = "x-api-key";

/// Whether the request shows the key. The time that this takes says nothing about the key.
pub fn is_shown(headers: &HeaderMap, key: &Secret) -> bool {
    let Some(shown) = headers.get(HEADER) else { return false };
    // The digests have one length, and each byte of them is compared.
    let (shown, wanted) = (Sha256::digest(shown.as_bytes()), Sha256::digest(&key.0));
    let differing = shown.iter().zip(&wanted).fold(0, |differing, (a, b)| differing | (a ^ b));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_is_the_key() {
        let key = Secret("a-key_of-32-bytes".to_owned());
        let shown = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, value.parse().unwrap());
            is_shown(&headers, &key)
        };
        assert!(shown("a-key_of-32-bytes"));
        for other in ["", "a-key_of-32-byte", "a-key_of-32-bytes ", "a-key_of-32-bytesx", "A-KEY_OF-32-BYTES"] {
            assert!(!shown(other), "{other:?}");
        }
        assert!(!is_shown(&HeaderMap::new(), &key));
    }
}
