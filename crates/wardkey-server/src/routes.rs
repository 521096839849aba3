//! Which paths and methods there are, read from the OpenAPI document: so `Allow` and the access log say what the
//! document says.

use std::collections::HashMap;

use poem::http::Method;
use serde_json::Value;

/// Paths outside the document: health, the document itself and its page.
const FURTHER: &[&str] = &["/livez", "/readyz", "/openapi.json", "/docs", "/login"];

/// Every path with its methods.
#[derive(Debug)]
pub(crate) struct Routes {
    /// Those without parameters, by path.
    plain: HashMap<String, Route>,
    /// The others.
    parametric: Vec<Route>,
}

/// One path and its methods.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    template: String,
    methods: Vec<Method>,
}

impl Routes {
    /// The routes of an OpenAPI document.
    ///
    /// # Panics
    /// If the text is no OpenAPI document, which is a mistake of whoever made it.
    pub(crate) fn of_document(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).expect("the OpenAPI document is JSON");
        let paths = document["paths"].as_object().expect("an OpenAPI document lists its paths");
        let documented = paths.iter().map(|(template, item)| {
            let methods = item.as_object().into_iter().flat_map(|item| item.keys());
            Route::new(template, methods.filter_map(|name| method(name)))
        });
        let further = FURTHER.iter().filter(|path| !paths.contains_key(**path));
        let routes = documented.chain(further.map(|path| Route::new(path, [Method::GET])));
        let (plain, mut parametric): (Vec<_>, Vec<_>) =
            routes.partition(|route| !route.template.contains('{'));
        // A segment that is spelled out wins over a parameter.
        parametric.sort_by_key(|route| {
            route.template.split('/').map(|segment| segment.starts_with('{')).collect::<Vec<_>>()
        });
        Self { plain: plain.into_iter().map(|route| (route.template.clone(), route)).collect(), parametric }
    }

    /// The route to which a path leads. One that is no text when it is decoded leads nowhere: the router behind would lose
    /// the parameter.
    pub(crate) fn find(&self, path: &str) -> Option<&Route> {
        if !is_text(path) {
            return None;
        }
        self.plain.get(path).or_else(|| self.parametric.iter().find(|route| route.leads(path)))
    }
}

impl Route {
    fn new(template: &str, methods: impl IntoIterator<Item = Method>) -> Self {
        let mut methods: Vec<_> = methods.into_iter().collect();
        if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
            methods.push(Method::HEAD);
        }
        methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Self { template: template.to_owned(), methods }
    }

    /// The path with its parameters' names in place of their values.
    pub(crate) fn template(&self) -> &str {
        &self.template
    }

    pub(crate) fn allows(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    /// The value of `Allow` (RFC 9110, section 10.2.1).
    pub(crate) fn allow(&self) -> String {
        self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }

    fn leads(&self, path: &str) -> bool {
        let mut wanted = self.template.split('/');
        let mut given = path.split('/');
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted == given => {}
                (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
                _ => return false,
            }
        }
    }
}

/// Whether the path, percent-decoded (RFC 3986, section 2.1), is UTF-8.
fn is_text(path: &str) -> bool {
    if !path.contains('%') {
        return true;
    }
    let hexadecimal = |digit: u8| (digit as char).to_digit(16).map(|digit| digit as u8);
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hexadecimal(*high).zip(hexadecimal(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    str::from_utf8(&decoded).is_ok()
}

/// The method of a member of a path item, whose other members are no methods.
fn method(name: &str) -> Option<Method> {
    Some(match name {
        "get" => Method::GET,
        "put" => Method::PUT,
        "post" => Method::POST,
        "delete" => Method::DELETE,
        "options" => Method::OPTIONS,
        "head" => Method::HEAD,
        "patch" => Method::PATCH,
        "trace" => Method::TRACE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        Routes::of_document(
            r#"{"paths": {
                "/v1/keys/{key_id}": {"get": {}, "patch": {}, "delete": {}, "parameters": []},
                "/v1/keys/import": {"post": {}},
                "/docs": {"get": {}}
            }}"#,
        )
    }

    #[test]
    fn a_path_leads_to_its_template_and_methods() {
        let routes = routes();
        let route = routes.find("/v1/keys/key_1").unwrap();
        assert_eq!(route.template(), "/v1/keys/{key_id}");
        assert_eq!(route.allow(), "DELETE, GET, HEAD, PATCH");
        assert!(route.allows(&Method::HEAD) && !route.allows(&Method::POST));
        assert_eq!(routes.find("/v1/keys/import").unwrap().allow(), "POST");
        assert_eq!(routes.find("/readyz").unwrap().allow(), "GET, HEAD");
    }

    #[test]
    fn nothing_else_leads_anywhere() {
        for path in ["/", "", "/v1", "/v1/keys", "/v1/keys/", "/v1/keys/a/", "/v1/keys/a/b", "v1/keys/a", "*"]
        {
            assert_eq!(routes().find(path), None, "{path}");
        }
        for path in ["/v1/keys/%ff", "/v1/keys/a%FEb", "/v1/keys/%ED%A0%80", "/v1/keys/%C3"] {
            assert_eq!(routes().find(path), None, "{path}");
        }
        for path in ["/v1/keys/%C3%A9", "/v1/keys/%00", "/v1/keys/%", "/v1/keys/%f", "/v1/keys/%zz"] {
            assert!(routes().find(path).is_some(), "{path}");
        }
    }
}
