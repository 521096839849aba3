//! A fixed clock, repeatable randomness, and stores in memory: for tests, never for production.

mod clock;
mod keys;
mod random;
mod store;

pub use clock::FixedClock;
pub use keys::TestKeys;
pub use random::SeededRandom;
pub use store::{MemoryStore, yield_once};
