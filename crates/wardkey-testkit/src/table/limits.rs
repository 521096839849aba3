//! How often a key may ask.

use wardkey_core::Code;

use super::{Case, case};
use crate::answer::{granted, lacking, refused};
use crate::fixture::Fixture;
use crate::request::get;

/// One key's requests, in order: each is charged once, by the layer, whatever becomes of it later.
pub(super) fn limits(fixture: &Fixture) -> Vec<Case> {
    let key = &fixture.limited;
    let described = || granted(fixture.describe("limited", "127.0.0.1"));
    let policy = ("ratelimit-policy", "\"minutely\";q=3;w=60, \"hourly\";q=4;w=3600");
    let told = |current| [policy, ("ratelimit", current)];
    let nothing_left = "\"minutely\";r=0;t=20, \"hourly\";r=1;t=2700";
    vec![
        case(
            "a success tells the limits",
            get("/strict/key").key(key),
            described().with_fields(told("\"minutely\";r=2;t=20, \"hourly\";r=3;t=900")),
        ),
        case(
            "what is refused later is charged all the same, and told",
            get("/strict/pipelines").key(key),
            lacking(&["pipelines:read"]).with_fields(told("\"minutely\";r=1;t=40, \"hourly\";r=2;t=1800")),
        ),
        case(
            "the layers of an app count together",
            get("/optional/key").key(key),
            described().with_fields(told(nothing_left)),
        ),
        case(
            "too many requests are refused, with the time to wait",
            get("/strict/key").key(key),
            refused(Code::RateLimited).with_fields(told(nothing_left)).with_fields([("retry-after", "20")]),
        ),
        case(
            "also where no key is needed",
            get("/optional/key").key(key),
            refused(Code::RateLimited).with_fields(told(nothing_left)).with_fields([("retry-after", "20")]),
        ),
        case(
            "another key has its own",
            get("/strict/key").key(&fixture.reader),
            granted(fixture.describe("reader", "127.0.0.1")),
        ),
    ]
}
