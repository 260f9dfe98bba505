//! Which addresses a client may call for somebody who names the URL. Whoever may name a URL could otherwise have us call
//! what only we can reach: the credentials of the task, a database, the service next door.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::{bail, ensure};
use hyper::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// Every address: for URLs that come from the configuration, and not from a client.
    Anywhere,
    /// This machine and nothing else: for a stack on a laptop.
    ThisMachine,
    /// Public addresses. These hosts may have a private one.
    Public { or: Vec<String> },
}

/// Resolves names to the addresses in reach. A name is looked up for each connection, and the connection goes to the
/// address that was looked at here.
#[derive(Clone)]
pub struct Resolver {
    pub reach: Arc<Reach>,
    pub names: GaiResolver,
}

impl Reach {
    /// Whether a URL can be called at all. Of a host that is a name, only the resolver can say where it is.
    pub fn check(&self, url: &Uri) -> anyhow::Result<()> {
        if *self == Reach::Anywhere {
            return Ok(());
        }
        ensure!(matches!(url.scheme_str(), Some("http" | "https")), "only http and https URLs are called");
        let authority = url.authority().map(|authority| authority.as_str()).unwrap_or_default();
        ensure!(!authority.contains('@'), "a URL with a user in it is not called");
        let Some(host) = url.host().filter(|host| !host.is_empty()) else { bail!("the URL has no host") };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse() {
            ensure!(self.allows(host, address), "{address} {}", self.refusal());
        }
        Ok(())
    }

    /// Whether this address of this host may be called.
    fn allows(&self, host: &str, address: IpAddr) -> bool {
        let address = plain(address);
        match self {
            Reach::Anywhere => true,
            Reach::ThisMachine => address.is_loopback(),
            Reach::Public { or } => match kind(address) {
                Kind::Public => true,
                Kind::Private => or.iter().any(|other| other.eq_ignore_ascii_case(host.trim_end_matches('.'))),
                Kind::Never => false,
            },
        }
    }

    fn refusal(&self) -> &'static str {
        match self {
            Reach::ThisMachine => "is not an address of this machine",
            Reach::Anywhere | Reach::Public { .. } => "is not a public address",
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = anyhow::Error;
    type Future = Pin<Box<dyn Future<Output = anyhow::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<anyhow::Result<()>> {
        self.names.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (reach, host) = (Arc::clone(&self.reach), name.as_str().to_owned());
        let found = self.names.call(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = found.await?.collect();
            let allowed: Vec<_> = found.iter().copied().filter(|one| reach.allows(&host, one.ip())).collect();
            match (allowed.is_empty(), found.first()) {
                (true, Some(first)) => bail!("{} of `{host}` {}", first.ip(), reach.refusal()),
                (true, None) => bail!("`{host}` has no address"),
                (false, _) => Ok(allowed.into_iter()),
            }
        })
    }
}

enum Kind {
    Public,
    Private,
    /// Nobody who names a URL has a service there: this machine, its link (with the credentials of the task), and what is
    /// no address of a host.
    Never,
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    }
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>
fn kind_of_v4(address: Ipv4Addr) -> Kind {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0 | 127, ..) | (169, 254, _) | (224.., ..) => Kind::Never,
        // Documentation, benchmarks, protocol assignments.
        (192, 0, 0 | 2) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => Kind::Never,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Kind::Private,
        _ => Kind::Public,
    }
}

/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
fn kind_of_v6(address: Ipv6Addr) -> Kind {
    let segments = address.segments();
    match segments {
        // The metadata of an instance, on the address that AWS gives it in IPv6.
        [0xfd00, 0xec2, ..] => Kind::Never,
        [first, ..] if first & 0xfe00 == 0xfc00 => Kind::Private,
        // Documentation, Teredo, and what an older tunnel hides an IPv4 address in.
        [0x2001, 0xdb8 | 0, ..] | [0x2002, ..] | [0x3fff, ..] => Kind::Never,
        // Only this range has been given out to hosts.
        [first, ..] if first & 0xe000 == 0x2000 => Kind::Public,
        _ => Kind::Never,
    }
}

/// An IPv4 address that is written as an IPv6 address, or that a gateway turns into one, is looked at as IPv4.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    match (six.to_ipv4_mapped(), six.segments()) {
        (Some(four), _) => IpAddr::V4(four),
        (None, [0x64, 0xff9b, 0, 0, 0, 0, high, low]) => {
            IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> Reach {
        Reach::Public { or: vec!["factory.internal".to_owned()] }
    }

    #[test]
    fn only_public_addresses_are_in_reach_and_private_ones_of_a_known_host() {
        for (address, of_anybody, of_the_known) in [
            ("8.8.8.8", true, true),
            ("52.95.110.1", true, true),
            ("2600:1f18::1", true, true),
            ("::ffff:8.8.8.8", true, true),
            ("64:ff9b::808:808", true, true),
            ("10.0.0.1", false, true),
            ("172.16.0.1", false, true),
            ("172.31.255.255", false, true),
            ("192.168.1.1", false, true),
            ("100.64.0.1", false, true),
            ("fd12:3456::1", false, true),
            ("::ffff:10.0.0.1", false, true),
            ("64:ff9b::a00:1", false, true),
            ("127.0.0.1", false, false),
            ("127.8.8.8", false, false),
            ("0.0.0.0", false, false),
            ("169.254.169.254", false, false),
            ("169.254.170.2", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("192.0.2.1", false, false),
            ("198.18.0.1", false, false),
            ("::1", false, false),
            ("::", false, false),
            ("::ffff:127.0.0.1", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("64:ff9b::a9fe:a9fe", false, false),
            ("fe80::1", false, false),
            ("fd00:ec2::254", false, false),
            ("ff02::1", false, false),
            ("2001:db8::1", false, false),
            ("2002:7f00:1::", false, false),
            ("::127.0.0.1", false, false),
        ] {
            let address: IpAddr = address.parse().unwrap();
            let seen = (public().allows("example.com", address), public().allows("FACTORY.internal.", address));
            assert_eq!(seen, (of_anybody, of_the_known), "{address}");
            let is_here = Reach::ThisMachine.allows("x", address);
            assert_eq!(is_here, plain(address).is_loopback(), "{address}");
        }
    }

    #[test]
    fn a_url_that_nobody_should_call_is_refused_before_it_is_resolved() {
        for (url, expected) in [
            ("http://example.com/a?b=c", ""),
            ("https://8.8.8.8:8443/", ""),
            ("ftp://example.com/", "only http and https URLs are called"),
            ("/only/a/path", "only http and https URLs are called"),
            ("http://user:pass@example.com/", "a URL with a user in it is not called"),
            ("http://127.0.0.1/", "127.0.0.1 is not a public address"),
            ("http://[::1]:80/", "::1 is not a public address"),
            ("http://169.254.169.254/latest/meta-data", "169.254.169.254 is not a public address"),
            ("http://10.0.0.7/", "10.0.0.7 is not a public address"),
        ] {
            let told = public().check(&url.parse().unwrap()).map_or_else(|error| error.to_string(), |()| String::new());
            assert_eq!(told, expected, "{url}");
        }
        Reach::ThisMachine.check(&"http://127.0.0.1:4000/".parse().unwrap()).unwrap();
        let away = Reach::ThisMachine.check(&"http://8.8.8.8/".parse().unwrap()).unwrap_err();
        assert_eq!(away.to_string(), "8.8.8.8 is not an address of this machine");
    }

    #[tokio::test]
    async fn a_name_that_leads_out_of_reach_has_no_address() {
        let ask = async |reach: Reach| {
            let mut resolver = Resolver { reach: Arc::new(reach), names: GaiResolver::new() };
            resolver.call("localhost".parse().unwrap()).await.map(|found| found.count())
        };
        assert!(ask(Reach::ThisMachine).await.unwrap() > 0);
        let refused = ask(public()).await.unwrap_err().to_string();
        assert!(refused.ends_with("of `localhost` is not a public address"), "{refused}");
    }
}
