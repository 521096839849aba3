//! Links, by which people become members, and come to a password: made by who governs an organization or the deployment,
//! looked at and taken in by whoever has one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use wardkey::{IssuedLink, LinkToken};
use wardkey_core::permission::{AdminMembers, OperatorUsers};
use wardkey_core::{Denial, Reference, Timestamp, UserId};

use super::Tag;
use super::answer::{Answer, Refusals};
use super::credentials::{Anybody, AsPerson, InDeployment, InOrganization};
use super::kinds::{LinkUrl, NewPassword, PresentedLink};
use super::parameters::InPath;
use super::text::Text;
use crate::json::Strict;
use crate::problem::{Code, Refusal};
use crate::sessions::limited_by_links;

pub(super) struct Links;

#[OpenApi(prefix_path = "/v1")]
impl Links {
    /// Make a link for a user
    ///
    /// By which the person sets a new password, whatever they had: also for a lost one. It is good for 7 days, and once, and
    /// replaces an older one. You send it; nobody else is told. It makes the person a member of no organization: who was
    /// invited somewhere opens that organization's link, logged in. It is over once the person is given more in the operator
    /// organization.
    #[oai(
        path = "/users/:user_id/links",
        method = "post",
        operation_id = "create_user_link",
        tag = "Tag::Users"
    )]
    async fn create_user_link(
        &self,
        operator: InDeployment<OperatorUsers>,
        /// The user, by its id or by the id that your backend gave it.
        user_id: InPath<Reference<UserId>, 0>,
    ) -> Answer<LinkAnswer, Making> {
        let link = operator.deployment.create_user_link(&user_id.0).await?;
        let link = Link::new(link, &operator.app.base_url);
        Ok(LinkAnswer::Created(Json(link), "no-store".to_owned()))
    }

    /// Make another link for a member
    ///
    /// For somebody who was added and has not accepted yet, as when the first link is over or lost; it replaces that one. It is
    /// good for 7 days, and once. You send it; nobody else is told. It sets no password of who has one. Nobody makes one for
    /// somebody who holds more than they do, and it is over once the person is given more in the organization.
    #[oai(
        path = "/organizations/:organization_id/members/:user_id/links",
        method = "post",
        operation_id = "create_member_link",
        tag = "Tag::Members"
    )]
    async fn create_member_link(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The user, by its id or by the id that your backend gave it.
        user_id: InPath<Reference<UserId>>,
    ) -> Answer<LinkAnswer, MakingForMember> {
        let link = admin.tenant.create_member_link(&user_id.0).await?;
        let link = Link::new(link, &admin.app.base_url);
        Ok(LinkAnswer::Created(Json(link), "no-store".to_owned()))
    }

    /// Look at a link
    ///
    /// Says where the link leads, as things are now: to setting a password, or to logging in. One that is unknown, used or over
    /// is not found. For the page that the link opens.
    ///
    /// Whoever has a link sees by this, or by opening it, whether its person has a password, and so does whoever made the link:
    /// adding a member tells nothing of whether the person was known, their link does.
    #[oai(
        path = "/links/inspect",
        method = "post",
        operation_id = "inspect_link",
        transform = "limited_by_links",
        tag = "Tag::Sessions"
    )]
    async fn inspect_link(
        &self,
        from: Anybody,
        /// The link.
        body: Strict<InspectLinkRequest>,
    ) -> Answer<Json<LinkView>, Inspecting> {
        let token = read_token(&body.value.token)?;
        let link = from.app.wardkey.sign_in(from.visitor).inspect_link(&token).await?;
        Ok(Json(LinkView { purpose: link.purpose.into() }))
    }

    /// Set a password by a link
    ///
    /// Takes the link in, which is good once, and sets the password of its person. Every session of the person ends; they log
    /// in with the new password. By an organization's link the person becomes its member in full, and that of no other which
    /// has invited them. A link that is unknown, used or over is not found.
    #[oai(
        path = "/links/redeem",
        method = "post",
        operation_id = "redeem_link",
        transform = "limited_by_links",
        tag = "Tag::Sessions"
    )]
    async fn redeem_link(
        &self,
        from: Anybody,
        /// The link, and the password.
        body: Strict<RedeemLinkRequest>,
    ) -> Answer<Redeemed, Redeeming> {
        let RedeemLinkRequest { token, password } = body.value;
        let token = read_token(&token)?;
        let Anybody { visitor, app } = from;
        let sign_in = app.wardkey.sign_in(visitor);
        let link = sign_in.inspect_link(&token).await?;
        if link.purpose == wardkey::LinkPurpose::LogIn {
            return Err(Code::PasswordIsSet.into());
        }
        let hash = app.passwords.hash(password.0.0, &link.email, "/password").await?;
        sign_in.redeem_link(&token, hash).await?;
        Ok(Redeemed::Done)
    }

    /// Accept to be a member by a link
    ///
    /// Takes an organization's link in for the person who is logged in, who becomes its member in full: until then no session
    /// enters it. A link that is unknown, used, over, somebody else's or an operator's is not found.
    #[oai(path = "/links/accept", method = "post", operation_id = "accept_link", tag = "Tag::Sessions")]
    async fn accept_link(
        &self,
        person: AsPerson,
        /// The link.
        body: Strict<AcceptLinkRequest>,
    ) -> Answer<Accepted, Accepting> {
        person.own.accept_link(&read_token(&body.value.token)?).await?;
        Ok(Accepted::Done)
    }
}

/// The token of a link; what cannot be one is not found.
fn read_token(text: &PresentedLink) -> Result<LinkToken, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(&text.0).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(LinkToken::from_bytes).ok_or_else(|| Denial::NotFound.into())
}

/// What can stand in the way of a new link.
struct Making;

impl Refusals for Making {
    const CODES: &'static [Code] = &[Code::ExceedsOwnRights];
}

/// What can stand in the way of another link for a member.
struct MakingForMember;

impl Refusals for MakingForMember {
    const CODES: &'static [Code] = &[Code::ExceedsOwnRights, Code::AlreadyMember];
}

/// What can stand in the way of a look.
struct Inspecting;

impl Refusals for Inspecting {
    const CODES: &'static [Code] = &[Code::CsrfRefused];
    const LIMITED: bool = true;
    const MAY_BE_UNKNOWN: bool = true;
}

/// What can stand in the way of accepting.
struct Accepting;

impl Refusals for Accepting {
    const CODES: &'static [Code] = &[];
    const MAY_BE_UNKNOWN: bool = true;
}

/// What can stand in the way of a password.
struct Redeeming;

impl Refusals for Redeeming {
    const CODES: &'static [Code] = &[Code::PasswordIsSet, Code::CsrfRefused, Code::Overloaded];
    const LIMITED: bool = true;
    const MAY_BE_UNKNOWN: bool = true;
}

#[derive(ApiResponse)]
enum LinkAnswer {
    /// The link, shown this once.
    #[oai(status = 201)]
    Created(
        Json<Link>,
        /// Always `no-store`: the link works for whoever has it.
        #[oai(header = "Cache-Control")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Redeemed {
    /// The password is set.
    #[oai(status = 204)]
    Done,
}

#[derive(ApiResponse)]
enum Accepted {
    /// The person is a member in full.
    #[oai(status = 204)]
    Done,
}

/// A link, by which a person becomes a member, or comes to a password.
#[derive(Object)]
#[oai(example)]
pub(super) struct Link {
    /// What the person opens in a browser. Whoever has it is taken for the person.
    url: Text<LinkUrl>,
    /// When it ends.
    ends_at: Text<Timestamp>,
}

impl Link {
    /// As a client sees it who reaches the server below this address.
    pub(super) fn new(link: IssuedLink, base_url: &str) -> Self {
        let IssuedLink { token, ends_at } = link;
        // In the fragment, which no browser sends anywhere and no log holds.
        let url = format!("{base_url}/login#{}", URL_SAFE_NO_PAD.encode(token.expose()));
        Self { url: LinkUrl(url).into(), ends_at: ends_at.into() }
    }
}

impl Example for Link {
    fn example() -> Self {
        Self { url: Text::example(), ends_at: Text::example() }
    }
}

/// Which link is looked at.
#[derive(Object)]
#[oai(example)]
struct InspectLinkRequest {
    /// What stands behind the `#` of the link.
    token: Text<PresentedLink>,
}

impl Example for InspectLinkRequest {
    fn example() -> Self {
        Self { token: Text::example() }
    }
}

/// Which link is accepted.
#[derive(Object)]
#[oai(example)]
struct AcceptLinkRequest {
    /// What stands behind the `#` of the link.
    token: Text<PresentedLink>,
}

impl Example for AcceptLinkRequest {
    fn example() -> Self {
        Self { token: Text::example() }
    }
}

/// Which link is taken in, and the password to be set.
#[derive(Object)]
#[oai(example)]
struct RedeemLinkRequest {
    /// What stands behind the `#` of the link.
    token: Text<PresentedLink>,
    /// The password that the person has chosen.
    password: Text<NewPassword>,
}

impl Example for RedeemLinkRequest {
    fn example() -> Self {
        Self { token: Text::example(), password: Text::example() }
    }
}

/// `set_password`: the link sets a password. `log_in`: the person has one already, or is a member in full elsewhere; they log
/// in, and then accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum LinkPurpose {
    SetPassword,
    LogIn,
}

impl From<wardkey::LinkPurpose> for LinkPurpose {
    fn from(purpose: wardkey::LinkPurpose) -> Self {
        match purpose {
            wardkey::LinkPurpose::SetPassword => Self::SetPassword,
            wardkey::LinkPurpose::LogIn => Self::LogIn,
        }
    }
}

/// Where a link leads.
#[derive(Debug, Object)]
#[oai(example)]
struct LinkView {
    /// Where it leads, as things are now.
    purpose: LinkPurpose,
}

impl Example for LinkView {
    fn example() -> Self {
        Self { purpose: LinkPurpose::SetPassword }
    }
}
