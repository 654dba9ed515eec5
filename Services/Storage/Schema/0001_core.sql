-- Tenants, documents, chunks, embedding spaces, and the queue. Every table of a workspace begins its key with workspace_id.

CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE workspaces (
    workspace_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text COLLATE "C" NOT NULL,
    language        text NOT NULL,
    chunk_strategy  text NOT NULL,
    chunk_target    int NOT NULL CHECK (chunk_target > 0),
    chunk_overlap   int NOT NULL CHECK (chunk_overlap >= 0),
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- A deleted workspace is invisible at once; the worker removes its rows in small steps.
    deleted_at      timestamptz
);
CREATE UNIQUE INDEX workspaces_name ON workspaces (name) WHERE deleted_at IS NULL;
CREATE INDEX workspaces_deleted ON workspaces (workspace_id) WHERE deleted_at IS NOT NULL;

-- A table of its own: the row is written by every indexing transaction and must stay small.
CREATE TABLE generations (
    workspace_id int PRIMARY KEY REFERENCES workspaces ON DELETE CASCADE,
    generation   bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 50);

CREATE TABLE api_keys (
    key_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id int NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    name         text NOT NULL,
    secret_hash  bytea NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_keys_workspace ON api_keys (workspace_id);

-- What makes vectors comparable. The vectors of a space are in the table vectors_<id>, created when the space is registered.
CREATE TABLE spaces (
    space_id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              text NOT NULL UNIQUE CHECK (id ~ '^[a-z0-9_]{1,54}$'),
    model           text NOT NULL,
    revision        text NOT NULL,
    dimensions      int NOT NULL CHECK (dimensions BETWEEN 1 AND 16000),
    normalized      boolean NOT NULL,
    query_prompt    text NOT NULL,
    document_prompt text NOT NULL,
    max_tokens      int NOT NULL,
    lexical         boolean NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE routes (
    workspace_id  int PRIMARY KEY REFERENCES workspaces ON DELETE CASCADE,
    serving_space int NOT NULL REFERENCES spaces,
    target_space  int REFERENCES spaces CHECK (target_space <> serving_space),
    target_share  real NOT NULL DEFAULT 0 CHECK (target_share BETWEEN 0 AND 1)
);

-- The spaces that every write of a workspace goes to.
CREATE VIEW route_spaces AS
    SELECT workspace_id, serving_space AS space_id FROM routes
    UNION ALL
    SELECT workspace_id, target_space FROM routes WHERE target_space IS NOT NULL;

-- One sequence for all documents: a document that is deleted and put again goes on growing.
CREATE SEQUENCE document_revision;

CREATE TABLE documents (
    workspace_id int NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    document_key bigint GENERATED ALWAYS AS IDENTITY,
    document_id  text COLLATE "C" NOT NULL,
    title        text NOT NULL,
    text         text NOT NULL,
    metadata     jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    priority     smallint NOT NULL DEFAULT 1,
    revision     bigint NOT NULL DEFAULT nextval('document_revision'),
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, document_key),
    UNIQUE (workspace_id, document_id)
);
CREATE INDEX documents_metadata ON documents USING gin (metadata jsonb_path_ops);

-- Passages. A row's text never changes: identity is document + content hash + occurrence, other text is another row.
CREATE TABLE chunks (
    workspace_id int NOT NULL,
    chunk_id     bigint GENERATED ALWAYS AS IDENTITY,
    document_key bigint NOT NULL,
    content_hash bytea NOT NULL,            -- first 16 bytes of SHA-256 of the text in UTF-8
    occurrence   int NOT NULL,              -- 0 for the first chunk of that hash in the document, 1 for the second, ...
    ordinal      int NOT NULL,              -- place in the document, from 0
    start_offset int NOT NULL,              -- characters (UTF-16) before it in the document's text
    overlap      int NOT NULL,              -- characters at its beginning that repeat the passage before it
    heading      text NOT NULL,             -- headings above it, outermost first
    text         text NOT NULL,
    PRIMARY KEY (workspace_id, chunk_id),
    UNIQUE (workspace_id, document_key, content_hash, occurrence),
    FOREIGN KEY (workspace_id, document_key) REFERENCES documents ON DELETE CASCADE
);

-- What is searchable: written in the transaction that writes the vectors of a document in a space.
CREATE TABLE indexed_documents (
    workspace_id int NOT NULL,
    document_key bigint NOT NULL,
    space_id     int NOT NULL REFERENCES spaces,
    revision     bigint NOT NULL,           -- the document's revision that was indexed
    text_hash    bytea NOT NULL,            -- SHA-256 of the document's text that was indexed
    chunks       int NOT NULL,
    indexed_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, document_key, space_id),
    FOREIGN KEY (workspace_id, document_key) REFERENCES documents ON DELETE CASCADE
);

-- The only queue: a row for each (document, space) whose index is behind. Named by the caller's id, because a delete is a task too.
CREATE SEQUENCE task_version;

CREATE TABLE tasks (
    workspace_id int NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    document_id  text COLLATE "C" NOT NULL,
    space_id     int NOT NULL REFERENCES spaces,
    revision     bigint NOT NULL,           -- the document's revision that raised it last
    version      bigint NOT NULL,           -- new with each change: a worker removes only the version that it worked on
    priority     smallint NOT NULL,         -- 0 low, 1 normal, 2 high
    raised_at    timestamptz NOT NULL DEFAULT now(),
    visible_at   timestamptz NOT NULL DEFAULT now(),   -- not to be claimed before
    attempts     int NOT NULL DEFAULT 0,
    history      jsonb NOT NULL DEFAULT '[]',           -- failed attempts: at, cause, message
    lease_owner  uuid,
    leased_until timestamptz,
    PRIMARY KEY (workspace_id, document_id, space_id)
) WITH (fillfactor = 70);
CREATE INDEX tasks_ready ON tasks (workspace_id, priority DESC, version);

CREATE TABLE dead_letters (
    workspace_id int NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    document_id  text COLLATE "C" NOT NULL,
    space_id     int NOT NULL REFERENCES spaces,
    revision     bigint NOT NULL,
    cause        text NOT NULL,
    history      jsonb NOT NULL,
    failed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, document_id, space_id)
);

-- What changed, for others to follow.
CREATE TABLE documents_changes (
    change_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id int NOT NULL,
    document_id  text COLLATE "C" NOT NULL,
    revision     bigint NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('insert', 'update', 'delete')),
    changed_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX documents_changes_age ON documents_changes USING brin (changed_at);

-- Raises one task for each changed document and space of its workspace's route. Rows come in as arrays of equal length.
CREATE FUNCTION raise_tasks(workspace_ids int[], document_ids text[], revisions bigint[], priorities smallint[]) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO tasks (workspace_id, document_id, space_id, revision, version, priority)
    SELECT c.workspace_id, c.document_id, s.space_id, c.revision, nextval('task_version'), c.priority
    FROM unnest(workspace_ids, document_ids, revisions, priorities) AS c (workspace_id, document_id, revision, priority)
    JOIN route_spaces s ON s.workspace_id = c.workspace_id
    ORDER BY c.workspace_id, c.document_id, s.space_id
    ON CONFLICT (workspace_id, document_id, space_id) DO UPDATE
    SET revision = excluded.revision, version = excluded.version, priority = greatest(tasks.priority, excluded.priority),
        visible_at = now(), attempts = 0, history = '[]';

    DELETE FROM dead_letters d
    USING unnest(workspace_ids, document_ids) AS c (workspace_id, document_id)
    WHERE d.workspace_id = c.workspace_id AND d.document_id = c.document_id;

    SELECT pg_notify('rag_tasks', '') WHERE cardinality(workspace_ids) > 0;
$$;

CREATE FUNCTION raise_generations(workspace_ids int[]) RETURNS void
LANGUAGE sql AS $$
    UPDATE generations g SET generation = g.generation + 1
    FROM (SELECT workspace_id FROM generations WHERE workspace_id = ANY (workspace_ids) ORDER BY workspace_id FOR UPDATE) o
    WHERE g.workspace_id = o.workspace_id;

    SELECT pg_notify('rag_generations', w::text) FROM (SELECT DISTINCT unnest(workspace_ids)) AS d (w);
$$;

CREATE FUNCTION documents_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO documents_changes (workspace_id, document_id, revision, kind)
    SELECT workspace_id, document_id, revision, 'insert' FROM new_rows;
    PERFORM raise_tasks(array_agg(workspace_id), array_agg(document_id), array_agg(revision), array_agg(priority))
    FROM new_rows HAVING count(*) > 0;
    PERFORM raise_generations(array_agg(DISTINCT workspace_id)) FROM new_rows HAVING count(*) > 0;
    RETURN NULL;
END $$;

-- Only the text decides what has to be embedded: title and metadata are read where they are.
CREATE FUNCTION documents_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO documents_changes (workspace_id, document_id, revision, kind)
    SELECT workspace_id, document_id, revision, 'update' FROM new_rows;
    PERFORM raise_tasks(array_agg(n.workspace_id), array_agg(n.document_id), array_agg(n.revision), array_agg(n.priority))
    FROM new_rows n JOIN old_rows o USING (workspace_id, document_key)
    WHERE n.text IS DISTINCT FROM o.text
    HAVING count(*) > 0;
    PERFORM raise_generations(array_agg(DISTINCT workspace_id)) FROM new_rows HAVING count(*) > 0;
    RETURN NULL;
END $$;

CREATE FUNCTION documents_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone record;
BEGIN
    SELECT array_agg(workspace_id) AS workspaces, array_agg(document_id) AS ids, array_agg(nextval('document_revision')) AS revisions,
           array_agg(priority) AS priorities, array_agg(DISTINCT workspace_id) AS distinct_workspaces
    INTO gone FROM old_rows;
    IF gone.workspaces IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO documents_changes (workspace_id, document_id, revision, kind)
    SELECT w, d, r, 'delete' FROM unnest(gone.workspaces, gone.ids, gone.revisions) AS c (w, d, r);
    PERFORM raise_tasks(gone.workspaces, gone.ids, gone.revisions, gone.priorities);
    PERFORM raise_generations(gone.distinct_workspaces);
    RETURN NULL;
END $$;

CREATE TRIGGER documents_inserted AFTER INSERT ON documents
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION documents_inserted();
CREATE TRIGGER documents_updated AFTER UPDATE ON documents
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION documents_updated();
CREATE TRIGGER documents_deleted AFTER DELETE ON documents
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION documents_deleted();
