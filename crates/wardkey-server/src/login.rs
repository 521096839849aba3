//! The page at `/login`, where a person logs in, or follows a link: to a first password, or into an organization. It is one
//! document that needs nothing but this server, and says nothing to any other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use poem::{Endpoint, Response};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("login/style.css");
const SCRIPT: &str = include_str!("login/script.js");
const BODY: &str = include_str!("login/page.html");

/// Serves the page.
pub(crate) fn page() -> impl Endpoint<Output = Response> + 'static {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Log in</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{BODY}<script>{SCRIPT}</script>\n\
         </body>\n</html>\n"
    );
    let digest = |text| STANDARD.encode(Sha256::digest(text));
    // No form is ever sent by itself: its script sends what is typed, in a body, to this server alone.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        digest(STYLE),
        digest(SCRIPT),
    );
    poem::endpoint::make_sync(move |_| {
        Response::builder()
            .header(CONTENT_TYPE, "text/html; charset=utf-8")
            .header(CONTENT_SECURITY_POLICY, &policy)
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(X_FRAME_OPTIONS, "DENY")
            .header(REFERRER_POLICY, "no-referrer")
            .header(CACHE_CONTROL, "no-store")
            .body(page.clone())
    })
}
