//! What handlers return, so that the document lists each operation's own refusals.

use std::fmt;
use std::marker::PhantomData;

use poem::http::HeaderValue;
use poem::http::header::{CACHE_CONTROL, SET_COOKIE};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaHeader, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::ToJSON;
use wardkey::Once;
use wardkey_poem::openapi::register_problem_schema;

use super::parameters::etag;
use crate::problem::{Code, Refusal};
use crate::sessions::SetCookies;

/// What was made, now or before, and what `Idempotency-Replayed` says of it: nothing, or that the answer is that of a
/// repetition.
pub(crate) fn made<T>(once: Once<T>) -> (T, Option<String>) {
    match once {
        Once::Done(made) => (made, None),
        Once::Replayed(made) => (made, Some("true".to_owned())),
    }
}

/// One object, which the document describes by its schema.
#[derive(ApiResponse)]
pub(crate) enum Shown<T: ToJSON> {
    #[oai(status = 200)]
    Ok(
        Json<T>,
        /// Its version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

impl<T: ToJSON> Shown<T> {
    /// The object at this version.
    pub(crate) fn new(object: impl Into<T>, version: i64) -> Self {
        Self::Ok(Json(object.into()), etag(version))
    }
}

/// An object that was made, now or by an earlier request that this one repeats.
#[derive(ApiResponse)]
pub(crate) enum Created<T: ToJSON> {
    #[oai(status = 201)]
    Created(
        Json<T>,
        /// Where it can be read from now on.
        #[oai(header = "Location")]
        String,
        /// Its version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
        /// `true` if the request repeats an earlier one, which has made it.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

impl<T: ToJSON> Created<T> {
    /// The object at this version and this address.
    pub(crate) fn new(
        object: impl Into<T>,
        location: String,
        version: i64,
        replayed: Option<String>,
    ) -> Self {
        Self::Created(Json(object.into()), location, etag(version), replayed)
    }
}

/// An object that is gone.
#[derive(ApiResponse)]
pub(crate) enum Deleted {
    /// It is deleted.
    #[oai(status = 204)]
    Done,
}

/// What an operation answers: `T`, or one of the refusals `R` besides those that follow from its credential, its
/// parameters and its body.
pub(crate) type Answer<T, R = NoMore> = Result<T, Refused<R>>;

/// The refusals that an operation has for reasons of its own.
pub(crate) trait Refusals: Send + Sync + 'static {
    /// Their codes.
    const CODES: &'static [Code];
    /// Whether clients are told to wait when they ask too often.
    const LIMITED: bool = false;
    /// Whether what the body names may be unknown; of what the path names this goes without saying.
    const MAY_BE_UNKNOWN: bool = false;
}

/// No refusals but those that follow from credential, parameters and body.
pub(crate) struct NoMore;

impl Refusals for NoMore {
    const CODES: &'static [Code] = &[];
}

/// A refusal, in an operation that documents `R`.
pub(crate) struct Refused<R>(Refusal, PhantomData<fn() -> R>);

impl<R, E: Into<Refusal>> From<E> for Refused<R> {
    fn from(error: E) -> Self {
        Self(error.into(), PhantomData)
    }
}

impl<R> From<Refused<R>> for poem::Error {
    fn from(refused: Refused<R>) -> Self {
        refused.0.into()
    }
}

impl<R> fmt::Debug for Refused<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What separates the status from the code in the name of a documented refusal, which the document's own function
/// takes apart again.
pub(crate) const STATUS_AND_CODE: char = ' ';

impl<R: Refusals> ApiResponse for Refused<R> {
    fn meta() -> MetaResponses {
        let refusal = |status: u16, code, detail| MetaResponse {
            description: detail,
            status: None,
            status_range: Some(format!("{status}{STATUS_AND_CODE}{code}")),
            content: Vec::new(),
            headers: Vec::new(),
        };
        let limited = wardkey_core::Code::RateLimited;
        let limited = R::LIMITED.then(|| refusal(limited.status(), limited.as_str(), limited.detail()));
        let unknown = wardkey_core::Code::NotFound;
        let unknown =
            R::MAY_BE_UNKNOWN.then(|| refusal(unknown.status(), unknown.as_str(), unknown.detail()));
        let own = R::CODES.iter().map(|code| refusal(code.status(), code.as_str(), code.detail()));
        MetaResponses { responses: own.chain(limited).chain(unknown).collect() }
    }

    fn register(registry: &mut Registry) {
        register_problem_schema(registry);
    }
}

/// The same answer, which gives or takes the cookies of a session. No cache keeps it.
pub(crate) struct WithCookies<T>(pub(crate) T, pub(crate) SetCookies);

impl<T: IntoResponse> IntoResponse for WithCookies<T> {
    fn into_response(self) -> Response {
        let Self(answer, SetCookies(cookies)) = self;
        let mut response = answer.into_response();
        response.headers_mut().extend(cookies.map(|cookie| (SET_COOKIE, cookie)));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl<T: ApiResponse> ApiResponse for WithCookies<T> {
    fn meta() -> MetaResponses {
        let header = |name: &str, description: &str| MetaHeader {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            required: true,
            deprecated: false,
            schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
        };
        let mut meta = T::meta();
        for response in &mut meta.responses {
            response.headers.extend([
                header(
                    "Set-Cookie",
                    "Two of them: the access token and the refresh token, or that both are gone.",
                ),
                header("Cache-Control", "Always `no-store`: the answer holds secrets."),
            ]);
        }
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}
