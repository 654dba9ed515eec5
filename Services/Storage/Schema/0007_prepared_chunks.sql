-- Documents that are put as prepared chunks: their texts are not cut, and vectors that come with them are not computed.

-- SHA-256 of the prepared chunks, NULL when the text is to be cut. A change of it is a change of the document like one of its text.
ALTER TABLE documents ADD COLUMN prepared bytea;

-- Of the chunks whose vector was given: hash of the text and hash of the vector, 16 bytes each, one after the other.
-- The vector of such a chunk must not stay when another one is given, or none any more.
ALTER TABLE indexed_documents ADD COLUMN given bytea NOT NULL DEFAULT '';

CREATE TABLE prepared_chunks (
    workspace_id int NOT NULL,
    document_key bigint NOT NULL,
    ordinal      int NOT NULL,
    digest       bytea NOT NULL,        -- that of the document; rows of another one are not its chunks
    start_offset int NOT NULL,
    overlap      int NOT NULL,
    heading      text NOT NULL,
    text         text NOT NULL,
    space_id     int REFERENCES spaces, -- the space of the vector
    vector       bytea,                 -- 4 bytes a dimension, little endian; NULL when it is to be computed
    PRIMARY KEY (workspace_id, document_key, ordinal),
    FOREIGN KEY (workspace_id, document_key) REFERENCES documents ON DELETE CASCADE,
    CHECK ((space_id IS NULL) = (vector IS NULL))
);

-- Text and prepared chunks decide what has to be embedded: title and metadata are read where they are.
CREATE OR REPLACE FUNCTION documents_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM prepared_chunks p
    USING new_rows n JOIN old_rows o USING (workspace_id, document_key)
    WHERE o.prepared IS NOT NULL AND n.prepared IS DISTINCT FROM o.prepared
      AND p.workspace_id = n.workspace_id AND p.document_key = n.document_key AND p.digest IS DISTINCT FROM n.prepared;
    INSERT INTO documents_changes (workspace_id, document_id, revision, kind)
    SELECT workspace_id, document_id, revision, 'update' FROM new_rows;
    PERFORM raise_tasks(array_agg(n.workspace_id), array_agg(n.document_id), array_agg(n.revision), array_agg(n.priority))
    FROM new_rows n JOIN old_rows o USING (workspace_id, document_key)
    WHERE (n.text, n.prepared) IS DISTINCT FROM (o.text, o.prepared)
    HAVING count(*) > 0;
    PERFORM raise_generations(array_agg(DISTINCT workspace_id)) FROM new_rows HAVING count(*) > 0;
    RETURN NULL;
END $$;
