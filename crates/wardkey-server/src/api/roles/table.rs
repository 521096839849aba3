//! The table of built-in roles and what they give, for the reference; asked of the code that decides.

use wardkey_core::permission::{ADMIN_PERMISSIONS, KEY_PERMISSIONS, OPERATOR_PERMISSIONS};
use wardkey_core::{
    BuiltInRole, Catalogue, CatalogueGroup, CatalogueIndex, CataloguePermission, PermissionClass,
};

/// Stands for every product permission of its class.
const READ: &str = "pipelines:read";
const WRITE: &str = "pipelines:run";

/// What each built-in role gives, as a table.
pub(crate) fn describe_built_in_roles() -> String {
    let catalogue = stand_ins();
    let product =
        [(READ, "product permissions classed `read`"), (WRITE, "product permissions classed `write`")];
    let own = KEY_PERMISSIONS.iter().chain(ADMIN_PERMISSIONS).chain(OPERATOR_PERMISSIONS);
    let rows = product
        .into_iter()
        .map(|(name, shown)| (name, shown.to_owned()))
        .chain(own.map(|name| (*name, format!("`{name}`"))));
    let words = BuiltInRole::ALL.map(BuiltInRole::as_str);
    let mut table = format!("| permission | {} |\n|---|{}", words.join(" | "), "---|".repeat(words.len()));
    for (name, shown) in rows {
        let cells = BuiltInRole::ALL.map(|role| cell(&catalogue, role, name));
        table.push_str(&format!("\n| {shown} | {} |", cells.join(" | ")));
    }
    table
}

fn cell(catalogue: &CatalogueIndex, role: BuiltInRole, permission: &str) -> &'static str {
    let given = |operator| catalogue.role(role, operator).contains_name(permission);
    match (given(false), given(true)) {
        (true, _) => "yes",
        (false, true) => "in the operator organization",
        (false, false) => "no",
    }
}

fn stand_ins() -> CatalogueIndex {
    let permission = |(name, class): (&str, _)| CataloguePermission {
        name: name.parse().expect("a literal permission"),
        class,
        label: String::new(),
    };
    let both = [(READ, PermissionClass::Read), (WRITE, PermissionClass::Write)];
    let group =
        CatalogueGroup { label: String::new(), permissions: both.into_iter().map(permission).collect() };
    CatalogueIndex::new(&Catalogue { groups: vec![group] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_built_in_roles_says_what_the_roles_give() {
        let table = describe_built_in_roles();
        let lines: Vec<_> = table.lines().collect();
        let permissions = KEY_PERMISSIONS.len() + ADMIN_PERMISSIONS.len() + OPERATOR_PERMISSIONS.len();
        assert_eq!(lines.len(), 2 + 2 + permissions);
        assert_eq!(lines[0], "| permission | viewer | member | admin | owner |");
        for line in [
            "| product permissions classed `read` | yes | yes | yes | yes |",
            "| product permissions classed `write` | no | yes | yes | yes |",
            "| `keys:write` | no | yes | yes | yes |",
            "| `admin:members` | no | no | yes | yes |",
            "| `operator:act` | no | no | no | in the operator organization |",
        ] {
            assert!(lines.contains(&line), "{line} is not in\n{table}");
        }
    }
}
