//! Decides which requests are let in.

use hyper::header::{HOST, HeaderMap, ORIGIN};

pub const HEADER: &str = "x-provision-token";

pub struct Guard {
    pub token: String,
    pub port: u16,
}

impl Guard {
    /// The part of the path below the token. `None` if the request is for another host than this machine, or the token
    /// is wrong.
    pub fn inside<'a>(&self, path: &'a str, headers: &HeaderMap) -> Option<&'a str> {
        let (token, rest) = path.strip_prefix('/')?.split_once('/')?;
        (self.is_this_machine(headers) && self.is_token(token)).then_some(rest)
    }

    /// Whether the request may also change something. A page from elsewhere can make a browser send a request, but it
    /// can add no such header.
    pub fn may_change(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let from_here = text(ORIGIN.as_str()).is_none_or(|origin| {
            origin.strip_prefix("http://").is_some_and(|host| self.names().iter().any(|name| name == host))
        });
        from_here && text(HEADER).is_some_and(|token| self.is_token(token))
    }

    pub fn is_this_machine(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
        self.names().iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    fn names(&self) -> [String; 2] {
        [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)]
    }

    /// Whether the token is right. It takes as long whichever letter is wrong.
    fn is_token(&self, given: &str) -> bool {
        let (given, token) = (given.as_bytes(), self.token.as_bytes());
        let difference = given.iter().zip(token).fold(0, |all, (one, other)| std::hint::black_box(all | (one ^ other)));
        !token.is_empty() && given.len() == token.len() && difference == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_the_whole_token_opens() {
        let guard = Guard { token: "abc123".into(), port: 80 };
        let here = headers(&[("host", "127.0.0.1:80")]);
        assert_eq!(guard.inside("/abc123/api/state", &here), Some("api/state"));
        assert_eq!(guard.inside("/abc123/", &here), Some(""));
        for path in ["/", "/abc123", "/abc124/", "/abc12/", "/abc1234/", "//", "/ABC123/", "//abc123/", "abc123/"] {
            assert_eq!(guard.inside(path, &here), None, "{path}");
        }
        assert_eq!(Guard { token: String::new(), port: 80 }.inside("//", &here), None);
    }

    #[test]
    fn only_this_machines_names_are_answered() {
        let guard = Guard { token: "t".into(), port: 80 };
        for host in ["127.0.0.1:80", "localhost:80", "LocalHost:80"] {
            assert_eq!(guard.inside("/t/", &headers(&[("host", host)])), Some(""), "{host}");
        }
        for host in ["evil.example:80", "127.0.0.1", "127.0.0.1:81", "127.0.0.1:80.evil.example", "localhost.:80", ""] {
            assert_eq!(guard.inside("/t/", &headers(&[("host", host)])), None, "{host}");
        }
        assert_eq!(guard.inside("/t/", &headers(&[])), None);
        assert_eq!(guard.inside("/t/", &headers(&[("host", "localhost:80"), ("host", "evil.example")])), None);
    }

    #[test]
    fn a_change_needs_the_header_and_the_origin() {
        let guard = Guard { token: "t".into(), port: 80 };
        assert!(guard.may_change(&headers(&[(HEADER, "t")])));
        assert!(guard.may_change(&headers(&[(HEADER, "t"), ("origin", "http://127.0.0.1:80")])));
        assert!(!guard.may_change(&headers(&[])));
        assert!(!guard.may_change(&headers(&[(HEADER, "u")])));
        for origin in ["http://evil.example", "null", "https://127.0.0.1:80", "http://127.0.0.1:81"] {
            assert!(!guard.may_change(&headers(&[(HEADER, "t"), ("origin", origin)])), "{origin}");
        }
    }
}
