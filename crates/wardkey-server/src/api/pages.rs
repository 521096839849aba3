//! Lists, page by page.

use poem_openapi::Object;
use wardkey::{PageOf, PageRequest};
use wardkey_core::Id;

use super::cursor::{CursorKey, List};
use super::kinds::Cursor;
use super::text::Text;
use crate::problem::Refusal;

/// Which part of a list is asked for.
#[derive(Debug, Object)]
pub(crate) struct PageQuery {
    /// How many items the page has at most.
    #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
    limit: u32,
    /// The `next_cursor` of the page before; without it, the page is the first.
    cursor: Option<Text<Cursor>>,
}

/// How many items a page has if nobody says.
pub(super) fn default_limit() -> u32 {
    20
}

impl PageQuery {
    /// The page of this list.
    ///
    /// # Errors
    /// If the cursor was not made for it.
    pub(crate) fn of<I: Id>(self, list: &List, cursors: &CursorKey) -> Result<PageRequest<I>, Refusal> {
        let Self { limit, cursor } = self;
        request(limit, cursor, list, cursors)
    }
}

/// The page of this list.
///
/// # Errors
/// If the cursor was not made for it.
pub(super) fn request<I: Id>(
    limit: u32,
    cursor: Option<Text<Cursor>>,
    list: &List,
    cursors: &CursorKey,
) -> Result<PageRequest<I>, Refusal> {
    let after = cursor.map(|cursor| cursors.open(list, &cursor)).transpose()?;
    Ok(PageRequest { after, limit })
}

/// The cursor to what follows the page; `None` if nothing does.
pub(super) fn next<T, I: Id>(
    page: &PageOf<T>,
    id: impl Fn(&T) -> I,
    list: &List,
    cursors: &CursorKey,
) -> Option<Text<Cursor>> {
    let last = page.items.last().filter(|_| page.has_more)?;
    Some(cursors.seal(list, id(last)).into())
}
