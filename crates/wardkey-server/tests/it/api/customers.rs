//! Customers: made, seen, edited, deleted, and what keys make of them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{Answer, World, text};

on_both!(
    a_customer_is_made_seen_edited_and_deleted,
    customers_are_found_by_external_id_and_text_page_by_page,
    a_foreign_customer_and_one_that_does_not_exist_are_the_same_bytes,
    a_key_is_issued_for_customers_and_verified_for_them,
    what_is_wrong_with_the_customers_of_a_key_is_said_at_its_place,
);

async fn create(world: &World, body: Value) -> Answer {
    world.post(&world.demo("/customers")).key(world.operator()).json(body).await
}

async fn a_customer_is_made_seen_edited_and_deleted(world: Arc<World>) {
    let key = world.service_key(&["admin:workspaces"]).await;
    let refused = world.post(&world.demo("/customers")).key(&key).json(json!({})).await;
    assert_eq!(refused.problem(), (403, "insufficient_permissions".to_owned()));
    let path = world.demo("/customers");
    let send =
        |body: Value| world.post(&path).key(world.operator()).header("idempotency-key", "a").json(body);
    let made = send(json!({ "name": "Acme", "external_id": "acme" })).await.expect(201);
    let (location, customer) = (made.header("location").unwrap().to_owned(), made.json());
    let again = send(json!({ "name": "Acme", "external_id": "acme" })).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), again.json()), (Some("true"), customer.clone()));
    assert_eq!(send(json!({ "name": "B" })).await.problem(), (422, "idempotency_mismatch".to_owned()));
    let taken = create(&world, json!({ "name": "B", "external_id": "acme" })).await;
    assert_eq!(taken.problem(), (409, "external_id_in_use".to_owned()));
    let path = world.demo("/customers/acme");
    let got = world.get(&path).key(world.operator()).send().await.expect(200);
    assert_eq!((got.header("etag"), got.json()), (Some("\"1\""), customer));
    let patch = |body| world.patch(&path).key(world.operator()).header("if-match", "\"1\"").json(body);
    assert_eq!(patch(json!({ "id": "x" })).await.faults(), [("/id".to_owned(), "immutable".to_owned())]);
    let patched = patch(json!({ "external_id": null })).await.expect(200);
    assert_eq!((patched.header("etag"), patched.json().get("external_id")), (Some("\"2\""), None));
    let delete = |version| world.delete(&location).key(world.operator()).header("if-match", version).send();
    assert_eq!(delete("\"1\"").await.problem(), (412, "version_mismatch".to_owned()));
    delete("\"2\"").await.expect(204);
    assert_eq!(delete("\"2\"").await.problem(), (404, "not_found".to_owned()));
}

async fn customers_are_found_by_external_id_and_text_page_by_page(world: Arc<World>) {
    for (name, id) in [("North", "n"), ("South", "s"), ("Northwest", "nw")] {
        create(&world, json!({ "name": name, "external_id": id })).await.expect(201);
    }
    let list = async |query: &str| {
        let path = world.demo(&format!("/customers?{query}"));
        world.get(&path).key(world.operator()).send().await.expect(200).json()
    };
    let count = |page: &Value| page["items"].as_array().unwrap().len();
    assert_eq!(text(&list("external_id=s").await, "/items/0/name"), "South");
    assert_eq!(count(&list("search=NORTH").await), 2);
    let page = list("limit=2").await;
    let rest = list(&format!("limit=2&cursor={}", text(&page, "/next_cursor"))).await;
    assert_eq!((count(&page), count(&rest), rest.get("next_cursor")), (2, 1, None));
}

async fn a_foreign_customer_and_one_that_does_not_exist_are_the_same_bytes(world: Arc<World>) {
    let key = world.service_key(&["admin:customers"]).await;
    let body = json!({ "name": "Other", "external_id": "other" });
    world.post("/v1/organizations").key(world.operator()).json(body).await.expect(201);
    let path = "/v1/organizations/other/customers";
    let foreign =
        world.post(path).key(world.operator()).json(json!({ "name": "F" })).await.expect(201).json();
    let mut answers = Vec::new();
    for id in [text(&foreign, "/id"), "cus_0000000000000000000000", "nobody", "a%00b"] {
        let path = world.demo(&format!("/customers/{id}"));
        let answer = world.get(&path).key(&key).header("x-request-id", "same").send().await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{path}");
        answers.push((answer.headers, answer.body));
    }
    answers.windows(2).for_each(|pair| assert_eq!(pair[0], pair[1]));
}

async fn a_key_is_issued_for_customers_and_verified_for_them(world: Arc<World>) {
    for id in ["one", "two"] {
        create(&world, json!({ "name": id, "external_id": id })).await.expect(201);
    }
    let mut body = world.wanted(&[]);
    assert_eq!(world.issue(body.clone()).await["key"]["customers"], json!({ "access": "all", "ids": [] }));
    body["customers"] = json!({ "access": "specific", "ids": ["one"] });
    let issued = world.issue(body).await;
    assert_eq!(issued["key"]["customers"]["access"], "specific");
    assert!(text(&issued, "/key/customers/ids/0").starts_with("cus_"));
    let verify = async |customer: &str| {
        let asked = json!({ "secret": text(&issued, "/secret"), "customer_id": customer });
        let answer = world.post("/v1/verify").key(world.operator()).json(asked).await.expect(200).json();
        text(&answer, "/code").to_owned()
    };
    let own = text(&issued, "/key/customers/ids/0").to_owned();
    assert_eq!((verify("one").await, verify(&own).await), ("granted".to_owned(), "granted".to_owned()));
    for unreachable in ["two", "nobody", "cus_0000000000000000000000"] {
        assert_eq!(verify(unreachable).await, "not_found", "{unreachable}");
    }
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let patch = world.patch(&path).key(world.operator()).header("if-match", "\"1\"");
    patch.json(json!({ "customers": { "access": "specific", "ids": ["two"] } })).await.expect(200);
    assert_eq!((verify("one").await, verify("two").await), ("not_found".to_owned(), "granted".to_owned()));
    world.delete(&world.demo("/customers/two")).key(world.operator()).send().await.expect(204);
    assert_eq!(verify("two").await, "not_found");
}

async fn what_is_wrong_with_the_customers_of_a_key_is_said_at_its_place(world: Arc<World>) {
    for (customers, at, code) in [
        (json!({ "access": "specific", "ids": ["nobody"] }), "/customers/ids/0", "not_found"),
        (json!({ "access": "specific" }), "/customers/ids", "required"),
        (json!({ "access": "all", "ids": ["x"] }), "/customers/ids", "conflicting"),
        (json!({ "access": "some" }), "/customers/access", "unknown_value"),
    ] {
        let mut body = world.wanted(&[]);
        body["customers"] = customers;
        let answer = world.post(&world.demo("/keys")).key(world.operator()).json(body).await;
        assert_eq!(answer.problem(), (400, "invalid_request".to_owned()));
        assert_eq!(answer.faults(), [(at.to_owned(), code.to_owned())]);
    }
}
