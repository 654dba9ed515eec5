using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>A check of the index that was asked for.</summary>
/// <param name="CheckId">Its id.</param>
/// <param name="Workspace">The workspace, or null for all.</param>
/// <param name="Repair">Whether what is found is mended.</param>
/// <param name="Scheduled">Whether the schedule asked for it, rather than a person.</param>
/// <param name="RequestedAt">When it was asked for.</param>
/// <param name="Running">Whether a worker is at it.</param>
/// <param name="FinishedAt">When it ended, or null.</param>
/// <param name="Report">What was found, as JSON; null as long as it is not finished, and when it failed.</param>
/// <param name="Error">Why it failed, or null.</param>
public sealed record DoctorCheckRow(
    long CheckId,
    string? Workspace,
    bool Repair,
    bool Scheduled,
    DateTimeOffset RequestedAt,
    bool Running,
    DateTimeOffset? FinishedAt,
    string? Report,
    string? Error);

/// <summary>A check that a worker has taken.</summary>
/// <param name="CheckId">Its id.</param>
/// <param name="WorkspaceId">The workspace, or null for all.</param>
/// <param name="Repair">Whether to mend what is found.</param>
/// <param name="Attempts">How often it was taken, this time included.</param>
public sealed record ClaimedCheck(long CheckId, int? WorkspaceId, bool Repair, int Attempts);

/// <summary>Checks of the index: people and the schedule ask for them, workers do them, what they found is kept.</summary>
public sealed class DoctorCheckStore(NpgsqlDataSource dataSource)
{
    private const string RequestSql = """
        WITH requested AS (
            INSERT INTO doctor_checks (workspace_id, repair)
            SELECT w.workspace_id, $2
            FROM (SELECT 1) one LEFT JOIN workspaces w ON w.name = $1 AND w.deleted_at IS NULL
            WHERE $1 IS NULL OR w.workspace_id IS NOT NULL
            RETURNING check_id
        )
        SELECT check_id, pg_notify('rag_control', '') FROM requested
        """;

    // The lock lets workers take turns: one check an interval, however many workers there are.
    private const string ScheduleLockSql = $"SELECT pg_advisory_xact_lock({Locks.Schedule})";

    private const string ScheduleSql = """
        INSERT INTO doctor_checks (repair, scheduled)
        SELECT $2, true
        WHERE NOT EXISTS (SELECT FROM doctor_checks WHERE workspace_id IS NULL AND requested_at > now() - $1)
          AND NOT EXISTS (SELECT FROM doctor_checks WHERE scheduled AND finished_at IS NULL)
        """;

    private const string ClaimSql = """
        UPDATE doctor_checks SET lease_owner = $1, leased_until = now() + $2, attempts = attempts + 1
        WHERE check_id = (
            SELECT check_id FROM doctor_checks
            WHERE finished_at IS NULL AND (leased_until IS NULL OR leased_until < now())
            ORDER BY scheduled, check_id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING check_id, workspace_id, repair, attempts
        """;

    private const string RenewSql = """
        UPDATE doctor_checks SET leased_until = now() + $3 WHERE check_id = $2 AND lease_owner = $1 AND finished_at IS NULL
        """;

    private const string ReleaseSql = """
        UPDATE doctor_checks SET leased_until = now() + $3, lease_owner = NULL, attempts = attempts - $4::boolean::int
        WHERE check_id = $2 AND lease_owner = $1 AND finished_at IS NULL
        """;

    private const string FinishSql = """
        UPDATE doctor_checks SET finished_at = now(), leased_until = NULL, report = $3, error = $4
        WHERE check_id = $2 AND lease_owner = $1 AND finished_at IS NULL
        """;

    private const string ListSql = """
        SELECT c.check_id, w.name, c.repair, c.scheduled, c.requested_at, coalesce(c.lease_owner IS NOT NULL AND c.leased_until > now(), false), c.finished_at, c.report::text, c.error
        FROM doctor_checks c LEFT JOIN workspaces w USING (workspace_id)
        WHERE $1::bigint IS NULL OR c.check_id = $1
        ORDER BY c.check_id DESC LIMIT $2
        """;

    private const string PruneSql = "DELETE FROM doctor_checks WHERE finished_at < now() - $1";

    /// <summary>Asks for a check.</summary>
    /// <param name="workspace">The workspace, or null for all.</param>
    /// <param name="repair">Whether to mend what is found.</param>
    /// <param name="cancellationToken">Cancels; nothing is asked for then.</param>
    /// <returns>The check's id, or null when there is no such workspace.</returns>
    public async Task<long?> RequestAsync(string? workspace, bool repair, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(RequestSql);
        command.Parameters.Add(new() { Value = (object?)workspace ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = repair });
        return (long?)await command.ExecuteScalarAsync(cancellationToken);
    }

    /// <summary>Asks for a check of everything, unless one was asked for within the interval, or one of the schedule is still to be done.</summary>
    /// <param name="interval">The least time between two of them.</param>
    /// <param name="repair">Whether to mend what is found.</param>
    /// <param name="cancellationToken">Cancels; nothing is asked for then.</param>
    /// <returns>Whether one was asked for.</returns>
    public async Task<bool> ScheduleAsync(TimeSpan interval, bool repair, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(ScheduleLockSql),
                new(ScheduleSql)
                {
                    Parameters = { new() { Value = interval, NpgsqlDbType = NpgsqlDbType.Interval }, new() { Value = repair } },
                },
            },
        };
        await batch.ExecuteNonQueryAsync(cancellationToken);
        return batch.BatchCommands[1].RecordsAffected > 0;
    }

    /// <summary>Takes a check that nobody is at: those that people asked for first.</summary>
    /// <param name="owner">The worker.</param>
    /// <param name="lease">How long it is nobody else's, unless renewed.</param>
    /// <param name="cancellationToken">Cancels. A check that was taken all the same ends with its lease.</param>
    /// <returns>The check, or null when there is none.</returns>
    public async Task<ClaimedCheck?> ClaimAsync(Guid owner, TimeSpan lease, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ClaimSql);
        command.Parameters.Add(new() { Value = owner });
        command.Parameters.Add(new() { Value = lease, NpgsqlDbType = NpgsqlDbType.Interval });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new(reader.GetInt64(0), reader.IsDBNull(1) ? null : reader.GetInt32(1), reader.GetBoolean(2), reader.GetInt32(3))
            : null;
    }

    /// <summary>Renews the lease of a check; 0 when it is somebody else's now.</summary>
    public Task<int> RenewAsync(Guid owner, long checkId, TimeSpan lease, CancellationToken cancellationToken) => ExecuteAsync(
        RenewSql, cancellationToken, new() { Value = owner }, new() { Value = checkId }, new() { Value = lease, NpgsqlDbType = NpgsqlDbType.Interval });

    /// <summary>Gives a check back, to be taken again.</summary>
    /// <param name="owner">The worker that took it.</param>
    /// <param name="checkId">The check.</param>
    /// <param name="delay">Not to be taken before.</param>
    /// <param name="forget">Whether the attempt does not count.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public Task<int> ReleaseAsync(Guid owner, long checkId, TimeSpan delay, bool forget, CancellationToken cancellationToken) => ExecuteAsync(
        ReleaseSql,
        cancellationToken,
        new() { Value = owner },
        new() { Value = checkId },
        new() { Value = delay, NpgsqlDbType = NpgsqlDbType.Interval },
        new() { Value = forget });

    /// <summary>Ends a check.</summary>
    /// <param name="owner">The worker that took it.</param>
    /// <param name="checkId">The check.</param>
    /// <param name="report">What was found, as JSON; null when it failed.</param>
    /// <param name="error">Why it failed, or null.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>0 when it is somebody else's now.</returns>
    public Task<int> FinishAsync(Guid owner, long checkId, string? report, string? error, CancellationToken cancellationToken) => ExecuteAsync(
        FinishSql,
        cancellationToken,
        new() { Value = owner },
        new() { Value = checkId },
        new() { Value = (object?)report ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Jsonb },
        new() { Value = (object?)error ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });

    /// <summary>Checks, newest first, at most 20.</summary>
    public Task<IReadOnlyList<DoctorCheckRow>> ListAsync(CancellationToken cancellationToken) => ListAsync(null, 20, cancellationToken);

    /// <summary>A check, or null.</summary>
    public async Task<DoctorCheckRow?> FindAsync(long checkId, CancellationToken cancellationToken) =>
        (await ListAsync(checkId, 1, cancellationToken)).SingleOrDefault();

    /// <summary>Forgets checks that ended longer ago than <paramref name="age"/>.</summary>
    public Task<int> PruneAsync(TimeSpan age, CancellationToken cancellationToken) =>
        ExecuteAsync(PruneSql, cancellationToken, new NpgsqlParameter { Value = age, NpgsqlDbType = NpgsqlDbType.Interval });

    private async Task<IReadOnlyList<DoctorCheckRow>> ListAsync(long? checkId, int limit, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.Parameters.Add(new() { Value = (object?)checkId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint });
        command.Parameters.Add(new() { Value = limit });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var checks = new List<DoctorCheckRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            checks.Add(new(
                reader.GetInt64(0),
                reader.IsDBNull(1) ? null : reader.GetString(1),
                reader.GetBoolean(2),
                reader.GetBoolean(3),
                reader.GetFieldValue<DateTimeOffset>(4),
                reader.GetBoolean(5),
                reader.IsDBNull(6) ? null : reader.GetFieldValue<DateTimeOffset>(6),
                reader.IsDBNull(7) ? null : reader.GetString(7),
                reader.IsDBNull(8) ? null : reader.GetString(8)));
        }

        return checks;
    }

    private async Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters)
    {
        await using var command = dataSource.CreateCommand(sql);
        command.Parameters.AddRange(parameters);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
