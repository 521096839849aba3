//! Lists, page by page.

use wardkey_storage::Page;

/// Which part of a list is asked for. Lists run from the newest to the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<I> {
    /// Only what is older than this: the last id of the page before.
    pub after: Option<I>,
    /// At most so many items, 1 to 100.
    pub limit: u32,
}

impl<I> Default for PageRequest<I> {
    /// The newest twenty.
    fn default() -> Self {
        Self { after: None, limit: 20 }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether older ones follow.
    pub has_more: bool,
}

impl<I> PageRequest<I> {
    /// What to read: one more than is shown, to see whether more follow.
    pub(crate) fn with_one_more(self) -> Page<I> {
        Page { after: self.after, limit: self.limit.clamp(1, 100) + 1 }
    }
}

impl<T> PageOf<T> {
    /// The page out of what was read [with one more](PageRequest::with_one_more).
    pub(crate) fn cut<I>(mut items: Vec<T>, request: &PageRequest<I>) -> Self {
        let limit = request.limit.clamp(1, 100) as usize;
        let has_more = items.len() > limit;
        items.truncate(limit);
        Self { items, has_more }
    }
}
