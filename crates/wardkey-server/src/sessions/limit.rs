//! How often one client may try: logging in, and whatever else lets somebody guess or makes the server hash a password.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::NoOpMiddleware;
use poem::endpoint::make;
use poem::http::Request as HttpRequest;
use poem::{Endpoint, IntoResponse, Request, Response};
use tower_governor::GovernorError;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;
use wardkey_core::Admission;

use crate::api::App;
use crate::problem::{Code, Refusal};

/// How many attempts a client may make at once.
pub(crate) const BURST: u32 = 10;
/// After how many seconds it has one more.
pub(crate) const REFILL_SECONDS: u64 = 6;

/// After how many attempts, of all clients, those are forgotten that have all of theirs again.
const SWEEP: u32 = 1_000;

/// What is counted apart, so that one does not use up the attempts at another: who has none left to log in still stays logged
/// in, and a page full of tabs that refresh does not keep anybody from logging in.
pub(super) struct Limits {
    /// Passwords that are tried.
    logins: Limit,
    /// Refresh tokens.
    refreshes: Limit,
    /// Links that are looked at or taken in.
    links: Limit,
}

/// Counts attempts by address.
struct Limit {
    config: GovernorConfig<ByAddress, NoOpMiddleware>,
    seen: AtomicU32,
}

/// What counts as one client: an IPv4 address, or the network of 64 bits in which an IPv6 address lies, as whoever has
/// one of its addresses has all of them. Clients without a known address are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ByAddress;

/// The client's address, as core's resolver has found it: the only word about it that is taken.
#[derive(Debug, Clone, Copy)]
struct ClientAddress(Option<IpAddr>);

impl KeyExtractor for ByAddress {
    type Key = Option<IpAddr>;

    fn extract<T>(&self, request: &HttpRequest<T>) -> Result<Self::Key, GovernorError> {
        let found = request.extensions().get::<ClientAddress>();
        let ClientAddress(address) = found.ok_or(GovernorError::UnableToExtractKey)?;
        Ok(address.map(client))
    }
}

fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

impl Limits {
    pub(super) fn new() -> Self {
        Self { logins: Limit::new(), refreshes: Limit::new(), links: Limit::new() }
    }
}

impl Limit {
    fn new() -> Self {
        Self::with_refill(Duration::from_secs(REFILL_SECONDS))
    }

    /// One more each time that so much has passed.
    fn with_refill(period: Duration) -> Self {
        let mut builder = GovernorConfigBuilder::default().key_extractor(ByAddress);
        let config = builder.period(period).burst_size(BURST).finish();
        Self { config: config.expect("neither is zero"), seen: AtomicU32::new(0) }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// 429 `rate_limited` that says how long to wait, if there was none left.
    fn count(&self, address: Option<IpAddr>) -> Result<(), Refusal> {
        let mut request = HttpRequest::new(());
        request.extensions_mut().insert(ClientAddress(address));
        let client = ByAddress.extract(&request).map_err(|_| Code::InternalError)?;
        let limiter = self.config.limiter();
        if self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP) {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        limiter
            .check_key(&client)
            .map_err(|until| Refusal::too_many_attempts(until.wait_time_from(DefaultClock::default().now())))
    }
}

/// The same operation, for clients that have a password left to try. It needs the guard around it.
pub(crate) fn limited_by_logins<E: Endpoint + 'static>(inner: E) -> impl Endpoint<Output = Response> {
    limited(inner, |limits| &limits.logins)
}

/// Likewise, a refresh token.
pub(crate) fn limited_by_refreshes<E: Endpoint + 'static>(inner: E) -> impl Endpoint<Output = Response> {
    limited(inner, |limits| &limits.refreshes)
}

/// Likewise, a link.
pub(crate) fn limited_by_links<E: Endpoint + 'static>(inner: E) -> impl Endpoint<Output = Response> {
    limited(inner, |limits| &limits.links)
}

fn limited<E: Endpoint + 'static>(
    inner: E,
    which: fn(&Limits) -> &Limit,
) -> impl Endpoint<Output = Response> {
    let inner = Arc::new(inner);
    make(move |request: Request| {
        let inner = Arc::clone(&inner);
        async move {
            let app = request.data::<Arc<App>>().ok_or(Refusal::from(Code::InternalError))?;
            // Another site's requests are refused uncounted: no page may use up somebody's attempts.
            app.sessions.check_origin(&request)?;
            which(&app.sessions.limits).count(wardkey_poem::admission(&request).map(Admission::address)?)?;
            inner.call(request).await.map(IntoResponse::into_response)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_ten_attempts_and_hears_how_long_to_wait_for_the_next() {
        let limit = Limit::new();
        let address = |text: &str| Some(text.parse().unwrap());
        for _ in 0..BURST {
            limit.count(address("203.0.113.7")).unwrap();
        }
        let refusal = limit.count(address("203.0.113.7")).unwrap_err();
        assert_eq!((refusal.problem().status(), refusal.problem().code()), (429, "rate_limited"));
        let rendered = refusal.problem().render("req_1", None);
        let wait = rendered.headers.iter().find(|(name, _)| *name == "retry-after").unwrap().1.parse::<u64>();
        assert!((1..=REFILL_SECONDS).contains(&wait.unwrap()));
        limit.count(address("203.0.113.8")).unwrap();
        limit.count(None).unwrap();
    }

    #[test]
    fn a_network_of_64_bits_is_one_client_and_a_mapped_address_the_one_that_it_maps() {
        let client = |text: &str| client(text.parse().unwrap());
        assert_eq!(client("2001:db8:1:2:ffff::1"), client("2001:db8:1:2::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:203.0.113.7"), client("203.0.113.7"));
    }

    #[test]
    fn clients_that_have_all_of_their_attempts_again_are_forgotten() {
        let limit = Limit::with_refill(Duration::from_nanos(1));
        for index in 0..SWEEP * 2 {
            limit.count(Some(IpAddr::from(index.to_be_bytes()))).unwrap();
        }
        assert!(limit.config.limiter().len() <= SWEEP as usize);
    }
}
