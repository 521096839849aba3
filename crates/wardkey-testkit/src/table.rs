//! The table itself.

use wardkey_core::{Code, CustomerId, Id as _, Secret, WorkspaceId};

use crate::answer::{
    Answer, granted, lacking, refused, refused_by_legacy, refused_with_minted_id, unguarded,
};
pub(crate) use crate::fixture::BEYOND_MAX_STALE;
use crate::fixture::{CUSTOMER_EXTERNAL_ID, Fixture, OWN_EXTERNAL_ID};
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
    let sections = [carriers, codes, addresses, request_ids, optional_routes, permissions, places, layers];
    sections.iter().flat_map(|section| section(fixture)).collect()
}

/// Every spelling in which a key is accepted.
fn carriers(fixture: &Fixture) -> Vec<Case> {
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

fn optional_key() -> Request {
    get("/optional/key")
}

fn preflight() -> Request {
    let request = get("/strict/key").method("OPTIONS");
    request.field("Origin", "https://app.example").field("Access-Control-Request-Method", "GET")
}

/// Every reason that a presented key can give.
fn codes(fixture: &Fixture) -> Vec<Case> {
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

/// Who is believed about the client's address.
fn addresses(fixture: &Fixture) -> Vec<Case> {
    let proxied =
        |forwarded: &str| get("/proxied/key").key(&fixture.reader).field("X-Forwarded-For", forwarded);
    let from = |address: &str| granted(fixture.describe("reader", address));
    let afar = |path: &str| get(path).key(&fixture.from_afar).field("X-Forwarded-For", "203.0.113.7");
    vec![
        case("the peer is the client", get("/strict/key").key(&fixture.reader), from("127.0.0.1")),
        case(
            "an allowlist admits the peer",
            get("/strict/key").key(&fixture.from_loopback),
            granted(fixture.describe("from_loopback", "127.0.0.1")),
        ),
        case("nobody's header is believed by default", afar("/strict/key"), refused(Code::IpNotAllowed)),
        case(
            "a trusted proxy is believed",
            afar("/proxied/key"),
            granted(fixture.describe("from_afar", "203.0.113.7")),
        ),
        case(
            "what the client claims stands left of the truth",
            proxied("203.0.113.7, 198.51.100.1"),
            from("198.51.100.1"),
        ),
        case(
            "the last of several headers is the nearest",
            proxied("203.0.113.7").field("X-Forwarded-For", "198.51.100.1"),
            from("198.51.100.1"),
        ),
        case("an address has many spellings", proxied("[2001:db8::7]:443, 127.0.0.2"), from("2001:db8::7")),
        case("a mapped address is its IPv4 address", proxied("::ffff:198.51.100.1"), from("198.51.100.1")),
        case("nonsense from a proxy leaves the client unknown", proxied("unknown"), from("nowhere")),
        case(
            "no allowlist admits an unknown client",
            get("/proxied/key").key(&fixture.from_loopback).field("X-Forwarded-For", "\u{e9}"),
            refused(Code::IpNotAllowed),
        ),
        case(
            "other headers about addresses mean nothing",
            get("/proxied/key")
                .key(&fixture.from_afar)
                .field("X-Real-IP", "203.0.113.7")
                .field("Forwarded", "for=203.0.113.7"),
            refused(Code::IpNotAllowed),
        ),
    ]
}

/// Under which id a refusal is found in the log.
fn request_ids(_: &Fixture) -> Vec<Case> {
    let anonymous = || get("/strict/key").without_id();
    let minted = || refused_with_minted_id(Code::MissingCredentials);
    vec![
        case("a harmless id is kept", get("/strict/key"), refused(Code::MissingCredentials)),
        case("without an id one is made", anonymous(), minted()),
        case("an id with other characters is replaced", anonymous().field("X-Request-Id", "a b"), minted()),
        case("an id that is no text is replaced", anonymous().field("X-Request-Id", b"\xff"), minted()),
        case("an endless id is replaced", anonymous().field("X-Request-Id", "a".repeat(65)), minted()),
        case(
            "two ids are replaced",
            anonymous().field("X-Request-Id", "a").field("X-Request-Id", "b"),
            minted(),
        ),
    ]
}

/// Routes where a key may be absent.
fn optional_routes(fixture: &Fixture) -> Vec<Case> {
    let pipelines = || get("/optional/pipelines");
    vec![
        case(
            "a key is seen where none is needed",
            optional_key().key(&fixture.reader),
            granted(fixture.describe("reader", "127.0.0.1")),
        ),
        case("nobody is let in without a permission", pipelines(), granted("nobody")),
        case("somebody is let in with it", pipelines().key(&fixture.reader), granted("somebody")),
        case(
            "a key without the permission is not taken for nobody",
            pipelines().key(&fixture.powerless),
            lacking(&["pipelines:read"]),
        ),
    ]
}

/// Permissions without a place.
fn permissions(fixture: &Fixture) -> Vec<Case> {
    let named = |name: &str| get(format!("/strict/named/{name}"));
    vec![
        case(
            "any key has no permission",
            get("/strict/key").key(&fixture.powerless),
            granted(fixture.describe("powerless", "127.0.0.1")),
        ),
        case(
            "a permission is needed",
            get("/strict/pipelines").key(&fixture.powerless),
            lacking(&["pipelines:read"]),
        ),
        case("all of several need each", get("/strict/all").key(&fixture.runner), granted("all")),
        case(
            "all of several name what is missing",
            get("/strict/all").key(&fixture.reader),
            lacking(&["pipelines:run"]),
        ),
        case("one of several is enough", get("/strict/one").key(&fixture.reader), granted("one")),
        case(
            "one of several names each",
            get("/strict/one").key(&fixture.powerless),
            lacking(&["pipelines:read", "pipelines:run"]),
        ),
        case(
            "a route requires without a value",
            get("/strict/required").key(&fixture.runner),
            granted("required"),
        ),
        case(
            "a route refuses without a value",
            get("/strict/required").key(&fixture.reader),
            lacking(&["pipelines:run"]),
        ),
        case(
            "a held permission is found by its name",
            named("pipelines:read").key(&fixture.reader),
            granted("pipelines:read"),
        ),
        case(
            "one that is not held is not",
            named("pipelines:run").key(&fixture.reader),
            lacking(&["pipelines:run"]),
        ),
        case(
            "an unknown permission is held by nobody",
            named("moons:read").key(&fixture.runner),
            lacking(&["moons:read"]),
        ),
        case(
            "what is no permission is held by nobody and not repeated",
            named("no%22name%0A").key(&fixture.runner),
            lacking(&[]),
        ),
    ]
}

/// Workspaces and customers.
fn places(fixture: &Fixture) -> Vec<Case> {
    let nothing = || refused(Code::NotFound);
    let pipelines = |workspace: &str| get(format!("/strict/workspaces/{workspace}/pipelines"));
    let runs = |workspace: WorkspaceId| get(format!("/strict/workspaces/{workspace}/runs"));
    let customer = |customer: &str| get(format!("/strict/customers/{customer}"));
    let [own, other, foreign] = [fixture.own, fixture.other, fixture.foreign].map(|id| id.to_string());
    let nowhere = WorkspaceId::from_bytes([0xEE; 16]).to_string();
    let nobody = CustomerId::from_bytes([0xEE; 16]).to_string();
    let [known, unreached] = [fixture.customer, fixture.other_customer].map(|id| id.to_string());
    let of_customer = &fixture.of_customer;
    vec![
        case("a visible workspace", pipelines(&own).key(&fixture.reader), granted(&own)),
        case("the backend's own name for it", pipelines(OWN_EXTERNAL_ID).key(&fixture.reader), granted(&own)),
        case("an invisible workspace is not found", pipelines(&other).key(&fixture.narrow), nothing()),
        case("a foreign workspace is not found", pipelines(&foreign).key(&fixture.reader), nothing()),
        case("its own organization finds it", pipelines(&foreign).key(&fixture.neighbour), granted(&foreign)),
        case(
            "another organization's name is not found",
            pipelines(OWN_EXTERNAL_ID).key(&fixture.neighbour),
            nothing(),
        ),
        case("an absent workspace is not found", pipelines(&nowhere).key(&fixture.reader), nothing()),
        case("an id of another kind is not found", pipelines(&known).key(&fixture.reader), nothing()),
        case(
            "an object that the backend hides is not found",
            get("/strict/objects").key(&fixture.reader),
            nothing(),
        ),
        case("a permission held here", runs(fixture.own).key(&fixture.member), granted(&own)),
        case(
            "a permission held elsewhere only",
            runs(fixture.other).key(&fixture.member),
            lacking(&["pipelines:run"]),
        ),
        case(
            "what is visible with another permission",
            pipelines(&other).key(&fixture.member),
            granted(&other),
        ),
        case(
            "a permission held nowhere",
            runs(fixture.foreign).key(&fixture.reader),
            lacking(&["pipelines:run"]),
        ),
        case(
            "the workspaces of a key",
            get("/strict/pipelines").key(&fixture.reader),
            granted(format!("{own} {other}")),
        ),
        case("the workspaces of a narrow key", get("/strict/pipelines").key(&fixture.narrow), granted(&own)),
        case("a customer in reach", customer(&known).key(of_customer), granted(&known)),
        case(
            "the backend's own name for it",
            customer(CUSTOMER_EXTERNAL_ID).key(of_customer),
            granted(&known),
        ),
        case("a customer out of reach is not found", customer(&unreached).key(of_customer), nothing()),
        case(
            "a key for all customers reaches it",
            customer(&unreached).key(&fixture.reader),
            granted(&unreached),
        ),
        case("an absent customer is not found", customer(&nobody).key(&fixture.reader), nothing()),
        case(
            "another organization's customer is not found",
            customer(&known).key(&fixture.neighbour),
            nothing(),
        ),
    ]
}

/// A layer with everything changed.
fn layers(fixture: &Fixture) -> Vec<Case> {
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
            let enforced = !matches!(code, Code::RateLimited | Code::PolicyDenied);
            let word = format!("\"code\":\"{}\"", code.as_str());
            let listed = cases.iter().any(|case| case.expected.to_string().contains(&word));
            assert_eq!(listed, enforced, "{}", code.as_str());
        }
    }
}
