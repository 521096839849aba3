//! What is answered: expected, and read from the wire.

use std::collections::BTreeMap;
use std::fmt;

use wardkey_core::Code;

use crate::request::REQUEST_ID;
use crate::{LEGACY_DOCS_URL, LEGACY_REALM};

/// A request id that the app has made: its value differs each time.
const MINTED_ID: &str = "req_(minted)";

/// Everything that an answer says, but when.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: u16,
    /// Fields by their names in lower case; repeated ones joined by a line break, so that they differ from one.
    fields: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    /// Reads an HTTP/1.1 response. `Date` is left out, and a minted request id is replaced wherever it stands.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
        let mut answer = Self { status, fields: BTreeMap::new(), body: body.to_owned() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            match answer.fields.get_mut(&name) {
                Some(values) => *values = format!("{values}\n{value}"),
                None if name == "date" => {}
                None => {
                    answer.fields.insert(name, value.to_owned());
                }
            }
        }
        answer.replace_minted_id();
        answer
    }

    fn replace_minted_id(&mut self) {
        let id =
            self.fields.get("x-request-id").filter(|id| id.starts_with("req_") && id.len() == 26).cloned();
        if let Some(id) = id {
            self.fields.insert("x-request-id".to_owned(), MINTED_ID.to_owned());
            self.body = self.body.replace(&id, MINTED_ID);
        }
    }

    fn new(status: u16, fields: &[(&str, &str)], body: String, length: usize) -> Self {
        let mut fields: BTreeMap<_, _> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        fields.insert("content-length".to_owned(), length.to_string());
        fields.insert("connection".to_owned(), "close".to_owned());
        Self { status, fields, body }
    }
}

impl Answer {
    /// The same answer with more fields.
    pub(crate) fn with_fields<const N: usize>(mut self, fields: [(&str, &str); N]) -> Self {
        self.fields.extend(fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        self.fields.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))?;
        write!(f, "\n{}", self.body)
    }
}

/// Plain text from a handler.
pub(crate) fn granted(text: impl Into<String>) -> Answer {
    let text = text.into();
    let length = text.len();
    Answer::new(200, &[("content-type", "text/plain; charset=utf-8")], text, length)
}

/// What the problems of a layer have in common.
struct Layer {
    realm: &'static str,
    docs_url: Option<&'static str>,
    vary: &'static str,
}

const DEFAULT: Layer = Layer { realm: "wardkey", docs_url: None, vary: "authorization, x-api-key" };

/// A refusal.
pub(crate) fn refused(code: Code) -> Answer {
    refusal(&DEFAULT, code, REQUEST_ID, &[])
}

/// A refusal under an id that the app has made.
pub(crate) fn refused_with_minted_id(code: Code) -> Answer {
    refusal(&DEFAULT, code, MINTED_ID, &[])
}

/// A refusal by the group `/legacy`.
pub(crate) fn refused_by_legacy(code: Code) -> Answer {
    let legacy = Layer { realm: LEGACY_REALM, docs_url: Some(LEGACY_DOCS_URL), vary: "x-legacy-key" };
    refusal(&legacy, code, REQUEST_ID, &[])
}

/// A refusal for want of permissions.
pub(crate) fn lacking(permissions: &[&str]) -> Answer {
    refusal(&DEFAULT, Code::InsufficientPermissions, REQUEST_ID, permissions)
}

fn refusal(layer: &Layer, code: Code, request_id: &str, missing: &[&str]) -> Answer {
    let challenge = |error: &str| format!("Bearer realm=\"{}\"{error}", layer.realm);
    let authenticate = match (code, code.status()) {
        (Code::MissingCredentials, _) => challenge(""),
        (Code::AmbiguousCredentials, _) => challenge(", error=\"invalid_request\""),
        (Code::InsufficientPermissions, _) if missing.is_empty() => {
            challenge(", error=\"insufficient_scope\"")
        }
        (Code::InsufficientPermissions, _) => {
            challenge(&format!(", error=\"insufficient_scope\", scope=\"{}\"", missing.join(" ")))
        }
        (_, 401) => challenge(", error=\"invalid_token\""),
        _ => String::new(),
    };
    let mut fields = vec![("vary", layer.vary)];
    if !authenticate.is_empty() {
        fields.push(("www-authenticate", &authenticate));
    }
    if code == Code::VerifierUnavailable {
        fields.push(("retry-after", "1"));
    }
    let docs =
        layer.docs_url.map_or_else(|| "about:blank".to_owned(), |url| format!("{url}{}", code.as_str()));
    let missing = match missing {
        [] => String::new(),
        missing => format!(",\"missing_permissions\":[\"{}\"]", missing.join("\",\"")),
    };
    let head = format!("{{\"type\":\"{docs}\",\"title\":\"{}\",\"status\":{}", code.title(), code.status());
    let text = format!("\"detail\":\"{}\",\"code\":\"{}\"", code.detail(), code.as_str());
    let body = format!("{head},{text},\"request_id\":\"{request_id}\"{missing}}}");
    problem(code.status(), &fields, request_id, body)
}

/// The answer of a route whose layer was forgotten.
pub(crate) fn unguarded() -> Answer {
    let body = format!(
        "{{\"type\":\"about:blank\",\"title\":\"Internal error\",\"status\":500,\
         \"detail\":\"The server is misconfigured. Its log says how.\",\
         \"code\":\"internal_error\",\"request_id\":\"{MINTED_ID}\"}}"
    );
    problem(500, &[], MINTED_ID, body)
}

fn problem(status: u16, fields: &[(&str, &str)], request_id: &str, body: String) -> Answer {
    let common = [
        ("content-type", "application/problem+json"),
        ("cache-control", "no-store"),
        ("x-request-id", request_id),
    ];
    // A minted id has 26 characters, whatever stands for it here.
    let length = body.len() + if request_id == MINTED_ID { 26 - MINTED_ID.len() } else { 0 };
    Answer::new(status, &[&common, fields].concat(), body, length)
}
