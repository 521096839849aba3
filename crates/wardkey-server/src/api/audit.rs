//! The audit log: who changed what.

mod query;
mod view;

use std::io;

use futures_util::stream::{Stream, try_unfold};
use poem::{Body, IntoResponse, Response};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ToJSON as _, Type as _};
use poem_openapi::{ApiResponse, OpenApi};
use wardkey::{AuditFilter, PageOf, PageRequest, Tenant};
use wardkey_core::AuditEventId;
use wardkey_core::permission::AdminAudit;

use self::query::{AuditExportQuery, AuditQuery};
use self::view::{AuditEvent, AuditEventPage};
use super::Tag;
use super::answer::Answer;
use super::credentials::InOrganization;
use super::pages::next;
use super::parameters::{InPath, InQuery};

pub(super) struct Audit;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Audit")]
impl Audit {
    /// List audit events
    ///
    /// What was changed in the organization, the newest first. Every change is here: it is recorded in the transaction that
    /// makes it. Several filters leave what passes all of them.
    #[oai(
        path = "/organizations/:organization_id/audit-events",
        method = "get",
        operation_id = "list_audit_events"
    )]
    async fn list_audit_events(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        auditor: InOrganization<AdminAudit>,
        query: InQuery<AuditQuery>,
    ) -> Answer<Json<AuditEventPage>> {
        let InOrganization { tenant, app, .. } = auditor;
        let list = query.0.list(&tenant);
        let (filter, request) = query.0.split(&list, &app.cursors)?;
        let page = tenant.list_audit_events(&filter, request).await?;
        let next_cursor = next(&page, |event| event.id, &list, &app.cursors);
        Ok(Json(AuditEventPage::new(page.items, next_cursor)))
    }

    /// Export audit events
    ///
    /// The same events in the same order, the newest first, without pages: one JSON object a line. An export that is cut
    /// short, because the database went away or the server was stopped, does not end as HTTP says that an answer ends, so that
    /// a client reports an error. To go on from an earlier export, give its time as `since`, less a minute: events that were
    /// being written at that time may come later and be older. An event is told from another by its `id`.
    #[oai(
        path = "/organizations/:organization_id/audit-events/export",
        method = "get",
        operation_id = "export_audit_events"
    )]
    async fn export_audit_events(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        auditor: InOrganization<AdminAudit>,
        query: InQuery<AuditExportQuery>,
    ) -> Answer<Exported> {
        let filter = query.0.into_filter();
        let first = auditor.tenant.list_audit_events(&filter, AT_ONCE).await?;
        Ok(Exported::Ok(Lines(Body::from_bytes_stream(write_lines(auditor.tenant, filter, first)))))
    }

    /// Get an audit event
    ///
    /// One change, and who made it.
    #[oai(
        path = "/organizations/:organization_id/audit-events/:audit_event_id",
        method = "get",
        operation_id = "get_audit_event"
    )]
    async fn get_audit_event(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        auditor: InOrganization<AdminAudit>,
        /// The event.
        audit_event_id: InPath<AuditEventId>,
    ) -> Answer<Json<AuditEvent>> {
        Ok(Json(auditor.tenant.get_audit_event(audit_event_id.0).await?.into()))
    }
}

/// How many events of an export are in memory at once.
const AT_ONCE: PageRequest<AuditEventId> = PageRequest { after: None, limit: 100 };

/// Where an export is.
enum Progress {
    /// These come next.
    Read(PageOf<wardkey::AuditEvent>),
    /// What follows this event comes next.
    After(AuditEventId),
    /// Nothing does.
    Done,
}

/// The events as lines, a page at a time, read when the client has taken the one before.
fn write_lines(
    tenant: Tenant,
    filter: AuditFilter,
    first: PageOf<wardkey::AuditEvent>,
) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static {
    try_unfold((tenant, filter, Progress::Read(first)), async |(tenant, filter, progress)| {
        let page = match progress {
            Progress::Done => return Ok(None),
            Progress::Read(page) => page,
            Progress::After(last) => {
                let request = PageRequest { after: Some(last), ..AT_ONCE };
                tenant.list_audit_events(&filter, request).await.map_err(|error| {
                    // The answer has begun: it can only be broken off.
                    tracing::error!(cause = ?error, "an export of the audit log is cut short");
                    io::Error::other("cut short")
                })?
            }
        };
        let progress = match page.items.last() {
            Some(last) if page.has_more => Progress::After(last.id),
            _ => Progress::Done,
        };
        let mut lines = Vec::new();
        for event in page.items {
            lines.extend_from_slice(AuditEvent::from(event).to_json_string().as_bytes());
            lines.push(b'\n');
        }
        Ok(Some((lines, (tenant, filter, progress))))
    })
}

/// Events, one a line.
struct Lines(Body);

impl Payload for Lines {
    const CONTENT_TYPE: &'static str = "application/x-ndjson";

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            description: Some("Lines, each of which is an `AuditEvent` as JSON."),
            ..MetaSchema::new("string")
        }))
    }

    fn register(registry: &mut Registry) {
        AuditEvent::register(registry);
    }
}

impl IntoResponse for Lines {
    fn into_response(self) -> Response {
        self.0.with_content_type(Self::CONTENT_TYPE).into_response()
    }
}

#[derive(ApiResponse)]
enum Exported {
    /// The events, one a line.
    #[oai(status = 200)]
    Ok(Lines),
}
