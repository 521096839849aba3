//! The permissions that come with Wardkey: making keys, administering an organization, running a deployment.

use crate::__permission;

macro_rules! built_in {
    ($(#[$doc:meta])* $list:ident: $($name:ident = $permission:literal, $label:literal;)+) => {
        $(__permission! { pub $name = $permission, $label })+

        $(#[$doc])*
        pub const $list: &[&str] = &[$($permission),+];
    };
}

built_in! {
    /// Making keys for oneself.
    KEY_PERMISSIONS:
    KeysWrite = "keys:write", "Make, rotate and edit own keys";
}

built_in! {
    /// Administering an organization; granted on the organization only, never on a workspace.
    ADMIN_PERMISSIONS:
    AdminOrganization = "admin:organization", "Administer the organization";
    AdminMembers = "admin:members", "Administer members, teams and roles";
    AdminWorkspaces = "admin:workspaces", "Administer workspaces";
    AdminCustomers = "admin:customers", "Administer customers";
    AdminServiceAccounts = "admin:service_accounts", "Administer service accounts";
    AdminKeys = "admin:keys", "Administer all keys";
    AdminPolicy = "admin:policy", "Administer the session policy";
    AdminAudit = "admin:audit", "Read the audit log";
}

built_in! {
    /// Running the deployment; only in roles and keys of the operator organization.
    OPERATOR_PERMISSIONS:
    OperatorOrganizations = "operator:organizations", "Create and suspend organizations";
    OperatorUsers = "operator:users", "Provision and suspend users";
    OperatorCatalogue = "operator:catalogue", "Change the permission catalogue";
    OperatorEnvironments = "operator:environments", "Administer environments";
    OperatorVerify = "operator:verify", "Verify keys over the network";
    OperatorAct = "operator:act", "Act in every organization";
}
