use poem::{Endpoint, EndpointExt as _, Request, Route};
use poem_openapi::payload::PlainText;
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::{Value, json};
use wardkey_core::Code;
use wardkey_core::testing::TestKeys;
use wardkey_poem::openapi::KeyAuth;
use wardkey_poem::{KeyLayer, Refusal};
use wardkey_testkit::{CATALOGUE, PipelinesRead};

struct Api;

#[OpenApi]
impl Api {
    #[oai(path = "/pipelines", method = "get")]
    async fn list_pipelines(&self, key: KeyAuth<PipelinesRead>) -> Result<PlainText<String>, Refusal> {
        Ok(PlainText(key.organization().to_string()))
    }

    #[oai(path = "/health", method = "get")]
    async fn health(&self) -> PlainText<&'static str> {
        PlainText("well")
    }
}

fn document() -> Value {
    serde_json::from_str(&OpenApiService::new(Api, "Pipelines", "1.0").spec()).expect("a document in JSON")
}

#[test]
fn the_security_of_an_operation_stands_in_the_document() {
    let document = document();
    assert_eq!(
        document["paths"]["/pipelines"]["get"]["security"],
        json!([{ "bearer": [] }, { "apiKey": [] }])
    );
    assert_eq!(document["paths"]["/health"]["get"]["security"], Value::Null);
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key as a bearer token (RFC 6750). Preferred.",
            },
            "apiKey": {
                "type": "apiKey",
                "in": "header",
                "name": "X-API-Key",
                "description": "An API key in a header of its own.",
            },
        })
    );
}

#[test]
fn an_operation_lists_every_refusal_with_its_codes() {
    let document = document();
    let responses = document["paths"]["/pipelines"]["get"]["responses"].as_object().unwrap();
    let statuses: Vec<_> = responses.keys().map(String::as_str).collect();
    assert_eq!(statuses, ["200", "400", "401", "403", "404", "429", "503"]);
    assert_eq!(responses["404"]["description"], "`not_found`");
    assert_eq!(
        responses["403"]["description"],
        "`organization_suspended`, `ip_not_allowed`, `insufficient_permissions`"
    );
    for status in &statuses[1..] {
        let schema = &responses[*status]["content"]["application/problem+json"]["schema"];
        assert_eq!(schema, &json!({ "$ref": "#/components/schemas/Problem" }), "{status}");
    }
}

#[tokio::test]
async fn the_schema_of_a_problem_names_every_member_that_is_sent() {
    let keys = TestKeys::new(CATALOGUE, &[]);
    let app = OpenApiService::new(Api, "Pipelines", "1.0").with(KeyLayer::new(keys.verifier()));
    let secret = keys.issue(&[]);
    let request = Request::builder().uri_str("/pipelines").header("x-api-key", secret.expose()).finish();
    let response = app.get_response(request).await;
    assert_eq!(response.status(), Code::InsufficientPermissions.status());
    let body: Value = serde_json::from_slice(&response.into_body().into_bytes().await.unwrap()).unwrap();
    assert_eq!(body["missing_permissions"], json!(["pipelines:read"]));
    let document = document();
    let schema = &document["components"]["schemas"]["Problem"];
    for member in body.as_object().unwrap().keys() {
        assert!(schema["properties"].get(member).is_some(), "{member} is not described");
    }
    for member in schema["required"].as_array().unwrap() {
        assert!(body.get(member.as_str().unwrap()).is_some(), "{member} is not sent");
    }
}

#[tokio::test]
async fn an_operation_is_reached_with_a_key_and_refuses_byte_for_byte_like_the_layer() {
    let keys = TestKeys::new(CATALOGUE, &[]);
    let service = || OpenApiService::new(Api, "Pipelines", "1.0");
    let app = Route::new().nest("/", service()).with(KeyLayer::new(keys.verifier()));
    let secret = keys.issue(&["pipelines:read"]);
    let request = Request::builder().uri_str("/pipelines").header("x-api-key", secret.expose()).finish();
    assert_eq!(app.get_response(request).await.status(), 200);

    let anonymous = || Request::builder().uri_str("/pipelines").header("x-request-id", "same").finish();
    let refused_by_layer = app.get_response(anonymous()).await;
    let optional = Route::new().nest("/", service()).with(KeyLayer::new(keys.verifier()).optional());
    let refused_by_operation = optional.get_response(anonymous()).await;
    assert_eq!(refused_by_layer.headers(), refused_by_operation.headers());
    assert_eq!(
        refused_by_layer.into_body().into_bytes().await.unwrap(),
        refused_by_operation.into_body().into_bytes().await.unwrap()
    );
}
