//! What somebody on the database does to people, from this process.

use wardkey::core::{Level, OrganizationId, RoleId, UserId};
use wardkey::{
    AddMember, AnyRole, Caller, CreateRole, DeploymentHandle, Grant, IssueKey, PrincipalRef, RolePatch,
    RoleRef, Tenant, Wardkey,
};

use crate::world::World;

pub(crate) struct People {
    wardkey: Wardkey,
    organization: OrganizationId,
}

impl World {
    /// The people of the demo organization.
    pub(crate) async fn people(&self) -> People {
        People { wardkey: self.open().await, organization: self.organization_id() }
    }
}

impl People {
    async fn tenant(&self) -> Tenant {
        let caller = Caller::local("test");
        self.wardkey.enter(&caller, &self.organization.into()).await.expect("it is there")
    }

    async fn deployment(&self) -> DeploymentHandle {
        self.wardkey.enter_deployment(&Caller::local("test")).await.expect("it is there")
    }

    pub(crate) async fn make_role(&self, permissions: &[&str]) -> RoleId {
        let permissions = permissions.iter().map(|name| name.parse().expect("a permission")).collect();
        let wanted = CreateRole { name: "Runner".to_owned(), description: None, permissions };
        self.tenant().await.create_role(wanted).await.expect("a role").into_inner().id
    }

    /// Gives the role these permissions and no others.
    pub(crate) async fn edit_role(&self, role: &RoleId, permissions: &[&str]) {
        let permissions = permissions.iter().map(|name| name.parse().expect("a permission")).collect();
        let patch = RolePatch { permissions: Some(permissions), ..RolePatch::default() };
        let (tenant, role) = (self.tenant().await, RoleRef::Custom(*role));
        let AnyRole::Custom(found) = tenant.get_role(role).await.expect("the role") else {
            panic!("a custom role")
        };
        let version = found.version;
        tenant.update_role(role, version, patch).await.expect("another role");
    }

    /// A member in this role, and the secret of a key.
    pub(crate) async fn make_person(&self, role: &RoleId) -> (UserId, String) {
        let deployment = self.deployment().await;
        let made = deployment.create_user("ada@example.com".to_owned(), "Ada".to_owned(), None).await;
        let user = made.expect("a user").into_inner().id;
        let tenant = self.tenant().await;
        let grant = Grant { workspace: None, role: RoleRef::Custom(*role) };
        let input = AddMember { email: "ada@example.com".to_owned(), name: None, grants: vec![grant.into()] };
        tenant.add_member(input).await.expect("a member");
        let mut input = IssueKey::named("Ada");
        input.principal = Some(PrincipalRef::User(user.into()));
        input.level = Some(Level::All);
        let issued = tenant.issue_key(input).await.expect("a key");
        (user, issued.secret.expect("its secret").expose().to_owned())
    }

    pub(crate) async fn remove(&self, person: UserId) {
        self.tenant().await.remove_member(&person.into(), None).await.expect("a member");
    }

    pub(crate) async fn suspend(&self, person: UserId) {
        self.deployment().await.suspend_user(&person.into(), None, None).await.expect("a user");
    }

    pub(crate) async fn resume(&self, person: UserId) {
        self.deployment().await.resume_user(&person.into(), None, None).await.expect("a user");
    }

    pub(crate) async fn suspend_organization(&self) {
        let organization = self.organization.into();
        self.deployment().await.suspend_organization(&organization, None, None).await.expect("a tenant");
    }

    pub(crate) async fn resume_organization(&self) {
        let organization = self.organization.into();
        self.deployment().await.resume_organization(&organization, None, None).await.expect("a tenant");
    }
}
