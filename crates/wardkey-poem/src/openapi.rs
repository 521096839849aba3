//! The security scheme for poem-openapi, written by hand: a derived one of two schemes answers with the error of
//! whichever it tried last, and its fallback turns a bad key into no key.
//!
//! ```
//! use poem::{Endpoint, EndpointExt, Request, Route};
//! use poem_openapi::{OpenApi, OpenApiService, param::Path, payload::PlainText};
//! use wardkey_poem::openapi::KeyAuth;
//! # use wardkey_core::testing::TestKeys;
//! use wardkey_poem::{Id, KeyLayer, Refusal, WorkspaceId, permissions};
//!
//! permissions! { "Documents" { pub DocumentsRead = "documents:read", read, "Read documents" } }
//!
//! struct Api;
//!
//! #[OpenApi]
//! impl Api {
//!     /// The documents of a workspace.
//!     #[oai(path = "/workspaces/:id/documents", method = "get")]
//!     async fn list_documents(
//!         &self,
//!         key: KeyAuth<DocumentsRead>,
//!         id: Path<String>,
//!     ) -> Result<PlainText<String>, Refusal> {
//!         let workspace = key.in_workspace(id.0)?;
//!         Ok(PlainText(format!("the documents of {workspace}")))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = OpenApiService::new(Api, "Documents", "1.0");
//! assert!(service.spec().contains(r#""bearer""#));
//!
//! // Keys without a database: `wardkey_poem::testing::TestKeys`.
//! let workspace = WorkspaceId::from_bytes([1; 16]);
//! let keys = TestKeys::new(CATALOGUE, &[workspace]);
//! let app = Route::new().nest("/", service).with(KeyLayer::new(keys.verifier()));
//! let request = Request::builder()
//!     .uri_str(format!("/workspaces/{workspace}/documents"))
//!     .header("x-api-key", keys.issue(&["documents:read"]).expose())
//!     .finish();
//! assert_eq!(app.get_response(request).await.status(), 200);
//! # }
//! ```

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::LazyLock;

use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, MetaSecurityScheme, Registry,
};
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions};
use wardkey_core::{Code, PROBLEM_MEDIA_TYPE, Requires};

use crate::{ApiKey, Refusal};

/// The names of the security schemes in the document: the default carriers, either of which will do.
pub const SECURITY_SCHEMES: [&str; 2] = ["bearer", "apiKey"];

/// The name of the problem's schema in the document.
pub const PROBLEM_SCHEMA: &str = "Problem";

/// An [`ApiKey`] as an argument of an operation, whose security then stands in the document.
///
/// Needs [`KeyLayer`](crate::KeyLayer) around the API. It is no poem extractor, as poem-openapi would leave the
/// security of such a one out of the document.
#[derive(Debug)]
pub struct KeyAuth<P = ()>(pub ApiKey<P>);

impl<P> Clone for KeyAuth<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P> Deref for KeyAuth<P> {
    type Target = ApiKey<P>;

    fn deref(&self) -> &ApiKey<P> {
        &self.0
    }
}

impl<'a, P: Requires> ApiExtractor<'a> for KeyAuth<P> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_security_schemes(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        SECURITY_SCHEMES.to_vec()
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        Ok(Self(ApiKey::of(request)?))
    }
}

/// Puts the schemes of [`SECURITY_SCHEMES`] into the document, for extractors that build on an admission.
pub fn register_security_schemes(registry: &mut Registry) {
    let scheme = |ty, description| MetaSecurityScheme {
        ty,
        description: Some(description),
        name: None,
        key_in: None,
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    let [bearer, api_key] = SECURITY_SCHEMES;
    let preferred = scheme("http", "An API key as a bearer token (RFC 6750). Preferred.");
    registry.create_security_scheme(bearer, MetaSecurityScheme { scheme: Some("bearer"), ..preferred });
    let dedicated = scheme("apiKey", "An API key in a header of its own.");
    registry.create_security_scheme(
        api_key,
        MetaSecurityScheme { name: Some("X-API-Key"), key_in: Some("header"), ..dedicated },
    );
}

/// What a [`Refusal`] can be, so that an operation that returns `Result<_, Refusal>` lists it.
impl ApiResponse for Refusal {
    fn meta() -> MetaResponses {
        let responses = REFUSALS.iter().map(|(status, description)| problem_response(*status, description));
        MetaResponses { responses: responses.collect() }
    }

    fn register(registry: &mut Registry) {
        register_problem_schema(registry);
    }
}

/// The codes with which [`KeyLayer`](crate::KeyLayer) and [`ApiKey`] answer, by status, in words.
static REFUSALS: LazyLock<BTreeMap<u16, String>> = LazyLock::new(|| {
    let mut by_status = BTreeMap::<u16, String>::new();
    for code in Code::all().filter(|code| *code != Code::PolicyDenied) {
        let codes = by_status.entry(code.status()).or_default();
        let separator = if codes.is_empty() { "" } else { ", " };
        codes.push_str(&format!("{separator}`{}`", code.as_str()));
    }
    by_status
});

/// One response that is a problem; its schema is registered by [`register_problem_schema`].
pub fn problem_response(status: u16, description: &'static str) -> MetaResponse {
    let schema = MetaSchemaRef::Reference(PROBLEM_SCHEMA.to_owned());
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType { content_type: PROBLEM_MEDIA_TYPE, schema }],
        headers: Vec::new(),
    }
}

/// Puts the schema of a problem (RFC 9457), as core renders it, into the document.
pub fn register_problem_schema(registry: &mut Registry) {
    registry.create_schema::<Refusal, _>(PROBLEM_SCHEMA.to_owned(), |_| {
        let of = |ty: &'static str, description| MetaSchema {
            description: Some(description),
            ..MetaSchema::new(ty)
        };
        let inline = |schema| MetaSchemaRef::Inline(Box::new(schema));
        let text = |description| inline(of("string", description));
        let list = |description, items| {
            inline(MetaSchema { items: Some(Box::new(items)), ..of("array", description) })
        };
        let field_error = MetaSchema {
            required: vec!["pointer", "code", "detail"],
            properties: vec![
                (
                    "pointer",
                    text("Where it stands: a JSON pointer (RFC 6901) into the body, or a parameter's name."),
                ),
                ("code", text("The rule, for programs.")),
                ("detail", text("The rule, for people.")),
            ],
            ..of("object", "What is wrong with one field of the input.")
        };
        let status = MetaSchema {
            format: Some("int32"),
            minimum: Some(400.0),
            maximum: Some(599.0),
            ..of("integer", "The HTTP status.")
        };
        MetaSchema {
            required: vec!["type", "title", "status", "detail", "code", "request_id"],
            properties: vec![
                ("type", text("The address of the code's documentation, or `about:blank`.")),
                ("title", text("What the code means; the same for each occurrence.")),
                ("status", inline(status)),
                ("detail", text("What went wrong, for people.")),
                ("code", text("What went wrong, for programs.")),
                ("request_id", text("The id of the request, as in `X-Request-Id`.")),
                (
                    "missing_permissions",
                    list("The permissions that the key lacks.", inline(MetaSchema::new("string"))),
                ),
                ("errors", list("What is wrong with the input, field by field.", inline(field_error))),
            ],
            ..of("object", "A problem (RFC 9457).")
        }
    });
}
