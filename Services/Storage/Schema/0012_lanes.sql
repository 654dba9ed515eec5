-- Claims look at urgent lanes first, wherever they are, and lookups of one document's tasks or dead letters have no other index to take than the
-- primary key: where a table was nearly empty, PostgreSQL took the beginning of these two, and read all that was dead in them.
CREATE INDEX tasks_lanes ON tasks (priority DESC, workspace_id, space_id, visible_at);
DROP INDEX tasks_claim;
CREATE INDEX dead_letters_causes ON dead_letters (cause, workspace_id);
DROP INDEX dead_letters_cause;

-- So that a list need not read the texts; NULL for documents that were written before.
ALTER TABLE documents ADD COLUMN text_length int;
CREATE INDEX documents_unmeasured ON documents (workspace_id, document_key) WHERE text_length IS NULL;
