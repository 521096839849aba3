//! What is presented: carriers, spellings, and every reason to refuse a key.

use wardkey_core::{Code, Secret};

use super::{Case, case};
use crate::answer::{granted, refused, refused_by_legacy, unguarded};
use crate::fixture::Fixture;
use crate::request::{Request, get};

/// Every spelling in which a key is accepted.
pub(super) fn carriers(fixture: &Fixture) -> Vec<Case> {
    let key = || get("/strict/key");
    let secret = fixture.reader.expose();
    let shown = || granted(fixture.describe("reader", "127.0.0.1"));
    vec![
        case("a bearer token is a key", key().bearer(&fixture.reader), shown()),
        case("a header of its own carries a key", key().key(&fixture.reader), shown()),
        case(
            "the scheme's name has no case, and spaces around the token do not count",
            key().field("AUTHORIZATION", format!("bEARER   {secret}  ")),
            shown(),
        ),
        case("header names have no case", key().field("x-aPi-kEy", format!("\t{secret} ")), shown()),
        case(
            "a key that the client calls hop-by-hop counts all the same",
            key().field("Connection", "close, X-API-Key").key(&fixture.reader),
            shown(),
        ),
        case(
            "headers that mean nothing here change nothing",
            key()
                .key(&fixture.reader)
                .field("Proxy-Authorization", "Bearer x")
                .field("Cookie", "x-api-key=1"),
            shown(),
        ),
    ]
}

/// What is refused before anything is looked up.
pub(crate) fn decided_without_storage(fixture: &Fixture) -> Vec<Case> {
    let key = || get("/strict/key");
    let secret = fixture.reader.expose();
    let missing = || refused(Code::MissingCredentials);
    let invalid = || refused(Code::InvalidKey);
    let ambiguous = || refused(Code::AmbiguousCredentials);
    let misspelt = {
        let last = if secret.ends_with('0') { '1' } else { '0' };
        format!("{}{last}", &secret[..secret.len() - 1])
    };
    let mut cases = vec![
        case("no key is missing credentials", key(), missing()),
        case("a key in the query is never read", get(format!("/strict/key?api_key={secret}")), missing()),
        case(
            "a key in a cookie is never read",
            key().field("Cookie", format!("api_key={secret}")),
            missing(),
        ),
        case("a preflight request needs a key like any other", preflight(), missing()),
        case("a typing error is an invalid key", key().field("X-API-Key", &misspelt), invalid()),
        case(
            "a typing error is refused on an optional route",
            optional_key().field("X-API-Key", misspelt),
            invalid(),
        ),
        case(
            "two headers of the same key are ambiguous",
            key().bearer(&fixture.reader).key(&fixture.reader),
            ambiguous(),
        ),
        case("a header twice is ambiguous", key().key(&fixture.reader).key(&fixture.reader), ambiguous()),
        case(
            "a bearer token twice is ambiguous",
            key().bearer(&fixture.reader).bearer(&fixture.runner),
            ambiguous(),
        ),
        case(
            "an empty header beside a key is ambiguous",
            key().field("X-API-Key", "").key(&fixture.reader),
            ambiguous(),
        ),
        case(
            "another scheme beside a key is ambiguous",
            key().field("Authorization", "Basic dXNlcjpwYXNz").key(&fixture.reader),
            ambiguous(),
        ),
        case(
            "two keys are ambiguous on an optional route",
            optional_key().bearer(&fixture.reader).key(&fixture.reader),
            ambiguous(),
        ),
        case(
            "a route without its layer says nothing of keys",
            get("/forgotten/key").key(&fixture.reader),
            unguarded(),
        ),
        case(
            "a requirement without its layer lets nobody in",
            get("/forgotten/required").key(&fixture.runner),
            unguarded(),
        ),
        case("an optional route lets in who carries nothing", optional_key(), granted("nobody")),
        case("a handler on an optional route may need a key", get("/optional/needed"), missing()),
    ];
    let values: [Vec<u8>; 9] = [
        b"".to_vec(),
        b"\xff\xfe".to_vec(),
        b"wk_live_".to_vec(),
        b"wk_live_\xc3\xa9".to_vec(),
        format!("{secret}, {secret}").into(),
        format!("{secret} {secret}").into(),
        format!("{secret}0").into(),
        secret.to_uppercase().into(),
        b"x".repeat(4_000),
    ];
    let no_key = |value| case("what is no key is invalid", key().field("X-API-Key", value), invalid());
    cases.extend(values.map(no_key));
    let authorizations: [Vec<u8>; 8] = [
        b"".to_vec(),
        b"Bearer".to_vec(),
        b"Bearer \xe9".to_vec(),
        b"Basic dXNlcjpwYXNz".to_vec(),
        b"Digest username=\"x\"".to_vec(),
        format!("Bearer\t{secret}").into(),
        format!("Bearer{secret}").into(),
        secret.into(),
    ];
    let no_token =
        |value| case("what is no bearer token is invalid", key().field("Authorization", value), invalid());
    cases.extend(authorizations.map(no_token));
    cases
}

/// Every reason that a presented key can give.
pub(super) fn codes(fixture: &Fixture) -> Vec<Case> {
    let by = |secret: &Secret, code| {
        ["/strict/key", "/optional/key"].map(|path| {
            let promise = "a key that is presented and bad is refused, also where none is needed";
            case(promise, get(path).key(secret), refused(code))
        })
    };
    [
        by(&fixture.unknown, Code::InvalidKey),
        by(&fixture.revoked, Code::KeyRevoked),
        by(&fixture.expired, Code::KeyExpired),
        by(&fixture.disabled, Code::KeyDisabled),
        by(&fixture.ended, Code::SecretEnded),
        by(&fixture.staging, Code::EnvironmentMismatch),
        by(&fixture.inactive, Code::PrincipalInactive),
        by(&fixture.suspended, Code::OrganizationSuspended),
        by(&fixture.from_afar, Code::IpNotAllowed),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn optional_key() -> Request {
    get("/optional/key")
}

fn preflight() -> Request {
    let request = get("/strict/key").method("OPTIONS");
    request.field("Origin", "https://app.example").field("Access-Control-Request-Method", "GET")
}

/// A layer with everything changed.
pub(super) fn layers(fixture: &Fixture) -> Vec<Case> {
    let key = || get("/legacy/key");
    vec![
        case(
            "another header carries the key",
            key().field("X-Legacy-Key", fixture.reader.expose()),
            granted(fixture.describe("reader", "127.0.0.1")),
        ),
        case(
            "a header that is no carrier is not read",
            key().key(&fixture.reader),
            refused_by_legacy(Code::MissingCredentials),
        ),
        case(
            "realm, documentation and carriers stand in the answer",
            key().field("X-Legacy-Key", fixture.revoked.expose()),
            refused_by_legacy(Code::KeyRevoked),
        ),
    ]
}
