-- Ids are sixteen bytes. A tenant's rows are keyed by organization and id and refer to each other by both, so that no row
-- can refer to another tenant's.

CREATE TABLE environments (
    name TEXT NOT NULL PRIMARY KEY,
    tag TEXT NOT NULL,
    position INTEGER NOT NULL
);

-- The catalogue, in the order in which people read it.
CREATE TABLE permissions (
    name TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    group_label TEXT NOT NULL,
    class TEXT NOT NULL CHECK (class IN ('read', 'write')),
    label TEXT NOT NULL
);

-- Every write to a tenant updates its row first: the row is the tenant's lock. decided_at is the latest instant at which
-- that happened; time does not step back behind it.
CREATE TABLE organizations (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('tenant', 'operator')),
    name TEXT NOT NULL,
    external_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    key_limit BIGINT CHECK (key_limit >= 0),
    decided_at TIMESTAMPTZ NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX organizations_external_id ON organizations (external_id);

CREATE TABLE workspaces (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    external_id TEXT,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX workspaces_external_id ON workspaces (organization_id, external_id);

CREATE TABLE customers (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    external_id TEXT,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX customers_external_id ON customers (organization_id, external_id);

CREATE TABLE service_accounts (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    external_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX service_accounts_external_id ON service_accounts (organization_id, external_id);

-- Users exist deployment-wide. folded_email is email in lower case, by which it is unique.
CREATE TABLE users (
    id UUID NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    folded_email TEXT NOT NULL,
    name TEXT NOT NULL,
    external_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX users_folded_email ON users (folded_email);
CREATE UNIQUE INDEX users_external_id ON users (external_id);

CREATE TABLE members (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    user_id UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);

-- Roles held directly; without a workspace, in the whole organization.
CREATE TABLE grants (
    organization_id UUID NOT NULL,
    user_id UUID NOT NULL,
    position INTEGER NOT NULL,
    workspace_id UUID,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'member', 'admin', 'owner')),
    PRIMARY KEY (organization_id, user_id, position),
    FOREIGN KEY (organization_id, user_id) REFERENCES members (organization_id, user_id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id)
);

-- Rows are never deleted. Absent lists: no metadata, no listed permissions, all workspaces, all customers, any network.
CREATE TABLE keys (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    environment TEXT NOT NULL REFERENCES environments (name),
    user_id UUID REFERENCES users (id),
    service_account_id UUID,
    name TEXT NOT NULL,
    description TEXT,
    metadata JSONB,
    level TEXT NOT NULL CHECK (level IN ('all', 'read_only', 'restricted')),
    permissions JSONB,
    workspaces JSONB,
    customers JSONB,
    ip_allowlist JSONB,
    expires_at TIMESTAMPTZ,
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'revoked')),
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    created_by_key UUID,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ,
    CHECK ((user_id IS NULL) <> (service_account_id IS NULL)),
    FOREIGN KEY (organization_id, service_account_id) REFERENCES service_accounts (organization_id, id)
);
CREATE INDEX keys_organization ON keys (organization_id, id);

CREATE TABLE secrets (
    key_id UUID NOT NULL REFERENCES keys (id),
    id UUID NOT NULL,
    digest BYTEA NOT NULL,
    hint TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    ends_at TIMESTAMPTZ,
    PRIMARY KEY (key_id, id)
);
CREATE UNIQUE INDEX secrets_digest ON secrets (digest);

-- Apart from the secrets, so that a verifier may write here and nowhere else.
CREATE TABLE last_used (
    key_id UUID NOT NULL,
    secret_id UUID NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (key_id, secret_id),
    FOREIGN KEY (key_id, secret_id) REFERENCES secrets (key_id, id)
);

CREATE TABLE usage (
    key_id UUID NOT NULL REFERENCES keys (id),
    hour TIMESTAMPTZ NOT NULL,
    verifications BIGINT NOT NULL,
    PRIMARY KEY (key_id, hour)
);

-- Verifiers: how far each has got in the feed, and which report of it was the last to be counted.
CREATE TABLE instances (
    id UUID NOT NULL PRIMARY KEY,
    environment TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    reported_at TIMESTAMPTZ NOT NULL,
    applied_epoch BIGINT NOT NULL,
    applied_number BIGINT NOT NULL
);

-- Rows are added, never changed or deleted.
CREATE TABLE audit_events (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    id UUID NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    actor_key UUID,
    actor_user UUID,
    actor_service_account UUID,
    actor_why TEXT,
    acting_for UUID,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    request_id TEXT,
    address TEXT,
    details JSONB NOT NULL,
    PRIMARY KEY (organization_id, id)
);

-- The feed. Numbers come from the counter and therefore in the order of commits.
CREATE TABLE changes (
    number BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject BYTEA,
    at TIMESTAMPTZ NOT NULL
);

-- One row, locked last in every transaction that appends to the feed.
CREATE TABLE change_counter (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL
);

-- Calls that may be repeated, and the key that each issued or rotated.
CREATE TABLE idempotency (
    scope BYTEA NOT NULL,
    idempotency_key TEXT NOT NULL,
    request BYTEA NOT NULL,
    key_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, idempotency_key)
);
CREATE INDEX idempotency_created_at ON idempotency (created_at);

-- One row: the deployment. Who inserts it bootstraps.
CREATE TABLE deployment (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seal_fingerprint BYTEA NOT NULL,
    secret_prefixes JSONB NOT NULL,
    operator_organization_id UUID NOT NULL REFERENCES organizations (id) DEFERRABLE INITIALLY DEFERRED,
    operator_service_account_id UUID NOT NULL,
    bootstrapped_at TIMESTAMPTZ NOT NULL,
    FOREIGN KEY (operator_organization_id, operator_service_account_id)
        REFERENCES service_accounts (organization_id, id) DEFERRABLE INITIALLY DEFERRED
);
