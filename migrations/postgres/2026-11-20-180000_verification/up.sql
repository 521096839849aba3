-- Until when a verifier may still answer by what it knows, should it hear nothing more.
ALTER TABLE instances ADD COLUMN serves_until TIMESTAMPTZ NOT NULL DEFAULT 'epoch';
CREATE INDEX instances_serves_until ON instances (serves_until);

CREATE INDEX usage_hour ON usage (hour);
