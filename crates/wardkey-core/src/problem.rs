//! Problems as in RFC 9457, rendered to bytes here, so that every way in answers alike.

use std::borrow::Cow;
use std::time::Duration;

use crate::json::JsonWriter;
use crate::random::Random;
use crate::secret::Presented;

/// The media type of a problem.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// An answer that is an error: what went wrong, in a form for programs and in one for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: &'static str,
    status: u16,
    title: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    members: Vec<(&'static str, Member)>,
    headers: Vec<(&'static str, String)>,
}

/// What is wrong with one field of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where it stands: a JSON pointer (RFC 6901) into the body, such as `/name`, or the name of a parameter.
    pub pointer: String,
    /// The rule, for programs: `required`, `too_long`, …
    pub code: &'static str,
    /// The rule, for people.
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Number(i64),
    Texts(Vec<String>),
}

impl Problem {
    /// A problem of this code. The detail is read by the client: it never holds the cause of an outage.
    pub fn new(
        code: &'static str,
        status: u16,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let detail = detail.into();
        Self { code, status, title, detail, errors: Vec::new(), members: Vec::new(), headers: Vec::new() }
    }

    /// The code for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Says more precisely what went wrong.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds what is wrong with fields of the input.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Adds a member with a number.
    #[must_use]
    pub fn number(mut self, name: &'static str, value: i64) -> Self {
        self.members.push((name, Member::Number(value)));
        self
    }

    /// Adds a member with a list of texts.
    #[must_use]
    pub fn texts(mut self, name: &'static str, values: Vec<String>) -> Self {
        self.members.push((name, Member::Texts(values)));
        self
    }

    /// Adds a header field; the name in lower case.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds `Retry-After`, in whole seconds, rounded up, at least one.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header("retry-after", seconds.max(1).to_string())
    }

    /// The bytes of the answer. With `docs_url`, `type` is the address of the code's documentation below it.
    pub fn render(&self, request_id: &str, docs_url: Option<&str>) -> RenderedProblem {
        let mut json = JsonWriter::new();
        json.object(|json| {
            match docs_url {
                Some(url) => json.text("type", &format!("{}/{}", url.trim_end_matches('/'), self.code)),
                None => json.text("type", "about:blank"),
            }
            json.text("title", self.title);
            json.number("status", self.status.into());
            json.text("detail", &self.detail);
            json.text("code", self.code);
            json.text("request_id", request_id);
            for (name, member) in &self.members {
                match member {
                    Member::Number(number) => json.number(name, *number),
                    Member::Texts(texts) => json.texts(name, texts),
                }
            }
            if !self.errors.is_empty() {
                json.array("errors", &self.errors, |json, error| {
                    json.object(|json| {
                        json.text("pointer", &error.pointer);
                        json.text("code", error.code);
                        json.text("detail", &error.detail);
                    });
                });
            }
        });
        let mut headers = vec![
            ("content-type", PROBLEM_MEDIA_TYPE.to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-request-id", request_id.to_owned()),
        ];
        headers.extend(self.headers.iter().cloned());
        RenderedProblem { code: self.code, status: self.status, headers, body: json.finish().into_bytes() }
    }
}

/// An answer ready to be sent: adapters copy it and add nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedProblem {
    /// The code for programs, as it stands in the body.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Header fields, names in lower case, each once.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An incoming `X-Request-Id`, if it is 1 to 64 characters of `[A-Za-z0-9._-]`: harmless in logs and headers. A secret
/// that somebody put into the wrong header is not.
pub(crate) fn harmless_request_id(incoming: &[u8]) -> Option<&str> {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let fits = (1..=64).contains(&incoming.len())
        && incoming.iter().all(harmless)
        && Presented::parse(incoming).is_none();
    std::str::from_utf8(incoming).ok().filter(|_| fits)
}

/// A new request id.
pub(crate) fn mint_request_id(random: &dyn Random) -> String {
    let mut id = *b"req_0000000000000000000000";
    crate::base62::draw(random, &mut id[4..]);
    String::from_utf8_lossy(&id).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    #[test]
    fn a_problem_is_the_same_bytes_each_time() {
        let problem = Problem::new("invalid_request", 400, "Invalid request", "One field is wrong.")
            .number("limit", 10)
            .texts("missing_permissions", vec!["a:b".to_owned()])
            .errors(vec![FieldError {
                pointer: "/name".to_owned(),
                code: "required",
                detail: "is \"missing\"".to_owned(),
            }])
            .retry_after(Duration::from_millis(1_001));
        let rendered = problem.render("req_1", Some("https://docs.example/problems/"));
        assert_eq!(
            String::from_utf8(rendered.body).unwrap(),
            r#"{"type":"https://docs.example/problems/invalid_request","title":"Invalid request","status":400,"detail":"One field is wrong.","code":"invalid_request","request_id":"req_1","limit":10,"missing_permissions":["a:b"],"errors":[{"pointer":"/name","code":"required","detail":"is \"missing\""}]}"#
        );
        assert!(rendered.headers.contains(&("retry-after", "2".to_owned())));
        assert!(rendered.headers.contains(&("cache-control", "no-store".to_owned())));
    }

    #[test]
    fn an_incoming_request_id_is_kept_only_if_it_is_harmless() {
        assert_eq!(harmless_request_id(b"a.B_c-1"), Some("a.B_c-1"));
        for bad in [&b""[..], b"a b", b"a\r\nb", b"\xff", &[b'a'; 65]] {
            assert_eq!(harmless_request_id(bad), None, "{bad:?}");
        }
        let random = SeededRandom::new(1);
        let minted = [mint_request_id(&random), mint_request_id(&random)];
        assert_ne!(minted[0], minted[1]);
        assert_eq!(harmless_request_id(minted[0].as_bytes()), Some(&*minted[0]));
    }

    #[test]
    fn a_secret_in_the_wrong_header_is_no_request_id() {
        // It would be logged and kept in the audit log.
        let start = crate::secret::SecretStart::new("wk", "live").unwrap();
        let secret = start.generate(&SeededRandom::new(4));
        assert_eq!(harmless_request_id(secret.expose().as_bytes()), None);
    }
}
