//! Sessions: people log in, and out.

mod view;

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};
use wardkey::{Credential, Error, OpenedSession, Refreshed, Visitor};
use wardkey_core::{FieldError, SessionId};

use self::view::{ChangePasswordRequest, CreateSessionRequest, MySessions, Session};
use super::answer::{Answer, Refusals, WithCookies};
use super::credentials::{Anybody, AsPerson, Leaving, Presenting};
use super::parameters::InPath;
use super::{App, Tag};
use crate::json::Strict;
use crate::problem::{Code, Refusal};
use crate::sessions::{limited_by_logins, limited_by_refreshes};

pub(super) struct SessionOperations;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Sessions")]
impl SessionOperations {
    /// Log in
    ///
    /// By e-mail address and password, in a browser. The answer sets two cookies: the access token, which goes with each
    /// request and is good for ten minutes, and the refresh token, which `refresh_session` takes. Programs use API keys
    /// instead.
    ///
    /// Whether the address is unknown, the password is wrong or the person may not log in makes no difference to the answer.
    #[oai(
        path = "/sessions",
        method = "post",
        operation_id = "create_session",
        transform = "limited_by_logins"
    )]
    async fn create_session(
        &self,
        from: Anybody,
        /// Who logs in.
        body: Strict<CreateSessionRequest>,
    ) -> Answer<WithCookies<SessionCreated>, LoggingIn> {
        let CreateSessionRequest { email, password } = body.value;
        let Anybody { visitor, app } = from;
        // Whoever is not looked at loses no attempt, and the database hears of no more people than can be looked at.
        let turn = app.passwords.turn().await?;
        let credential = app.wardkey.sign_in(visitor.clone()).begin_login(&email.0.0).await?.credential;
        let hash = credential.as_ref().map(|credential| credential.hash.clone());
        let matches = turn.verify(password.0.0, hash).await?;
        let (Some(credential), true) = (credential, matches) else { return Err(Code::InvalidLogin.into()) };
        let opened = open(&app, visitor, &credential).await.map_err(|error| match error {
            // Meanwhile suspended, or with another password.
            Error::NotFound => Code::InvalidLogin.into(),
            other => Refusal::from(other),
        });
        let (opened, refresh) = opened?;
        let cookies = app.sessions.cookies_of(&opened, &refresh).await?;
        Ok(WithCookies(SessionCreated::Created(Json(opened.into())), cookies))
    }

    /// Refresh the session
    ///
    /// Takes the refresh token, which is good for this once, and sets both cookies anew. Who shows one that was taken before
    /// has stolen it, or was stolen from: the session ends.
    #[oai(
        path = "/sessions/refresh",
        method = "post",
        operation_id = "refresh_session",
        transform = "limited_by_refreshes"
    )]
    async fn refresh_session(
        &self,
        presenting: Presenting,
    ) -> Answer<WithCookies<Json<Session>>, Refreshing> {
        let Presenting { presented, from: Anybody { visitor, app } } = presenting;
        let ended = || {
            let problem = app.sessions.no_cookies().on(Code::SessionEnded.problem());
            Err(Refusal::from(problem).into())
        };
        let Some(presented) = presented else { return ended() };
        let next = app.sessions.new_refresh_token();
        match app.wardkey.sign_in(visitor).refresh(presented, next.digest).await? {
            Refreshed::Renewed(opened) => {
                let cookies = app.sessions.cookies_of(&opened, &next).await?;
                Ok(WithCookies(Json(opened.into()), cookies))
            }
            Refreshed::Superseded => Err(Code::RefreshSuperseded.into()),
            // Whatever else may become of a refresh one day, it is not renewed.
            _ => ended(),
        }
    }

    /// Log out
    ///
    /// Ends the session of this browser, at once and for ever, and takes its cookies away. It succeeds if there is none.
    #[oai(path = "/sessions/current", method = "delete", operation_id = "delete_current_session")]
    async fn delete_current_session(&self, leaving: Leaving) -> Answer<WithCookies<Done>, Leave> {
        let Leaving { session, presenting: Presenting { presented, from: Anybody { visitor, app } } } =
            leaving;
        let sign_in = app.wardkey.sign_in(visitor);
        let session = match (session, presented) {
            (Some(session), _) => Some(session),
            // The access token is gone before the refresh token is.
            (None, Some(presented)) => {
                let nobodys = app.sessions.new_refresh_token();
                match sign_in.refresh(presented, nobodys.digest).await? {
                    Refreshed::Renewed(opened) => Some(opened.session),
                    _ => None,
                }
            }
            (None, None) => None,
        };
        if let Some(session) = session {
            sign_in.close_session(&session).await?;
        }
        Ok(WithCookies(Done::Done, app.sessions.no_cookies()))
    }

    /// List one's own sessions
    ///
    /// Where the person is logged in, the newest first.
    #[oai(path = "/me/sessions", method = "get", operation_id = "list_my_sessions")]
    async fn list_my_sessions(&self, person: AsPerson) -> Answer<Json<MySessions>> {
        let sessions = person.own.list_sessions().await.map_err(ended)?;
        Ok(Json(MySessions::new(sessions, person.session.id())))
    }

    /// End one of one's own sessions
    ///
    /// At once and for ever. It may be the present one.
    #[oai(path = "/me/sessions/:session_id", method = "delete", operation_id = "end_my_session")]
    async fn end_my_session(
        &self,
        person: AsPerson,
        /// The session.
        session_id: InPath<SessionId, 0>,
    ) -> Answer<Done> {
        person.own.end_session(session_id.0).await?;
        Ok(Done::Done)
    }

    /// End all other sessions
    ///
    /// All of the person's sessions but the one that asks for it.
    #[oai(path = "/me/sessions/end-others", method = "post", operation_id = "end_my_other_sessions")]
    async fn end_my_other_sessions(&self, person: AsPerson) -> Answer<Done> {
        person.own.end_other_sessions().await.map_err(ended)?;
        Ok(Done::Done)
    }

    /// Change one's own password
    ///
    /// It takes the present one. All of the person's sessions end, and this browser is given a new one.
    #[oai(
        path = "/me/password",
        method = "post",
        operation_id = "change_my_password",
        transform = "limited_by_logins"
    )]
    async fn change_my_password(
        &self,
        person: AsPerson,
        /// The present password, and the next one.
        body: Strict<ChangePasswordRequest>,
    ) -> Answer<WithCookies<Done>, ChangingPassword> {
        let ChangePasswordRequest { current_password, new_password } = body.value;
        let AsPerson { own, session: _, visitor, app } = person;
        let email = own.me().await.map_err(ended)?.email.unwrap_or_default();
        // What could not be taken costs no attempt.
        let new_password = new_password.0.0;
        new_password
            .check(&email)
            .map_err(|weakness| Refusal::invalid(vec![weakness.at("/new_password")]))?;
        let turn = app.passwords.turn().await?;
        let present = own.password_hash().await.map_err(ended)?;
        if !turn.verify(current_password.0.0, Some(present.hash.clone())).await? {
            let fault = FieldError {
                pointer: "/current_password".to_owned(),
                code: "wrong_password",
                detail: "is not the present password".to_owned(),
            };
            return Err(Refusal::invalid(vec![fault]).into());
        }
        let hash = app.passwords.hash(new_password, &email, "/new_password").await?;
        let credential = own.change_password(present, hash).await.map_err(ended)?;
        let (opened, refresh) = open(&app, visitor, &credential).await.map_err(ended)?;
        let cookies = app.sessions.cookies_of(&opened, &refresh).await?;
        Ok(WithCookies(Done::Done, cookies))
    }
}

/// A new session for whose password was right, with its refresh token.
async fn open(
    app: &App,
    visitor: Visitor,
    credential: &Credential,
) -> Result<(OpenedSession, crate::sessions::RefreshToken), Error> {
    let refresh = app.sessions.new_refresh_token();
    let opened = app.wardkey.sign_in(visitor).open_session(credential, refresh.digest).await?;
    Ok((opened, refresh))
}

/// A session that ended since the request came in.
fn ended(error: Error) -> Refusal {
    match error {
        Error::NotFound => Code::SessionEnded.into(),
        other => other.into(),
    }
}

#[derive(ApiResponse)]
enum SessionCreated {
    /// The person is logged in.
    #[oai(status = 201)]
    Created(Json<Session>),
}

#[derive(ApiResponse)]
enum Done {
    /// It is done.
    #[oai(status = 204)]
    Done,
}

/// What can stand in the way of logging in.
struct LoggingIn;

impl Refusals for LoggingIn {
    const CODES: &'static [Code] = &[Code::InvalidLogin, Code::CsrfRefused, Code::Overloaded];
    const LIMITED: bool = true;
}

/// What can stand in the way of a refresh.
struct Refreshing;

impl Refusals for Refreshing {
    const CODES: &'static [Code] = &[Code::SessionEnded, Code::RefreshSuperseded, Code::CsrfRefused];
    const LIMITED: bool = true;
}

/// What can stand in the way of logging out.
struct Leave;

impl Refusals for Leave {
    const CODES: &'static [Code] = &[Code::CsrfRefused];
}

/// What can stand in the way of another password.
struct ChangingPassword;

impl Refusals for ChangingPassword {
    const CODES: &'static [Code] = &[Code::Overloaded];
    const LIMITED: bool = true;
}
