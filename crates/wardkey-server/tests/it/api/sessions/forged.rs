//! Tokens that the server did not make, or not for this.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wardkey::{SigningKey, Visitor};
use wardkey_core::BuiltInRole;

use super::super::world::World;
use super::browser::{Browser, PASSWORD};

on_both!(
    a_forged_or_foreign_token_is_of_no_session,
    a_token_is_good_for_ten_minutes_and_not_a_second_longer,
    a_good_token_for_another_person_or_session_is_of_no_session,
);

/// A token, taken apart, and the key that signed it.
struct Mint {
    header: Value,
    claims: Value,
    key: Ed25519KeyPair,
}

impl Mint {
    /// From a token that the server has made, with the very key that the server has: what a thief of it could do.
    async fn new(world: &World, token: &str) -> Self {
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let mut next = || serde_json::from_slice(&parts.next().unwrap());
        let (header, claims) = (next().unwrap(), next().unwrap());
        let stored = world.wardkey.sign_in(Visitor::default()).list_signing_keys().await.unwrap().remove(0);
        let SigningKey { id, wrapped, created_at: _ } = stored;
        let wrapping = UnboundKey::new(&AES_256_GCM, &world.seal().purpose_key("signing keys")).unwrap();
        let (nonce, sealed) = wrapped.split_at(NONCE_LEN);
        let mut opened = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
        let opened = LessSafeKey::new(wrapping).open_in_place(nonce, Aad::from(id), &mut opened).unwrap();
        Self { header, claims, key: Ed25519KeyPair::from_pkcs8(opened).unwrap() }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        sign(header, claims, &self.key)
    }

    /// With these claims in place of its own.
    fn claiming(&self, changes: Value) -> String {
        self.sign(&self.header, &merged(&self.claims, changes))
    }

    /// With these members of the header in place of its own.
    fn headed(&self, changes: Value) -> String {
        self.sign(&merged(&self.header, changes), &self.claims)
    }
}

fn sign(header: &Value, claims: &Value, key: &Ed25519KeyPair) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// As a merge patch: null takes away.
fn merged(value: &Value, changes: Value) -> Value {
    let mut members = value.as_object().unwrap().clone();
    for (name, change) in changes.as_object().unwrap().clone() {
        match change {
            Value::Null => drop(members.remove(&name)),
            change => drop(members.insert(name, change)),
        }
    }
    members.into()
}

async fn log_in(world: &World) -> (Browser<'_>, Mint) {
    let mut browser = Browser::new(world);
    browser.log_in("ada@example.com", PASSWORD).await.expect(201);
    let mint = Mint::new(world, browser.access()).await;
    (browser, mint)
}

async fn a_forged_or_foreign_token_is_of_no_session(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let (mut browser, mint) = log_in(&world).await;
    let good = browser.access().to_owned();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let exp = mint.claims["exp"].as_i64().unwrap();
    let iat = mint.claims["iat"].as_i64().unwrap();
    let foreign = Ed25519KeyPair::generate().unwrap();
    let none = json!({ "alg": "none", "typ": mint.header["typ"], "kid": mint.header["kid"] });
    let unsigned = mint.sign(&none, &mint.claims).rsplit_once('.').unwrap().0.to_owned();

    // The mint makes what the server makes, so that each of the others fails for its own reason alone.
    browser.set_access(&mint.sign(&mint.header, &mint.claims));
    browser.get("/v1/me").await.expect(200);

    let forged = [
        ("nothing", String::new()),
        ("nonsense", "nonsense".to_owned()),
        ("dots", "..".to_owned()),
        ("four parts", format!("{good}.x")),
        ("no signature", format!("{head}.")),
        ("another's signature", format!("{head}.{}", signature.chars().rev().collect::<String>())),
        ("long", "a".repeat(10_000)),
        ("alg none, unsigned", format!("{unsigned}.")),
        ("alg none, signed", mint.headed(json!({ "alg": "none" }))),
        ("alg HS256", mint.headed(json!({ "alg": "HS256" }))),
        ("alg of no kind", mint.headed(json!({ "alg": "XX999" }))),
        ("alg twice over", mint.headed(json!({ "alg": ["EdDSA"] }))),
        ("another key", sign(&mint.header, &mint.claims, &foreign)),
        ("a key that there is not", mint.headed(json!({ "kid": URL_SAFE_NO_PAD.encode([7; 16]) }))),
        ("a key of no form", mint.headed(json!({ "kid": "../../etc/passwd" }))),
        ("no key", mint.headed(json!({ "kid": null }))),
        ("its own key", mint.headed(json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": "AAAA" } }))),
        ("a key from elsewhere", mint.headed(json!({ "jku": "https://evil.example/keys" }))),
        ("unknown crit", mint.headed(json!({ "crit": ["x"], "x": 1 }))),
        ("empty crit", mint.headed(json!({ "crit": [] }))),
        ("typ JWT", mint.headed(json!({ "typ": "JWT" }))),
        ("no typ", mint.headed(json!({ "typ": null }))),
        ("exp as a string", mint.claiming(json!({ "exp": exp.to_string() }))),
        ("exp with a fraction", mint.claiming(json!({ "exp": exp as f64 + 0.5 }))),
        ("exp far away", mint.claiming(json!({ "exp": exp + 1 }))),
        ("exp at the end of all", mint.claiming(json!({ "exp": u64::MAX }))),
        ("exp below all", mint.claiming(json!({ "exp": i64::MIN }))),
        ("no exp", mint.claiming(json!({ "exp": null }))),
        ("all at the end", mint.claiming(json!({ "iat": i64::MAX, "nbf": i64::MAX, "exp": i64::MAX }))),
        ("all at the beginning", mint.claiming(json!({ "iat": i64::MIN, "nbf": i64::MIN, "exp": i64::MIN }))),
        ("no nbf", mint.claiming(json!({ "nbf": null }))),
        ("another nbf", mint.claiming(json!({ "nbf": 0 }))),
        ("no iat", mint.claiming(json!({ "iat": null }))),
        ("of the future", mint.claiming(json!({ "iat": iat + 61, "nbf": iat + 1, "exp": exp + 61 }))),
        ("another audience", mint.claiming(json!({ "aud": "another" }))),
        ("audiences", mint.claiming(json!({ "aud": [mint.claims["aud"]] }))),
        ("no audience", mint.claiming(json!({ "aud": null }))),
        ("another issuer", mint.claiming(json!({ "iss": "another" }))),
        ("issuers", mint.claiming(json!({ "iss": [mint.claims["iss"]] }))),
        ("no issuer", mint.claiming(json!({ "iss": null }))),
        ("no sub", mint.claiming(json!({ "sub": null }))),
        ("sub of no form", mint.claiming(json!({ "sub": "usr_\u{0}" }))),
        ("sub that is a session", mint.claiming(json!({ "sub": mint.claims["sid"] }))),
        ("no sid", mint.claiming(json!({ "sid": null }))),
        ("a further claim", mint.claiming(json!({ "admin": true }))),
    ];
    for (what, token) in forged {
        browser.set_access(&token);
        for path in ["/v1/me", "/v1/me/sessions", "/v1/organizations", &world.demo("/keys")] {
            let answer = browser.get(path).await;
            assert_eq!(answer.problem(), (401, "session_ended".to_owned()), "{what}: {path}");
            assert!(answer.header("www-authenticate").is_some());
        }
        let answer = browser.post(&world.demo("/keys"), json!({ "name": "forged" })).await;
        assert_eq!(answer.problem(), (401, "session_ended".to_owned()), "{what}");
    }
    browser.set_access(&good);
    browser.get("/v1/me").await.expect(200);
}

async fn a_token_is_good_for_ten_minutes_and_not_a_second_longer(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let (mut browser, mint) = log_in(&world).await;
    world.clock.advance(Duration::from_secs(599));
    browser.get("/v1/me").await.expect(200);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(browser.get("/v1/me").await.problem(), (401, "session_ended".to_owned()));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(browser.get("/v1/me").await.problem(), (401, "session_ended".to_owned()));
    // A node whose clock is a minute ahead made this one.
    let at = |name: &str| mint.claims[name].as_i64().unwrap() + 601 + 60;
    browser.set_access(&mint.claiming(json!({ "iat": at("iat"), "nbf": at("nbf"), "exp": at("exp") })));
    browser.get("/v1/me").await.expect(200);
}

async fn a_good_token_for_another_person_or_session_is_of_no_session(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let bob = world.person("bob", BuiltInRole::Owner).await;
    let (mut browser, mint) = log_in(&world).await;
    for changes in [json!({ "sub": bob.to_string() }), json!({ "sid": "ses_0000000000000000000000" })] {
        browser.set_access(&mint.claiming(changes));
        assert_eq!(browser.get("/v1/me").await.problem(), (401, "session_ended".to_owned()));
    }
}
