//! The reference at `/docs`: the OpenAPI document as one page for people. It needs no script, no font and no other
//! server, so it works where nothing but Wardkey answers.

mod html;
mod page;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use poem::{Endpoint, Response};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("style.css");

/// Serves the reference to this document.
pub(crate) fn page(document: &str) -> impl Endpoint<Output = Response> + 'static {
    let document: Value = serde_json::from_str(document).expect("the document is JSON");
    let page = page::render(&document, STYLE);
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    poem::endpoint::make_sync(move |_| {
        Response::builder()
            .header(CONTENT_TYPE, "text/html; charset=utf-8")
            .header(CONTENT_SECURITY_POLICY, &policy)
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(REFERRER_POLICY, "no-referrer")
            .header(CACHE_CONTROL, "no-cache")
            .body(page.clone())
    })
}
