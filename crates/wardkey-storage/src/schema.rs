//! The tables, once for both databases; `migrations/` holds what they are made of.

use diesel::sql_types::{Nullable, Text};

macro_rules! tables {
    ($($name:ident ($($key:ident),+) { $($column:ident -> $type:ty,)+ })+) => {
        $(diesel::table! {
            use crate::columns::{Document, SixteenBytes, UtcTime};
            use diesel::sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text};
            $name ($($key),+) { $($column -> $type,)+ }
        })+

        diesel::allow_tables_to_appear_in_same_query!($($name),+);
    };
}

tables! {
    deployment (id) {
        id -> SmallInt,
        seal_fingerprint -> Binary,
        secret_prefixes -> Document,
        operator_organization_id -> SixteenBytes,
        operator_service_account_id -> SixteenBytes,
        bootstrapped_at -> UtcTime,
        catalogue_version -> BigInt,
    }

    environments (name) {
        name -> Text,
        tag -> Text,
        position -> Integer,
        version -> BigInt,
    }

    permissions (name) {
        name -> Text,
        position -> Integer,
        group_label -> Text,
        class -> Text,
        label -> Text,
    }

    organizations (id) {
        id -> SixteenBytes,
        kind -> Text,
        name -> Text,
        external_id -> Nullable<Text>,
        state -> Text,
        key_limit -> Nullable<BigInt>,
        decided_at -> UtcTime,
        version -> BigInt,
        created_at -> UtcTime,
        updated_at -> UtcTime,
        deleted_at -> Nullable<UtcTime>,
    }

    workspaces (organization_id, id) {
        organization_id -> SixteenBytes,
        id -> SixteenBytes,
        name -> Text,
        external_id -> Nullable<Text>,
        version -> BigInt,
        created_at -> UtcTime,
        updated_at -> UtcTime,
        ip_allowlist -> Nullable<Document>,
    }

    customers (organization_id, id) {
        organization_id -> SixteenBytes,
        id -> SixteenBytes,
        name -> Text,
        external_id -> Nullable<Text>,
        version -> BigInt,
        created_at -> UtcTime,
        updated_at -> UtcTime,
    }

    service_accounts (organization_id, id) {
        organization_id -> SixteenBytes,
        id -> SixteenBytes,
        name -> Text,
        external_id -> Nullable<Text>,
        state -> Text,
        version -> BigInt,
        created_at -> UtcTime,
        updated_at -> UtcTime,
        deleted_at -> Nullable<UtcTime>,
    }

    users (id) {
        id -> SixteenBytes,
        email -> Text,
        folded_email -> Text,
        name -> Text,
        external_id -> Nullable<Text>,
        state -> Text,
        version -> BigInt,
        created_at -> UtcTime,
        updated_at -> UtcTime,
        deleted_at -> Nullable<UtcTime>,
    }

    members (organization_id, user_id) {
        organization_id -> SixteenBytes,
        user_id -> SixteenBytes,
        created_at -> UtcTime,
        name -> Text,
        version -> BigInt,
        updated_at -> UtcTime,
        accepted_at -> Nullable<UtcTime>,
    }

    member_grants (organization_id, user_id, position) {
        organization_id -> SixteenBytes,
        user_id -> SixteenBytes,
        position -> Integer,
        workspace_id -> Nullable<SixteenBytes>,
        role -> Nullable<Text>,
        role_id -> Nullable<SixteenBytes>,
    }

    roles (organization_id, id) {
        organization_id -> SixteenBytes,
        id -> SixteenBytes,
        name -> Text,
        description -> Nullable<Text>,
        permissions -> Document,
        version -> BigInt,
        created_at -> UtcTime,
        updated_at -> UtcTime,
    }

    teams (organization_id, id) {
        organization_id -> SixteenBytes,
        id -> SixteenBytes,
        name -> Text,
        external_id -> Nullable<Text>,
        version -> BigInt,
        created_at -> UtcTime,
        updated_at -> UtcTime,
    }

    team_members (organization_id, team_id, user_id) {
        organization_id -> SixteenBytes,
        team_id -> SixteenBytes,
        user_id -> SixteenBytes,
        created_at -> UtcTime,
    }

    team_grants (organization_id, team_id, position) {
        organization_id -> SixteenBytes,
        team_id -> SixteenBytes,
        position -> Integer,
        workspace_id -> Nullable<SixteenBytes>,
        role -> Nullable<Text>,
        role_id -> Nullable<SixteenBytes>,
    }

    session_policies (organization_id) {
        organization_id -> SixteenBytes,
        ip_allowlist -> Nullable<Document>,
        longest_key_life -> Nullable<BigInt>,
        endless_keys -> Text,
        version -> BigInt,
        updated_at -> UtcTime,
    }

    passwords (user_id) {
        user_id -> SixteenBytes,
        hash -> Text,
        changed_at -> UtcTime,
    }

    login_attempts (account) {
        account -> Binary,
        failures -> BigInt,
        last_at -> UtcTime,
    }

    links (digest) {
        digest -> Binary,
        user_id -> SixteenBytes,
        organization_id -> Nullable<SixteenBytes>,
        created_at -> UtcTime,
        ends_at -> UtcTime,
        held -> Document,
    }

    sessions (id) {
        id -> SixteenBytes,
        user_id -> SixteenBytes,
        created_at -> UtcTime,
        last_used_at -> UtcTime,
        ends_at -> UtcTime,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
    }

    refresh_tokens (digest) {
        digest -> Binary,
        session_id -> SixteenBytes,
        created_at -> UtcTime,
        replaced_at -> Nullable<UtcTime>,
    }

    signing_keys (id) {
        id -> Binary,
        wrapped -> Binary,
        created_at -> UtcTime,
    }

    keys (id) {
        id -> SixteenBytes,
        organization_id -> SixteenBytes,
        environment -> Text,
        user_id -> Nullable<SixteenBytes>,
        service_account_id -> Nullable<SixteenBytes>,
        name -> Text,
        description -> Nullable<Text>,
        metadata -> Nullable<Document>,
        level -> Text,
        permissions -> Nullable<Document>,
        workspaces -> Nullable<Document>,
        customers -> Nullable<Document>,
        ip_allowlist -> Nullable<Document>,
        expires_at -> Nullable<UtcTime>,
        state -> Text,
        version -> BigInt,
        created_at -> UtcTime,
        created_by_key -> Nullable<SixteenBytes>,
        updated_at -> UtcTime,
        deleted_at -> Nullable<UtcTime>,
        created_by_user -> Nullable<SixteenBytes>,
        rate_limits -> Nullable<Document>,
    }

    secrets (key_id, id) {
        key_id -> SixteenBytes,
        id -> SixteenBytes,
        digest -> Binary,
        hint -> Text,
        created_at -> UtcTime,
        ends_at -> Nullable<UtcTime>,
    }

    last_used (key_id, secret_id) {
        key_id -> SixteenBytes,
        secret_id -> SixteenBytes,
        at -> UtcTime,
    }

    usage (key_id, hour) {
        key_id -> SixteenBytes,
        hour -> UtcTime,
        verifications -> BigInt,
    }

    instances (id) {
        id -> SixteenBytes,
        environment -> Text,
        sequence -> BigInt,
        reported_at -> UtcTime,
        applied_epoch -> BigInt,
        applied_number -> BigInt,
        serves_until -> UtcTime,
    }

    audit_events (organization_id, id) {
        organization_id -> SixteenBytes,
        id -> SixteenBytes,
        at -> UtcTime,
        actor_key -> Nullable<SixteenBytes>,
        actor_user -> Nullable<SixteenBytes>,
        actor_service_account -> Nullable<SixteenBytes>,
        actor_why -> Nullable<Text>,
        acting_for -> Nullable<SixteenBytes>,
        action -> Text,
        target -> Text,
        request_id -> Nullable<Text>,
        address -> Nullable<Text>,
        details -> Document,
        actor_session -> Nullable<SixteenBytes>,
    }

    changes (number) {
        number -> BigInt,
        kind -> Text,
        subject -> Nullable<Binary>,
        at -> UtcTime,
    }

    change_counter (id) {
        id -> SmallInt,
        epoch -> BigInt,
        number -> BigInt,
    }

    idempotency (scope, idempotency_key) {
        scope -> Binary,
        idempotency_key -> Text,
        request -> Binary,
        object_id -> SixteenBytes,
        created_at -> UtcTime,
    }

    __diesel_schema_migrations (version) {
        version -> Text,
        run_on -> UtcTime,
    }
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// Lower case by Unicode: PostgreSQL's own function, and ours on SQLite, whose own knows ASCII only.
    fn lower(text: Text) -> Text;

    /// A document as text; an absent one is empty. PostgreSQL sets a space after each comma, SQLite shows what was stored.
    fn concat(document: Nullable<crate::columns::Document>) -> Text;
}
