-- The trace of the request that put a document (W3C traceparent), where requests are traced: the indexing of the document is linked to it.
ALTER TABLE documents ADD COLUMN traceparent text;
