using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>A budget of a workspace, or of one key of it.</summary>
/// <param name="BudgetId">Its key in the database; 0 for one that is to be set.</param>
/// <param name="Workspace">The workspace's name.</param>
/// <param name="KeyId">The key; empty for the whole workspace.</param>
/// <param name="Period"><c>day</c> or <c>month</c>, UTC.</param>
/// <param name="Hard">Whether requests beyond it are refused; otherwise it only alerts.</param>
/// <param name="LimitMicro">Millionths of a US dollar; null for no such limit.</param>
/// <param name="LimitTokens">Tokens; null for no such limit.</param>
/// <param name="SpentMicro">Spent in this period.</param>
/// <param name="SpentTokens">Spent in this period.</param>
/// <param name="ReservedMicro">Reserved by calls under way.</param>
/// <param name="ReservedTokens">Reserved by calls under way.</param>
public sealed record EmbeddingBudgetRow(
    long BudgetId,
    string Workspace,
    string KeyId,
    string Period,
    bool Hard,
    decimal? LimitMicro,
    long? LimitTokens,
    decimal SpentMicro = 0,
    long SpentTokens = 0,
    decimal ReservedMicro = 0,
    long ReservedTokens = 0);

/// <summary>What became of a reservation.</summary>
/// <param name="RefusedBy">The budget that refused; null when it was reserved.</param>
/// <param name="RefusedPeriod"><c>day</c> or <c>month</c>; null when it was reserved.</param>
/// <param name="SpentOut">Whether it would be refused also when nobody else had reserved anything.</param>
/// <param name="Used">The largest share of a budget that is spent or reserved now, 0 to 1.</param>
public sealed record EmbeddingReservation(long? RefusedBy, string? RefusedPeriod, bool SpentOut, double Used);

/// <summary>A budget crossed a threshold.</summary>
/// <param name="BudgetId">The budget.</param>
/// <param name="Period"><c>day</c> or <c>month</c>.</param>
/// <param name="Hard">Whether requests beyond it are refused.</param>
/// <param name="KeyId">The key; empty for the whole workspace.</param>
/// <param name="Percent">50, 80 or 100.</param>
public sealed record EmbeddingBudgetAlert(long BudgetId, string Period, bool Hard, string KeyId, int Percent);

/// <summary>Budgets: reserved before a call, settled after it, exact however many processes ask at once.</summary>
public sealed class EmbeddingBudgetStore(NpgsqlDataSource dataSource)
{
    private const string SetSql = """
        INSERT INTO embedding_budgets AS b (workspace, key_id, period, hard, limit_micro, limit_tokens, period_start)
        VALUES ($1, $2, $3, $4, $5, $6, embedding_period_start($3))
        ON CONFLICT (workspace, key_id, period, hard) DO UPDATE
        SET limit_micro = excluded.limit_micro, limit_tokens = excluded.limit_tokens, alerted = 0
        RETURNING b.budget_id
        """;

    private const string DeleteSql = "DELETE FROM embedding_budgets WHERE budget_id = $1";

    private const string ListSql = """
        SELECT budget_id, workspace, key_id, period, hard, limit_micro, limit_tokens,
               CASE WHEN period_start < embedding_period_start(period) THEN 0 ELSE spent_micro END,
               CASE WHEN period_start < embedding_period_start(period) THEN 0 ELSE spent_tokens END, reserved_micro, reserved_tokens
        FROM embedding_budgets WHERE $1::text IS NULL OR workspace = $1 ORDER BY workspace, key_id, period, hard LIMIT 100000
        """;

    private const string ReserveSql = "SELECT refused_by, refused_period, spent_out, used FROM reserve_embedding($1, $2, $3, $4, $5, $6)";

    private const string SettleSql = "SELECT budget_id, period, hard, key_id, percent FROM settle_embedding($1, $2, $3, $4, $5)";

    private const string RenewSql = "UPDATE embedding_reservations SET leased_until = now() + $2 WHERE reservation_id = $1";

    private const string ReturnSql = "SELECT return_embedding_reservations()";

    private const string ForgetSql = """
        DELETE FROM embedding_settlements WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM embedding_settlements WHERE settled_at < now() - interval '2 days' ORDER BY settled_at LIMIT 1000))
        """;

    // What a crash of PostgreSQL could lose are fractions of a second of counters; waiting for the disk twice per call is worth more than that.
    private const string AsynchronousCommitSql = "SET LOCAL synchronous_commit = off";

    /// <summary>Sets a budget's limits, or creates it.</summary>
    /// <returns>Its key.</returns>
    public async Task<long> SetAsync(EmbeddingBudgetRow budget, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(SetSql);
        command.Parameters.Add(new() { Value = budget.Workspace });
        command.Parameters.Add(new() { Value = budget.KeyId });
        command.Parameters.Add(new() { Value = budget.Period });
        command.Parameters.Add(new() { Value = budget.Hard });
        command.Parameters.Add(new() { Value = (object?)budget.LimitMicro ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Numeric });
        command.Parameters.Add(new() { Value = (object?)budget.LimitTokens ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint });
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Removes a budget; false when there is none of that key.</summary>
    public async Task<bool> DeleteAsync(long budgetId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(DeleteSql);
        command.Parameters.Add(new() { Value = budgetId });
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>Budgets with what is spent of them, at most 100,000.</summary>
    /// <param name="workspace">One workspace; null for all.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyList<EmbeddingBudgetRow>> ListAsync(string? workspace, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.CommandTimeout = 5;
        command.Parameters.Add(new() { Value = (object?)workspace ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var budgets = new List<EmbeddingBudgetRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            budgets.Add(new(
                reader.GetInt64(0),
                reader.GetString(1),
                reader.GetString(2),
                reader.GetString(3),
                reader.GetBoolean(4),
                reader.IsDBNull(5) ? null : reader.GetDecimal(5),
                reader.IsDBNull(6) ? null : reader.GetInt64(6),
                reader.GetDecimal(7),
                reader.GetInt64(8),
                reader.GetDecimal(9),
                reader.GetInt64(10)));
        }

        return budgets;
    }

    /// <summary>Reserves in every hard budget of a workspace and key, or in none of them.</summary>
    /// <param name="workspace">The workspace's name.</param>
    /// <param name="keyId">The key; empty for the admin's.</param>
    /// <param name="id">Names the reservation; new for each.</param>
    /// <param name="micro">Millionths of a US dollar that may be spent.</param>
    /// <param name="tokens">Tokens that may be spent.</param>
    /// <param name="lease">After how long it is given back when nobody settles or renews it.</param>
    /// <param name="cancellationToken">Cancels; nothing is reserved then.</param>
    /// <returns>What became of it; null when there is no hard budget.</returns>
    public Task<EmbeddingReservation?> ReserveAsync(
        string workspace, string keyId, Guid id, decimal micro, long tokens, TimeSpan lease, CancellationToken cancellationToken) =>
        CommitAsync(
            ReserveSql,
            [new() { Value = workspace }, new() { Value = keyId }, new() { Value = id }, new() { Value = micro }, new() { Value = tokens }, new() { Value = lease }],
            static async (reader, token) => await reader.ReadAsync(token)
                ? new EmbeddingReservation(
                    reader.IsDBNull(0) ? null : reader.GetInt64(0), reader.IsDBNull(1) ? null : reader.GetString(1), reader.GetBoolean(2), reader.GetDouble(3))
                : null,
            cancellationToken);

    /// <summary>Books what was really spent, in soft budgets too, and gives the reservation back.</summary>
    /// <param name="workspace">As reserved.</param>
    /// <param name="keyId">As reserved.</param>
    /// <param name="id">As reserved; of a call without reservation any.</param>
    /// <param name="micro">Spent; 0 when nothing was.</param>
    /// <param name="tokens">Spent; 0 when nothing was.</param>
    /// <param name="cancellationToken">Cancels; nothing is booked then.</param>
    /// <returns>Thresholds that were crossed by it; each once in a period.</returns>
    public async Task<IReadOnlyList<EmbeddingBudgetAlert>> SettleAsync(
        string workspace, string keyId, Guid id, decimal micro, long tokens, CancellationToken cancellationToken) =>
        (await CommitAsync(
            SettleSql,
            [new() { Value = workspace }, new() { Value = keyId }, new() { Value = id }, new() { Value = micro }, new() { Value = tokens }],
            static async (reader, token) =>
            {
                var alerts = new List<EmbeddingBudgetAlert>();
                while (await reader.ReadAsync(token))
                {
                    alerts.Add(new(reader.GetInt64(0), reader.GetString(1), reader.GetBoolean(2), reader.GetString(3), reader.GetInt16(4)));
                }

                return alerts;
            },
            cancellationToken))!;

    /// <summary>Prolongs a reservation.</summary>
    public async Task RenewAsync(Guid id, TimeSpan lease, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(RenewSql);
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = lease });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Gives back what dead processes had reserved.</summary>
    /// <returns>Reservations that were given back.</returns>
    public async Task<long> ReturnExpiredAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ReturnSql);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>One step of forgetting settlements that nobody will send again.</summary>
    /// <returns>How many were forgotten; fewer than 1,000 when none is left.</returns>
    public async Task<int> ForgetSettledAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ForgetSql);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<T> CommitAsync<T>(
        string sql, NpgsqlParameter[] parameters, Func<NpgsqlDataReader, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection) { Timeout = 10 };
        batch.BatchCommands.Add(new(AsynchronousCommitSql));
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        batch.BatchCommands.Add(command);
        T result;
        await using (var reader = await batch.ExecuteReaderAsync(cancellationToken))
        {
            result = await read(reader, cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return result;
    }
}
