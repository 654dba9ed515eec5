-- What replicas of the embedding service keep in memory (budgets, models, aliases, the keys of the durable cache) is followed by notification, so that an
-- idle installation asks for nothing. Reserving and settling do not notify: they change none of these columns.
CREATE FUNCTION notify_embedding() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_notify('rag_embedding', TG_TABLE_NAME);
    RETURN NULL;
END $$;

CREATE TRIGGER embedding_budgets_news AFTER INSERT OR DELETE OR UPDATE OF workspace, key_id, period, hard, limit_micro, limit_tokens
    ON embedding_budgets FOR EACH STATEMENT EXECUTE FUNCTION notify_embedding();
CREATE TRIGGER embedding_models_news AFTER INSERT OR DELETE OR UPDATE
    ON embedding_models FOR EACH STATEMENT EXECUTE FUNCTION notify_embedding();
CREATE TRIGGER embedding_aliases_news AFTER INSERT OR DELETE OR UPDATE
    ON embedding_aliases FOR EACH STATEMENT EXECUTE FUNCTION notify_embedding();
CREATE TRIGGER embedding_cache_news AFTER INSERT
    ON embedding_cache FOR EACH STATEMENT EXECUTE FUNCTION notify_embedding();
CREATE TRIGGER embedding_endpoint_checks_news AFTER INSERT OR UPDATE OF impostor_since
    ON embedding_endpoint_checks FOR EACH STATEMENT EXECUTE FUNCTION notify_embedding();
CREATE TRIGGER embedding_purges_news AFTER INSERT
    ON embedding_purges FOR EACH STATEMENT EXECUTE FUNCTION notify_embedding();
