//! What is asked for when members are added, edited and listed.

use poem_openapi::Object;
use poem_openapi::types::Example;
use wardkey::{AddMember, MemberFilter, MemberPatch, PageRequest, RoleRef, Tenant};
use wardkey_core::UserId;

use super::super::cursor::{CursorKey, List};
use super::super::grants::GrantChoice;
use super::super::kinds::{Cursor, Email, Name, Search};
use super::super::pages::{default_limit, request};
use super::super::schema::Rule;
use super::super::text::{Text, Textual as _};
use crate::problem::Refusal;

/// What a member has that no edit changes.
pub(crate) const RULES: &[Rule] = &[Rule {
    schema: "UpdateMemberRequest",
    check: |_| Vec::new(),
    immutable: &["id", "email", "version", "created_at", "updated_at"],
}];

/// Somebody to be made a member.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct AddMemberRequest {
    /// The address by which the person is known and logs in.
    email: Text<Email>,
    /// What the organization calls the person. Default: what stands before the `@`.
    name: Option<Text<Name>>,
    /// The roles that the person is to hold.
    #[oai(default, validator(max_items = 100))]
    grants: Vec<GrantChoice>,
}

impl From<AddMemberRequest> for AddMember {
    fn from(request: AddMemberRequest) -> Self {
        let AddMemberRequest { email, name, grants } = request;
        Self {
            email: email.0.0,
            name: name.map(|name| name.0.0),
            grants: grants.into_iter().map(Into::into).collect(),
        }
    }
}

impl Example for AddMemberRequest {
    fn example() -> Self {
        Self {
            email: Text::example(),
            name: Some(Name("Ada Lovelace".to_owned()).into()),
            grants: vec![GrantChoice::example()],
        }
    }
}

/// What shall be different about a member; what is left out stays.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct UpdateMemberRequest {
    /// What the organization calls the person.
    name: Option<Text<Name>>,
    /// The whole new list of roles that the person holds directly; those of teams stay.
    #[oai(validator(max_items = 100))]
    grants: Option<Vec<GrantChoice>>,
}

impl From<UpdateMemberRequest> for MemberPatch {
    fn from(request: UpdateMemberRequest) -> Self {
        let UpdateMemberRequest { name, grants } = request;
        Self {
            name: name.map(|name| name.0.0),
            grants: grants.map(|grants| grants.into_iter().map(Into::into).collect()),
        }
    }
}

impl Example for UpdateMemberRequest {
    fn example() -> Self {
        Self { name: None, grants: Some(vec![GrantChoice::example()]) }
    }
}

/// Which members are listed.
#[derive(Debug, Object)]
pub(super) struct MemberQuery {
    /// Only those who were given this role directly, in the whole organization or in a workspace.
    role: Option<Text<RoleRef>>,
    /// Only those that have this text in name or address, in any case.
    search: Option<Text<Search>>,
    /// How many items the page has at most.
    #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
    limit: u32,
    /// The `next_cursor` of the page before; without it, the page is the first.
    cursor: Option<Text<Cursor>>,
}

impl MemberQuery {
    /// The list that is asked for, whatever the page.
    pub(super) fn list(&self, tenant: &Tenant) -> List {
        let Self { role, search, limit: _, cursor: _ } = self;
        List::of("list_members")
            .by(Some(tenant.organization_id()))
            .by(role.as_ref().map(|role| role.write()))
            .by(search.as_ref().map(|search| &search.0.0))
    }

    /// Filter and page.
    ///
    /// # Errors
    /// If the cursor was not made for this list.
    pub(super) fn split(
        self,
        list: &List,
        cursors: &CursorKey,
    ) -> Result<(MemberFilter, PageRequest<UserId>), Refusal> {
        let Self { role, search, limit, cursor } = self;
        let filter = MemberFilter { role: role.map(|role| role.0), search: search.map(|search| search.0.0) };
        Ok((filter, request(limit, cursor, list, cursors)?))
    }
}
