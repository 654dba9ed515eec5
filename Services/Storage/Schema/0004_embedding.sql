-- What the embedding service keeps: vectors that were paid for, what they cost, budgets, and its models.

-- Vectors by the SHA-256 of the text as it was embedded; the text itself is never stored. A value carries its own header and checksum.
CREATE TABLE embedding_cache (
    space      text COLLATE "C" NOT NULL,
    text_hash  bytea NOT NULL,
    value      bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (space, text_hash)
);
-- Floats do not compress: toasting them uncompressed saves the attempt.
ALTER TABLE embedding_cache ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX embedding_cache_age ON embedding_cache (created_at);

-- How often a workspace asked for which query, by hash: what is worth being in memory after a start.
CREATE TABLE embedding_queries (
    workspace text COLLATE "C" NOT NULL,
    space     text COLLATE "C" NOT NULL,
    text_hash bytea NOT NULL,
    uses      bigint NOT NULL,
    last_used date NOT NULL DEFAULT current_date,
    PRIMARY KEY (workspace, space, text_hash)
);
CREATE INDEX embedding_queries_uses ON embedding_queries (workspace, uses DESC);

-- Tier is where a text's vector came from: l1, l2, l3, joined (another caller's call) or source (paid). Money is in millionths of a US dollar:
-- spent in tier source, saved in the others.
CREATE TABLE embedding_usage (
    workspace     text COLLATE "C" NOT NULL,
    day           date NOT NULL,
    key_id        text COLLATE "C" NOT NULL,
    model         text COLLATE "C" NOT NULL,
    tier          text COLLATE "C" NOT NULL,
    requests      bigint NOT NULL,
    texts         bigint NOT NULL,
    tokens        bigint NOT NULL,
    micro_dollars numeric NOT NULL,
    PRIMARY KEY (workspace, day, key_id, model, tier)
) WITH (fillfactor = 70);

-- A budget of a workspace, or of one key of it. Counters are those of the period that began at period_start (UTC).
CREATE TABLE embedding_budgets (
    budget_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace       text COLLATE "C" NOT NULL,
    key_id          text COLLATE "C" NOT NULL DEFAULT '',   -- empty: the whole workspace
    period          text NOT NULL CHECK (period IN ('day', 'month')),
    hard            boolean NOT NULL,                       -- false: only an alert
    limit_micro     numeric CHECK (limit_micro >= 0),
    limit_tokens    bigint CHECK (limit_tokens >= 0),
    period_start    date NOT NULL,
    spent_micro     numeric NOT NULL DEFAULT 0,
    spent_tokens    bigint NOT NULL DEFAULT 0,
    reserved_micro  numeric NOT NULL DEFAULT 0,
    reserved_tokens bigint NOT NULL DEFAULT 0,
    alerted         smallint NOT NULL DEFAULT 0,            -- the highest percentage of this period that was alerted
    UNIQUE (workspace, key_id, period, hard),
    CHECK (limit_micro IS NOT NULL OR limit_tokens IS NOT NULL)
) WITH (fillfactor = 50);

-- What is about to be spent. A reservation whose lease ran out belonged to a process that died: it is given back.
CREATE TABLE embedding_reservations (
    reservation_id uuid NOT NULL,
    budget_id      bigint NOT NULL REFERENCES embedding_budgets ON DELETE CASCADE,
    micro          numeric NOT NULL,
    tokens         bigint NOT NULL,
    leased_until   timestamptz NOT NULL,
    PRIMARY KEY (reservation_id, budget_id)
);
CREATE INDEX embedding_reservations_lease ON embedding_reservations (leased_until);

CREATE FUNCTION embedding_period_start(period text) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT date_trunc(period, now() AT TIME ZONE 'utc')::date;
$$;

-- Gives back what dead processes reserved.
CREATE FUNCTION return_embedding_reservations() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    returned bigint;
BEGIN
    -- Budgets first and in order, as everywhere: no two transactions wait for each other.
    PERFORM 1 FROM embedding_budgets b
    WHERE b.budget_id IN (SELECT r.budget_id FROM embedding_reservations r WHERE r.leased_until < now())
    ORDER BY b.budget_id FOR UPDATE;
    WITH gone AS (
        DELETE FROM embedding_reservations WHERE leased_until < now() RETURNING budget_id, micro, tokens
    ), sums AS (
        SELECT budget_id, sum(micro) AS micro, sum(tokens) AS tokens, count(*) AS reservations FROM gone GROUP BY budget_id
    ), updated AS (
        UPDATE embedding_budgets b SET reserved_micro = b.reserved_micro - s.micro, reserved_tokens = b.reserved_tokens - s.tokens
        FROM sums s WHERE b.budget_id = s.budget_id
    )
    SELECT coalesce(sum(reservations), 0) INTO returned FROM sums;
    RETURN returned;
END $$;

-- Reserves in every hard budget of a workspace and key, or in none. No rows: there is no budget. Otherwise one row:
-- refused_by is null when it was reserved; spent_out says whether the refusal would stand without the reservations of others;
-- used is the largest share of a budget that is spent or reserved.
CREATE FUNCTION reserve_embedding(ws text, k text, id uuid, want_micro numeric, want_tokens bigint, lease interval)
RETURNS TABLE (refused_by bigint, refused_period text, spent_out boolean, used double precision) LANGUAGE plpgsql AS $$
DECLARE
    b embedding_budgets;
    budgets bigint[] := '{}';
    share double precision := 0;
BEGIN
    FOR b IN SELECT * FROM embedding_budgets e WHERE e.workspace = ws AND e.key_id IN ('', k) AND e.hard ORDER BY e.budget_id FOR UPDATE LOOP
        IF b.period_start < embedding_period_start(b.period) THEN
            UPDATE embedding_budgets e SET period_start = embedding_period_start(b.period), spent_micro = 0, spent_tokens = 0, alerted = 0
            WHERE e.budget_id = b.budget_id RETURNING e.* INTO b;
        END IF;
        IF b.spent_micro + b.reserved_micro + want_micro > b.limit_micro OR b.spent_tokens + b.reserved_tokens + want_tokens > b.limit_tokens THEN
            RETURN QUERY SELECT b.budget_id, b.period,
                coalesce(b.spent_micro + want_micro > b.limit_micro, false) OR coalesce(b.spent_tokens + want_tokens > b.limit_tokens, false),
                1::double precision;
            RETURN;
        END IF;
        share := greatest(share,
            coalesce(((b.spent_micro + b.reserved_micro + want_micro) / nullif(b.limit_micro, 0))::double precision, 0),
            coalesce((b.spent_tokens + b.reserved_tokens + want_tokens)::double precision / nullif(b.limit_tokens, 0), 0));
        budgets := budgets || b.budget_id;
    END LOOP;
    IF cardinality(budgets) = 0 THEN
        RETURN;
    END IF;
    UPDATE embedding_budgets e SET reserved_micro = e.reserved_micro + want_micro, reserved_tokens = e.reserved_tokens + want_tokens
    WHERE e.budget_id = ANY (budgets);
    INSERT INTO embedding_reservations (reservation_id, budget_id, micro, tokens, leased_until)
    SELECT id, u, want_micro, want_tokens, now() + lease FROM unnest(budgets) AS u;
    RETURN QUERY SELECT NULL::bigint, NULL::text, false, share;
END $$;

-- Turns a reservation into what was really spent (zero when the call failed), also in soft budgets. Returns budgets that crossed 50, 80 or 100 %.
CREATE FUNCTION settle_embedding(ws text, k text, id uuid, real_micro numeric, real_tokens bigint)
RETURNS TABLE (budget_id bigint, period text, hard boolean, key_id text, percent smallint) LANGUAGE plpgsql AS $$
BEGIN
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

-- Models and aliases that were added at run time; settings of the configuration have no row here.
CREATE TABLE embedding_models (
    name       text COLLATE "C" PRIMARY KEY,
    settings   jsonb NOT NULL CHECK (jsonb_typeof(settings) = 'object'),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- An alias is model for a share of 1 - other_share of the workspaces, and other_model for the rest; which ones, is decided by a hash of their name.
CREATE TABLE embedding_aliases (
    alias       text COLLATE "C" PRIMARY KEY,
    model       text NOT NULL,
    other_model text,
    other_share real NOT NULL DEFAULT 0 CHECK (other_share BETWEEN 0 AND 1),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (other_share = 0 OR other_model IS NOT NULL)
);

-- The vectors that fixed texts had when a model was first seen at its space: another model behind the same endpoint answers others.
CREATE TABLE embedding_canaries (
    space      text COLLATE "C" PRIMARY KEY,
    vectors    bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
