-- Version 2: raise it with each change, which comes with a numbered file as well.
-- The functions of documents, queue and keyword index as they are now. The numbered files made them step by step; this file is applied behind them
-- whenever it has a new version. Triggers stand in the numbered files. In which order transactions lock: Locks.cs.

-- Raises one task for each changed document and space of its workspace's route. Rows come in as arrays of equal length.
-- A change while a worker holds the task takes the task away from it: the newest text need not wait for the work on an older one.
CREATE OR REPLACE FUNCTION raise_tasks(workspace_ids int[], document_ids text[], revisions bigint[], priorities smallint[]) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT AS $$
    INSERT INTO tasks (workspace_id, document_id, space_id, revision, version, priority)
    SELECT c.workspace_id, c.document_id, s.space_id, c.revision, nextval('task_version'), c.priority
    FROM unnest(workspace_ids, document_ids, revisions, priorities) AS c (workspace_id, document_id, revision, priority)
    JOIN route_spaces s ON s.workspace_id = c.workspace_id
    ORDER BY c.workspace_id, c.document_id COLLATE "C", s.space_id
    ON CONFLICT (workspace_id, document_id, space_id) DO UPDATE
    SET revision = excluded.revision, version = excluded.version, priority = greatest(tasks.priority, excluded.priority),
        visible_at = now(), attempts = 0, history = '[]', claims = 0, lease_owner = NULL, leased_until = NULL;

    DELETE FROM dead_letters d
    USING (
        SELECT l.workspace_id, l.document_id, l.space_id
        FROM unnest(workspace_ids, document_ids) AS c (workspace_id, document_id)
        JOIN dead_letters l ON l.workspace_id = c.workspace_id AND l.document_id = c.document_id
        ORDER BY l.workspace_id, l.document_id, l.space_id
        FOR UPDATE OF l) o
    WHERE d.workspace_id = o.workspace_id AND d.document_id = o.document_id AND d.space_id = o.space_id;

    SELECT pg_notify('rag_tasks', '') WHERE cardinality(workspace_ids) > 0;
$$;

CREATE OR REPLACE FUNCTION raise_generations(workspace_ids int[]) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT AS $$
    UPDATE generations g SET generation = g.generation + 1
    FROM (SELECT workspace_id FROM generations WHERE workspace_id = ANY (workspace_ids) ORDER BY workspace_id FOR UPDATE) o
    WHERE g.workspace_id = o.workspace_id;

    SELECT pg_notify('rag_generations', w::text) FROM (SELECT DISTINCT unnest(workspace_ids)) AS d (w);
$$;

CREATE OR REPLACE FUNCTION documents_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO documents_changes (workspace_id, document_id, revision, kind)
    SELECT workspace_id, document_id, revision, 'insert' FROM new_rows;
    PERFORM raise_tasks(array_agg(workspace_id), array_agg(document_id), array_agg(revision), array_agg(priority))
    FROM new_rows HAVING count(*) > 0;
    PERFORM raise_generations(array_agg(DISTINCT workspace_id)) FROM new_rows HAVING count(*) > 0;
    RETURN NULL;
END $$;

-- Text and prepared chunks decide what has to be embedded: title and metadata are read where they are.
CREATE OR REPLACE FUNCTION documents_updated() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- Texts that are measured belatedly are no change.
    IF NOT EXISTS (
        SELECT FROM new_rows n JOIN old_rows o USING (workspace_id, document_key)
        WHERE o.text_length IS NOT NULL OR n.text_length IS NULL OR n.revision <> o.revision) THEN
        RETURN NULL;
    END IF;
    DELETE FROM prepared_chunks p
    USING new_rows n JOIN old_rows o USING (workspace_id, document_key)
    WHERE o.prepared IS NOT NULL AND n.prepared IS DISTINCT FROM o.prepared
      AND p.workspace_id = n.workspace_id AND p.document_key = n.document_key AND p.digest IS DISTINCT FROM n.prepared;
    INSERT INTO documents_changes (workspace_id, document_id, revision, kind)
    SELECT workspace_id, document_id, revision, 'update' FROM new_rows;
    PERFORM raise_tasks(array_agg(n.workspace_id), array_agg(n.document_id), array_agg(n.revision), array_agg(n.priority))
    FROM new_rows n JOIN old_rows o USING (workspace_id, document_key)
    WHERE (n.text, n.prepared) IS DISTINCT FROM (o.text, o.prepared)
       -- Of a document without a text, its title is the passage.
       OR (n.title IS DISTINCT FROM o.title AND n.prepared IS NULL AND octet_length(n.text) < 1000 AND n.text !~ '\S')
    HAVING count(*) > 0;
    PERFORM raise_generations(array_agg(DISTINCT workspace_id)) FROM new_rows HAVING count(*) > 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION documents_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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

-- What decides how a document is indexed: its text, and its prepared chunks if it has any. SHA-256, 32 bytes.
CREATE OR REPLACE FUNCTION document_hash(text text, prepared bytea) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN prepared IS NULL THEN sha256(convert_to(text, 'UTF8')) ELSE sha256(sha256(convert_to(text, 'UTF8')) || prepared) END
$$;

-- The terms of a text, for passages and queries alike. The parser of PostgreSQL takes what is joined by these characters for one word, a
-- host name, an address or a path, drops what looks like a tag, and makes three words of a hyphenated one; blanks leave plain words.
-- replace() a dozen times takes a tenth of the time of translate() once.
CREATE OR REPLACE FUNCTION lexical_terms(language regconfig, content text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector(language,
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(content,
            '-', ' '), '/', ' '), '.', ' '), '_', ' '), '<', ' '), '>', ' '), '&', ' '), '@', ' '), ':', ' '), '~', ' '), '+', ' '))
$$;

-- A query for texts with any of some terms.
CREATE OR REPLACE FUNCTION lexical_any(terms text[]) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(string_agg('''' || replace(replace(t, '\', '\\'), '''', '''''') || '''', '|'), '')::tsquery FROM unnest(terms) AS u (t)
$$;

CREATE OR REPLACE FUNCTION chunks_lexical() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    terms tsvector;
BEGIN
    -- FOR SHARE: a title that changes meanwhile waits, and its trigger sees this chunk then.
    -- The passage before has what this one repeats of it: words are counted once.
    SELECT lexical_terms(w.language::regconfig, d.title || ' ' || substr(NEW.text, NEW.overlap + 1)) INTO terms
    FROM documents d JOIN workspaces w USING (workspace_id)
    WHERE d.workspace_id = NEW.workspace_id AND d.document_key = NEW.document_key
    FOR SHARE OF d;
    NEW.lexical_id := nextval('lexical_ids');
    NEW.lexical_length := (SELECT coalesce(sum(cardinality(positions)), 0) FROM unnest(terms));
    INSERT INTO lexical_delta (workspace_id, lexical_id, document_key, length, terms)
    VALUES (NEW.workspace_id, NEW.lexical_id, NEW.document_key, NEW.lexical_length, coalesce(terms, ''));
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION chunks_lexical_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO lexical_counts (workspace_id, chunks, length, dead)
    SELECT workspace_id, count(*), sum(lexical_length), 0 FROM new_rows GROUP BY workspace_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION chunks_lexical_updated() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO lexical_counts (workspace_id, chunks, length, dead)
    SELECT workspace_id, 0, sum(n.lexical_length - o.lexical_length), count(*)
    FROM new_rows n JOIN old_rows o USING (workspace_id, chunk_id)
    WHERE n.lexical_id <> o.lexical_id
    GROUP BY workspace_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION chunks_lexical_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO lexical_counts (workspace_id, chunks, length, dead)
    SELECT workspace_id, -count(*), -sum(lexical_length), count(*) FROM old_rows GROUP BY workspace_id;
    RETURN NULL;
END $$;

-- The title is part of each chunk's keyword text: whoever changes it gives the chunks new lexical ids.
CREATE OR REPLACE FUNCTION documents_lexical() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE chunks c SET lexical_id = 0
    FROM new_rows n JOIN old_rows o USING (workspace_id, document_key)
    WHERE n.title IS DISTINCT FROM o.title AND c.workspace_id = n.workspace_id AND c.document_key = n.document_key;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION documents_lexical_counted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO lexical_counts (workspace_id, documents, chunks, length, dead)
        SELECT workspace_id, count(*), 0, 0, 0 FROM new_rows GROUP BY workspace_id;
    ELSE
        INSERT INTO lexical_counts (workspace_id, documents, chunks, length, dead)
        SELECT workspace_id, -count(*), 0, 0, 0 FROM old_rows GROUP BY workspace_id;
    END IF;
    RETURN NULL;
END $$;

-- The lock is the one that folding takes: it must not write blocks of a workspace that is being removed.
CREATE OR REPLACE FUNCTION workspaces_lexical() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1918985065, OLD.workspace_id);
    DELETE FROM lexical_delta WHERE workspace_id = OLD.workspace_id;
    DELETE FROM lexical_blocks WHERE workspace_id = OLD.workspace_id;
    DELETE FROM lexical_counts WHERE workspace_id = OLD.workspace_id;
    RETURN NULL;
END $$;
