//! Rules for text and lists: each broken one becomes an error at its field.

use std::collections::HashSet;
use std::hash::Hash;

use serde_json::Value;
use wardkey_core::{
    CatalogueIndex, FieldError, Id, InvalidRateLimit, InvalidRateLimits, IpNetwork, MAX_EXTERNAL_ID,
    OrganizationKind, PermissionName, RateLimit, RateLimits, Reference,
};

use crate::error::Error;
use crate::keys::RateLimitInput;

/// The longest name, in characters.
pub const MAX_NAME: usize = 100;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 1_000;
/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;
/// The largest metadata, in bytes of its JSON text.
pub const MAX_METADATA: usize = 4_096;
/// The most entries of a list of permissions or of networks.
pub const MAX_LIST: usize = 100;

/// Collects every broken rule, so that a caller hears of all at once.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<FieldError>);

impl Findings {
    pub(crate) fn add(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.into(), code, detail: detail.into() });
    }

    pub(crate) fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// The value, or what was noted of it.
    pub(crate) fn keep<T>(&mut self, value: Result<T, FieldError>) -> Option<T> {
        value.map_err(|error| self.push(error)).ok()
    }

    /// Notes what is invalid, and hands on every answer.
    pub(crate) fn collect<T>(&mut self, answer: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Invalid(errors)) = &answer {
            self.0.extend(errors.iter().cloned());
        }
        answer
    }

    pub(crate) fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }

    pub(crate) fn name(&mut self, name: &str) {
        if name.trim().is_empty() {
            self.add("/name", "required", "must not be blank");
        }
        self.text("/name", name, MAX_NAME);
        if name.contains(['\n', '\t', '\r']) {
            self.add("/name", "control_character", "must be one line without tabs");
        }
    }

    pub(crate) fn description(&mut self, description: Option<&str>) {
        if let Some(description) = description {
            self.text("/description", description, MAX_DESCRIPTION);
        }
    }

    pub(crate) fn reason(&mut self, reason: Option<&str>) {
        if let Some(reason) = reason {
            self.text("/reason", reason, MAX_REASON);
        }
    }

    /// The backend's own id for an object: one short line that cannot be taken for Wardkey's id.
    pub(crate) fn external_id<I: Id>(&mut self, external_id: Option<&str>) {
        let Some(text) = external_id else { return };
        let visible = |c: char| !c.is_control() && !c.is_whitespace();
        if text.is_empty() || text.len() > MAX_EXTERNAL_ID || !text.chars().all(visible) {
            let detail = format!("must be 1 to {MAX_EXTERNAL_ID} bytes of UTF-8 without white space");
            self.add("/external_id", "malformed", detail);
        }
        if text.parse::<I>().is_ok() {
            self.add("/external_id", "reserved", "must not have the form of Wardkey's own ids");
        }
    }

    /// An address as people write it; whether mail arrives there is not asked.
    pub(crate) fn email(&mut self, email: &str) {
        let fits = email.len() <= 254
            && email.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
            && email.chars().all(|c| !c.is_control() && !c.is_whitespace());
        if !fits {
            self.add("/email", "malformed", "must be an e-mail address of at most 254 characters");
        }
    }

    /// Length in characters, and no control characters but line breaks and tabs.
    fn text(&mut self, pointer: &str, text: &str, longest: usize) {
        if text.chars().count() > longest {
            self.add(pointer, "too_long", format!("must be at most {longest} characters"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r')) {
            self.add(pointer, "control_character", "must not contain control characters");
        }
    }

    pub(crate) fn metadata(&mut self, metadata: &serde_json::Map<String, Value>) {
        let text = serde_json::to_string(metadata).unwrap_or_default();
        if text.len() > MAX_METADATA {
            self.add("/metadata", "too_long", format!("must be at most {MAX_METADATA} bytes of JSON"));
        }
        if metadata.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)) {
            self.add("/metadata", "control_character", "must not contain U+0000");
        }
    }

    /// What people read of a permission or a group of them.
    pub(crate) fn label(&mut self, pointer: &str, label: &str) {
        self.text(pointer, label, MAX_NAME);
    }

    /// Permissions that are to be listed in an organization of this kind: each exists there, and stands there once.
    pub(crate) fn known_permissions(
        &mut self,
        listed: &[PermissionName],
        kind: OrganizationKind,
        catalogue: &CatalogueIndex,
    ) {
        self.list("/permissions", listed);
        for (at, name) in listed.iter().enumerate() {
            let pointer = format!("/permissions/{at}");
            if !catalogue.knows(name) {
                self.add(pointer, "unknown_permission", "is not in the permission catalogue");
            } else if name.is_operator() && kind != OrganizationKind::Operator {
                self.add(pointer, "operator_only", "exists only in the operator organization");
            }
        }
    }

    pub(crate) fn networks(&mut self, networks: &[IpNetwork]) {
        self.list("/ip_allowlist", networks);
    }

    /// The limits, if each of them is one, and all together are a list of them.
    pub(crate) fn rate_limits(&mut self, wanted: Vec<RateLimitInput>) -> RateLimits {
        let mut limits = Vec::new();
        for (at, RateLimitInput { name, limit, window_seconds }) in wanted.iter().enumerate() {
            match RateLimit::new(name, *limit, *window_seconds) {
                Ok(limit) => limits.push(limit),
                Err(error) => {
                    let (member, code) = match error {
                        InvalidRateLimit::Name => ("name", "malformed"),
                        InvalidRateLimit::Limit => ("limit", "out_of_range"),
                        InvalidRateLimit::Window => ("window_seconds", "out_of_range"),
                    };
                    self.add(format!("/rate_limits/{at}/{member}"), code, error.to_string());
                }
            }
        }
        if limits.len() < wanted.len() {
            return RateLimits::NONE;
        }
        RateLimits::new(limits).unwrap_or_else(|error| {
            match error {
                InvalidRateLimits::TooMany => {
                    let detail = format!("must hold at most {} entries", RateLimits::MAX);
                    self.add("/rate_limits", "too_many", detail);
                }
                InvalidRateLimits::RepeatedName { index } => {
                    self.add(format!("/rate_limits/{index}/name"), "duplicate", "stands here twice");
                }
            }
            RateLimits::NONE
        })
    }

    /// Not too many, and each once.
    fn list<T: Eq + Hash>(&mut self, pointer: &str, items: &[T]) {
        if items.len() > MAX_LIST {
            self.add(pointer, "too_many", format!("must hold at most {MAX_LIST} entries"));
        }
        let mut seen = HashSet::new();
        for (at, item) in items.iter().enumerate() {
            if !seen.insert(item) {
                self.add(format!("{pointer}/{at}"), "duplicate", "stands here twice");
            }
        }
    }
}

/// PostgreSQL keeps no U+0000.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether anything can have this name. What no external id ever holds is not asked for: a database that cannot even
/// read the question would look as if it did not answer.
pub(crate) fn can_exist<I>(reference: &Reference<I>) -> bool {
    !matches!(reference, Reference::External(text) if text.contains('\0'))
}

/// Whether anything can match these filters: what no text in the database ever holds is not looked for, either.
pub(crate) fn can_match(filters: &[&Option<String>]) -> bool {
    filters.iter().all(|filter| filter.as_ref().is_none_or(|text| !text.contains('\0')))
}
