use std::fmt;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use wardkey_core::RenderedProblem;

/// An answer to a request that is not let in, ready to be sent: handlers return it with `?`.
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
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in headers {
            // Only a carrier that is no header name could make an illegal value, of `Vary`.
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {} ({})", self.0.code, self.0.status)
    }
}

impl std::error::Error for Refusal {}
