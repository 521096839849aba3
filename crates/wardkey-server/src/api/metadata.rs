//! Whatever a product's backend wants to keep with a key.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde_json::{Map, Value};

/// The name of the schema.
pub(crate) const SCHEMA_NAME: &str = "Metadata";

/// How long it may be as JSON, in bytes.
pub(crate) const MAX_LENGTH: usize = wardkey::MAX_METADATA;

/// A JSON object of the backend's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata(pub(crate) Map<String, Value>);

/// How long the value is as JSON without white space, in bytes.
pub(crate) fn length(value: &Value) -> usize {
    value.to_string().len()
}

impl Type for Metadata {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        SCHEMA_NAME.into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(SCHEMA_NAME.to_owned())
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>(SCHEMA_NAME.to_owned(), |_| MetaSchema {
            description: Some("Whatever your backend wants to keep with the key: a JSON object of at most 4 KiB. Never put secrets here."),
            additional_properties: Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)))),
            example: Some(serde_json::json!({ "team": "data", "ticket": 4711 })),
            ..MetaSchema::new("object")
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for Metadata {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::Object(members)) => Ok(Self(members)),
            other => Err(ParseError::expected_type(other.unwrap_or_default())),
        }
    }
}

impl ToJSON for Metadata {
    fn to_json(&self) -> Option<Value> {
        Some(Value::Object(self.0.clone()))
    }
}
