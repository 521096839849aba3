//! What a cached verification costs in memory: nothing.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use wardkey_core::testing::TestKeys;
use wardkey_core::{Id, RateLimit, RateLimits, Requirement, WorkspaceId};

wardkey_core::permissions! { "Pipelines" { PipelinesRead = "pipelines:read", read, "See pipelines" } }

#[test]
fn a_cached_verification_allocates_nothing() {
    let workspace = WorkspaceId::from_bytes([1; 16]);
    let keys = TestKeys::new(CATALOGUE, &[workspace]);
    let secret = keys.issue_with(&["pipelines:read"], |record| {
        record.expires_at = Some("2027-01-01T00:00:00Z".parse().unwrap());
        record.networks = vec![vec!["10.0.0.0/8".parse().unwrap()]];
        let limits = [("a", 1_000, 60), ("b", 10_000, 3_600)];
        let limits = limits.map(|(name, limit, window)| RateLimit::new(name, limit, window).unwrap());
        record.rate_limits = RateLimits::new(limits.into()).unwrap();
    });
    let verifier = keys.verifier();
    let address = "10.1.2.3".parse().ok();
    let nothing = Requirement::NONE;
    let verify = || {
        let mut verification = std::pin::pin!(verifier.verify(secret.expose().as_bytes(), address, &nothing));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(verified) = verification.as_mut().poll(&mut context) {
                let verified = verified.expect("the key is good");
                let place = workspace.into();
                assert!(verified.rights.rights.require_in_workspace::<PipelinesRead>(&place, None).is_ok());
                return;
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    verify();
    let counted = allocation_counter::measure(|| (0..100).for_each(|_| verify()));
    assert_eq!(counted.count_total, 0);
}
