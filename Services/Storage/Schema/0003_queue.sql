-- The queue as workers use it: lanes of (workspace, space, priority), each a range of one index.

ALTER TABLE workspaces
    -- Its share of the workers, against other workspaces that wait at the same time.
    ADD COLUMN indexing_weight int NOT NULL DEFAULT 1 CHECK (indexing_weight BETWEEN 1 AND 100),
    ADD COLUMN indexing_paused_at timestamptz;

-- A claim moves visible_at to the end of its lease: what can be claimed is one range of the index, however much is leased or backing off.
DROP INDEX tasks_ready;
CREATE INDEX tasks_claim ON tasks (workspace_id, space_id, priority, visible_at);
CREATE INDEX tasks_leases ON tasks (lease_owner) WHERE lease_owner IS NOT NULL;

-- Claims since the task was last finished with, given back or changed: what takes its worker down with it shows here.
ALTER TABLE tasks ADD COLUMN claims int NOT NULL DEFAULT 0;

-- Spaces whose provider needs a rest. Their tasks stay where they are and cost no attempt.
CREATE TABLE cooldowns (
    space_id int PRIMARY KEY REFERENCES spaces ON DELETE CASCADE,
    until    timestamptz NOT NULL,
    failures int NOT NULL,              -- in a row
    cause    text NOT NULL,
    message  text NOT NULL
);

CREATE INDEX dead_letters_cause ON dead_letters (workspace_id, cause);
CREATE INDEX dead_letters_age ON dead_letters (failed_at);

-- A change while a worker holds the task takes the task away from it: the newest text need not wait for the work on an older one.
CREATE OR REPLACE FUNCTION raise_tasks(workspace_ids int[], document_ids text[], revisions bigint[], priorities smallint[]) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO tasks (workspace_id, document_id, space_id, revision, version, priority)
    SELECT c.workspace_id, c.document_id, s.space_id, c.revision, nextval('task_version'), c.priority
    FROM unnest(workspace_ids, document_ids, revisions, priorities) AS c (workspace_id, document_id, revision, priority)
    JOIN route_spaces s ON s.workspace_id = c.workspace_id
    ORDER BY c.workspace_id, c.document_id, s.space_id
    ON CONFLICT (workspace_id, document_id, space_id) DO UPDATE
    SET revision = excluded.revision, version = excluded.version, priority = greatest(tasks.priority, excluded.priority),
        visible_at = now(), attempts = 0, history = '[]', claims = 0, lease_owner = NULL, leased_until = NULL;

    DELETE FROM dead_letters d
    USING unnest(workspace_ids, document_ids) AS c (workspace_id, document_id)
    WHERE d.workspace_id = c.workspace_id AND d.document_id = c.document_id;

    SELECT pg_notify('rag_tasks', '') WHERE cardinality(workspace_ids) > 0;
$$;

-- Reindexing, in steps: each step raises the tasks of some documents and moves the checkpoint, in one transaction.
CREATE TABLE reindex_jobs (
    job_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id   int REFERENCES workspaces ON DELETE CASCADE,  -- NULL: every workspace
    changed_since  timestamptz,                                   -- NULL: every document
    priority       smallint NOT NULL,
    after_workspace int NOT NULL DEFAULT 0,
    after_key      bigint NOT NULL DEFAULT 0,
    raised         bigint NOT NULL DEFAULT 0,
    started_at     timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz
);
CREATE INDEX reindex_jobs_open ON reindex_jobs (job_id) WHERE finished_at IS NULL;
