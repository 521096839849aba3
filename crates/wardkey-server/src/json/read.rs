//! Bytes to values in one pass, with the place at hand when something is wrong.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use wardkey_core::FieldError;

/// How deep objects and lists may be nested.
const MAX_DEPTH: usize = 32;

/// Reads one JSON text (RFC 8259).
///
/// # Errors
/// The first thing that is wrong, and where: no JSON or no UTF-8 (`invalid_json`), a member twice
/// (`duplicate_field`), a control character in a text (`invalid_character`), nested too deep (`too_deep`).
pub(crate) fn read(bytes: &[u8]) -> Result<Value, FieldError> {
    let place = RefCell::new(Place::default());
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Node(&place).deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    value.map_err(|error| {
        let Place { pointer, fault, .. } = place.into_inner();
        match fault {
            Some((code, detail)) => FieldError { pointer, code, detail: detail.to_owned() },
            // The parser's texts are fixed: they hold nothing of what was sent.
            None => FieldError { pointer, code: "invalid_json", detail: format!("is no JSON: {error}") },
        }
    })
}

/// Where the reader stands.
#[derive(Default)]
struct Place {
    pointer: String,
    depth: usize,
    fault: Option<(&'static str, &'static str)>,
}

/// A value to come at the present place.
#[derive(Clone, Copy)]
struct Node<'p>(&'p RefCell<Place>);

/// The name of a member to come.
struct Name<'p>(&'p RefCell<Place>);

impl Node<'_> {
    fn fail<E: Error>(self, code: &'static str, detail: &'static str) -> E {
        self.0.borrow_mut().fault = Some((code, detail));
        E::custom(detail)
    }

    /// Steps into a member or item. A failure inside leaves the place as it is, which is then what the error tells.
    fn within<T, E: Error>(
        self,
        step: impl fmt::Display,
        value: impl FnOnce(Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.0.borrow().pointer.len();
        {
            let pointer = &mut self.0.borrow_mut().pointer;
            pointer.push('/');
            pointer.push_str(&step.to_string().replace('~', "~0").replace('/', "~1"));
        }
        let value = value(self)?;
        self.0.borrow_mut().pointer.truncate(before);
        Ok(value)
    }

    fn deeper<T, E: Error>(self, value: impl FnOnce(Self) -> Result<T, E>) -> Result<T, E> {
        if self.0.borrow().depth == MAX_DEPTH {
            return Err(self.fail("too_deep", "is nested more than 32 levels deep"));
        }
        self.0.borrow_mut().depth += 1;
        let value = value(self)?;
        self.0.borrow_mut().depth -= 1;
        Ok(value)
    }

    /// PostgreSQL cannot store U+0000, and no other control character but those that break lines and columns has
    /// any business in a text.
    fn check<E: Error>(self, text: &str) -> Result<(), E> {
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(self.fail("invalid_character", "holds a control character"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.check(text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.deeper(|node| {
            let mut list = Vec::new();
            while let Some(item) = node.within(list.len(), |node| items.next_element_seed(node))? {
                list.push(item);
            }
            Ok(Value::Array(list))
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.deeper(|node| {
            let mut object = Map::new();
            while let Some(name) = members.next_key_seed(Name(node.0))? {
                let value = node.within(&name, |node| {
                    if object.contains_key(&name) {
                        return Err(node.fail("duplicate_field", "stands there twice"));
                    }
                    members.next_value_seed(node)
                })?;
                object.insert(name, value);
            }
            Ok(Value::Object(object))
        })
    }
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<String, E> {
        Node(self.0).check(name)?;
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(text: impl AsRef<[u8]>) -> (String, &'static str) {
        let fault = read(text.as_ref()).unwrap_err();
        (fault.pointer, fault.code)
    }

    #[test]
    fn what_is_json_reads_as_the_ordinary_parser_reads_it() {
        let text = r#" {"a": [1, -2, 3.5, 1e3, true, null, "x\n\u00e9\ud83d\ude00"], "b": {"c": {}}, "": 18446744073709551615} "#;
        assert_eq!(read(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(read(b"null").unwrap(), json!(null));
    }

    #[test]
    fn a_second_member_of_one_name_is_refused_at_its_place() {
        assert_eq!(fault(r#"{"a": 1, "b": {"c": 1, "c": 1}}"#), ("/b/c".to_owned(), "duplicate_field"));
        assert_eq!(fault(r#"{"a": 1, "\u0061": 2}"#), ("/a".to_owned(), "duplicate_field"));
        assert_eq!(fault(r#"[{"x/y~": 1, "x/y~": 1}]"#), ("/0/x~1y~0".to_owned(), "duplicate_field"));
    }

    #[test]
    fn characters_that_no_text_needs_are_refused_at_their_place() {
        for escape in [r"\u0000", r"\u001b", r"\u007f", r"\u0085"] {
            let text = format!(r#"{{"metadata": {{"note": "a{escape}b"}}}}"#);
            assert_eq!(fault(text), ("/metadata/note".to_owned(), "invalid_character"), "{escape}");
        }
        assert_eq!(fault(r#"{"metadata": {"a\u0000": 1}}"#), ("/metadata".to_owned(), "invalid_character"));
        assert!(read(br#""tab\tline\r\n""#).is_ok());
    }

    #[test]
    fn half_a_character_is_refused_at_its_place() {
        assert_eq!(fault(r#"{"name": "\ud800"}"#), ("/name".to_owned(), "invalid_json"));
        assert_eq!(fault(r#"{"names": ["a", "\udc00x"]}"#), ("/names/1".to_owned(), "invalid_json"));
        assert_eq!(fault(b"{\"name\": \"\xff\"}"), ("/name".to_owned(), "invalid_json"));
        assert_eq!(fault(b"{\"a\": {\"\xc3\": 1}}"), ("/a".to_owned(), "invalid_json"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "{]",
            "{\"a\":1,}",
            "[1 2]",
            "nul",
            "1 2",
            "{} {}",
            "'a'",
            "\u{feff}{}",
            "NaN",
            "1e999",
        ] {
            assert_eq!(fault(text).1, "invalid_json", "{text:?}");
        }
        assert_eq!(fault(r#"{"a": {"b": tru}}"#), ("/a/b".to_owned(), "invalid_json"));
    }

    #[test]
    fn nesting_ends_at_32_levels() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(nested(32).as_bytes()).is_ok());
        assert_eq!(fault(nested(33)).1, "too_deep");
        assert_eq!(fault("[".repeat(60_000)).1, "too_deep");
    }
}
