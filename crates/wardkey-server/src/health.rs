//! For whoever watches the process: is it alive, and should it be sent requests?

use poem::endpoint::make;
use poem::http::header::CACHE_CONTROL;
use poem::{Endpoint, IntoResponse as _, Response, Result, Route, get};
use wardkey::Wardkey;
use wardkey_core::Verifier;

use crate::problem::{Code, Refusal};

/// Adds `/livez` and `/readyz`.
pub(crate) fn routes(route: Route, wardkey: Wardkey, verifier: Verifier) -> Route {
    route.at("/livez", get(livez())).at("/readyz", get(readyz(wardkey, verifier)))
}

/// The process answers; it says nothing of what it depends on, as a restart would not mend that.
fn livez() -> impl Endpoint {
    make(|_| async { Result::<_>::Ok(yes("alive")) })
}

/// The database answers, and keys can be verified.
fn readyz(wardkey: Wardkey, verifier: Verifier) -> impl Endpoint {
    make(move |_| {
        let (wardkey, verifier) = (wardkey.clone(), verifier.clone());
        async move {
            wardkey.ping().await.map_err(Refusal::from)?;
            match verifier.check_ready().await {
                Ok(()) => Result::<_>::Ok(yes("ready")),
                Err(error) => {
                    tracing::warn!(%error, "not ready");
                    Err(Refusal::from(Code::Unavailable).into())
                }
            }
        }
    })
}

fn yes(word: &'static str) -> Response {
    word.with_header(CACHE_CONTROL, "no-store").into_response()
}
