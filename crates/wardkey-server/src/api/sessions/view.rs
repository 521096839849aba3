//! Sessions, and what opens them, as they are sent and shown.

use std::net::IpAddr;

use poem_openapi::Object;
use poem_openapi::types::Example;
use wardkey::OpenedSession;
use wardkey_core::{SessionId, Timestamp, UserId};

use super::super::kinds::{Email, NewPassword, PresentedPassword, UserAgent};
use super::super::text::Text;

/// Who logs in.
#[derive(Object)]
#[oai(example)]
pub(super) struct CreateSessionRequest {
    /// The person's e-mail address, in any case.
    pub(super) email: Text<Email>,
    /// The person's password.
    pub(super) password: Text<PresentedPassword>,
}

impl Example for CreateSessionRequest {
    fn example() -> Self {
        Self { email: Text::example(), password: Text::example() }
    }
}

/// The present password, and the next one.
#[derive(Object)]
#[oai(example)]
pub(super) struct ChangePasswordRequest {
    /// The present password.
    pub(super) current_password: Text<PresentedPassword>,
    /// The next one.
    pub(super) new_password: Text<NewPassword>,
}

impl Example for ChangePasswordRequest {
    fn example() -> Self {
        Self { current_password: Text::example(), new_password: Text::example() }
    }
}

/// A session that was opened or refreshed.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct Session {
    /// The session.
    id: Text<SessionId>,
    /// Who is logged in.
    user: Text<UserId>,
    /// When it ends unless it is refreshed.
    ends_at: Text<Timestamp>,
}

impl From<OpenedSession> for Session {
    fn from(opened: OpenedSession) -> Self {
        let OpenedSession { session, ends_at, .. } = opened;
        Self { id: session.id().into(), user: session.user().into(), ends_at: ends_at.into() }
    }
}

impl Example for Session {
    fn example() -> Self {
        Self { id: Text::example(), user: Text::example(), ends_at: Text::example() }
    }
}

/// Where the person is logged in.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct MySessions {
    /// The sessions, the newest first.
    #[oai(validator(max_items = 100))]
    items: Vec<MySession>,
}

impl MySessions {
    /// The sessions, and which of them is the present one.
    pub(super) fn new(sessions: Vec<wardkey::Session>, current: SessionId) -> Self {
        Self { items: sessions.into_iter().map(|session| MySession::new(session, current)).collect() }
    }
}

impl Example for MySessions {
    fn example() -> Self {
        Self { items: vec![MySession::example()] }
    }
}

/// One of the person's sessions.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct MySession {
    /// Its id.
    id: Text<SessionId>,
    /// Whether it is the one that asks.
    current: bool,
    /// When the person logged in.
    created_at: Text<Timestamp>,
    /// When it was last used, to the minute.
    last_used_at: Text<Timestamp>,
    /// When it ends unless it is refreshed.
    ends_at: Text<Timestamp>,
    /// From where the person logged in.
    address: Option<Text<IpAddr>>,
    /// By which browser.
    user_agent: Option<Text<UserAgent>>,
}

impl MySession {
    fn new(session: wardkey::Session, current: SessionId) -> Self {
        let wardkey::Session { id, created_at, last_used_at, ends_at, address, user_agent } = session;
        Self {
            id: id.into(),
            current: id == current,
            created_at: created_at.into(),
            last_used_at: last_used_at.into(),
            ends_at: ends_at.into(),
            address: address.map(Into::into),
            user_agent: user_agent.map(|text| UserAgent(text).into()),
        }
    }
}

impl Example for MySession {
    fn example() -> Self {
        Self {
            id: Text::example(),
            current: true,
            created_at: Text::example(),
            last_used_at: Text::example(),
            ends_at: Text::example(),
            address: Some(Text::example()),
            user_agent: Some(Text::example()),
        }
    }
}
