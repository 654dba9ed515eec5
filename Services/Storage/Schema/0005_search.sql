-- Typo-tolerant search: the vocabulary is the first block of each term. Folding writes to this index for new terms only.
CREATE INDEX lexical_blocks_similar ON lexical_blocks USING gin (term gin_trgm_ops) WHERE block = 0;

-- Passages next to each other.
CREATE INDEX chunks_ordinal ON chunks (workspace_id, document_key, ordinal);
