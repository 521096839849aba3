use std::sync::Arc;
use std::time::Duration;

use wardkey_core::{Reference, Standing, UserId};
use wardkey_storage::{ATTEMPTS_WINDOW, CountedAttempt, MOST_ATTEMPTS, Storage};

use crate::database::on_both;
use crate::world::World;

/// An account, as whoever digests addresses would have it.
pub(crate) fn account(email: &str) -> [u8; 32] {
    let mut account = [0; 32];
    for (at, byte) in Storage::fold_email(email).bytes().enumerate() {
        account[at % 32] ^= byte;
    }
    account
}

pub(crate) async fn email_of(world: &World, user: UserId) -> String {
    world.storage.find_user(&Reference::Id(user)).await.unwrap().unwrap().email
}

async fn attempt(world: &World, email: &str) -> CountedAttempt {
    world.storage.count_login_attempt(account(email), email, world.now()).await.unwrap()
}

async fn an_account_has_ten_attempts_until_a_quarter_of_an_hour_after_the_last(world: Arc<World>) {
    let user = world.user_with_password("hash").await;
    for email in [email_of(&world, user).await, "nobody@example.com".to_owned(), "a\0b".to_owned()] {
        for _ in 0..MOST_ATTEMPTS {
            assert!(matches!(attempt(&world, &email).await, CountedAttempt::Counted { .. }));
            world.clock.advance(Duration::from_secs(60));
        }
        let minute = Duration::from_secs(60);
        let retry_after = ATTEMPTS_WINDOW - minute;
        assert_eq!(attempt(&world, &email).await, CountedAttempt::Refused { retry_after });
        // What was refused was not counted: the wait is over when it was said to be.
        world.clock.advance(retry_after - Duration::from_micros(1));
        let retry_after = Duration::from_micros(1);
        assert_eq!(attempt(&world, &email).await, CountedAttempt::Refused { retry_after });
        world.clock.advance(retry_after);
        for _ in 0..MOST_ATTEMPTS {
            assert!(matches!(attempt(&world, &email).await, CountedAttempt::Counted { .. }));
        }
        assert!(matches!(attempt(&world, &email).await, CountedAttempt::Refused { .. }));
    }
}
on_both!(an_account_has_ten_attempts_until_a_quarter_of_an_hour_after_the_last);

async fn guesses_at_once_are_not_more_than_guesses_one_by_one(world: Arc<World>) {
    let guesses: Vec<_> = (0..4 * MOST_ATTEMPTS)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { attempt(&world, "uma@example.com").await })
        })
        .collect();
    let mut counted = 0;
    for guess in guesses {
        if matches!(guess.await.unwrap(), CountedAttempt::Counted { .. }) {
            counted += 1;
        }
    }
    assert_eq!(counted, MOST_ATTEMPTS);
}
on_both!(guesses_at_once_are_not_more_than_guesses_one_by_one);

async fn a_login_that_succeeds_makes_room_for_all_attempts_again(world: Arc<World>) {
    let user = world.user_with_password("hash").await;
    let email = email_of(&world, user).await;
    for _ in 0..3 {
        for _ in 0..MOST_ATTEMPTS {
            assert!(matches!(attempt(&world, &email).await, CountedAttempt::Counted { .. }));
        }
        let mut new = world.new_session(user, "hash");
        new.account = account(&email);
        world.storage.open_session(new, world.now()).await.unwrap();
    }
    for _ in 0..MOST_ATTEMPTS {
        attempt(&world, &email).await;
    }
    let mut wrong = world.new_session(user, "wrong");
    wrong.account = account(&email);
    world.storage.open_session(wrong, world.now()).await.unwrap_err();
    assert!(matches!(attempt(&world, &email).await, CountedAttempt::Refused { .. }));
}
on_both!(a_login_that_succeeds_makes_room_for_all_attempts_again);

async fn a_credential_is_that_of_an_active_person_with_a_password_in_whatever_case(world: Arc<World>) {
    let user = world.user_with_password("hash").await;
    let email = email_of(&world, user).await;
    for written in [email.clone(), email.to_uppercase()] {
        let CountedAttempt::Counted { credential: Some(found) } = attempt(&world, &written).await else {
            panic!("{written}")
        };
        assert_eq!((found.user, found.hash.expose()), (user, "hash"));
    }
    let nobody = CountedAttempt::Counted { credential: None };
    let without = world.user().await;
    assert_eq!(attempt(&world, &email_of(&world, without).await).await, nobody);
    assert_eq!(attempt(&world, "nobody@example.com").await, nobody);
    assert_eq!(attempt(&world, "").await, nobody);
    assert_eq!(attempt(&world, "%").await, nobody);
    world.storage.set_user_state(&world.act(), user, None, Standing::Inactive, None).await.unwrap();
    assert_eq!(attempt(&world, &email).await, nobody);
}
on_both!(a_credential_is_that_of_an_active_person_with_a_password_in_whatever_case);
