//! Parameters in path, query and header, each with its schema, and faults that name it.

use poem::http::HeaderName;
use poem::http::header::IF_MATCH;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseFromJSON, Type as _};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;
use wardkey::{DeploymentHandle, Tenant};
use wardkey_core::{Denial, FieldError, Reference, UserId};

use super::schema;
use super::text::{Text, Textual};
use crate::problem::{Code, Refusal};

/// An object in the path, which is its parameter number `AT`; below an organization that is number 1. An id that cannot
/// be one is that of an object which does not exist.
pub(crate) struct InPath<I, const AT: usize = 1>(pub(crate) I);

impl<'a, I: Textual, const AT: usize> ApiExtractor<'a> for InPath<I, AT> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = Text<I>;
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Text::<I>::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(Text::<I>::schema_ref())
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<Text<I>>,
    ) -> Result<Self> {
        // The router counts the parameters.
        let text = request.raw_path_param(&format!("param{AT}")).unwrap_or_default();
        Ok(Self(I::read(text).map_err(|_| Refusal::from(Denial::NotFound))?))
    }
}

/// The whole query string as an object, whose members the document lists as parameters. A parameter that is not among
/// them is refused: a misspelt filter would otherwise show everything.
pub(crate) struct InQuery<T>(pub(crate) T);

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for InQuery<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = T;
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(T::schema_ref())
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<T>,
    ) -> Result<Self> {
        let invalid = |pointer: &str, code, detail: &str| {
            let error = FieldError { pointer: pointer.to_owned(), code, detail: detail.to_owned() };
            Refusal::invalid(vec![error])
        };
        let pairs: Vec<(String, String)> =
            request.params().map_err(|_| invalid("", "malformed", "the query string cannot be read"))?;
        if let Some((name, _)) = pairs.iter().find(|(_, value)| value.contains('\0')) {
            return Err(invalid(name, "invalid_character", "holds a control character").into());
        }
        let object = schema::from_query::<T>(pairs).map_err(Refusal::invalid)?;
        let faults = schema::query_faults::<T>(&object);
        if !faults.is_empty() {
            return Err(Refusal::invalid(faults).into());
        }
        let value = T::parse_from_json(Some(Value::Object(object)));
        Ok(Self(value.map_err(|_| invalid("", "invalid_value", "is not what this operation expects"))?))
    }
}

/// The one value of a header, if it is there.
///
/// # Errors
/// A 400 at the header if it is repeated, or holds anything but visible ASCII and spaces.
fn header<'r>(request: &'r Request, name: &HeaderName, shown: &str) -> Result<Option<&'r str>, Refusal> {
    let mut values = request.headers().get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(at_header(shown, "invalid_character", "must be visible ASCII")),
        },
        _ => Err(at_header(shown, "repeated", "may be given once only")),
    }
}

fn at_header(name: &str, code: &'static str, detail: &str) -> Refusal {
    Refusal::invalid(vec![FieldError { pointer: name.to_owned(), code, detail: detail.to_owned() }])
}

/// The version that a request means to change, from `If-Match`, which must be there.
pub(crate) struct IfMatch(pub(crate) i64);

/// The version that a request means to change, if it says so.
pub(crate) struct OptionalIfMatch(pub(crate) Option<i64>);

/// What a version looks like in `ETag` and `If-Match`: in quotes, as RFC 9110 wants it.
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

const IF_MATCH_NAME: &str = "If-Match";

fn if_match(request: &Request) -> Result<Option<i64>, Refusal> {
    let Some(text) = header(request, &IF_MATCH, IF_MATCH_NAME)? else { return Ok(None) };
    let digits = text.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let canonical = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let version = digits.filter(canonical).and_then(|digits| digits.parse().ok());
    let detail = "must be one ETag as an earlier answer gave it, quotes included";
    version.map(Some).ok_or_else(|| at_header(IF_MATCH_NAME, "malformed", detail))
}

fn etag_schema() -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(MetaSchema {
        pattern: Some(r#"^"[0-9]{1,18}"$"#.to_owned()),
        example: Some("\"3\"".into()),
        ..MetaSchema::new("string")
    }))
}

impl<'a> ApiExtractor<'a> for IfMatch {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(etag_schema())
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        Ok(Self(if_match(request)?.ok_or(Refusal::from(Code::PreconditionRequired))?))
    }
}

impl<'a> ApiExtractor<'a> for OptionalIfMatch {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(etag_schema())
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        Ok(Self(if_match(request)?))
    }
}

/// By what an operator stands in a user's place.
pub(crate) const ACT_AS_NAME: &str = "Wardkey-Act-As";

/// The user in whose place the request is made, if it says so.
pub(crate) fn act_as(request: &Request) -> Result<Option<Reference<UserId>>, Refusal> {
    let name = HeaderName::from_static("wardkey-act-as");
    let Some(text) = header(request, &name, ACT_AS_NAME)? else { return Ok(None) };
    if (1..=wardkey::MAX_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(text.into()));
    }
    let detail = "must be the id of a user, or the id that your backend gave to one";
    Err(at_header(ACT_AS_NAME, "malformed", detail))
}

/// The key under which a repetition of the request is recognised, from `Idempotency-Key`.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl IdempotencyKey {
    /// The same tenant, in which the request with this body happens once if the client said how to recognise it.
    pub(crate) fn once(self, tenant: Tenant, request: [u8; 32]) -> Tenant {
        match self.0 {
            Some(key) => tenant.with_idempotency_key(key, request),
            None => tenant,
        }
    }

    /// The same deployment, in which the request with this body happens once if the client said how to recognise it.
    pub(crate) fn once_in_deployment(
        self,
        deployment: DeploymentHandle,
        request: [u8; 32],
    ) -> DeploymentHandle {
        match self.0 {
            Some(key) => deployment.with_idempotency_key(key, request),
            None => deployment,
        }
    }
}

const IDEMPOTENCY_KEY_NAME: &str = "Idempotency-Key";

impl<'a> ApiExtractor<'a> for IdempotencyKey {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(MetaSchemaRef::Inline(Box::new(MetaSchema {
            pattern: Some("^[!-~]{1,255}$".to_owned()),
            example: Some("3f0c2a53-9b0e-4c39-a1a5-8f0f6f5f9a01".into()),
            ..MetaSchema::new("string")
        })))
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let name = HeaderName::from_static("idempotency-key");
        let Some(text) = header(request, &name, IDEMPOTENCY_KEY_NAME)? else { return Ok(Self(None)) };
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            let detail = "must be 1 to 255 visible ASCII characters";
            return Err(at_header(IDEMPOTENCY_KEY_NAME, "malformed", detail).into());
        }
        Ok(Self(Some(text.to_owned())))
    }
}
