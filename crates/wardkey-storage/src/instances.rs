//! Verifier instances: which ones serve, and how far each has got in the feed.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{EnvironmentName, InstanceId, Position, Timestamp};

use crate::changes::position;
use crate::columns::Stored;
use crate::connection::on;
use crate::schema::instances;
use crate::{Storage, StorageError};

/// How many instances are looked at, at most.
const MOST_INSTANCES: i64 = 1_000;

/// A verifier somewhere, as it last told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id, which lives as long as its process.
    pub id: InstanceId,
    /// Every change up to here has taken effect in it.
    pub applied: Position,
    /// When it told.
    pub reported_at: Timestamp,
    /// Until when it may answer by what it knew then.
    pub serves_until: Timestamp,
}

impl Storage {
    /// Where the feed stands now: whatever was committed before has a number up to this.
    ///
    /// # Errors
    /// [`Unavailable`](StorageError::Unavailable).
    pub async fn feed_position(&self) -> Result<Position, StorageError> {
        self.read(move |conn| position(conn).boxed()).await
    }

    /// The verifiers of this environment that may still answer, in the order of their ids; at most a thousand.
    pub async fn list_instances(
        &self,
        environment: &EnvironmentName,
        now: Timestamp,
    ) -> Result<Vec<Instance>, StorageError> {
        let environment = environment.to_string();
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => instances::table
                    .filter(instances::serves_until.gt(Stored(now)))
                    .filter(instances::environment.eq(environment))
                    .order(instances::id)
                    .limit(MOST_INSTANCES)
                    .select((
                        instances::id,
                        (instances::applied_epoch, instances::applied_number),
                        instances::reported_at,
                        instances::serves_until,
                    ))
                    .load::<(Stored<InstanceId>, (i64, i64), Stored<Timestamp>, Stored<Timestamp>)>(c))?;
                let read = |(id, (epoch, number), reported_at, serves_until): (
                    Stored<_>,
                    _,
                    Stored<_>,
                    Stored<_>,
                )| {
                    let applied = Position { epoch, number };
                    Instance { id: id.0, applied, reported_at: reported_at.0, serves_until: serves_until.0 }
                };
                Ok(rows.into_iter().map(read).collect())
            }
            .boxed()
        })
        .await
    }
}
