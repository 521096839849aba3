//! Addresses: which networks a key may come from, and where a request came from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// A network in CIDR notation, or a single address: `203.0.113.0/24`, `2001:db8::/32`, `198.51.100.7`.
///
/// Host bits beyond the prefix are refused, as they hint at a slip of the pen: `10.0.0.1/8` means either `10.0.0.0/8`
/// or `10.0.0.1`. IPv4-mapped IPv6 notation is refused likewise; an address in that form is compared as IPv4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpNetwork(IpNet);

impl IpNetwork {
    /// Whether the address lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether every address of `other` lies in the network.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }
}

impl FromStr for IpNetwork {
    type Err = InvalidIpNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse().map_err(|_| InvalidIpNetwork::Malformed)?,
        };
        if matches!(network, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some()) {
            return Err(InvalidIpNetwork::Mapped);
        }
        if network.trunc() != network {
            return Err(InvalidIpNetwork::HostBits { meant: Self(network.trunc()) });
        }
        Ok(Self(network))
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One step through lists of networks, each of which must contain the client's address. They stand one after the other
/// in one piece of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum NetworkRule {
    /// A network of the list.
    Network(IpNetwork),
    /// The list ends: who was in none of its networks is not admitted.
    EndOfList,
}

impl NetworkRule {
    pub(crate) fn of_lists(lists: &[Vec<IpNetwork>]) -> impl Iterator<Item = Self> {
        lists.iter().flat_map(|list| list.iter().copied().map(Self::Network).chain([Self::EndOfList]))
    }

    /// Whether a request from `address` may come in. One without an address passes no list.
    pub(crate) fn admit(rules: &[Self], address: Option<IpAddr>) -> bool {
        let mut in_list = false;
        rules.iter().all(|rule| match rule {
            Self::Network(network) => {
                in_list = in_list || address.is_some_and(|address| network.contains(address));
                true
            }
            Self::EndOfList => std::mem::take(&mut in_list),
        })
    }
}

/// The text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidIpNetwork {
    /// Neither an address nor CIDR notation.
    #[error("not an IP address or a network in CIDR notation such as 203.0.113.0/24")]
    Malformed,
    /// Bits are set beyond the prefix.
    #[error("has bits set beyond its prefix; the network is {meant}")]
    HostBits {
        /// The network that contains it.
        meant: IpNetwork,
    },
    /// An IPv4 network in IPv6 clothes.
    #[error("is an IPv4-mapped address; write it as IPv4")]
    Mapped,
}

/// The proxies whose word about the client's address is taken. Empty by default: nothing is trusted because a header
/// says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNetwork>);

impl TrustedProxies {
    /// Only the peer of the connection counts.
    pub const NONE: Self = Self(Vec::new());

    /// Proxies in these networks are believed.
    pub fn new(networks: impl IntoIterator<Item = IpNetwork>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// The address of the client, given the connection's peer and the values of all `X-Forwarded-For` fields in the
    /// order in which they came.
    ///
    /// Read from right to left: each trusted proxy vouches for the entry before its own; the first address that is
    /// not a trusted proxy is the client. What a client wrote itself lies further left and is never reached. `None`
    /// when the peer is unknown, or when a trusted proxy vouches for what is no address.
    pub fn client_address<'a>(
        &self,
        peer: Option<IpAddr>,
        forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Option<IpAddr> {
        let mut client = peer?.to_canonical();
        for entry in forwarded_for.rev().flat_map(|value| value.rsplit(|byte| *byte == b',')) {
            if !self.0.iter().any(|proxy| proxy.contains(client)) {
                break;
            }
            client = parse_forwarded(entry.trim_ascii())?;
        }
        Some(client)
    }
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn parse_forwarded(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn host_bits_and_nonsense_are_refused() {
        for good in ["10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "::1", "0.0.0.0/0"] {
            assert!(good.parse::<IpNetwork>().is_ok(), "{good}");
        }
        for bad in
            ["10.0.0.1/8", "10.0.0.0/33", "10.0.0", "", " 10.0.0.1", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104"]
        {
            assert!(bad.parse::<IpNetwork>().is_err(), "{bad}");
        }
        assert_eq!(
            "10.0.0.1/8".parse::<IpNetwork>().unwrap_err().to_string(),
            "has bits set beyond its prefix; the network is 10.0.0.0/8"
        );
    }

    #[test]
    fn a_network_covers_itself_and_what_lies_in_it_of_its_own_kind() {
        let network = |text: &str| text.parse::<IpNetwork>().unwrap();
        for (outer, inner, covers) in [
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.1.0.0/16", "10.0.0.0/8", false),
            ("10.0.0.0/8", "11.0.0.0/8", false),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8:1::/48", true),
        ] {
            assert_eq!(network(outer).covers(&network(inner)), covers, "{outer} {inner}");
        }
        assert_eq!(format!("{:?}", network("10.0.0.0/8")), "10.0.0.0/8");
    }

    #[test]
    fn an_ipv4_mapped_address_is_its_ipv4_address() {
        let network: IpNetwork = "10.0.0.0/8".parse().unwrap();
        assert!(network.contains(address("::ffff:10.1.2.3")));
        assert!(!network.contains(address("::10.1.2.3")));
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_about_their_own_peer() {
        let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
        let client = |peer: &str, fields: &[&str]| {
            proxies.client_address(Some(address(peer)), fields.iter().map(|field| field.as_bytes()))
        };
        // No proxy in between: whatever the client claims is ignored.
        assert_eq!(client("203.0.113.9", &["1.1.1.1"]), Some(address("203.0.113.9")));
        // One proxy: the client's own claim stands left of the truth.
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 203.0.113.9"]), Some(address("203.0.113.9")));
        // Two proxies, two fields, odd spellings.
        assert_eq!(
            client("10.0.0.1", &["1.1.1.1,[2001:db8::7]:443", " 10.0.0.2 "]),
            Some(address("2001:db8::7"))
        );
        assert_eq!(client("10.0.0.1", &["::ffff:203.0.113.9"]), Some(address("203.0.113.9")));
        // A proxy that names nobody is itself the client; one that names nonsense leaves it unknown.
        assert_eq!(client("10.0.0.1", &[]), Some(address("10.0.0.1")));
        assert_eq!(client("10.0.0.1", &["unknown"]), None);
        assert_eq!(TrustedProxies::NONE.client_address(None, std::iter::empty()), None);
        assert_eq!(
            TrustedProxies::NONE.client_address(Some(address("10.0.0.1")), [&b"1.1.1.1"[..]].into_iter()),
            Some(address("10.0.0.1"))
        );
    }
}
