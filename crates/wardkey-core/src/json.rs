//! JSON, written and never read: problems and the catalogue file are the only documents that core makes.

/// Writes a JSON text member by member, commas included.
pub(crate) struct JsonWriter {
    text: String,
}

impl JsonWriter {
    pub(crate) fn new() -> Self {
        Self { text: String::with_capacity(256) }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.comma();
        self.text.push('{');
        members(self);
        self.text.push('}');
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.string(value);
    }

    pub(crate) fn number(&mut self, name: &str, value: i64) {
        self.name(name);
        self.text.push_str(&value.to_string());
    }

    pub(crate) fn texts(&mut self, name: &str, values: &[String]) {
        self.array(name, values, |json, value| {
            json.comma();
            json.string(value);
        });
    }

    pub(crate) fn array<T>(&mut self, name: &str, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.name(name);
        self.text.push('[');
        items.iter().for_each(|item| write(self, item));
        self.text.push(']');
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.string(name);
        self.text.push(':');
    }

    fn comma(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }

    fn string(&mut self, value: &str) {
        self.text.push('"');
        for char in value.chars() {
            match char {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                control if control < ' ' => self.text.push_str(&format!("\\u{:04x}", u32::from(control))),
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_separated_and_text_is_escaped() {
        let mut json = JsonWriter::new();
        json.object(|json| {
            json.text("a", "x\"\\\n\u{1}é");
            json.number("b", -3);
            json.texts("c", &["p".to_owned(), "q".to_owned()]);
            json.array("d", &[1, 2], |json, number| json.object(|json| json.number("n", *number)));
            json.texts("e", &[]);
        });
        assert_eq!(
            json.finish(),
            r#"{"a":"x\"\\\n\u0001é","b":-3,"c":["p","q"],"d":[{"n":1},{"n":2}],"e":[]}"#
        );
    }
}
