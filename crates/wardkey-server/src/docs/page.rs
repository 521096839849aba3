//! The page, rendered from the document once, at the start.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::html::{escape, inline, prose};
use crate::openapi::codes;

/// The order in which methods of a path are shown.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One operation, where it stands in the document.
struct Operation<'d> {
    method: &'static str,
    path: &'d str,
    said: &'d Value,
}

/// The whole page.
pub(super) fn render(document: &Value, style: &str) -> String {
    let page = Page { document };
    let title = text(&document["info"]["title"]);
    let version = text(&document["info"]["version"]);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} reference</title>\n<style>{style}</style>\n</head>\n<body>\n",
        title = escape(title),
    );
    html.push_str(&page.navigation());
    let _ = write!(
        html,
        "<main>\n<h1>{title} <span class=\"mute\">{version}</span></h1>\n{description}\
         <p>The same for programs: <a href=\"openapi.json\">openapi.json</a> (OpenAPI {openapi}).</p>\n",
        title = escape(title),
        version = escape(version),
        description = prose(text(&document["info"]["description"])),
        openapi = escape(text(&document["openapi"])),
    );
    for tag in items(&document["tags"]) {
        let name = text(&tag["name"]);
        let _ = write!(
            html,
            "<h2 id=\"{}\">{}</h2>\n{}",
            anchor(name),
            escape(name),
            prose(text(&tag["description"]))
        );
        page.operations(name).iter().for_each(|operation| html.push_str(&page.operation(operation)));
    }
    html.push_str(&page.error_codes());
    html.push_str(&page.schemas());
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

struct Page<'d> {
    document: &'d Value,
}

impl<'d> Page<'d> {
    fn navigation(&self) -> String {
        let mut html = "<nav>\n<strong>Reference</strong>\n".to_owned();
        for tag in items(&self.document["tags"]) {
            let name = text(&tag["name"]);
            let _ = write!(html, "<h2><a href=\"#{}\">{}</a></h2>\n<ul>\n", anchor(name), escape(name));
            for operation in self.operations(name) {
                let id = text(&operation.said["operationId"]);
                let _ = writeln!(
                    html,
                    "<li><a href=\"#{id}\">{}</a></li>",
                    escape(text(&operation.said["summary"]))
                );
            }
            html.push_str("</ul>\n");
        }
        html.push_str("<h2><a href=\"#error-codes\">Error codes</a></h2>\n<h2><a href=\"#schemas\">Schemas</a></h2>\n</nav>\n");
        html
    }

    /// The operations of a tag, by path.
    fn operations(&self, tag: &str) -> Vec<Operation<'d>> {
        let paths = members(&self.document["paths"]);
        let all = paths.flat_map(|(path, methods)| {
            METHODS.into_iter().filter_map(move |method| {
                let said = methods.get(method)?;
                Some(Operation { method, path, said })
            })
        });
        all.filter(|operation| items(&operation.said["tags"]).any(|name| name == tag)).collect()
    }

    fn operation(&self, operation: &Operation<'_>) -> String {
        let Operation { method, path, said } = operation;
        let id = text(&said["operationId"]);
        let mut html = format!(
            "<h3 id=\"{id}\">{summary}</h3>\n<code class=\"route\"><b>{method}</b>{path}</code>\n\
             <p class=\"mute\"><code>{id}</code>{permissions}</p>\n{description}",
            summary = escape(text(&said["summary"])),
            method = method.to_uppercase(),
            path = escape(path),
            permissions = permissions(&said["x-required-permissions"]),
            description = prose(text(&said["description"])),
        );
        let parameters: Vec<_> = items(&said["parameters"]).collect();
        if !parameters.is_empty() {
            let rows = parameters.iter().map(|parameter| {
                let place = format!("{} · {}", text(&parameter["in"]), self.kind(&parameter["schema"]));
                let required = parameter["required"] == true;
                row(
                    text(&parameter["name"]),
                    &place,
                    required,
                    text(&parameter["description"]),
                    &self.limits(&parameter["schema"]),
                )
            });
            let _ = write!(html, "<h4>Parameters</h4>\n{}", table(rows));
        }
        if let Some(body) = said.get("requestBody") {
            let optional =
                if body["required"] == true { "" } else { " <span class=\"mute\">may be left out</span>" };
            let _ = write!(html, "<h4>Request body{optional}</h4>\n{}", self.content(&body["content"]));
        }
        let _ = writeln!(html, "<h4>Example</h4>\n<pre>{}</pre>", escape(&curl(operation)));
        html.push_str(&self.responses(&said["responses"]));
        html
    }

    fn content(&self, content: &Value) -> String {
        let mut html = String::new();
        for (media_type, content) in members(content) {
            let _ = writeln!(
                html,
                "<p>{} <span class=\"mute\">{}</span></p>",
                self.kind(&content["schema"]),
                escape(media_type)
            );
            if let Some(schema) = self.resolve(&content["schema"]) {
                html.push_str(&self.properties(schema));
            }
            if let Some(example) = content.get("example") {
                let _ = writeln!(html, "<pre>{}</pre>", escape(&pretty(example)));
            }
        }
        html
    }

    fn responses(&self, responses: &Value) -> String {
        let (granted, refused): (Vec<_>, Vec<_>) =
            members(responses).partition(|(status, _)| status.starts_with('2'));
        let mut html = String::new();
        for (status, response) in granted {
            let _ = writeln!(
                html,
                "<h4>{} <span class=\"mute\">{}</span></h4>",
                escape(status),
                inline(text(&response["description"]))
            );
            html.push_str(&self.content(&response["content"]));
            let headers = members(&response["headers"]).map(|(name, header)| {
                let header = self.resolve(header).unwrap_or(header);
                row(name, "header", header["required"] == true, text(&header["description"]), "")
            });
            let _ = write!(
                html,
                "<details><summary>Headers of the answer</summary>\n{}</details>\n",
                table(headers)
            );
        }
        html.push_str("<details><summary>Errors</summary>\n<ul>\n");
        for (status, response) in refused {
            let response = self.resolve(response).unwrap_or(response);
            let codes = members(&response["content"]["application/problem+json"]["examples"]);
            let codes: Vec<_> =
                codes.map(|(code, _)| format!("<a href=\"#code-{code}\"><code>{code}</code></a>")).collect();
            let _ = writeln!(html, "<li>{} {}</li>", escape(status), codes.join(", "));
        }
        html.push_str("</ul>\n</details>\n");
        html
    }

    fn error_codes(&self) -> String {
        let rows = codes().into_iter().map(|(code, status, detail)| {
            format!(
                "<tr id=\"code-{code}\"><td><code>{code}</code></td><td>{status}</td><td>{}</td></tr>\n",
                inline(detail)
            )
        });
        format!(
            "<h2 id=\"error-codes\">Error codes</h2>\n<p>What the <code>code</code> of a <a href=\"#schema-Problem\">Problem</a> \
             can be.</p>\n<div class=\"scroll\"><table>\n<tr><th>Code</th><th>Status</th><th>Meaning</th></tr>\n{}</table></div>\n",
            rows.collect::<String>()
        )
    }

    fn schemas(&self) -> String {
        let mut html = "<h2 id=\"schemas\">Schemas</h2>\n".to_owned();
        for (name, schema) in members(&self.document["components"]["schemas"]) {
            let _ =
                write!(html, "<h3 id=\"schema-{name}\">{name}</h3>\n{}", prose(text(&schema["description"])));
            match schema.get("properties") {
                Some(_) => html.push_str(&self.properties(schema)),
                None => {
                    let _ = writeln!(html, "<p>{}. {}</p>", self.kind(schema), self.limits(schema));
                }
            }
        }
        html
    }

    fn properties(&self, schema: &Value) -> String {
        let required: Vec<_> = items(&schema["required"]).map(text).collect();
        let mut properties: Vec<_> = members(&schema["properties"]).collect();
        properties.sort_by_key(|(name, _)| !required.contains(name));
        let rows = properties.into_iter().map(|(name, property)| {
            row(
                name,
                &self.kind(property),
                required.contains(&name),
                text(&property["description"]),
                &self.limits(property),
            )
        });
        table(rows)
    }

    /// What a value is, with a link to its schema.
    fn kind(&self, schema: &Value) -> String {
        let referred = schema["$ref"].as_str().or(schema["allOf"][0]["$ref"].as_str());
        if let Some(name) = referred.and_then(|reference| reference.rsplit('/').next()) {
            return format!("<a href=\"#schema-{name}\">{name}</a>");
        }
        match (text(&schema["type"]), text(&schema["format"])) {
            ("array", _) => format!("list of {}", self.kind(&schema["items"])),
            (kind, "") => escape(kind),
            (kind, format) => format!("{} ({})", escape(kind), escape(format)),
        }
    }

    /// What else is said of a value.
    fn limits(&self, schema: &Value) -> String {
        let mut said = Vec::new();
        let all = items(&schema["enum"])
            .map(|value| format!("<code>{}</code>", escape(&plain(value))))
            .collect::<Vec<_>>();
        if !all.is_empty() {
            said.push(format!("one of {}", all.join(", ")));
        }
        for (name, words) in LIMITS {
            if let Some(value) = schema.get(name) {
                said.push(format!("{words} <code>{}</code>", escape(&plain(value))));
            }
        }
        said.join("; ")
    }

    /// What a reference leads to.
    fn resolve(&self, value: &Value) -> Option<&'d Value> {
        self.document.pointer(value["$ref"].as_str()?.strip_prefix('#')?)
    }
}

/// Keywords that limit a value, in words.
const LIMITS: [(&str, &str); 9] = [
    ("minLength", "shortest"),
    ("maxLength", "longest"),
    ("pattern", "pattern"),
    ("minimum", "least"),
    ("maximum", "most"),
    ("minItems", "fewest"),
    ("maxItems", "most items"),
    ("default", "default"),
    ("example", "example"),
];

/// A line for the shell; what differs from caller to caller is in variables.
fn curl(operation: &Operation<'_>) -> String {
    let Operation { method, path, said } = operation;
    let segments = path.split('/').map(|segment| match segment.strip_prefix('{') {
        Some(name) => format!("${}", name.trim_end_matches('}').to_uppercase()),
        None => segment.to_owned(),
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let mut line = format!(
        "curl -X {} \"$WARDKEY_URL{path}\" \\\n  -H \"Authorization: Bearer $WARDKEY_KEY\"",
        method.to_uppercase()
    );
    for parameter in items(&said["parameters"]).filter(|one| one["in"] == "header" && one["required"] == true)
    {
        let _ = write!(
            line,
            " \\\n  -H '{}: {}'",
            text(&parameter["name"]),
            plain(&parameter["schema"]["example"])
        );
    }
    let body = &said["requestBody"]["content"]["application/json"]["example"];
    if !body.is_null() {
        let _ = write!(line, " \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'");
    }
    line
}

fn permissions(required: &Value) -> String {
    let words: Vec<_> = items(required)
        .map(|entry| {
            let names =
                entry.as_array().map_or_else(|| vec![text(entry)], |any| any.iter().map(text).collect());
            names.iter().map(|name| format!("<code>{}</code>", escape(name))).collect::<Vec<_>>().join(" or ")
        })
        .collect();
    if words.is_empty() { " · any key".to_owned() } else { format!(" · needs {}", words.join(" and ")) }
}

fn table(rows: impl Iterator<Item = String>) -> String {
    format!("<div class=\"scroll\"><table>\n{}</table></div>\n", rows.collect::<String>())
}

fn row(name: &str, kind: &str, required: bool, description: &str, limits: &str) -> String {
    let required = if required { "" } else { "<br><span class=\"mute\">optional</span>" };
    let limits =
        if limits.is_empty() { String::new() } else { format!(" <span class=\"mute\">{limits}</span>") };
    format!(
        "<tr><td><code>{}</code>{required}</td><td>{kind}</td><td>{}{limits}</td></tr>\n",
        escape(name),
        inline(description)
    )
}

fn anchor(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A value as it stands in a sentence.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, member)| (name.as_str(), member))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_every_schema_is_on_the_page_and_every_link_leads_somewhere() {
        let document: Value = serde_json::from_str(&crate::openapi::document()).unwrap();
        let page = render(&document, "");
        for (_, path) in members(&document["paths"]) {
            for (_, operation) in members(path) {
                assert!(page.contains(&format!("<h3 id=\"{}\">", text(&operation["operationId"]))));
            }
        }
        for link in page.split("href=\"#").skip(1) {
            let target = link.split('"').next().unwrap();
            assert!(page.contains(&format!("id=\"{target}\"")), "#{target} leads nowhere");
        }
    }

    #[test]
    fn the_example_of_an_operation_is_a_line_for_the_shell() {
        let said = serde_json::json!({
            "parameters": [{ "in": "header", "required": true, "name": "If-Match", "schema": { "example": "\"3\"" } }],
            "requestBody": { "content": { "application/json": { "example": { "name": "x" } } } },
        });
        let operation =
            Operation { method: "patch", path: "/v1/organizations/{organization_id}/keys", said: &said };
        assert_eq!(
            curl(&operation),
            "curl -X PATCH \"$WARDKEY_URL/v1/organizations/$ORGANIZATION_ID/keys\" \\\n  \
             -H \"Authorization: Bearer $WARDKEY_KEY\" \\\n  -H 'If-Match: \"3\"' \\\n  \
             -H 'Content-Type: application/json' \\\n  -d '{\"name\":\"x\"}'"
        );
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        let document: Value = serde_json::from_str(&crate::openapi::document()).unwrap();
        let page = render(&document, super::super::STYLE);
        for foreign in ["<script", "src=", "url(", "@import", "<link", "<img", "style="] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}
