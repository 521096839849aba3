//! Request bodies: never more of them than the server is ready to hold.

use std::io;

use http_body_util::{BodyExt as _, LengthLimitError, Limited, combinators::BoxBody};
use poem::error::ReadBodyError;
use poem::http::header::CONTENT_LENGTH;
use poem::{Body, Request, RequestBody};
use wardkey_core::FieldError;

use crate::problem::{Code, Refusal};

/// How large a body may be, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// Receives the request's body, so that what is decided by it is decided when all of it is here: a client that takes its
/// time with the last byte does not act by rights that it had when it sent the first.
///
/// # Errors
/// 413 if it is too large, before anything is read if its declared length says so; 400 if the client breaks off.
pub(crate) async fn receive(request: &mut Request) -> Result<(), Refusal> {
    let declared =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(Code::PayloadTooLarge.into());
    }
    let body: BoxBody<_, io::Error> = request.take_body().into();
    let capped = Limited::new(body, MAX_BODY).map_err(io::Error::other);
    let received = Body::from(BoxBody::new(capped)).into_vec().await;
    request.set_body(received.map_err(|error| refusal(&error))?);
    Ok(())
}

/// Reads what is left of the body.
///
/// # Errors
/// 413 beyond the cap; 400 if the client breaks off.
pub(crate) async fn read(body: &mut RequestBody) -> Result<Vec<u8>, Refusal> {
    let read = async { body.take()?.into_vec().await };
    read.await.map_err(|error: ReadBodyError| refusal(&error))
}

/// The answer to a body that cannot be read.
pub(crate) fn refusal(error: &ReadBodyError) -> Refusal {
    match error {
        ReadBodyError::Io(error) if is_over_cap(error) => Code::PayloadTooLarge.into(),
        ReadBodyError::PayloadTooLarge => Code::PayloadTooLarge.into(),
        ReadBodyError::BodyHasBeenTaken => Code::InternalError.into(),
        _ => {
            let detail = "could not be read to its end".to_owned();
            Refusal::invalid(vec![FieldError { pointer: String::new(), code: "incomplete", detail }])
        }
    }
}

/// poem wraps the cap's error once more on the way.
fn is_over_cap(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| {
        cause.is::<LengthLimitError>() || cause.downcast_ref::<io::Error>().is_some_and(is_over_cap)
    })
}
