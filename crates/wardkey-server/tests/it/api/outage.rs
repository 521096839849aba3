//! With the database gone. A file cannot be taken from under a process that has it open, so this is PostgreSQL's alone.

use serde_json::json;
use wardkey_core::SecretStart;
use wardkey_core::testing::SeededRandom;

use super::world::{World, text};

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_503_and_never_a_key_that_is_not_valid() {
    let world = World::on_postgres().await;
    world
        .keep(|world| async move {
            let issued = world.issue(world.wanted(&["pipelines:read"])).await;
            let verify = async |secret: &str| {
                world.post("/v1/verify").key(world.operator()).json(json!({ "secret": secret })).await
            };
            let known = text(&issued, "/secret");
            verify(known).await.expect(200);
            let unknown = SecretStart::new("wk", "live").unwrap().generate(&SeededRandom::new(9));

            world.drop_database().await;
            let answer = verify(unknown.expose()).await;
            assert_eq!(answer.problem(), (503, "verifier_unavailable".to_owned()));
            assert!(answer.header("retry-after").is_some());
            assert_eq!(verify(known).await.expect(200).json()["valid"], true, "what is cached goes on");
            assert_eq!(
                verify("nonsense").await.expect(200).json()["valid"],
                false,
                "nobody needs to be asked"
            );

            let as_unknown = world.get("/v1/me").key(unknown.expose()).send().await;
            assert_eq!(as_unknown.problem(), (503, "verifier_unavailable".to_owned()));
            for path in
                ["/v1/me", "/v1/organizations", "/v1/permissions", &world.demo("/keys"), &world.demo("")]
            {
                let answer = world.get(path).key(world.operator()).send().await;
                assert_eq!(answer.problem(), (503, "unavailable".to_owned()), "{path}");
                let body = String::from_utf8(answer.body).unwrap();
                assert!(!body.contains("wardkey_test") && !body.contains("database \\\""), "{body}");
            }
        })
        .await;
}
