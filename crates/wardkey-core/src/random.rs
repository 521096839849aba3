//! Randomness as an argument.

/// Where random bytes come from: an argument of everything that needs them, so that tests can repeat them.
pub trait Random: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The random number generator of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    /// # Panics
    /// If the operating system has no randomness to give: a key made without it would be worthless.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the ambient randomness")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system provides randomness");
    }
}
