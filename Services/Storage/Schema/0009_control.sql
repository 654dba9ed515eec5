-- What people ask the workers for, and what the doctor compares.

-- Reindexings take turns, so that a small one does not wait for a large one.
ALTER TABLE reindex_jobs ADD COLUMN stepped_at timestamptz NOT NULL DEFAULT '-infinity';
CREATE INDEX reindex_jobs_workspace ON reindex_jobs (workspace_id, job_id);

-- Checks of the index that were asked for, by people or by the schedule. A worker does them; what it found stays here.
CREATE TABLE doctor_checks (
    check_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id int REFERENCES workspaces ON DELETE CASCADE,   -- NULL: every workspace
    repair       boolean NOT NULL,
    scheduled    boolean NOT NULL DEFAULT false,
    requested_at timestamptz NOT NULL DEFAULT now(),
    lease_owner  uuid,
    leased_until timestamptz,
    attempts     int NOT NULL DEFAULT 0,
    finished_at  timestamptz,
    report       jsonb,             -- what was found; NULL when it failed
    error        text
);
CREATE INDEX doctor_checks_open ON doctor_checks (check_id) WHERE finished_at IS NULL;

-- What decides how a document is indexed: its text, and its prepared chunks if it has any. SHA-256, 32 bytes.
CREATE FUNCTION document_hash(text text, prepared bytea) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN prepared IS NULL THEN sha256(convert_to(text, 'UTF8')) ELSE sha256(sha256(convert_to(text, 'UTF8')) || prepared) END
$$;

COMMENT ON COLUMN indexed_documents.text_hash IS 'document_hash of what was indexed';
UPDATE indexed_documents i SET text_hash = document_hash(d.text, d.prepared)
FROM documents d
WHERE d.workspace_id = i.workspace_id AND d.document_key = i.document_key AND d.prepared IS NOT NULL
  AND i.text_hash = sha256(convert_to(d.text, 'UTF8'));

-- What providers counted, against what was estimated: sums that forget, so that a ratio of them follows what is embedded lately.
CREATE TABLE token_ratios (
    space_id   int PRIMARY KEY REFERENCES spaces ON DELETE CASCADE,
    characters double precision NOT NULL,
    estimated  double precision NOT NULL,   -- tokens, before they were counted
    counted    double precision NOT NULL,   -- tokens, as the provider counted them
    updated_at timestamptz NOT NULL DEFAULT now()
);
