//! Cursors: where a page ended, authenticated, so that a client can hand back only what it was given, for the same list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wardkey_core::{FieldError, Id};

use super::kinds::Cursor;
use crate::problem::Refusal;

/// How much of the authentication code a cursor carries: 128 bits.
const TAG_LENGTH: usize = 16;

/// What authenticates cursors.
#[derive(Clone)]
pub(crate) struct CursorKey([u8; 32]);

/// One list, for which a cursor is good: the operation, the organization and every filter, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List(Vec<String>);

impl List {
    /// The list of this operation.
    pub(crate) fn of(operation: &str) -> Self {
        Self(vec![operation.to_owned()])
    }

    /// Narrowed by this; what is absent is not the same as what is empty.
    #[must_use]
    pub(crate) fn by(mut self, filter: Option<impl ToString>) -> Self {
        self.0.push(filter.map_or_else(|| "-".to_owned(), |value| format!("={}", value.to_string())));
        self
    }
}

impl CursorKey {
    /// From bytes that were derived from the deployment's seal for this purpose.
    pub(crate) fn from_seal(derived: &[u8; 32]) -> Self {
        Self(*derived)
    }

    /// The cursor for what follows `last` in the list.
    pub(crate) fn seal<I: Id>(&self, list: &List, last: I) -> Cursor {
        let id = last.to_bytes();
        let tag = self.code(list, I::PREFIX, &id).finalize().into_bytes();
        Cursor(URL_SAFE_NO_PAD.encode([&id[..], &tag[..TAG_LENGTH]].concat()))
    }

    /// Where the list goes on.
    ///
    /// # Errors
    /// `invalid_cursor` at the parameter, if the cursor was not made for this list.
    pub(crate) fn open<I: Id>(&self, list: &List, cursor: &Cursor) -> Result<I, Refusal> {
        self.read(list, &cursor.0).ok_or_else(|| {
            Refusal::invalid(vec![FieldError {
                pointer: "cursor".to_owned(),
                code: "invalid_cursor",
                detail: "was not given out for this list with these filters; leave it out to start anew"
                    .to_owned(),
            }])
        })
    }

    fn read<I: Id>(&self, list: &List, text: &str) -> Option<I> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, tag) = bytes.split_first_chunk::<16>().filter(|(_, tag)| tag.len() == TAG_LENGTH)?;
        self.code(list, I::PREFIX, id).verify_truncated_left(tag).ok()?;
        Some(I::from_bytes(*id))
    }

    fn code(&self, list: &List, kind: &str, id: &[u8; 16]) -> Hmac<Sha256> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in list.0.iter().map(String::as_bytes).chain([kind.as_bytes(), id]) {
            // Lengths first, so that no two lists write the same bytes.
            code.update(&(part.len() as u64).to_be_bytes());
            code.update(part);
        }
        code
    }
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey")
    }
}

#[cfg(test)]
mod tests {
    use wardkey_core::{KeyId, WorkspaceId};

    use super::*;

    fn key() -> CursorKey {
        CursorKey::from_seal(&[7; 32])
    }

    fn list() -> List {
        List::of("list_keys").by(Some("org")).by(None::<&str>)
    }

    #[test]
    fn a_cursor_leads_back_to_where_it_was_made() {
        let last = KeyId::from_bytes([9; 16]);
        let cursor = key().seal(&list(), last);
        assert_eq!(key().read::<KeyId>(&list(), &cursor.0), Some(last));
    }

    #[test]
    fn a_cursor_of_another_list_filter_kind_or_seal_is_none() {
        let cursor = key().seal(&list(), KeyId::from_bytes([9; 16])).0;
        let others = [
            List::of("list_workspaces").by(Some("org")).by(None::<&str>),
            List::of("list_keys").by(Some("other")).by(None::<&str>),
            List::of("list_keys").by(Some("org")).by(Some("")),
            List::of("list_keys").by(Some("org")),
        ];
        for other in others {
            assert_eq!(key().read::<KeyId>(&other, &cursor), None, "{other:?}");
        }
        assert_eq!(key().read::<WorkspaceId>(&list(), &cursor), None);
        assert_eq!(CursorKey::from_seal(&[8; 32]).read::<KeyId>(&list(), &cursor), None);
    }

    #[test]
    fn a_cursor_with_any_character_changed_is_none() {
        let cursor = key().seal(&list(), KeyId::from_bytes([9; 16])).0;
        for at in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(key().read::<KeyId>(&list(), &changed), None, "{at}");
        }
        for bad in ["", "A", "AAAA", "not base64!", &cursor[1..]] {
            assert_eq!(key().read::<KeyId>(&list(), bad), None, "{bad}");
        }
    }
}
