-- What is known of endpoints of embedding models: until when one certainly served its model, and whether it was found to serve another one.
-- All replicas follow it, also after a restart. space is that of the model at its own dimensions.
CREATE TABLE embedding_endpoint_checks (
    space          text COLLATE "C" NOT NULL,
    provider       text COLLATE "C" NOT NULL,
    good_at        timestamptz,   -- null: never since there are such checks
    impostor_since timestamptz,   -- null: it serves its model
    CONSTRAINT embedding_endpoint_checks_pkey PRIMARY KEY (space, provider)
);

-- Vectors that have to go from every cache: those that were written between since and created_at. Each replica empties its own memory.
CREATE TABLE embedding_purges (
    purge_id   bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT embedding_purges_pkey PRIMARY KEY,
    space      text COLLATE "C" NOT NULL,
    since      timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    done       boolean NOT NULL DEFAULT false   -- the tiers that replicas share are rid of them
);

-- Reservations that were settled: one whose answer did not arrive is sent again, and must not be booked twice. Kept for two days.
CREATE TABLE embedding_settlements (
    reservation_id uuid NOT NULL CONSTRAINT embedding_settlements_pkey PRIMARY KEY,
    settled_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX embedding_settlements_age ON embedding_settlements (settled_at);

-- Turns a reservation into what was really spent (zero when the call failed), also in soft budgets; once, however often it is asked. Returns budgets that crossed 50, 80 or 100 %.
CREATE OR REPLACE FUNCTION settle_embedding(ws text, k text, id uuid, real_micro numeric, real_tokens bigint)
RETURNS TABLE (budget_id bigint, period text, hard boolean, key_id text, percent smallint) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO embedding_settlements (reservation_id) VALUES (id) ON CONFLICT (reservation_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM 1 FROM embedding_budgets e WHERE e.workspace = ws AND e.key_id IN ('', k) ORDER BY e.budget_id FOR UPDATE;
    WITH gone AS (
        DELETE FROM embedding_reservations r WHERE r.reservation_id = id RETURNING r.budget_id AS b, r.micro AS m, r.tokens AS t
    )
    UPDATE embedding_budgets e SET reserved_micro = e.reserved_micro - g.m, reserved_tokens = e.reserved_tokens - g.t
    FROM gone g WHERE e.budget_id = g.b;
    IF real_tokens = 0 AND real_micro = 0 THEN
        RETURN;
    END IF;
    UPDATE embedding_budgets e SET
        spent_micro = real_micro + CASE WHEN e.period_start < embedding_period_start(e.period) THEN 0 ELSE e.spent_micro END,
        spent_tokens = real_tokens + CASE WHEN e.period_start < embedding_period_start(e.period) THEN 0 ELSE e.spent_tokens END,
        alerted = CASE WHEN e.period_start < embedding_period_start(e.period) THEN 0 ELSE e.alerted END,
        period_start = embedding_period_start(e.period)
    WHERE e.workspace = ws AND e.key_id IN ('', k);
    RETURN QUERY
    WITH reached AS (
        SELECT e.budget_id AS b, (SELECT max(step) FROM unnest('{50,80,100}'::int[]) AS step
            WHERE e.spent_micro * 100 >= e.limit_micro * step OR e.spent_tokens * 100 >= e.limit_tokens * step)::smallint AS percent
        FROM embedding_budgets e WHERE e.workspace = ws AND e.key_id IN ('', k)
    )
    UPDATE embedding_budgets e SET alerted = r.percent FROM reached r
    WHERE e.budget_id = r.b AND r.percent > e.alerted
    RETURNING e.budget_id, e.period, e.hard, e.key_id, e.alerted;
END $$;

-- Which transaction added a vector: by a snapshot of transactions each replica reads what it has not read yet, each row once, however late it was
-- committed. Vectors from before have none; they are read with all others after a start. Two steps, so that a large table is not written anew.
ALTER TABLE embedding_cache ADD COLUMN added_by xid8;
ALTER TABLE embedding_cache ALTER COLUMN added_by SET DEFAULT pg_current_xact_id();
CREATE INDEX embedding_cache_added ON embedding_cache (added_by) WHERE added_by IS NOT NULL;
