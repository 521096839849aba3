//! The promises of the server.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

/// Makes each of these promises a test on both databases, each in a database of its own.
macro_rules! on_both {
    ($($promise:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                crate::api::world::World::on_sqlite().await.keep(super::$promise).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                crate::api::world::World::on_postgres().await.keep(super::$promise).await;
            })+
        }
    };
}

mod api;
mod cluster;
#[path = "../../../wardkey/tests/it/dump.rs"]
mod dump;
mod shell;
