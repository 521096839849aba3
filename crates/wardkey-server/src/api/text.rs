//! Texts with a form of their own (ids, names, networks, instants) as schemas of the document, each with the one
//! reader that says what is wrong with it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type};
use serde_json::Value;

/// A kind of text: its schema, and how it is read and written.
pub(crate) trait Textual: Send + Sync + Sized + 'static {
    /// How the document describes it.
    const SCHEMA: TextSchema;

    /// Reads it. The lengths of the schema have been checked.
    ///
    /// # Errors
    /// What is wrong, for people; it never repeats the text.
    fn read(text: &str) -> Result<Self, String>;

    /// Writes it. No kind is shown by `Display`: some are secrets, and go into an answer or nowhere.
    fn write(&self) -> String;
}

/// The schema of a kind of text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextSchema {
    /// The name of the component.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) description: &'static str,
    /// `date-time`, `ip`; empty for none.
    pub(crate) format: &'static str,
    /// The form, as far as a regular expression can tell; empty for none. The reader decides.
    pub(crate) pattern: &'static str,
    /// In characters.
    pub(crate) min_length: usize,
    /// In characters.
    pub(crate) max_length: usize,
    /// One that is right.
    pub(crate) example: &'static str,
}

/// A text of this kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Text<T>(pub(crate) T);

impl<T> Deref for Text<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Text<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Textual> Text<T> {
    /// The one of the schema's example.
    pub(crate) fn example() -> Self {
        Self(T::read(T::SCHEMA.example).expect("the example of a schema is right"))
    }
}

impl<T: Textual> Type for Text<T> {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        T::SCHEMA.name.into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(T::SCHEMA.name.to_owned())
    }

    fn register(registry: &mut Registry) {
        let TextSchema { name, description, format, pattern, min_length, max_length, example } = T::SCHEMA;
        let given = |text: &'static str| (!text.is_empty()).then_some(text);
        registry.create_schema::<Self, _>(name.to_owned(), |_| MetaSchema {
            description: Some(description),
            format: given(format),
            pattern: given(pattern).map(str::to_owned),
            min_length: Some(min_length),
            max_length: Some(max_length),
            example: Some(example.into()),
            ..MetaSchema::new("string")
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: Textual> ParseFromJSON for Text<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::String(text)) => Self::parse_from_parameter(&text),
            other => Err(ParseError::expected_type(other.unwrap_or_default())),
        }
    }
}

impl<T: Textual> ParseFromParameter for Text<T> {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        T::read(text).map(Self).map_err(ParseError::custom)
    }
}

impl<T: Textual> ToJSON for Text<T> {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.write().into())
    }
}

/// Reads by the type's own `FromStr`.
pub(crate) fn parse<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}
