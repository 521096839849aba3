use std::fmt;

use poem::http::{HeaderName, HeaderValue, StatusCode};
use poem::{Error, IntoResponse, Response};
use wardkey_core::RenderedProblem;

/// An answer to a request that is not let in, ready to be sent: handlers return it with `?`.
///
/// As a [`poem::Error`] it is one that [is made from a response](Error::is_from_response); a `catch_all_error` that
/// renders errors anew should hand such a one on as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(RenderedProblem);

impl Refusal {
    /// What is sent.
    pub fn problem(&self) -> &RenderedProblem {
        &self.0
    }
}

impl From<RenderedProblem> for Refusal {
    fn from(problem: RenderedProblem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let RenderedProblem { code: _, status, headers, body } = self.0;
        let mut response = Response::from(body);
        response.set_status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        // What poem says of the body, the problem says better. A header may come more than once.
        response.headers_mut().clear();
        for (name, value) in headers {
            // Only a carrier that is no header name could make an illegal value, of `Vary`.
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::from_response(refusal.into_response())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {} ({})", self.0.code, self.0.status)
    }
}

impl std::error::Error for Refusal {}
