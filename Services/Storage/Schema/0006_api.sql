-- What people and followers do with the queue and the change log.

-- Change ids are given before their transaction commits, so a reader that goes by them alone can pass one that commits later. Ordered by
-- transaction, and read only up to the oldest one that still runs, nothing can appear behind a reader.
ALTER TABLE documents_changes ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX documents_changes_feed ON documents_changes (workspace_id, xid, change_id);

-- A discarded dead letter is out of sight, but its document is still not searchable, and its state says so.
ALTER TABLE dead_letters ADD COLUMN discarded_at timestamptz;
