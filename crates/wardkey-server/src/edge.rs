//! The outermost layer: what holds for every request, whatever is asked, and every answer, whoever gives it.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use poem::error::ReadBodyError;
use poem::http::header::CONTENT_TYPE;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use poem::{Endpoint, Request, Response};
use poem_openapi::error::{ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError};
use wardkey_core::{Clock, Denial, FieldError, Guard, KeyId, PROBLEM_MEDIA_TYPE, RequestView, SessionId};

use crate::body;
use crate::problem::{Code, Refusal, into_response};
use crate::routes::{Route, Routes};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps the whole application: request ids, limits, one shape for every error, one line in the log for every request.
pub(crate) struct Edge<E> {
    inner: E,
    guard: Guard,
    routes: Routes,
    request_timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl<E: Endpoint<Output = Response>> Edge<E> {
    /// Wraps `inner`, which serves what the OpenAPI document describes, and answers as its guard does. A request may
    /// take `request_timeout`.
    pub(crate) fn new(
        inner: E,
        guard: Guard,
        document: &str,
        request_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { inner, guard, routes: Routes::of_document(document), request_timeout, clock }
    }

    /// Serves one request, or answers it in place of whoever should have.
    async fn serve(&self, mut request: Request, route: Option<&Route>) -> poem::Result<Response> {
        let Some(route) = route else {
            return Err(Refusal::from(Denial::NotFound).into());
        };
        if !route.allows(request.method()) {
            let allow = route.allow();
            return Err(Refusal::from(Code::MethodNotAllowed.problem().header("allow", allow)).into());
        }
        let answer = async {
            body::receive(&mut request).await?;
            self.inner.call(request).await
        };
        let answer = AssertUnwindSafe(answer).catch_unwind();
        match tokio::time::timeout(self.request_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            // What the panic said is logged by the hook.
            Ok(Err(_panic)) => Err(Refusal::from(Code::InternalError).into()),
            Err(_elapsed) => Err(Refusal::from(Code::RequestTimeout).into()),
        }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Edge<E> {
    type Output = Response;

    /// Never an error: each has become an answer.
    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        // It replaces whatever came in, so that all who look at the request see the same.
        let id = self.guard.request_id(&Headers(request.headers()));
        let id_value = HeaderValue::try_from(&id).expect("a request id is visible ASCII");
        request.headers_mut().insert(REQUEST_ID, id_value.clone());
        let notes = Notes::default();
        request.set_data(notes.clone());

        let route = self.routes.find(request.uri().path());
        let mut line = LogLine {
            method: known_method(request.method()),
            route: route.map_or("-", Route::template),
            request_id: &id,
            notes,
            clock: &*self.clock,
            started: self.clock.monotonic(),
            status: None,
        };
        let mut response = match self.serve(request, route).await {
            Ok(response) => self.problem_of_response(response, &id),
            Err(error) => self.problem_of_error(error, &id),
        };
        response.headers_mut().insert(REQUEST_ID, id_value);
        line.status = Some(response.status());
        Ok(response)
    }
}

/// The method as the log writes it: a method that nobody has heard of may be anything, a pasted secret included.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| method == *known).unwrap_or("-")
}

/// What the guard looks at for a request's id.
struct Headers<'r>(&'r HeaderMap);

impl<'r> RequestView for Headers<'r> {
    fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'r> {
        self.0.get_all(name).into_iter().map(HeaderValue::as_bytes)
    }

    fn peer(&self) -> Option<IpAddr> {
        None
    }
}

/// What inner layers tell about the request, for the log.
#[derive(Clone, Default)]
struct Notes(Arc<OnceLock<By>>);

/// By whose credential a request was made.
#[derive(Clone, Copy)]
enum By {
    Key(KeyId),
    Session(SessionId),
}

/// Notes whose key made the request, for the access log.
pub(crate) fn note_key(request: &Request, key: KeyId) {
    note(request, By::Key(key));
}

/// Notes in which session the request was made, for the access log.
pub(crate) fn note_session(request: &Request, session: SessionId) {
    note(request, By::Session(session));
}

fn note(request: &Request, by: By) {
    if let Some(Notes(noted)) = request.data::<Notes>() {
        // A request has one credential; a second note of the same changes nothing.
        let _ = noted.set(by);
    }
}

/// The line of one request in the log, written when all is done with it, even if the client went away before. It names
/// the template of the path, never the path: people paste keys into the oddest places.
struct LogLine<'a> {
    method: &'static str,
    route: &'a str,
    request_id: &'a str,
    notes: Notes,
    clock: &'a dyn Clock,
    started: Duration,
    status: Option<StatusCode>,
}

impl Drop for LogLine<'_> {
    fn drop(&mut self) {
        let took = self.clock.monotonic().saturating_sub(self.started);
        let duration_ms = took.as_micros() as f64 / 1000.0;
        let (key, session) = match self.notes.0.get() {
            Some(By::Key(key)) => (Some(tracing::field::display(key)), None),
            Some(By::Session(session)) => (None, Some(tracing::field::display(session))),
            None => (None, None),
        };
        let Self { method, route, request_id, .. } = self;
        match self.status.map(|status| status.as_u16()) {
            Some(status) => {
                tracing::info!(method, route, status, duration_ms, request_id, key, session, "request");
            }
            None => {
                tracing::info!(
                    method,
                    route,
                    duration_ms,
                    request_id,
                    key,
                    session,
                    "request abandoned by its client"
                );
            }
        }
    }
}

impl<E> Edge<E> {
    /// Sees to it that no error leaves in another shape than a problem's.
    fn problem_of_response(&self, response: Response, id: &str) -> Response {
        let is_error = response.status().is_client_error() || response.status().is_server_error();
        let is_problem =
            response.headers().get(CONTENT_TYPE).is_some_and(|media| media == PROBLEM_MEDIA_TYPE);
        if is_error && !is_problem { self.answer(&of_status(response.status()), id) } else { response }
    }

    /// The answer to whatever went wrong inside.
    fn problem_of_error(&self, error: poem::Error, id: &str) -> Response {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return self.answer(refusal, id);
        }
        if error.is_from_response() {
            return self.problem_of_response(error.into_response(), id);
        }
        self.answer(&refusal_of(&error, id), id)
    }

    fn answer(&self, refusal: &Refusal, id: &str) -> Response {
        let problem = refusal.problem();
        if let Some(cause) = refusal.cause() {
            tracing::error!(request_id = id, code = problem.code(), cause, "a request could not be served");
        } else {
            tracing::debug!(request_id = id, code = problem.code(), "a request is refused");
        }
        into_response(self.guard.render(problem, id))
    }
}

/// What the errors of poem and poem-openapi mean. Their texts are made for programmers and go nowhere.
fn refusal_of(error: &poem::Error, id: &str) -> Refusal {
    if let Some(error) = error.downcast_ref::<ReadBodyError>() {
        return body::refusal(error);
    }
    if let Some(ParseParamError { name, .. }) = error.downcast_ref() {
        return invalid(name, "invalid_value", "is missing or not of the documented form");
    }
    if error.is::<ParsePathError>() {
        return Denial::NotFound.into();
    }
    if error.is::<ContentTypeError>() {
        return Code::UnsupportedMediaType.into();
    }
    if error.is::<ParseRequestPayloadError>() {
        return invalid("", "invalid_value", "is not what this operation expects");
    }
    if error.status().is_server_error() {
        tracing::error!(request_id = id, cause = %error, "a handler failed");
    }
    of_status(error.status())
}

fn invalid(pointer: &str, code: &'static str, detail: &str) -> Refusal {
    Refusal::invalid(vec![FieldError { pointer: pointer.to_owned(), code, detail: detail.to_owned() }])
}

/// What a bare status means.
fn of_status(status: StatusCode) -> Refusal {
    match status {
        StatusCode::NOT_FOUND => Denial::NotFound.into(),
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed.into(),
        StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge.into(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType.into(),
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable.into(),
        status if status.is_client_error() => Code::InvalidRequest.into(),
        _ => Code::InternalError.into(),
    }
}

#[cfg(test)]
mod tests {
    use poem::IntoResponse as _;
    use poem::endpoint::make;
    use poem::http::header::ALLOW;
    use wardkey_core::SystemClock;
    use wardkey_core::testing::TestKeys;

    use super::*;

    const DOCUMENT: &str = r#"{"paths": {"/ok": {"get": {}, "post": {}}}}"#;

    fn edge<E: Endpoint<Output = Response>>(inner: E) -> Edge<E> {
        let guard = Guard::new(TestKeys::new(&[], &[]).verifier());
        Edge::new(inner, guard, DOCUMENT, Duration::from_millis(50), Arc::new(SystemClock::new()))
    }

    /// An application that does this, whatever is asked.
    fn doing(answer: fn() -> poem::Result<Response>) -> Edge<impl Endpoint<Output = Response>> {
        edge(make(move |_| async move { answer() }))
    }

    async fn body(response: Response) -> serde_json::Value {
        assert_eq!(response.content_type(), Some(PROBLEM_MEDIA_TYPE));
        serde_json::from_slice(&response.into_body().into_vec().await.unwrap()).unwrap()
    }

    fn get(path: &str) -> Request {
        Request::builder().uri_str(path).finish()
    }

    #[tokio::test]
    async fn an_unknown_path_and_an_unknown_method_are_problems() {
        let edge = doing(|| Ok(Response::default()));
        let response = edge.get_response(get("/nothing")).await;
        assert_eq!(response.status(), 404);
        assert_eq!(body(response).await["code"], "not_found");

        let delete = Request::builder().method(Method::DELETE).uri_str("/ok").finish();
        let response = edge.get_response(delete).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()[ALLOW], "GET, HEAD, POST");
        assert_eq!(body(response).await["code"], "method_not_allowed");
    }

    #[tokio::test]
    async fn a_panic_says_nothing_of_itself() {
        let response = doing(|| panic!("the password is swordfish")).get_response(get("/ok")).await;
        assert_eq!(response.status(), 500);
        let body = body(response).await;
        assert_eq!(body["code"], "internal_error");
        assert!(!body.to_string().contains("swordfish"));
    }

    #[tokio::test]
    async fn a_handler_that_takes_too_long_is_given_up() {
        let response =
            edge(make(|_| std::future::pending::<poem::Result<Response>>())).get_response(get("/ok")).await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(body(response).await["code"], "request_timeout");
    }

    #[tokio::test]
    async fn errors_of_any_origin_become_problems() {
        let teapot = doing(|| Ok(StatusCode::IM_A_TEAPOT.into_response()));
        assert_eq!(body(teapot.get_response(get("/ok")).await).await["code"], "invalid_request");

        let parameter = doing(|| Err(ParseParamError { name: "limit", reason: "text".into() }.into()));
        let body_of_parameter = body(parameter.get_response(get("/ok")).await).await;
        assert_eq!(body_of_parameter["errors"][0]["pointer"], "limit");

        let response = doing(|| Err(StatusCode::BAD_GATEWAY.into())).get_response(get("/ok")).await;
        assert_eq!(response.status(), 500);
        assert_eq!(body(response).await["code"], "internal_error");
    }

    #[tokio::test]
    async fn one_request_id_counts_for_all() {
        async fn echo(request: Request) -> poem::Result<Response> {
            Ok(request.header("x-request-id").unwrap_or_default().to_owned().into_response())
        }
        let edge = edge(make(echo));
        let given = Request::builder().uri_str("/ok").header("x-request-id", "abc-1").finish();
        let response = edge.get_response(given).await;
        assert_eq!(response.headers()["x-request-id"], "abc-1");
        assert_eq!(response.into_body().into_string().await.unwrap(), "abc-1");

        let mut two = get("/ok");
        two.headers_mut().append("x-request-id", HeaderValue::from_static("a"));
        two.headers_mut().append("x-request-id", HeaderValue::from_static("b"));
        let response = edge.get_response(two).await;
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(id.starts_with("req_"), "{id}");
        assert_eq!(response.into_body().into_string().await.unwrap(), id);

        let response = edge.get_response(get("/nothing")).await;
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(body(response).await["request_id"], id.as_str());
    }

    #[tokio::test]
    async fn a_body_of_declared_length_beyond_the_cap_is_not_read() {
        let edge = doing(|| Ok(Response::default()));
        let request = Request::builder()
            .method(Method::POST)
            .uri_str("/ok")
            .header("content-length", (body::MAX_BODY + 1).to_string())
            .finish();
        let response = edge.get_response(request).await;
        assert_eq!(response.status(), 413);
        assert_eq!(body(response).await["code"], "payload_too_large");
    }
}
