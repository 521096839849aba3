use std::sync::Arc;

use wardkey_core::{Reference, Standing};
use wardkey_storage::{Conflict, NewUser};

use crate::database::on_both;
use crate::world::{World, assert_not_found, conflict};

async fn a_user_is_found_by_id_and_external_id_and_audited_with_the_operator(world: Arc<World>) {
    let id = world.user_id();
    let new = NewUser {
        id,
        email: "Uma@Example.com".to_owned(),
        name: "Uma".to_owned(),
        external_id: Some("u-1".to_owned()),
    };
    let created = world.storage.create_user(&world.act(), new).await.unwrap();
    assert_eq!((created.email.as_str(), created.state), ("Uma@Example.com", Standing::Active));
    for reference in [Reference::Id(id), Reference::External("u-1".to_owned())] {
        assert_eq!(world.storage.find_user(&reference).await.unwrap(), Some(created.clone()));
    }
    let event = &world.audit(world.operator).await[0];
    assert_eq!((event.action.as_str(), event.target.as_str()), ("user.create", id.to_string().as_str()));
}
on_both!(a_user_is_found_by_id_and_external_id_and_audited_with_the_operator);

async fn an_email_address_is_one_user_in_whatever_case(world: Arc<World>) {
    let create = async |email: &str, external_id: &str| {
        let (email, external_id) = (email.to_owned(), Some(external_id.to_owned()));
        let new = NewUser { id: world.user_id(), email, name: "Uma".to_owned(), external_id };
        world.storage.create_user(&world.act(), new).await
    };
    create("uma@exämple.com", "a").await.unwrap();
    assert_eq!(conflict(create("UMA@EXÄMPLE.COM", "b").await), Conflict::EmailInUse);
    assert_eq!(conflict(create("other@example.com", "a").await), Conflict::ExternalIdInUse);
}
on_both!(an_email_address_is_one_user_in_whatever_case);

async fn suspending_a_user_is_reversible(world: Arc<World>) {
    let user = world.user().await;
    for state in [Standing::Inactive, Standing::Inactive, Standing::Active] {
        assert_eq!(world.storage.set_user_state(&world.act(), user, state).await.unwrap().state, state);
    }
    let events = world.audit(world.operator).await;
    assert_eq!(events.iter().filter(|event| event.action == "user.set_state").count(), 2);
    assert_not_found(world.storage.set_user_state(&world.act(), world.user_id(), Standing::Inactive).await);
}
on_both!(suspending_a_user_is_reversible);
