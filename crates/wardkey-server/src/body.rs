//! Request bodies: never more of them than the server is ready to hold.

use std::io;

use http_body_util::{BodyExt as _, combinators::BoxBody};
use poem::error::ReadBodyError;
use poem::http::header::CONTENT_LENGTH;
use poem::{Request, RequestBody};
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
    let mut body: BoxBody<_, io::Error> = request.take_body().into();
    // One buffer: a body that comes byte by byte costs no more than one that comes at once.
    let mut received = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| refusal(&ReadBodyError::Io(error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if received.len() + data.len() > MAX_BODY {
            return Err(Code::PayloadTooLarge.into());
        }
        received.extend_from_slice(&data);
    }
    request.set_body(received);
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
        ReadBodyError::PayloadTooLarge => Code::PayloadTooLarge.into(),
        ReadBodyError::BodyHasBeenTaken => Code::InternalError.into(),
        _ => {
            let detail = "could not be read to its end".to_owned();
            Refusal::invalid(vec![FieldError { pointer: String::new(), code: "incomplete", detail }])
        }
    }
}
