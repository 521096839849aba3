//! The audit log, read: who changed what in the organization. Every write adds to it, and nothing changes it.

use wardkey_core::AuditEventId;
use wardkey_core::permission::AdminAudit;
use wardkey_storage::{ActionFilter, AuditEvent, AuditFilter};

use crate::error::Error;
use crate::page::{PageOf, PageRequest};
use crate::tenant::Tenant;

impl Tenant {
    /// The organization's audit log as far as it passes the filter, the newest first; needs `admin:audit`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_audit_events(
        &self,
        filter: &AuditFilter,
        page: PageRequest<AuditEventId>,
    ) -> Result<PageOf<AuditEvent>, Error> {
        self.require::<AdminAudit>()?;
        if !can_match(filter) {
            return Ok(PageOf { items: Vec::new(), has_more: false });
        }
        let storage = self.wardkey.storage();
        let items = storage.list_audit_events(self.organization_id(), filter, page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// One event of the organization's audit log; needs `admin:audit`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn get_audit_event(&self, event: AuditEventId) -> Result<AuditEvent, Error> {
        self.require::<AdminAudit>()?;
        let found = self.wardkey.storage().find_audit_event(self.organization_id(), event).await?;
        found.ok_or(Error::NotFound)
    }
}

/// Whether anything can pass. No event holds U+0000, and PostgreSQL could not even read the question.
fn can_match(filter: &AuditFilter) -> bool {
    let AuditFilter { action, target, actor: _, acting_for: _, since: _, until: _, request_id } = filter;
    let action = action.as_ref().map(|action| match action {
        ActionFilter::Exactly(text) | ActionFilter::On(text) => text,
    });
    ![action, target.as_ref(), request_id.as_ref()].into_iter().flatten().any(|text| text.contains('\0'))
}
