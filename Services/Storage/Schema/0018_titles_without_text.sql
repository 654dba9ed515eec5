-- A document that has a title and no text is found by its title: the title is its one passage. Those that are there are indexed once more.
SELECT raise_tasks(array_agg(workspace_id), array_agg(document_id), array_agg(revision), array_agg(priority))
FROM documents
WHERE octet_length(text) < 1000 AND text !~ '\S' AND title ~ '\S' AND prepared IS NULL
HAVING count(*) > 0;
