//! The way in, by a request that is nothing but headers.

use std::net::IpAddr;
use std::sync::Arc;

use wardkey_core::testing::{SeededRandom, TestKeys};
use wardkey_core::{Guard, RequestView, TrustedProxies};

wardkey_core::permissions! { "Pipelines" { PipelinesRead = "pipelines:read", read, "See pipelines" } }

pub(crate) struct Plain<'a> {
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) peer: Option<IpAddr>,
}

impl<'r> RequestView for Plain<'r> {
    fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'r> {
        let wanted = name.to_owned();
        self.headers.iter().filter(move |(name, _)| *name == wanted).map(|(_, value)| value.as_bytes())
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

fn guard(keys: &TestKeys) -> Guard {
    Guard::new(keys.verifier()).with_random(Arc::new(SeededRandom::new(5)))
}

async fn status(guard: &Guard, headers: &[(&str, &str)]) -> u16 {
    let request = Plain { headers, peer: None };
    match Arc::new(guard.clone()).admit(&request).await {
        Ok(_) => 200,
        Err(problem) => problem.status,
    }
}

#[tokio::test]
async fn absence_is_refused_unless_it_is_allowed_and_a_bad_key_is_refused_always() {
    let keys = TestKeys::new(CATALOGUE, &[]);
    let guard = guard(&keys);
    assert_eq!(status(&guard, &[]).await, 401);
    let optional = guard.optional();
    assert_eq!(status(&optional, &[]).await, 200);
    assert_eq!(status(&optional, &[("x-api-key", "nonsense")]).await, 401);
    assert_eq!(status(&optional, &[("authorization", "Basic dTpw")]).await, 401);
    assert_eq!(status(&optional, &[("x-api-key", "a"), ("x-api-key", "a")]).await, 400);
}

#[tokio::test]
async fn a_client_cannot_forge_its_address() {
    let keys = TestKeys::new(CATALOGUE, &[]);
    let secret = keys.issue_with(&[], |record| record.networks = vec![vec!["192.0.2.0/24".parse().unwrap()]]);
    let headers = [("x-api-key", secret.expose()), ("x-forwarded-for", "192.0.2.1")];
    let guard = guard(&keys);
    let admitted = |guard: &Guard, peer: &str| {
        let (guard, peer) = (Arc::new(guard.clone()), peer.parse().ok());
        async move {
            guard.admit(&Plain { headers: &headers, peer }).await.map(drop).map_err(|problem| problem.status)
        }
    };
    assert_eq!(admitted(&guard, "203.0.113.9").await, Err(403));
    assert_eq!(admitted(&guard, "192.0.2.77").await, Ok(()));
    let behind_proxy = guard.with_trusted_proxies(TrustedProxies::new(["203.0.113.9".parse().unwrap()]));
    assert_eq!(admitted(&behind_proxy, "203.0.113.9").await, Ok(()));
    assert_eq!(admitted(&behind_proxy, "203.0.113.10").await, Err(403));
}

#[tokio::test]
async fn malformed_unknown_and_foreign_schemes_are_the_same_bytes() {
    let keys = TestKeys::new(CATALOGUE, &[]);
    let guard = Arc::new(guard(&keys));
    let unknown = wardkey_core::SecretStart::new("wk", "live").unwrap().generate(&SeededRandom::new(9));
    let mut answers = Vec::new();
    for value in ["nonsense", unknown.expose(), ""] {
        let headers = [("x-api-key", value), ("x-request-id", "same")];
        answers.push(
            Arc::clone(&guard).admit(&Plain { headers: &headers, peer: None }).await.expect_err("refused"),
        );
    }
    let headers = [("authorization", "Basic dTpw"), ("x-request-id", "same")];
    answers
        .push(Arc::clone(&guard).admit(&Plain { headers: &headers, peer: None }).await.expect_err("refused"));
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}
