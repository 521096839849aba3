//! A row for each operation, in a file for each resource.

mod audit;
mod customers;
mod environments;
mod keys;
mod links;
mod me;
mod members;
mod organizations;
mod permissions;
mod roles;
mod service_accounts;
mod session_policies;
mod sessions;
mod teams;
mod users;
mod verify;
mod workspaces;

use super::stage::Row;

const RESOURCES: [&[Row]; 17] = [
    audit::ROWS,
    customers::ROWS,
    environments::ROWS,
    keys::ROWS,
    links::ROWS,
    me::ROWS,
    members::ROWS,
    organizations::ROWS,
    permissions::ROWS,
    roles::ROWS,
    service_accounts::ROWS,
    session_policies::ROWS,
    sessions::ROWS,
    teams::ROWS,
    users::ROWS,
    verify::ROWS,
    workspaces::ROWS,
];

pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    RESOURCES.into_iter().flatten()
}
