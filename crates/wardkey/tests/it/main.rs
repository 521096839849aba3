//! What may be done, and by whom: each promise on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

/// Makes each of these promises a test on both databases, each in a database of its own.
macro_rules! on_both {
    ($($promise:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                let world = crate::world::World::on_sqlite().await;
                world.keep(super::$promise).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                let world = crate::world::World::on_postgres().await;
                world.keep(super::$promise).await;
            })+
        }
    };
}

mod aborted;
mod answers;
mod audit;
mod bootstrap;
mod bystanders;
mod catalogue;
mod customers;
mod doors;
mod dump;
mod effective_rights;
mod elsewhere;
mod environments;
mod grant;
mod idempotency;
mod issue;
mod key_limit;
mod life;
mod links;
mod lists;
mod members;
mod organizations;
mod outage;
mod own;
mod persons;
mod propagation;
mod rights;
mod roles;
mod rotate;
mod session_policies;
mod sign_in;
mod teams;
mod update;
mod users;
mod verification;
mod workspaces;
mod world;
