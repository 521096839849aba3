-- What organizations and people need besides keys: custom roles, teams, session policies, passwords and sessions. What is
-- deleted but referred to keeps its row and gives back its external id.

-- Whoever replaces the catalogue takes the deployment's row; whoever lists a permission shares it.
ALTER TABLE deployment ADD COLUMN catalogue_version INTEGER NOT NULL DEFAULT 1;

ALTER TABLE environments ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

ALTER TABLE organizations ADD COLUMN deleted_at INTEGER;
DROP INDEX organizations_external_id;
CREATE UNIQUE INDEX organizations_external_id ON organizations (external_id) WHERE deleted_at IS NULL;

-- Absent: from everywhere.
ALTER TABLE workspaces ADD COLUMN ip_allowlist TEXT;

ALTER TABLE service_accounts ADD COLUMN deleted_at INTEGER;
DROP INDEX service_accounts_external_id;
CREATE UNIQUE INDEX service_accounts_external_id ON service_accounts (organization_id, external_id) WHERE deleted_at IS NULL;

ALTER TABLE users ADD COLUMN deleted_at INTEGER;
DROP INDEX users_folded_email;
DROP INDEX users_external_id;
CREATE UNIQUE INDEX users_folded_email ON users (folded_email) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX users_external_id ON users (external_id) WHERE deleted_at IS NULL;

-- What the organization calls the person, which tells nothing of what others call them.
ALTER TABLE members ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE members ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
UPDATE members SET updated_at = created_at, name = (SELECT users.name FROM users WHERE users.id = members.user_id);

-- When the person came in by a link of the organization; until then it knows an address and not who has it, and no session
-- enters. So it is with whoever was a member before there were links.
ALTER TABLE members ADD COLUMN accepted_at INTEGER;

-- In which organizations a person is.
CREATE INDEX members_user ON members (user_id);

CREATE TABLE roles (
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    permissions TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX roles_name ON roles (organization_id, name);

CREATE TABLE teams (
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    external_id TEXT,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX teams_external_id ON teams (organization_id, external_id);

CREATE TABLE team_members (
    organization_id BLOB NOT NULL,
    team_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, team_id, user_id),
    FOREIGN KEY (organization_id, team_id) REFERENCES teams (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, user_id) REFERENCES members (organization_id, user_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX team_members_user ON team_members (organization_id, user_id);

-- Roles held directly; without a workspace, in the whole organization. A role is built in and named, or the
-- organization's own.
CREATE TABLE member_grants (
    organization_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    workspace_id BLOB,
    role TEXT CHECK (role IN ('viewer', 'member', 'admin', 'owner')),
    role_id BLOB,
    PRIMARY KEY (organization_id, user_id, position),
    CHECK ((role IS NULL) <> (role_id IS NULL)),
    FOREIGN KEY (organization_id, user_id) REFERENCES members (organization_id, user_id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, role_id) REFERENCES roles (organization_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO member_grants (organization_id, user_id, position, workspace_id, role)
    SELECT organization_id, user_id, position, workspace_id, role FROM grants;
DROP TABLE grants;

-- Roles held through a team.
CREATE TABLE team_grants (
    organization_id BLOB NOT NULL,
    team_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    workspace_id BLOB,
    role TEXT CHECK (role IN ('viewer', 'member', 'admin', 'owner')),
    role_id BLOB,
    PRIMARY KEY (organization_id, team_id, position),
    CHECK ((role IS NULL) <> (role_id IS NULL)),
    FOREIGN KEY (organization_id, team_id) REFERENCES teams (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, role_id) REFERENCES roles (organization_id, id)
) STRICT, WITHOUT ROWID;

-- An organization without a row has the usual policy. longest_key_life is in seconds.
CREATE TABLE session_policies (
    organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
    ip_allowlist TEXT,
    longest_key_life INTEGER CHECK (longest_key_life > 0),
    endless_keys TEXT NOT NULL CHECK (endless_keys IN ('allowed', 'refused')),
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Apart from the users, so that whoever may read those cannot read these.
CREATE TABLE passwords (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id),
    hash TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- By the digest of the address in lower case, whether or not there is such a user.
CREATE TABLE login_attempts (
    account BLOB NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Links by which a person accepts to be a member, with a first password if they have none; or an operator's, which replace
-- a lost one: these have no organization. held is what the person was seen to hold when whoever made the link was let make
-- it, in that organization or in the operator's; whoever holds more by now has outgrown the link.
CREATE TABLE links (
    digest BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    organization_id BLOB REFERENCES organizations (id),
    created_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    held TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX links_user ON links (user_id);

-- ends_at is when a session ends unless it is refreshed, which moves it; never beyond the longest life.
CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    address TEXT,
    user_agent TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id, id);

-- Of each session the token that is good now, and those that it replaced: whoever shows one of these has stolen it, or was
-- stolen from.
CREATE TABLE refresh_tokens (
    digest BLOB NOT NULL PRIMARY KEY,
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    replaced_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

-- Private keys that sign sessions, wrapped by the seal.
CREATE TABLE signing_keys (
    id BLOB NOT NULL PRIMARY KEY,
    wrapped BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE audit_events ADD COLUMN actor_session BLOB;
CREATE INDEX audit_events_target ON audit_events (organization_id, target, id);

ALTER TABLE keys ADD COLUMN created_by_user BLOB;
-- Absent: as many requests as one likes.
ALTER TABLE keys ADD COLUMN rate_limits TEXT;

-- Not only keys are created.
ALTER TABLE idempotency RENAME COLUMN key_id TO object_id;
