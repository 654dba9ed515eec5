-- Keyword search (BM25). Terms come from PostgreSQL's own text search; a chunk's postings are made by triggers in the transaction that
-- writes the chunk, and first land in lexical_delta, one row a chunk. In the background they are folded into packed blocks per term.
-- A lexical id names the keyword text of a chunk: a new title gives a new id. Ids that no chunk has any more are dead, and stay in
-- the blocks until they are compacted; they are recognised by their absence from chunks.

CREATE SEQUENCE lexical_ids;

ALTER TABLE chunks
    ADD COLUMN lexical_id     bigint NOT NULL DEFAULT 0,   -- set by the trigger
    ADD COLUMN lexical_length int NOT NULL DEFAULT 0;      -- terms of the keyword text, each occurrence counted
CREATE UNIQUE INDEX chunks_lexical ON chunks (workspace_id, lexical_id);

CREATE TABLE lexical_delta (
    workspace_id int NOT NULL,
    lexical_id   bigint NOT NULL,
    document_key bigint NOT NULL,
    length       int NOT NULL,
    terms        tsvector NOT NULL,
    PRIMARY KEY (workspace_id, lexical_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE lexical_delta ALTER COLUMN terms SET STORAGE MAIN;

CREATE TABLE lexical_blocks (
    workspace_id   int NOT NULL,
    term           text COLLATE "C" NOT NULL,
    block          int NOT NULL,        -- from 0; only the last block of a term may be partly filled
    postings_count int NOT NULL,
    documents      int NOT NULL,        -- different documents among the postings
    highest_impact real NOT NULL,       -- of its postings, at average_length
    average_length real NOT NULL,       -- the workspace's average when the block was written
    postings       bytea NOT NULL,      -- LexicalBlock.Encode
    PRIMARY KEY (workspace_id, term, block)
) WITH (fillfactor = 80);
ALTER TABLE lexical_blocks ALTER COLUMN postings SET STORAGE EXTERNAL;

-- Statistics as rows to be summed up: writers of one workspace never wait for each other. Folding merges them.
CREATE TABLE lexical_counts (
    workspace_id int NOT NULL,
    documents    bigint NOT NULL DEFAULT 0,
    chunks       bigint NOT NULL,       -- live chunks
    length       bigint NOT NULL,       -- sum of their lengths
    dead         bigint NOT NULL        -- lexical ids without chunk that are still in the delta or the blocks
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX lexical_counts_workspace ON lexical_counts (workspace_id) INCLUDE (documents, chunks, length, dead);

-- The terms of a text, for passages and queries alike. The parser of PostgreSQL takes what is joined by these characters for one word, a
-- host name, an address or a path, drops what looks like a tag, and makes three words of a hyphenated one; blanks leave plain words.
-- replace() a dozen times takes a tenth of the time of translate() once.
CREATE FUNCTION lexical_terms(language regconfig, content text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector(language,
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(content,
            '-', ' '), '/', ' '), '.', ' '), '_', ' '), '<', ' '), '>', ' '), '&', ' '), '@', ' '), ':', ' '), '~', ' '), '+', ' '))
$$;

-- A query for texts with any of some terms.
CREATE FUNCTION lexical_any(terms text[]) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(string_agg('''' || replace(replace(t, '\', '\\'), '''', '''''') || '''', '|'), '')::tsquery FROM unnest(terms) AS u (t)
$$;

CREATE FUNCTION chunks_lexical() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE FUNCTION chunks_lexical_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lexical_counts (workspace_id, chunks, length, dead)
    SELECT workspace_id, count(*), sum(lexical_length), 0 FROM new_rows GROUP BY workspace_id;
    RETURN NULL;
END $$;

CREATE FUNCTION chunks_lexical_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lexical_counts (workspace_id, chunks, length, dead)
    SELECT workspace_id, 0, sum(n.lexical_length - o.lexical_length), count(*)
    FROM new_rows n JOIN old_rows o USING (workspace_id, chunk_id)
    WHERE n.lexical_id <> o.lexical_id
    GROUP BY workspace_id;
    RETURN NULL;
END $$;

CREATE FUNCTION chunks_lexical_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lexical_counts (workspace_id, chunks, length, dead)
    SELECT workspace_id, -count(*), -sum(lexical_length), count(*) FROM old_rows GROUP BY workspace_id;
    RETURN NULL;
END $$;

CREATE TRIGGER chunks_lexical BEFORE INSERT OR UPDATE OF lexical_id ON chunks
    FOR EACH ROW EXECUTE FUNCTION chunks_lexical();
CREATE TRIGGER chunks_lexical_inserted AFTER INSERT ON chunks
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chunks_lexical_inserted();
CREATE TRIGGER chunks_lexical_updated AFTER UPDATE ON chunks
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chunks_lexical_updated();
CREATE TRIGGER chunks_lexical_deleted AFTER DELETE ON chunks
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION chunks_lexical_deleted();

-- The title is part of each chunk's keyword text: whoever changes it gives the chunks new lexical ids.
CREATE FUNCTION documents_lexical() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE chunks c SET lexical_id = 0
    FROM new_rows n JOIN old_rows o USING (workspace_id, document_key)
    WHERE n.title IS DISTINCT FROM o.title AND c.workspace_id = n.workspace_id AND c.document_key = n.document_key;
    RETURN NULL;
END $$;

CREATE TRIGGER documents_lexical AFTER UPDATE ON documents
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION documents_lexical();

CREATE FUNCTION documents_lexical_counted() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER documents_lexical_inserted AFTER INSERT ON documents
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION documents_lexical_counted();
CREATE TRIGGER documents_lexical_deleted AFTER DELETE ON documents
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION documents_lexical_counted();

-- The lock is the one that folding takes: it must not write blocks of a workspace that is being removed.
CREATE FUNCTION workspaces_lexical() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1918985065, OLD.workspace_id);
    DELETE FROM lexical_delta WHERE workspace_id = OLD.workspace_id;
    DELETE FROM lexical_blocks WHERE workspace_id = OLD.workspace_id;
    DELETE FROM lexical_counts WHERE workspace_id = OLD.workspace_id;
    RETURN NULL;
END $$;

CREATE TRIGGER workspaces_lexical AFTER DELETE ON workspaces
    FOR EACH ROW EXECUTE FUNCTION workspaces_lexical();
