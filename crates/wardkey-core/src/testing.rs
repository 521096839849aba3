//! A fixed clock, repeatable randomness, and stores in memory: for tests, never for production.

mod clock;
mod random;

pub use clock::FixedClock;
pub use random::SeededRandom;
