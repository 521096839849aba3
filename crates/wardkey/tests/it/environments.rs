//! Environments, which the operator administers and everybody sees.

use wardkey::core::Code;
use wardkey::{Caller, Conflict, IssueKey, Once};

use crate::answers::{conflict, forbidden, invalid_field, not_found, version_mismatch};
use crate::world::{World, environment, verify_with};

on_both!(
    environments_are_run_by_the_operator_and_seen_by_everybody,
    an_environment_has_keys_of_its_own_from_the_moment_it_is_made,
    a_tag_fits_the_start_of_a_secret,
    those_that_every_deployment_has_stay,
    of_an_environment_with_keys_nothing_is_lost,
);

async fn environments_are_run_by_the_operator_and_seen_by_everybody(world: &World) {
    let key = world.operator().await.issue_key(world.operator_input(&["operator:act"])).await.unwrap();
    for key in [world.service_key(&["admin:organization"]).await, key] {
        let other = world.wardkey.enter_deployment(&world.caller(&key).await).await.unwrap();
        let (staging, missing) = (environment("staging"), ["operator:environments"]);
        assert_eq!(forbidden(other.create_environment(environment("eu"), String::new()).await), missing);
        assert_eq!(forbidden(other.update_environment(&staging, 1, Some(String::new())).await), missing);
        assert_eq!(forbidden(other.delete_environment(&environment("eu"), None).await), missing);
        assert_eq!(other.get_environment(&staging).await.unwrap().tag, "test");
        not_found(other.get_environment(&environment("eu")).await);
        let names: Vec<_> = other
            .list_environments()
            .await
            .unwrap()
            .into_iter()
            .map(|known| known.name.to_string())
            .collect();
        assert_eq!(names, ["production", "staging", "development"]);
    }
    let key =
        world.operator().await.issue_key(world.operator_input(&["operator:environments"])).await.unwrap();
    let deployment = world.wardkey.enter_deployment(&world.caller(&key).await).await.unwrap();
    deployment.create_environment(environment("eu"), "eu".to_owned()).await.unwrap();
    assert_eq!(deployment.update_environment(&environment("eu"), 1, None).await.unwrap().version, 1);
    assert_eq!(version_mismatch(deployment.update_environment(&environment("eu"), 2, None).await), 1);
    deployment.update_environment(&environment("eu"), 1, Some("e".to_owned())).await.unwrap();
    assert_eq!(version_mismatch(deployment.delete_environment(&environment("eu"), Some(1)).await), 2);
    deployment.delete_environment(&environment("eu"), Some(2)).await.unwrap();
    not_found(deployment.delete_environment(&environment("eu"), None).await);
    not_found(deployment.update_environment(&environment("eu"), 1, None).await);
}

async fn an_environment_has_keys_of_its_own_from_the_moment_it_is_made(world: &World) {
    let caller = Caller::local("test").with_idempotency_key("a", [1; 32]);
    let deployment = world.wardkey.enter_deployment(&caller).await.unwrap();
    let create = async || deployment.create_environment(environment("eu-1"), "eu".to_owned()).await.unwrap();
    let Once::Done(made) = create().await else { panic!("it is the first") };
    assert!(!made.built_in && made.version == 1);
    assert_eq!(create().await, Once::Replayed(made));
    let input = IssueKey { environment: Some(environment("eu-1")), ..world.service_input(&[]) };
    let issued = world.demo().await.issue_key(input).await.unwrap();
    assert!(issued.secret.as_ref().unwrap().expose().starts_with("wk_eu_"));
    assert!(world.verify(&issued).await.is_ok());
    let secret = issued.secret.as_ref().unwrap();
    assert_eq!(verify_with(&world.verifier(), secret, None).await.unwrap_err(), Code::EnvironmentMismatch);
    world.wardkey.verifier(&environment("eu-1")).check_ready().await.unwrap();
    // Another tag is for the secrets to come.
    deployment.update_environment(&environment("eu-1"), 1, Some("europe".to_owned())).await.unwrap();
    assert!(world.verify(&issued).await.is_ok());
    let demo = world.demo().await;
    let rotated = demo.rotate_key(issued.key.id, None, std::time::Duration::ZERO).await.unwrap();
    assert!(rotated.secret.as_ref().unwrap().expose().starts_with("wk_europe_"));
}

async fn a_tag_fits_the_start_of_a_secret(world: &World) {
    let deployment = world.deployment().await;
    let malformed = ("/tag".to_owned(), "malformed");
    for tag in ["", "Live", "li_ve", "live test", "ü", "\0", "123456789"] {
        let created = deployment.create_environment(environment("eu"), tag.to_owned()).await;
        assert_eq!(invalid_field(created), malformed, "{tag:?}");
        let edited = deployment.update_environment(&environment("staging"), 9, Some(tag.to_owned())).await;
        assert_eq!(invalid_field(edited), malformed, "{tag:?}");
    }
    deployment.create_environment(environment("eu"), "12345678".to_owned()).await.unwrap();
    let again = deployment.create_environment(environment("eu"), "eu".to_owned()).await;
    assert_eq!(conflict(again), Conflict::NameInUse);
}

async fn those_that_every_deployment_has_stay(world: &World) {
    let deployment = world.deployment().await;
    let listed = deployment.list_environments().await.unwrap();
    assert_eq!(listed.len(), 3, "a new deployment has those that are built in");
    for known in listed {
        assert!(known.built_in);
        assert_eq!(version_mismatch(deployment.delete_environment(&known.name, Some(7)).await), 1);
        assert_eq!(conflict(deployment.delete_environment(&known.name, Some(1)).await), Conflict::BuiltIn);
    }
}

async fn of_an_environment_with_keys_nothing_is_lost(world: &World) {
    let deployment = world.deployment().await;
    deployment.create_environment(environment("eu"), "eu".to_owned()).await.unwrap();
    let input = IssueKey { environment: Some(environment("eu")), ..world.service_input(&[]) };
    let issued = world.demo().await.issue_key(input).await.unwrap();
    let delete = async || deployment.delete_environment(&environment("eu"), None).await;
    assert_eq!(conflict(delete().await), Conflict::EnvironmentInUse);
    world.demo().await.delete_key(issued.key.id, None, None).await.unwrap();
    assert_eq!(conflict(delete().await), Conflict::EnvironmentInUse, "its history stays");
    assert_eq!(world.verify(&issued).await.unwrap_err(), Code::KeyRevoked);
}
