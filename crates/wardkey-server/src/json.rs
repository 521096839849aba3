//! JSON bodies, read strictly: what has two readings is refused, and each refusal points at its place.
//!
//! poem-openapi's own reading keeps the last of two members of one name, turns numbers into text and answers with the
//! text of its parser.

mod read;

use poem::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use poem::{Request, RequestBody, Result};
use poem_openapi::payload::{ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::ParseFromJSON;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use sha2::{Digest as _, Sha256};
use wardkey_core::FieldError;

use crate::api::schema;
use crate::body;
use crate::problem::{Code, Refusal};

const MEDIA_TYPE: &str = "application/json";

/// A body that must be there: the argument of every operation that has one.
pub(crate) struct Strict<T> {
    /// What was sent.
    pub(crate) value: T,
    /// SHA-256 of the bytes that were sent: two requests with the same one are repetitions of each other.
    pub(crate) digest: [u8; 32],
}

/// A body that may be left out; then it is the default.
pub(crate) struct Optional<T> {
    /// What was sent, or the default.
    pub(crate) value: T,
    /// SHA-256 of the bytes that were sent.
    pub(crate) digest: [u8; 32],
}

impl<T: ParseFromJSON> Payload for Strict<T> {
    const CONTENT_TYPE: &'static str = MEDIA_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: ParseFromJSON + 'static> ParsePayload for Strict<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> Result<Self> {
        check_media_type(request)?;
        let bytes = body::read(body).await?;
        Ok(Self { value: parse(&bytes)?, digest: Sha256::digest(&bytes).into() })
    }
}

impl<'a, T: ParseFromJSON + 'static> ApiExtractor<'a> for Strict<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(describe::<T>(true))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        <Self as ParsePayload>::from_request(request, body).await
    }
}

impl<'a, T: ParseFromJSON + Default + 'static> ApiExtractor<'a> for Optional<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(describe::<T>(false))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let bytes = body::read(body).await?;
        let digest = Sha256::digest(&bytes).into();
        if bytes.is_empty() {
            return Ok(Self { value: T::default(), digest });
        }
        check_media_type(request)?;
        Ok(Self { value: parse(&bytes)?, digest })
    }
}

fn describe<T: ParseFromJSON>(required: bool) -> MetaRequest {
    let content = MetaMediaType { content_type: MEDIA_TYPE, schema: T::schema_ref() };
    MetaRequest { description: None, content: vec![content], required }
}

/// Lets JSON pass that is not compressed; its only parameter may say that it is UTF-8, which JSON is anyway (RFC 8259,
/// section 8.1).
fn check_media_type(request: &Request) -> Result<(), Refusal> {
    let encoded = request.headers().contains_key(CONTENT_ENCODING);
    let mut types = request.headers().get_all(CONTENT_TYPE).iter();
    let is_json = matches!((types.next(), types.next()), (Some(one), None) if is_json(one.as_bytes()));
    if is_json && !encoded { Ok(()) } else { Err(Code::UnsupportedMediaType.into()) }
}

fn is_json(media_type: &[u8]) -> bool {
    let mut parts = media_type.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(MEDIA_TYPE.as_bytes()));
    let utf8 = |parameter: &[u8]| {
        [&b""[..], b"charset=utf-8", b"charset=\"utf-8\""]
            .iter()
            .any(|known| parameter.eq_ignore_ascii_case(known))
    };
    named && parts.all(utf8)
}

/// Reads the bytes as a `T`, whose own registered schema says what fits.
fn parse<T: ParseFromJSON + 'static>(bytes: &[u8]) -> Result<T, Refusal> {
    let value = read::read(bytes).map_err(|fault| Refusal::invalid(vec![fault]))?;
    let faults = schema::faults::<T>(&value);
    if !faults.is_empty() {
        return Err(Refusal::invalid(faults));
    }
    // The text of this error is made for the programmer and may hold what was sent, so it goes nowhere.
    T::parse_from_json(Some(value)).map_err(|_| {
        let detail = "is not what this operation expects".to_owned();
        Refusal::invalid(vec![FieldError { pointer: String::new(), code: "invalid_value", detail }])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_counts_as_json() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\" ;",
        ] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/json, text/plain",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }
}
