//! Who may depend on whom. What is not allowed here is refused.

use super::house::{Arrow, House, Kind, Place, Publication, Room};

/// The arrows between crates of this workspace; every other one is refused.
const ARROWS: [(&str, &[&str]); 11] = [
    ("wardkey-core", &[]),
    ("wardkey-storage", &["wardkey-core"]),
    ("wardkey", &["wardkey-core", "wardkey-storage"]),
    ("wardkey-server", &["wardkey", "wardkey-core", "wardkey-poem", "wardkey-redis"]),
    ("wardkey-axum", &["wardkey-core"]),
    ("wardkey-actix-web", &["wardkey-core"]),
    ("wardkey-poem", &["wardkey-core"]),
    ("wardkey-redis", &["wardkey-core"]),
    ("wardkey-remote", &["wardkey-core"]),
    ("wardkey-client", &[]),
    ("wardkey-testkit", &["wardkey-core"]),
];

/// Third-party crates that stay in certain rooms. A trailing `*` stands for any ending.
const KEPT: [(&str, &[&str], &str); 3] = [
    ("diesel*", &["wardkey-storage"], "only storage knows SQL"),
    ("poem-openapi*", &["wardkey-server", "wardkey-poem"], "only the server describes routes"),
    ("poem", &["wardkey-server", "wardkey-poem"], "poem stays inside the server and its adapter"),
];

/// The same for drivers, but for tests: these make and drop their own databases.
const DRIVERS: [&str; 5] = ["libsqlite3-sys", "postgres", "rusqlite", "sqlx*", "tokio-postgres*"];

/// What the core knows nothing of: `http` types, JSON, databases, frameworks and clients.
const NOT_IN_CORE: [&str; 14] = [
    "http*",
    "hyper*",
    "serde_json*",
    "simd-json",
    "sonic-rs",
    "diesel*",
    "sqlx*",
    "rusqlite",
    "axum*",
    "actix*",
    "poem*",
    "tower*",
    "reqwest",
    "redis",
];

/// A room named like this collects what belongs elsewhere.
const NO_ROOMS: [&str; 5] = ["common", "types", "utils", "config", "macros"];

const TESTKIT: &str = "wardkey-testkit";

/// Every breach, in words that say what to change.
pub(super) fn faults(house: &House) -> Vec<String> {
    house.rooms.iter().flat_map(|room| room_faults(house, room)).collect()
}

fn room_faults(house: &House, room: &Room) -> Vec<String> {
    let mut faults = Vec::new();
    let name = &room.name;
    for key in &room.not_inherited {
        faults.push(format!("{name}: its manifest must inherit `{key}` from the workspace"));
    }
    if room.place == Place::Elsewhere {
        faults.push(format!("{name}: a room stands in crates/ or examples/"));
    }
    if NO_ROOMS.iter().any(|word| name == word || name.strip_prefix("wardkey-") == Some(word)) {
        faults.push(format!("{name}: no room of that name; what it holds belongs to the rooms that use it"));
    }
    if (name == TESTKIT || room.place != Place::Crates) && room.publication == Publication::Published {
        faults.push(format!("{name}: must say `publish = false`"));
    }
    for arrow in &room.arrows {
        faults.extend(inner_fault(house, room, arrow));
        faults.extend(outer_fault(room, arrow));
        if name == "wardkey-core" {
            faults.extend(core_fault(arrow));
        }
    }
    faults
}

/// An arrow from room to room.
fn inner_fault(house: &House, room: &Room, arrow: &Arrow) -> Option<String> {
    let target = house.rooms.iter().find(|other| other.name == arrow.to)?;
    let testing = arrow.kind == Kind::Dev && (target.name == TESTKIT || target.name == room.name);
    let allowed = testing
        || match room.place {
            Place::Crates => {
                ARROWS.iter().any(|(from, to)| *from == room.name && to.contains(&target.name.as_str()))
            }
            Place::Examples => target.publication == Publication::Published,
            Place::Xtask | Place::Elsewhere => false,
        };
    let why = if target.name == TESTKIT { "; the testkit is a dev-dependency or none" } else { "" };
    (!allowed).then(|| format!("{} → {} is a forbidden arrow{why}", room.name, target.name))
}

/// An arrow to a third-party crate that is kept in other rooms. Examples show what users write: they may use any
/// framework, and no SQL.
fn outer_fault(room: &Room, arrow: &Arrow) -> Option<String> {
    let driver = DRIVERS.iter().any(|pattern| matches(pattern, &arrow.to));
    if driver && arrow.kind == Kind::Normal && room.name != "wardkey-storage" {
        return Some(format!(
            "{} may not depend on {}: only storage speaks to databases",
            room.name, arrow.to
        ));
    }
    let (_, rooms, why) = KEPT.iter().find(|(pattern, ..)| matches(pattern, &arrow.to))?;
    let framework_of_example = room.place == Place::Examples && arrow.to.starts_with("poem");
    let allowed = framework_of_example || rooms.contains(&room.name.as_str());
    (!allowed).then(|| {
        format!("{} may not depend on {}: {why}; only {} may", room.name, arrow.to, rooms.join(", "))
    })
}

fn core_fault(arrow: &Arrow) -> Option<String> {
    if arrow.kind == Kind::Dev {
        return None;
    }
    if NOT_IN_CORE.iter().any(|pattern| matches(pattern, &arrow.to)) {
        return Some(format!(
            "wardkey-core may not depend on {}: the core is rules, without IO or framework",
            arrow.to
        ));
    }
    let odd = arrow
        .features
        .iter()
        .filter(|feature| !["sync", "time"].contains(&feature.as_str()))
        .collect::<Vec<_>>();
    (arrow.to == "tokio" && !odd.is_empty())
        .then(|| format!("wardkey-core may use tokio's features sync and time alone, not {odd:?}"))
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::house::{Arrow, House, Kind, Place, Publication, Room};
    use super::faults;

    fn room(name: &str, place: Place, arrows: &[(&str, Kind)]) -> Room {
        let private = place != Place::Crates || name == "wardkey-testkit";
        Room {
            name: name.to_owned(),
            place,
            publication: if private { Publication::Private } else { Publication::Published },
            not_inherited: Vec::new(),
            arrows: arrows
                .iter()
                .map(|(to, kind)| Arrow { to: (*to).to_owned(), kind: *kind, features: BTreeSet::new() })
                .collect(),
        }
    }

    /// A house in order, and on top of it what a test puts there.
    fn faults_with(extra: Room) -> Vec<String> {
        use Kind::{Dev, Normal};
        let mut rooms = vec![
            room("wardkey-core", Place::Crates, &[("sha2", Normal), ("proptest", Dev)]),
            room("wardkey-storage", Place::Crates, &[("wardkey-core", Normal), ("diesel", Normal)]),
            room("wardkey", Place::Crates, &[("wardkey-storage", Normal), ("wardkey-core", Normal)]),
            room(
                "wardkey-server",
                Place::Crates,
                &[("wardkey", Normal), ("wardkey-poem", Normal), ("poem", Normal)],
            ),
            room("wardkey-poem", Place::Crates, &[("wardkey-core", Normal), ("poem-openapi", Normal)]),
            room("wardkey-axum", Place::Crates, &[("wardkey-core", Normal), ("wardkey-testkit", Dev)]),
            room("wardkey-testkit", Place::Crates, &[("wardkey-core", Normal)]),
            room(
                "axum-pipelines",
                Place::Examples,
                &[("wardkey", Normal), ("wardkey-axum", Normal), ("axum", Normal)],
            ),
            room("xtask", Place::Xtask, &[("anyhow", Normal)]),
        ];
        rooms.retain(|room| room.name != extra.name);
        rooms.push(extra);
        faults(&House { rooms })
    }

    #[test]
    fn a_house_in_order_has_no_faults() {
        assert_eq!(faults_with(room("xtask", Place::Xtask, &[])), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_arrow_is_refused_by_name() {
        let server = room("wardkey-server", Place::Crates, &[("wardkey-storage", Kind::Normal)]);
        assert_eq!(faults_with(server), ["wardkey-server → wardkey-storage is a forbidden arrow"]);
    }

    #[test]
    fn every_arrow_that_no_rule_allows_is_refused() {
        for (name, place, to, kind) in [
            ("wardkey-core", Place::Crates, "wardkey-storage", Kind::Normal),
            ("wardkey-storage", Place::Crates, "wardkey", Kind::Normal),
            ("wardkey-axum", Place::Crates, "wardkey", Kind::Dev),
            ("wardkey-server", Place::Crates, "wardkey-axum", Kind::Normal),
            ("wardkey-new", Place::Crates, "wardkey-core", Kind::Normal),
            ("axum-pipelines", Place::Examples, "wardkey-testkit", Kind::Normal),
            ("xtask", Place::Xtask, "wardkey-core", Kind::Normal),
        ] {
            let faults = faults_with(room(name, place, &[(to, kind)]));
            assert_eq!(faults.len(), 1, "{name} → {to}: {faults:?}");
            assert!(faults[0].starts_with(&format!("{name} → {to} is a forbidden arrow")), "{faults:?}");
        }
    }

    #[test]
    fn the_testkit_is_a_dev_dependency_or_none() {
        let normal = room("wardkey-axum", Place::Crates, &[("wardkey-testkit", Kind::Normal)]);
        let faults = faults_with(normal);
        assert_eq!(
            faults,
            ["wardkey-axum → wardkey-testkit is a forbidden arrow; the testkit is a dev-dependency or none"]
        );
        let dev = room("wardkey-axum", Place::Crates, &[("wardkey-testkit", Kind::Dev)]);
        assert_eq!(faults_with(dev), Vec::<String>::new());
    }

    #[test]
    fn sql_stays_in_storage_and_poem_in_the_server_and_its_adapter() {
        for (name, place, to) in [
            ("wardkey", Place::Crates, "diesel"),
            ("wardkey-server", Place::Crates, "diesel-async"),
            ("axum-pipelines", Place::Examples, "diesel"),
            ("wardkey-axum", Place::Crates, "poem-openapi"),
            ("wardkey", Place::Crates, "poem"),
        ] {
            for kind in [Kind::Normal, Kind::Dev] {
                let faults = faults_with(room(name, place, &[(to, kind)]));
                assert_eq!(faults.len(), 1, "{name} with {to}: {faults:?}");
                assert!(faults[0].starts_with(&format!("{name} may not depend on {to}")), "{faults:?}");
            }
        }
        let driver = |kind| room("axum-pipelines", Place::Examples, &[("tokio-postgres", kind)]);
        assert_eq!(
            faults_with(driver(Kind::Normal)),
            ["axum-pipelines may not depend on tokio-postgres: only storage speaks to databases"]
        );
        assert_eq!(faults_with(driver(Kind::Dev)), Vec::<String>::new());
        let example = room(
            "poem-pipelines",
            Place::Examples,
            &[("poem", Kind::Normal), ("poem-openapi", Kind::Normal)],
        );
        assert_eq!(faults_with(example), Vec::<String>::new());
    }

    #[test]
    fn the_core_knows_no_framework_no_json_and_little_of_tokio() {
        for to in ["http", "serde_json", "axum-core", "actix-web", "tower-service", "hyper-util"] {
            let faults = faults_with(room("wardkey-core", Place::Crates, &[(to, Kind::Normal)]));
            assert_eq!(faults.len(), 1, "{to}: {faults:?}");
        }
        let mut core = room("wardkey-core", Place::Crates, &[("tokio", Kind::Normal), ("tokio", Kind::Dev)]);
        core.arrows[1].features = ["macros", "rt"].map(str::to_owned).into();
        core.arrows[0].features = ["sync", "time"].map(str::to_owned).into();
        assert_eq!(faults_with(core.clone()), Vec::<String>::new());
        core.arrows[0].features.insert("net".to_owned());
        assert_eq!(
            faults_with(core),
            ["wardkey-core may use tokio's features sync and time alone, not [\"net\"]"]
        );
    }

    #[test]
    fn what_is_not_inherited_or_badly_named_is_refused() {
        let mut storage = room("wardkey-storage", Place::Crates, &[]);
        storage.not_inherited = vec!["lints"];
        assert_eq!(
            faults_with(storage),
            ["wardkey-storage: its manifest must inherit `lints` from the workspace"]
        );
        let utils = room("wardkey-utils", Place::Crates, &[]);
        assert!(faults_with(utils)[0].starts_with("wardkey-utils: no room of that name"));
        let mut example = room("axum-pipelines", Place::Examples, &[]);
        example.publication = Publication::Published;
        assert_eq!(faults_with(example), ["axum-pipelines: must say `publish = false`"]);
    }
}
