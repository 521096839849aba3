//! Whether input is what the document says: one walk along the registered schema that collects every fault with its
//! pointer. What is documented is thereby what is enforced.

use std::fmt::Write as _;
use std::sync::LazyLock;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde_json::{Map, Value};
use wardkey_core::FieldError;

use super::kinds::{KINDS, Kind};
use super::metadata;

/// More would help nobody, and let a small request make a large answer.
const MOST_FAULTS: usize = 100;

/// What the members of an object mean together, beyond what a schema can say of each.
pub(crate) struct Rule {
    /// The object, by the name of its schema.
    pub(crate) schema: &'static str,
    /// Finds each member that does not fit the others.
    pub(crate) check: fn(&Map<String, Value>) -> Vec<Misfit>,
    /// Members that the object has, and that never change.
    pub(crate) immutable: &'static [&'static str],
}

/// A member that does not fit the others of its object.
pub(crate) struct Misfit {
    pub(crate) member: &'static str,
    /// The rule, for programs.
    pub(crate) code: &'static str,
    /// The rule, for people.
    pub(crate) detail: &'static str,
}

fn rule_of(schema: &str) -> Option<&'static Rule> {
    let rules = [
        super::customers::RULES,
        super::environments::RULES,
        super::keys::RULES,
        super::members::RULES,
        super::organizations::RULES,
        super::roles::RULES,
        super::service_accounts::RULES,
        super::session_policies::RULES,
        super::teams::RULES,
        super::users::RULES,
        super::workspaces::RULES,
    ];
    rules.into_iter().flatten().find(|rule| rule.schema == schema)
}

/// Every schema of the API.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::new();
    super::register(&mut registry);
    registry
});

/// What is wrong with a body of this type, as far as its schema tells; empty if nothing is.
pub(crate) fn faults<T: Type>(value: &Value) -> Vec<FieldError> {
    let mut walk = Walk { at: String::new(), faults: Vec::new() };
    walk.check(&T::schema_ref(), value);
    walk.faults
}

/// What is wrong with query parameters of this type, which is an object. They are texts; see [`from_query`].
pub(crate) fn query_faults<T: Type>(parameters: &Map<String, Value>) -> Vec<FieldError> {
    let mut walk = Walk { at: String::new(), faults: Vec::new() };
    if let Some(schema) = object_of(&T::schema_ref()) {
        walk.check_object(schema, parameters, None);
    }
    // A parameter is named, not pointed to.
    for fault in &mut walk.faults {
        fault.pointer = fault.pointer.trim_start_matches('/').to_owned();
    }
    walk.faults
}

/// Query parameters as an object of this type: a parameter that is a list collects its repetitions, a number is read
/// as one. What does not fit stays a text, and [`query_faults`] finds it.
pub(crate) fn from_query<T: Type>(
    pairs: Vec<(String, String)>,
) -> Result<Map<String, Value>, Vec<FieldError>> {
    let properties =
        object_of(&T::schema_ref()).map(|schema| schema.properties.as_slice()).unwrap_or_default();
    let mut object = Map::new();
    let mut faults = Vec::new();
    for (name, text) in pairs {
        let schema = properties.iter().find(|(known, _)| *known == name).map(|(_, schema)| inline_of(schema));
        match schema.map(|schema| schema.ty) {
            Some("array") => {
                let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut().expect("it was made a list").push(text.into());
            }
            ty => {
                let value = match ty {
                    Some("integer") => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
                    _ => text.into(),
                };
                if object.insert(name.clone(), value).is_some() && faults.len() < MOST_FAULTS {
                    faults.push(fault(name, "repeated", "may be given once only"));
                }
            }
        }
    }
    if faults.is_empty() { Ok(object) } else { Err(faults) }
}

/// The names of the query parameters that are an object of this type, each with its schema.
fn object_of(schema: &MetaSchemaRef) -> Option<&'static MetaSchema> {
    match schema {
        MetaSchemaRef::Reference(name) => REGISTRY.schemas.get(name),
        MetaSchemaRef::Inline(_) => None,
    }
}

/// The schema that says what type a property has.
fn inline_of(schema: &'static MetaSchemaRef) -> &'static MetaSchema {
    match schema {
        MetaSchemaRef::Inline(schema) if !schema.all_of.is_empty() => inline_of(&schema.all_of[0]),
        MetaSchemaRef::Inline(schema) => schema,
        MetaSchemaRef::Reference(name) => {
            REGISTRY.schemas.get(name).expect("every schema that is referred to is registered")
        }
    }
}

fn fault(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> FieldError {
    FieldError { pointer: pointer.into(), code, detail: detail.into() }
}

struct Walk {
    /// The pointer to the value that is looked at.
    at: String,
    faults: Vec<FieldError>,
}

impl Walk {
    fn refuse(&mut self, code: &'static str, detail: impl Into<String>) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault(self.at.clone(), code, detail));
        }
    }

    /// Looks at a member or an item: `token` is its name or its index.
    fn within(&mut self, token: &str, look: impl FnOnce(&mut Self)) {
        let length = self.at.len();
        write!(self.at, "/{}", token.replace('~', "~0").replace('/', "~1"))
            .expect("writing to a text succeeds");
        look(self);
        self.at.truncate(length);
    }

    fn check(&mut self, schema: &MetaSchemaRef, value: &Value) {
        match schema {
            MetaSchemaRef::Reference(name) => self.check_named(name, value),
            MetaSchemaRef::Inline(schema) if schema.nullable && value.is_null() => {}
            MetaSchemaRef::Inline(schema) if schema.all_of.is_empty() => {
                self.check_inline(schema, value, None);
            }
            // The reference, beside which stands what is said about this one place only.
            MetaSchemaRef::Inline(schema) => self.check(&schema.all_of[0], value),
        }
    }

    fn check_named(&mut self, name: &str, value: &Value) {
        let schema = REGISTRY.schemas.get(name).expect("every schema that is referred to is registered");
        let rule = rule_of(name);
        self.check_inline(schema, value, rule);
        if let (Some(rule), Value::Object(members)) = (rule, value) {
            for Misfit { member, code, detail } in (rule.check)(members) {
                self.within(member, |walk| walk.refuse(code, detail));
            }
        }
        if name == metadata::SCHEMA_NAME && metadata::length(value) > metadata::MAX_LENGTH {
            self.refuse("too_long", format!("must be at most {} bytes as JSON", metadata::MAX_LENGTH));
        }
        let Some(Kind { schema, read }) = KINDS.iter().find(|kind| kind.schema.name == name) else { return };
        // A length that is wrong has been said.
        let fits = |text: &&str| (schema.min_length..=schema.max_length).contains(&text.chars().count());
        if let Some(Err(detail)) = value.as_str().filter(fits).map(read) {
            self.refuse("malformed", detail);
        }
    }

    fn check_inline(&mut self, schema: &MetaSchema, value: &Value, rule: Option<&Rule>) {
        match (schema.ty, value) {
            ("string", Value::String(text)) => self.check_text(schema, text),
            ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.check_number(schema, number.as_f64().unwrap_or(f64::MAX));
            }
            ("boolean", Value::Bool(_)) => self.check_enumerated(schema, value),
            ("array", Value::Array(items)) => self.check_items(schema, items),
            ("object", Value::Object(members)) => self.check_object(schema, members, rule),
            ("", _) => {}
            (expected, _) => {
                let article = if matches!(expected, "array" | "integer" | "object") { "an" } else { "a" };
                self.refuse("wrong_type", format!("must be {article} {expected}"));
            }
        }
    }

    fn check_text(&mut self, schema: &MetaSchema, text: &str) {
        let length = text.chars().count();
        if let Some(max) = schema.max_length.filter(|max| length > *max) {
            self.refuse("too_long", format!("must have at most {max} characters"));
        }
        if let Some(min) = schema.min_length.filter(|min| length < *min) {
            self.refuse("too_short", format!("must have at least {min} characters"));
        }
        self.check_enumerated(schema, &text.into());
    }

    fn check_enumerated(&mut self, schema: &MetaSchema, value: &Value) {
        if !schema.enum_items.is_empty() && !schema.enum_items.contains(value) {
            let items: Vec<_> = schema.enum_items.iter().map(ToString::to_string).collect();
            self.refuse("unknown_value", format!("must be one of {}", items.join(", ")));
        }
    }

    fn check_number(&mut self, schema: &MetaSchema, number: f64) {
        let below = schema.minimum.filter(|min| number < *min);
        let above = schema.maximum.filter(|max| number > *max);
        if let (Some(min), Some(max), true) = (schema.minimum, schema.maximum, below.or(above).is_some()) {
            self.refuse("out_of_range", format!("must lie between {min} and {max}"));
        }
    }

    fn check_items(&mut self, schema: &MetaSchema, items: &[Value]) {
        if let Some(max) = schema.max_items.filter(|max| items.len() > *max) {
            return self.refuse("too_many", format!("must have at most {max} items"));
        }
        if let Some(min) = schema.min_items.filter(|min| items.len() < *min) {
            self.refuse("too_few", format!("must have at least {min} items"));
        }
        for (index, item) in items.iter().enumerate() {
            let repeated = schema.unique_items == Some(true) && items[..index].contains(item);
            self.within(&index.to_string(), |walk| {
                if repeated {
                    walk.refuse("repeated", "is in the list already");
                }
                if let Some(schema) = &schema.items {
                    walk.check(schema, item);
                }
            });
        }
    }

    fn check_object(&mut self, schema: &MetaSchema, members: &Map<String, Value>, rule: Option<&Rule>) {
        for name in schema.required.iter().filter(|name| !members.contains_key(**name)) {
            self.within(name, |walk| walk.refuse("required", "is missing"));
        }
        for (name, value) in members {
            let known = schema.properties.iter().find(|(known, _)| known == name);
            self.within(name, |walk| match (known, &schema.additional_properties) {
                (Some((_, schema)), _) => walk.check(schema, value),
                (None, Some(schema)) => walk.check(schema, value),
                (None, None) if rule.is_some_and(|rule| rule.immutable.contains(&name.as_str())) => {
                    walk.refuse("immutable", "cannot be changed");
                }
                (None, None) => walk.refuse("unknown_field", "is not known here"),
            });
        }
    }
}
