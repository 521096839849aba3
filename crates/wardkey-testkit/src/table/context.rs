//! What else a request says: where it came from, under which id, on which kind of route.

use wardkey_core::Code;

use super::presented::optional_key;
use super::{Case, case};
use crate::answer::{granted, lacking, refused, refused_with_minted_id};
use crate::fixture::Fixture;
use crate::request::get;

/// Who is believed about the client's address.
pub(super) fn addresses(fixture: &Fixture) -> Vec<Case> {
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
pub(super) fn request_ids(_: &Fixture) -> Vec<Case> {
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
pub(super) fn optional_routes(fixture: &Fixture) -> Vec<Case> {
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
