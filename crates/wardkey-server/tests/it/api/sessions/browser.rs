//! A browser, as far as sessions need one.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{Endpoint as _, Request, Response};
use serde_json::{Value, json};
use wardkey::{Caller, PasswordHash};
use wardkey_core::{BuiltInRole, OrganizationId, UserId};

use super::super::world::{Answer, Call, World};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "seven green bicycles under water";

/// A browser with its cookies, at an address of its own. Its pages are the server's.
pub(crate) struct Browser<'w> {
    world: &'w World,
    address: IpAddr,
    access: Option<String>,
    refresh: Option<String>,
}

static BROWSERS: AtomicU32 = AtomicU32::new(0x0a00_0001);

impl<'w> Browser<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        let address = Ipv4Addr::from(BROWSERS.fetch_add(1, Ordering::Relaxed)).into();
        Self { world, address, access: None, refresh: None }
    }

    /// Another one with the same cookies, as a thief has it.
    pub(crate) fn copy(&self) -> Self {
        Self { access: self.access.clone(), refresh: self.refresh.clone(), ..Self::new(self.world) }
    }

    pub(crate) fn access(&self) -> &str {
        self.access.as_deref().unwrap()
    }

    pub(crate) fn set_access(&mut self, token: &str) {
        self.access = Some(token.to_owned());
    }

    pub(crate) fn forget_access(&mut self) {
        self.access = None;
    }

    pub(crate) fn has_cookies(&self) -> bool {
        self.access.is_some() || self.refresh.is_some()
    }

    /// What another server says to this browser.
    pub(crate) async fn ask(&self, server: &BoxEndpoint<'static, Response>, path: &str) -> u16 {
        let cookie = format!("wardkey_session={}", self.access());
        let request = Request::builder().uri_str(path).header("cookie", cookie).finish();
        server.get_response(request).await.status().as_u16()
    }

    pub(crate) async fn log_in(&mut self, email: &str, password: &str) -> Answer {
        self.post("/v1/sessions", json!({ "email": email, "password": password })).await
    }

    pub(crate) async fn refresh(&mut self) -> Answer {
        let answer = self.call(Method::POST, "/v1/sessions/refresh").send().await;
        self.keep(answer)
    }

    pub(crate) async fn log_out(&mut self) -> Answer {
        self.delete("/v1/sessions/current").await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let answer = self.call(Method::GET, path).send().await;
        self.keep(answer)
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Answer {
        let answer = self.call(Method::DELETE, path).send().await;
        self.keep(answer)
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Answer {
        let answer = self.call(Method::POST, path).json(body).await;
        self.keep(answer)
    }

    /// A request as a page of the server makes it.
    fn call(&self, method: Method, path: &str) -> Call<'w> {
        self.call_from_elsewhere(method, path).header("sec-fetch-site", "same-origin")
    }

    /// A request that says nothing of the page that makes it.
    pub(crate) fn call_from_elsewhere(&self, method: Method, path: &str) -> Call<'w> {
        let refresh = self.refresh.as_ref().filter(|_| path.starts_with("/v1/sessions"));
        let cookies: Vec<_> = [("wardkey_session", self.access.as_ref()), ("wardkey_refresh", refresh)]
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value?)))
            .collect();
        let call = self.world.call(method, path).from(self.address);
        if cookies.is_empty() { call } else { call.header("cookie", &cookies.join("; ")) }
    }

    fn keep(&mut self, answer: Answer) -> Answer {
        for value in answer.headers.get_all("set-cookie") {
            let text = value.to_str().unwrap();
            assert!(text.contains("; HttpOnly") && text.contains("; SameSite="), "{text}");
            let (name, rest) = text.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            let kept = (!text.contains("Max-Age=0;")).then(|| value.to_owned());
            match name {
                "wardkey_session" => self.access = kept,
                "wardkey_refresh" => self.refresh = kept,
                other => panic!("a cookie named {other}"),
            }
        }
        answer
    }
}

impl World {
    /// A member of the demo organization with a password.
    pub(crate) async fn person(&self, name: &str, role: BuiltInRole) -> UserId {
        let user = self.member(name, role).await;
        self.set_password(user, PASSWORD).await;
        user
    }

    /// Sets a password as the operator does. Its hash is a cheap one, as tests make many.
    pub(crate) async fn set_password(&self, user: UserId, password: &str) {
        let deployment = self.wardkey.enter_deployment(&Caller::local("test")).await.unwrap();
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let hash: Phc = cheap.hash_password_with_salt(password.as_bytes(), b"salt for testing").unwrap();
        deployment.set_password(&user.into(), PasswordHash::new(hash.to_string())).await.unwrap();
    }

    pub(crate) async fn suspend(&self, user: UserId) {
        let deployment = self.wardkey.enter_deployment(&Caller::local("test")).await.unwrap();
        deployment.suspend_user(&user.into(), None, None).await.unwrap();
    }

    /// An organization in which nobody is a member.
    pub(crate) async fn foreign_organization(&self) -> OrganizationId {
        let deployment = self.wardkey.enter_deployment(&Caller::local("test")).await.unwrap();
        deployment.create_organization("Foreign".to_owned(), None, None).await.unwrap().into_inner().id
    }
}
