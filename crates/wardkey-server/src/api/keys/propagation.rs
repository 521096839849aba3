//! Waiting until the verifiers have heard of it.

use std::time::Duration;

use poem_openapi::Object;
use poem_openapi::types::Example;
use wardkey::{LONGEST_WAIT, PendingVerifier};
use wardkey_core::{InstanceId, Timestamp};

use super::view::Key;
use crate::api::text::{Text, TextSchema, Textual};

/// How long a request waits for the verifiers.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Wait(Duration);

impl Textual for Wait {
    const SCHEMA: TextSchema = TextSchema {
        name: "Wait",
        description: "A time to wait, in whole seconds, 10 at most.",
        format: "",
        pattern: "^([0-9]|10)s$",
        min_length: 2,
        max_length: 3,
        example: "5s",
    };

    fn read(text: &str) -> Result<Self, String> {
        let digits = text.strip_suffix('s').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let seconds = digits.and_then(|digits| digits.parse().ok()).map(Duration::from_secs);
        let within = seconds.filter(|wait| *wait <= LONGEST_WAIT);
        within.map(Self).ok_or_else(|| "must be whole seconds, like 5s, and at most 10s".to_owned())
    }

    fn write(&self) -> String {
        format!("{}s", self.0.as_secs())
    }
}

/// Whether to wait.
#[derive(Debug, Object)]
pub(in crate::api) struct RevokeQuery {
    /// Answer when every verifier of the key's environment refuses the key, or after this time, and say in `propagation`
    /// which ones do. The key is revoked either way.
    wait: Option<Text<Wait>>,
}

impl RevokeQuery {
    pub(super) fn patience(&self) -> Option<Duration> {
        self.wait.as_ref().map(|wait| wait.0.0)
    }
}

/// A key that was revoked.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct RevokedKey {
    /// The key.
    #[oai(flatten)]
    pub(super) key: Key,
    /// How far it is known; there if `wait` was given, unless it cannot be learned now.
    pub(super) propagation: Option<Propagation>,
}

impl Example for RevokedKey {
    fn example() -> Self {
        let propagation = Propagation { applied: 2, pending: vec![Pending::example()] };
        Self { key: Key::example(), propagation: Some(propagation) }
    }
}

/// How far a change has got among the verifiers that serve at present.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct Propagation {
    /// How many verifiers answer by it.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000")))]
    applied: u32,
    /// The verifiers that have not said so.
    #[oai(validator(max_items = 1000))]
    pending: Vec<Pending>,
}

impl From<wardkey::Propagation> for Propagation {
    fn from(propagation: wardkey::Propagation) -> Self {
        let wardkey::Propagation { applied, pending } = propagation;
        let applied = u32::try_from(applied).unwrap_or(u32::MAX);
        Self { applied, pending: pending.into_iter().map(Pending::from).collect() }
    }
}

impl Example for Propagation {
    fn example() -> Self {
        Self { applied: 3, pending: Vec::new() }
    }
}

/// A verifier that has not said that it answers by the change.
#[derive(Debug, Object)]
#[oai(rename = "PendingVerifier", example)]
struct Pending {
    /// Which one: its process wrote this id to its log when it started.
    id: Text<InstanceId>,
    /// When it was last heard of.
    reported_at: Text<Timestamp>,
    /// Until when it may answer by what it knew then; after that it answers 503 until it has heard of all.
    serves_until: Text<Timestamp>,
}

impl From<PendingVerifier> for Pending {
    fn from(verifier: PendingVerifier) -> Self {
        let PendingVerifier { id, reported_at, serves_until } = verifier;
        Self { id: id.into(), reported_at: reported_at.into(), serves_until: serves_until.into() }
    }
}

impl Example for Pending {
    fn example() -> Self {
        Self { id: Text::example(), reported_at: Text::example(), serves_until: Text::example() }
    }
}
