using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>A claimed task.</summary>
/// <param name="WorkspaceId">The workspace.</param>
/// <param name="DocumentId">The caller's id of the document.</param>
/// <param name="SpaceId">The space.</param>
/// <param name="Version">The change that was claimed.</param>
/// <param name="Priority">0 low, 1 normal, 2 high.</param>
/// <param name="Attempts">Failed attempts so far.</param>
/// <param name="Claims">Claims since the task was last given back or changed, this one included.</param>
/// <param name="RaisedAt">When it was first raised.</param>
/// <param name="Length">About how many characters the document has.</param>
public sealed record IndexTask(
    int WorkspaceId, string DocumentId, int SpaceId, long Version, short Priority, int Attempts, int Claims, DateTimeOffset RaisedAt, int Length = 0);

/// <summary>What was claimed.</summary>
/// <param name="Tasks">The tasks; empty when nothing can be claimed in the lanes that were looked at.</param>
/// <param name="Cursor">Pass it to the next claim; the default when every lane was looked at.</param>
public sealed record TaskClaim(IReadOnlyList<IndexTask> Tasks, ClaimCursor Cursor);

/// <summary>Where claims go on looking: for each priority the workspace that the one before ended at, or 0 for the beginning.</summary>
public readonly record struct ClaimCursor(int High, int Normal, int Low);

/// <summary>A space whose provider rests.</summary>
/// <param name="Space">The space's public id.</param>
/// <param name="Until">When it is tried again.</param>
/// <param name="Failures">Failures in a row.</param>
/// <param name="Cause">A short, stable word.</param>
/// <param name="Message">What happened.</param>
public sealed record CooldownRow(string Space, DateTimeOffset Until, int Failures, string Cause, string Message);

/// <summary>The queue. A task is removed by the transaction that makes its work visible: see <see cref="IndexStore"/>.</summary>
public sealed class TaskQueue(NpgsqlDataSource dataSource)
{
    // Claims take turns: otherwise two workers choose the same heads of lanes and one of them goes away empty.
    private const string LockSql = $"SELECT pg_advisory_xact_lock({Locks.Claims})";

    // A lane is a (priority, workspace, space) that has tasks; the recursion steps from lane to lane through the index, urgent ones first: what else waits,
    // in however many workspaces, is behind them. Within a claim, every
    // lane gets its weighted share: the n-th task of a lane stands at (n - phase) / weight. The phase is another one in each claim, evenly spread
    // over 0 to 1: so shares are those of the weights over a few claims, also where one claim has no room for every lane, and no lane starves.
    // Locked rows are being changed by a writer this very moment: they are left for the next claim.
    private const string ClaimSql = """
        WITH looked AS MATERIALIZED (
            SELECT v.priority, w.workspace_id, w.space_id
            FROM unnest(ARRAY[2, 1, 0]::smallint[], $1::int[]) AS v (priority, from_workspace) CROSS JOIN LATERAL (
                WITH RECURSIVE lane AS (
                    (SELECT t.workspace_id, t.space_id FROM tasks t WHERE t.priority = v.priority AND t.workspace_id >= v.from_workspace
                     ORDER BY t.workspace_id, t.space_id LIMIT 1)
                    UNION ALL
                    SELECT n.workspace_id, n.space_id
                    FROM lane l CROSS JOIN LATERAL (
                        SELECT t.workspace_id, t.space_id FROM tasks t
                        WHERE t.priority = v.priority AND (t.workspace_id, t.space_id) > (l.workspace_id, l.space_id)
                        ORDER BY t.workspace_id, t.space_id LIMIT 1) n
                )
                SELECT workspace_id, space_id FROM lane LIMIT 128) w
        ), open AS MATERIALIZED (
            SELECT l.workspace_id, l.space_id, l.priority, w.indexing_weight * power(8, l.priority) AS weight
            FROM looked l JOIN workspaces w ON w.workspace_id = l.workspace_id
            WHERE w.indexing_paused_at IS NULL AND w.deleted_at IS NULL
              AND l.space_id <> ALL ($6)
              AND NOT EXISTS (SELECT FROM cooldowns c WHERE c.space_id = l.space_id AND c.until > now())
              AND NOT EXISTS (
                  SELECT FROM workspace_rests r WHERE r.workspace_id = l.workspace_id AND r.space_id = l.space_id AND r.until > now())
        ), head AS (
            SELECT h.workspace_id, h.document_id, h.space_id, h.visible_at,
                   (row_number() OVER (PARTITION BY h.workspace_id, h.space_id, o.priority ORDER BY h.visible_at) - $5) / o.weight AS place
            FROM open o CROSS JOIN LATERAL (
                SELECT t.workspace_id, t.document_id, t.space_id, t.visible_at FROM tasks t
                WHERE t.workspace_id = o.workspace_id AND t.space_id = o.space_id AND t.priority = o.priority AND t.visible_at <= now()
                ORDER BY t.visible_at LIMIT $2) h
        ), chosen AS MATERIALIZED (
            SELECT workspace_id, document_id, space_id FROM head ORDER BY place, visible_at LIMIT $2
        ), locked AS MATERIALIZED (
            SELECT t.workspace_id, t.document_id, t.space_id
            FROM chosen c JOIN tasks t ON (t.workspace_id, t.document_id, t.space_id) = (c.workspace_id, c.document_id, c.space_id)
            WHERE t.visible_at <= now()
            FOR UPDATE OF t SKIP LOCKED
        ), claimed AS (
            UPDATE tasks t
            SET lease_owner = $3, leased_until = now() + $4, visible_at = now() + $4, claims = t.claims + 1
            FROM locked l
            WHERE (t.workspace_id, t.document_id, t.space_id) = (l.workspace_id, l.document_id, l.space_id)
            RETURNING t.workspace_id, t.document_id, t.space_id, t.version, t.priority, t.attempts, t.claims, t.raised_at, (
                SELECT coalesce(d.text_length, octet_length(d.text)) FROM documents d
                WHERE d.workspace_id = t.workspace_id AND d.document_id = t.document_id) AS length
        )
        SELECT c.workspace_id, c.document_id, c.space_id, c.version, c.priority, c.attempts, c.claims, c.raised_at, n.high, n.normal, n.low, coalesce(c.length, 0)
        FROM (
            SELECT CASE WHEN count(*) FILTER (WHERE priority = 2) < 128 THEN 0 ELSE max(workspace_id) FILTER (WHERE priority = 2) END AS high,
                   CASE WHEN count(*) FILTER (WHERE priority = 1) < 128 THEN 0 ELSE max(workspace_id) FILTER (WHERE priority = 1) END AS normal,
                   CASE WHEN count(*) FILTER (WHERE priority = 0) < 128 THEN 0 ELSE max(workspace_id) FILTER (WHERE priority = 0) END AS low
            FROM looked) n LEFT JOIN claimed c ON true
        """;

    private const string EmptySql = "SELECT NOT EXISTS (SELECT FROM tasks)";

    // A locked row is being finished or changed this very moment. Waiting for it would close a circle with a writer that waits for another one.
    private const string RenewSql = """
        UPDATE tasks t SET leased_until = now() + $6, visible_at = now() + $6
        FROM (
            SELECT t.workspace_id, t.document_id, t.space_id
            FROM unnest($2::int[], $3::text[], $4::int[], $5::bigint[]) AS g (workspace_id, document_id, space_id, version)
            JOIN tasks t ON t.workspace_id = g.workspace_id AND t.document_id = g.document_id AND t.space_id = g.space_id
            WHERE t.version = g.version AND t.lease_owner = $1
            FOR NO KEY UPDATE OF t SKIP LOCKED) o
        WHERE t.workspace_id = o.workspace_id AND t.document_id = o.document_id AND t.space_id = o.space_id
        """;

    private const string HeldSql = """
        SELECT g.i::int
        FROM unnest($2::int[], $3::text[], $4::int[], $5::bigint[]) WITH ORDINALITY AS g (workspace_id, document_id, space_id, version, i)
        JOIN tasks t ON t.workspace_id = g.workspace_id AND t.document_id = g.document_id AND t.space_id = g.space_id
        JOIN workspaces w ON w.workspace_id = g.workspace_id
        WHERE t.version = g.version AND t.lease_owner = $1 AND w.indexing_paused_at IS NULL AND w.deleted_at IS NULL
        """;

    private const string ReleaseSql = """
        UPDATE tasks t SET lease_owner = NULL, leased_until = NULL, visible_at = now() + $6, claims = CASE WHEN $7 THEN t.claims ELSE 0 END
        FROM (
            SELECT t.workspace_id, t.document_id, t.space_id
            FROM unnest($2::int[], $3::text[], $4::int[], $5::bigint[]) AS g (workspace_id, document_id, space_id, version)
            JOIN tasks t ON t.workspace_id = g.workspace_id AND t.document_id = g.document_id AND t.space_id = g.space_id
            WHERE t.version = g.version AND t.lease_owner = $1
            ORDER BY t.workspace_id, t.document_id, t.space_id
            FOR NO KEY UPDATE OF t) o
        WHERE t.workspace_id = o.workspace_id AND t.document_id = o.document_id AND t.space_id = o.space_id
        """;

    private const string ReleaseAllSql = """
        UPDATE tasks t SET lease_owner = NULL, leased_until = NULL, visible_at = now(), claims = 0
        FROM (
            SELECT workspace_id, document_id, space_id FROM tasks WHERE lease_owner = $1
            ORDER BY workspace_id, document_id, space_id
            FOR NO KEY UPDATE) o
        WHERE t.workspace_id = o.workspace_id AND t.document_id = o.document_id AND t.space_id = o.space_id
        """;

    private const string FailSql = """
        UPDATE tasks t
        SET attempts = t.attempts + 1, history = t.history || jsonb_build_object('at', now(), 'cause', $6::text, 'message', $7::text),
            lease_owner = NULL, leased_until = NULL, visible_at = now() + $8, claims = 0
        WHERE t.workspace_id = $2 AND t.document_id = $3 AND t.space_id = $4 AND t.version = $5 AND t.lease_owner = $1
        """;

    // Nobody but a new change of the document, or a person, takes a task from here.
    private const string BurySql = """
        WITH gone AS (
            DELETE FROM tasks t
            WHERE t.workspace_id = $2 AND t.document_id = $3 AND t.space_id = $4 AND t.version = $5 AND t.lease_owner = $1
            RETURNING t.workspace_id, t.document_id, t.space_id, t.revision, t.history
        )
        INSERT INTO dead_letters (workspace_id, document_id, space_id, revision, cause, history)
        SELECT workspace_id, document_id, space_id, revision, $6,
               history || jsonb_build_object('at', now(), 'cause', $6::text, 'message', $7::text)
        FROM gone
        ON CONFLICT (workspace_id, document_id, space_id) DO UPDATE
        SET revision = excluded.revision, cause = excluded.cause, history = excluded.history, failed_at = now()
        """;

    private const string FinishSql = """
        DELETE FROM tasks t
        USING (
            SELECT t.workspace_id, t.document_id, t.space_id
            FROM unnest($2::int[], $3::text[], $4::int[], $5::bigint[]) AS g (workspace_id, document_id, space_id, version)
            JOIN tasks t ON t.workspace_id = g.workspace_id AND t.document_id = g.document_id AND t.space_id = g.space_id
            WHERE t.version = g.version AND t.lease_owner = $1
            ORDER BY t.workspace_id, t.document_id, t.space_id
            FOR UPDATE OF t) o
        WHERE t.workspace_id = o.workspace_id AND t.document_id = o.document_id AND t.space_id = o.space_id
        """;

    private const string CoolDownSql = """
        INSERT INTO cooldowns AS c (space_id, until, failures, cause, message)
        VALUES ($1, now() + $2, 1, $4, $5)
        ON CONFLICT (space_id) DO UPDATE
        SET until = now() + least($3, $2 * power(2, least(c.failures, 16))), failures = c.failures + 1,
            cause = excluded.cause, message = excluded.message
        WHERE c.until <= now()
        """;

    private const string WarmUpSql = "DELETE FROM cooldowns WHERE space_id = $1";

    private const string CooldownsSql = """
        SELECT s.id, c.until, c.failures, c.cause, c.message FROM cooldowns c JOIN spaces s USING (space_id) ORDER BY s.id LIMIT 1000
        """;

    private const string WeighSql = "UPDATE workspaces SET indexing_weight = $2 WHERE name = $1 AND deleted_at IS NULL";

    private const string ExpireSql = """
        UPDATE dead_letters d SET discarded_at = now()
        FROM (
            SELECT workspace_id, document_id, space_id FROM dead_letters WHERE discarded_at IS NULL AND failed_at < now() - $1
            ORDER BY workspace_id, document_id, space_id LIMIT 10000
            FOR NO KEY UPDATE SKIP LOCKED) o
        WHERE d.workspace_id = o.workspace_id AND d.document_id = o.document_id AND d.space_id = o.space_id
        """;

    private const string PruneChangesSql = """
        DELETE FROM documents_changes WHERE change_id IN (
            SELECT change_id FROM documents_changes WHERE changed_at < now() - $1 ORDER BY change_id LIMIT 10000)
        """;

    private int _claims = -1;

    /// <summary>Claims tasks for an owner: their weighted fair share for every workspace that waits.</summary>
    /// <param name="owner">The worker.</param>
    /// <param name="count">Tasks, at most.</param>
    /// <param name="lease">How long they are nobody else's, unless renewed.</param>
    /// <param name="cursor">Where the claim before stopped looking; the default at first.</param>
    /// <param name="cancellationToken">Cancels. A claim that was made all the same ends with its lease.</param>
    public Task<TaskClaim> ClaimAsync(Guid owner, int count, TimeSpan lease, ClaimCursor cursor, CancellationToken cancellationToken) =>
        ClaimAsync(owner, count, lease, cursor, [], cancellationToken);

    /// <summary>Whether there is no task at all: none to claim, none that rests, none that another worker has.</summary>
    public async Task<bool> IsEmptyAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(EmptySql);
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Claims tasks as the other overload does, but none of <paramref name="fullSpaces"/>.</summary>
    public async Task<TaskClaim> ClaimAsync(
        Guid owner, int count, TimeSpan lease, ClaimCursor cursor, IReadOnlyCollection<int> fullSpaces, CancellationToken cancellationToken)
    {
        Failpoint.Hit("claim.before");
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);

        // One implicit transaction; the second statement sees what was committed before it got the lock.
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(LockSql),
                new(ClaimSql)
                {
                    Parameters =
                    {
                        new() { Value = new[] { cursor.High, cursor.Normal, cursor.Low } },
                        new() { Value = count },
                        new() { Value = owner },
                        new() { Value = lease, NpgsqlDbType = NpgsqlDbType.Interval },
                        new() { Value = NextPhase() },
                        new() { Value = fullSpaces.ToArray() },
                    },
                },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        var tasks = new List<IndexTask>();
        var next = default(ClaimCursor);
        while (await reader.ReadAsync(cancellationToken))
        {
            next = new(reader.GetInt32(8), reader.GetInt32(9), reader.GetInt32(10));
            if (!reader.IsDBNull(0))
            {
                tasks.Add(new(
                    reader.GetInt32(0),
                    reader.GetString(1),
                    reader.GetInt32(2),
                    reader.GetInt64(3),
                    reader.GetInt16(4),
                    reader.GetInt32(5),
                    reader.GetInt32(6),
                    reader.GetFieldValue<DateTimeOffset>(7),
                    reader.GetInt32(11)));
            }
        }

        Failpoint.Hit("claim.done");
        return new(tasks, next);
    }

    /// <summary>
    /// Renews leases of tasks that are in work. Only of those: a task that could not be given back, because the database was away, has to run out.
    /// </summary>
    /// <returns>Leases that were renewed; those that are being changed this moment are left for the next time.</returns>
    public Task<int> RenewAsync(Guid owner, IReadOnlyCollection<IndexTask> tasks, TimeSpan lease, CancellationToken cancellationToken) =>
        DrilledAsync(
            "renew", RenewSql, cancellationToken, [.. Keys(owner, tasks), new() { Value = lease, NpgsqlDbType = NpgsqlDbType.Interval }]);

    /// <summary>Which tasks still are an owner's: nobody has changed, finished, paused or cancelled them.</summary>
    /// <returns>Indexes in <paramref name="tasks"/>.</returns>
    public async Task<IReadOnlySet<int>> ListHeldAsync(Guid owner, IReadOnlyList<IndexTask> tasks, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(HeldSql);
        command.Parameters.AddRange(Keys(owner, tasks));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var held = new HashSet<int>(tasks.Count);
        while (await reader.ReadAsync(cancellationToken))
        {
            held.Add(reader.GetInt32(0) - 1);
        }

        return held;
    }

    /// <summary>Gives tasks back as they were, to be claimed again after <paramref name="delay"/>.</summary>
    public Task<int> ReleaseAsync(Guid owner, IReadOnlyCollection<IndexTask> tasks, TimeSpan delay, CancellationToken cancellationToken) =>
        ReleaseAsync(owner, tasks, delay, false, cancellationToken);

    /// <summary>Gives tasks back, to be claimed again after <paramref name="delay"/>.</summary>
    /// <param name="owner">The worker.</param>
    /// <param name="tasks">The tasks.</param>
    /// <param name="delay">How long nobody claims them.</param>
    /// <param name="keepClaims">Whether their <see cref="IndexTask.Claims"/> go on growing: they may be why it came to nothing.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    public Task<int> ReleaseAsync(
        Guid owner, IReadOnlyCollection<IndexTask> tasks, TimeSpan delay, bool keepClaims, CancellationToken cancellationToken) =>
        DrilledAsync(
            "release",
            ReleaseSql,
            cancellationToken,
            [.. Keys(owner, tasks), new() { Value = delay, NpgsqlDbType = NpgsqlDbType.Interval }, new() { Value = keepClaims }]);

    /// <summary>Gives back all that an owner still holds.</summary>
    public Task<int> ReleaseAllAsync(Guid owner, CancellationToken cancellationToken) =>
        ExecuteAsync(ReleaseAllSql, cancellationToken, new NpgsqlParameter { Value = owner });

    /// <summary>Removes tasks that have nothing left to do: their document is gone, or the space is none of its route any more.</summary>
    public Task<int> FinishAsync(Guid owner, IReadOnlyCollection<IndexTask> tasks, CancellationToken cancellationToken) =>
        DrilledAsync("finish", FinishSql, cancellationToken, [.. Keys(owner, tasks)]);

    /// <summary>Notes a failed attempt; the task is tried again after <paramref name="delay"/>.</summary>
    public Task<int> FailAsync(
        Guid owner, IndexTask task, string cause, string message, TimeSpan delay, CancellationToken cancellationToken) =>
        DrilledAsync(
            "fail",
            FailSql,
            cancellationToken,
            [.. Key(owner, task), new() { Value = cause }, new() { Value = message }, new() { Value = delay, NpgsqlDbType = NpgsqlDbType.Interval }]);

    /// <summary>Notes the last failed attempt and moves the task, with its history, to the dead letters.</summary>
    public Task<int> BuryAsync(Guid owner, IndexTask task, string cause, string message, CancellationToken cancellationToken) =>
        DrilledAsync("bury", BurySql, cancellationToken, [.. Key(owner, task), new() { Value = cause }, new() { Value = message }]);

    /// <summary>Lets nobody claim tasks of a space for a while: doubled with each call in a row, up to <paramref name="longest"/>.</summary>
    /// <param name="spaceId">The space.</param>
    /// <param name="shortest">The first rest.</param>
    /// <param name="longest">The longest rest.</param>
    /// <param name="cause">A short, stable word.</param>
    /// <param name="message">What happened.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    public Task<int> CoolDownAsync(
        int spaceId, TimeSpan shortest, TimeSpan longest, string cause, string message, CancellationToken cancellationToken) =>
        ExecuteAsync(
            CoolDownSql,
            cancellationToken,
            new() { Value = spaceId },
            new() { Value = shortest, NpgsqlDbType = NpgsqlDbType.Interval },
            new() { Value = longest, NpgsqlDbType = NpgsqlDbType.Interval },
            new() { Value = cause },
            new() { Value = message });

    /// <summary>Ends the rest of a space, because its provider answers again.</summary>
    public Task<int> WarmUpAsync(int spaceId, CancellationToken cancellationToken) =>
        ExecuteAsync(WarmUpSql, cancellationToken, new NpgsqlParameter { Value = spaceId });

    /// <summary>Spaces whose provider failed lately, at most 1,000.</summary>
    public async Task<IReadOnlyList<CooldownRow>> ListCooldownsAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(CooldownsSql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var cooldowns = new List<CooldownRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            cooldowns.Add(new(
                reader.GetString(0), reader.GetFieldValue<DateTimeOffset>(1), reader.GetInt32(2), reader.GetString(3), reader.GetString(4)));
        }

        return cooldowns;
    }

    /// <summary>Sets a workspace's share of the workers against others that wait, 1 to 100.</summary>
    /// <returns>False when there is no workspace of that name.</returns>
    public async Task<bool> WeighAsync(string workspace, int weight, CancellationToken cancellationToken) =>
        await ExecuteAsync(WeighSql, cancellationToken, new() { Value = workspace }, new() { Value = weight }) > 0;

    /// <summary>Discards up to 10,000 dead letters that are older than <paramref name="age"/>.</summary>
    public Task<int> ExpireDeadLettersAsync(TimeSpan age, CancellationToken cancellationToken) => ExecuteAsync(
        ExpireSql, cancellationToken, new NpgsqlParameter { Value = age, NpgsqlDbType = NpgsqlDbType.Interval });

    /// <summary>Removes up to 10,000 entries of the log of changes that are older than <paramref name="age"/>.</summary>
    public Task<int> PruneChangesAsync(TimeSpan age, CancellationToken cancellationToken) => ExecuteAsync(
        PruneChangesSql, cancellationToken, new NpgsqlParameter { Value = age, NpgsqlDbType = NpgsqlDbType.Interval });

    // Multiples of the golden ratio, less their whole part: every stretch of them is spread evenly over 0 to 1.
    private double NextPhase() => Interlocked.Increment(ref _claims) * 0.6180339887498949 % 1;

    private static NpgsqlParameter[] Keys(Guid owner, IReadOnlyCollection<IndexTask> tasks) =>
    [
        new() { Value = owner },
        new() { Value = tasks.Select(t => t.WorkspaceId).ToArray() },
        new() { Value = tasks.Select(t => t.DocumentId).ToArray() },
        new() { Value = tasks.Select(t => t.SpaceId).ToArray() },
        new() { Value = tasks.Select(t => t.Version).ToArray() },
    ];

    private static NpgsqlParameter[] Key(Guid owner, IndexTask task) =>
    [
        new() { Value = owner },
        new() { Value = task.WorkspaceId },
        new() { Value = task.DocumentId },
        new() { Value = task.SpaceId },
        new() { Value = task.Version },
    ];

    private async Task<int> DrilledAsync(string name, string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters)
    {
        Failpoint.Hit(name + ".before");
        var rows = await ExecuteAsync(sql, cancellationToken, parameters);
        Failpoint.Hit(name + ".done");
        return rows;
    }

    private async Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters)
    {
        await using var command = dataSource.CreateCommand(sql);
        command.Parameters.AddRange(parameters);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
