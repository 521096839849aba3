use wardkey_core::Secret;

/// The id that requests carry unless they say otherwise.
pub(crate) const REQUEST_ID: &str = "conformance-1";

/// A request, down to its bytes.
#[derive(Clone)]
pub(crate) struct Request {
    method: &'static str,
    target: String,
    fields: Vec<(&'static str, Vec<u8>)>,
}

/// A `GET` without a key.
pub(crate) fn get(target: impl Into<String>) -> Request {
    Request { method: "GET", target: target.into(), fields: vec![("X-Request-Id", REQUEST_ID.into())] }
}

impl Request {
    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// Adds a field, also if there is one of that name.
    pub(crate) fn field(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name, value.as_ref().to_vec()));
        self
    }

    pub(crate) fn without_id(mut self) -> Self {
        self.fields.retain(|(name, _)| *name != "X-Request-Id");
        self
    }

    pub(crate) fn bearer(self, secret: &Secret) -> Self {
        self.field("Authorization", format!("Bearer {}", secret.expose()))
    }

    pub(crate) fn key(self, secret: &Secret) -> Self {
        self.field("X-API-Key", secret.expose())
    }

    /// HTTP/1.1 (RFC 9112), to be answered and closed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nHost: app.test\r\n", self.method, self.target).into_bytes();
        if !self.fields.iter().any(|(name, _)| *name == "Connection") {
            bytes.extend(b"Connection: close\r\n");
        }
        for (name, value) in &self.fields {
            bytes.extend(name.as_bytes());
            bytes.extend(b": ");
            bytes.extend(value);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"\r\n");
        bytes
    }
}
