//! The table itself.

mod context;
mod limits;
mod presented;
mod rights;

use wardkey_core::{Code, CustomerId, Id as _};

pub(crate) use presented::decided_without_storage;
use presented::optional_key;

use crate::answer::{Answer, granted, refused};
pub(crate) use crate::fixture::BEYOND_MAX_STALE;
use crate::fixture::Fixture;
use crate::request::{Request, get};

/// A line of the table.
pub(crate) struct Case {
    pub(crate) promise: &'static str,
    pub(crate) request: Request,
    pub(crate) expected: Answer,
}

fn case(promise: &'static str, request: Request, expected: Answer) -> Case {
    Case { promise, request, expected }
}

/// What is answered while the store answers.
pub(crate) fn usual(fixture: &Fixture) -> Vec<Case> {
    let sections = [
        presented::carriers,
        presented::codes,
        presented::layers,
        context::addresses,
        context::request_ids,
        context::optional_routes,
        rights::permissions,
        rights::places,
        limits::limits,
    ];
    sections.iter().flat_map(|section| section(fixture)).collect()
}

/// What is answered while the store does not: after the usual table.
pub(crate) fn outage(fixture: &Fixture) -> Vec<Case> {
    let unavailable = || refused(Code::VerifierUnavailable);
    let nobody = CustomerId::from_bytes([0xDD; 16]);
    vec![
        case(
            "a remembered key works",
            get("/strict/pipelines").key(&fixture.narrow),
            granted(fixture.own.to_string()),
        ),
        case(
            "a remembered refusal stays one",
            get("/strict/key").key(&fixture.revoked),
            refused(Code::KeyRevoked),
        ),
        case(
            "a remembered customer is found",
            get(format!("/strict/customers/{}", fixture.customer)).key(&fixture.of_customer),
            granted(fixture.customer.to_string()),
        ),
        case(
            "a key that was never seen is no invalid one",
            get("/strict/key").key(&fixture.unseen),
            unavailable(),
        ),
        case("an outage is not nobody", optional_key().key(&fixture.unseen), unavailable()),
        case(
            "a customer that was never seen is not absent",
            get(format!("/strict/customers/{nobody}")).key(&fixture.reader),
            unavailable(),
        ),
    ]
}

/// What is answered when the store has been away for too long.
pub(crate) fn stale(fixture: &Fixture) -> Vec<Case> {
    let unavailable = || refused(Code::VerifierUnavailable);
    vec![
        case("what is known is too old", get("/strict/key").key(&fixture.reader), unavailable()),
        case("also for a refusal", get("/strict/key").key(&fixture.revoked), unavailable()),
        case(
            "what cannot be a key is refused even so",
            get("/strict/key").field("X-API-Key", "x"),
            refused(Code::InvalidKey),
        ),
    ]
}

/// What is answered when the store has never answered.
pub(crate) fn never_answered(fixture: &Fixture) -> Vec<Case> {
    let paths = ["/strict/key", "/strict/pipelines", "/strict/required", "/optional/key", "/proxied/key"];
    let unavailable = |path| {
        case(
            "an outage is never a denial",
            get(path).bearer(&fixture.reader),
            refused(Code::VerifierUnavailable),
        )
    };
    paths.map(unavailable).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_verification_gives_stands_in_the_table() {
        let fixture = Fixture::new();
        let sections = [usual, decided_without_storage, outage];
        let cases: Vec<_> = sections.iter().flat_map(|section| section(&fixture)).collect();
        for code in Code::all() {
            let enforced = code != Code::PolicyDenied;
            let word = format!("\"code\":\"{}\"", code.as_str());
            let listed = cases.iter().any(|case| case.expected.to_string().contains(&word));
            assert_eq!(listed, enforced, "{}", code.as_str());
        }
    }
}
