-- Tasks of a workspace in a space that are left alone for a while, for a reason that concerns nobody else: its budget is used up.
CREATE TABLE workspace_rests (
    workspace_id int NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    space_id     int NOT NULL REFERENCES spaces ON DELETE CASCADE,
    until        timestamptz NOT NULL,
    cause        text NOT NULL,
    message      text NOT NULL,
    CONSTRAINT workspace_rests_pkey PRIMARY KEY (workspace_id, space_id)
);

-- A budget that is raised, lowered, removed or new may be enough: the workers try at once. What is only spent from it changes nothing.
CREATE FUNCTION end_budget_rests() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM workspace_rests r
    USING workspaces w
    WHERE w.name = coalesce(NEW.workspace, OLD.workspace) AND r.workspace_id = w.workspace_id AND r.cause = 'budget';
    IF FOUND THEN
        PERFORM pg_notify('rag_tasks', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER embedding_budgets_end_rests
    AFTER INSERT OR DELETE OR UPDATE OF period, hard, limit_micro, limit_tokens ON embedding_budgets
    FOR EACH ROW EXECUTE FUNCTION end_budget_rests();
