DROP INDEX usage_hour;

DROP INDEX instances_serves_until;
ALTER TABLE instances DROP COLUMN serves_until;
