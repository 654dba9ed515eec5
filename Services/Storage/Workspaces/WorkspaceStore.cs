using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>How documents of a workspace are cut; lengths in characters.</summary>
public sealed record ChunkingRow(string Strategy, int TargetLength, int Overlap);

/// <summary>A workspace with its route.</summary>
/// <param name="WorkspaceId">Its key in the database.</param>
/// <param name="Name">Its name.</param>
/// <param name="Language">The text search configuration of its keyword search.</param>
/// <param name="Chunking">How its documents are cut.</param>
/// <param name="Serving">The space that serves it.</param>
/// <param name="TargetSpaceId">The space that it moves to, or null.</param>
/// <param name="TargetShare">Share of requests that the target serves, 0 to 1.</param>
/// <param name="Generation">Raised by every visible change.</param>
/// <param name="CreatedAt">When it was created.</param>
public sealed record WorkspaceRow(
    int WorkspaceId,
    string Name,
    string Language,
    ChunkingRow Chunking,
    SpaceRow Serving,
    int? TargetSpaceId,
    float TargetShare,
    long Generation,
    DateTimeOffset CreatedAt);

/// <summary>Workspaces, their routes and generations.</summary>
public sealed class WorkspaceStore(NpgsqlDataSource dataSource)
{
    private const int MaxTasks = 10_000;

    private const string SelectSql = $"""
        SELECT w.workspace_id, w.name, w.language, w.chunk_strategy, w.chunk_target, w.chunk_overlap,
               r.target_space, r.target_share, g.generation, w.created_at, {SpaceRow.Columns}
        FROM workspaces w
        JOIN routes r USING (workspace_id)
        JOIN generations g USING (workspace_id)
        JOIN spaces s ON s.space_id = r.serving_space
        """;

    private const string FindSql = SelectSql + " WHERE w.name = $1 AND w.deleted_at IS NULL";

    private const string ListSql = SelectSql + " WHERE w.name > $1 AND w.deleted_at IS NULL ORDER BY w.name LIMIT $2";

    private const string LanguagesSql = "SELECT cfgname::text FROM pg_ts_config WHERE pg_ts_config_is_visible(oid) ORDER BY 1";

    private const string CreateSql = """
        WITH created AS (
            INSERT INTO workspaces (name, language, chunk_strategy, chunk_target, chunk_overlap)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING
            RETURNING workspace_id
        ), counted AS (
            INSERT INTO generations (workspace_id) SELECT workspace_id FROM created
        )
        INSERT INTO routes (workspace_id, serving_space) SELECT workspace_id, $6 FROM created
        """;

    // Without its route no write of the workspace raises a task any more. What only selects is not done unless something reads it. Nothing but what Locks
    // says is locked with the workspace.
    private const string MarkDeletedSql = """
        WITH gone AS (
            UPDATE workspaces SET deleted_at = now() WHERE name = $1 AND deleted_at IS NULL RETURNING workspace_id
        ), keys AS (
            DELETE FROM api_keys k USING gone WHERE k.workspace_id = gone.workspace_id
        ), notified AS (
            SELECT pg_notify('rag_generations', workspace_id::text) FROM gone
        )
        DELETE FROM routes r USING gone, notified WHERE r.workspace_id = gone.workspace_id
        """;

    // A task that somebody has is left for the next time.
    private const string PurgeTasksSql = """
        DELETE FROM tasks t
        USING (
            SELECT t.workspace_id, t.document_id, t.space_id
            FROM workspaces w JOIN tasks t USING (workspace_id)
            WHERE w.deleted_at IS NOT NULL
            ORDER BY t.workspace_id, t.document_id, t.space_id
            LIMIT $1
            FOR UPDATE OF t SKIP LOCKED
        ) gone
        WHERE t.workspace_id = gone.workspace_id AND t.document_id = gone.document_id AND t.space_id = gone.space_id
        """;

    private const string PurgeDocumentsSql = """
        DELETE FROM documents d
        USING (
            SELECT d.workspace_id, d.document_key
            FROM workspaces w JOIN documents d USING (workspace_id)
            WHERE w.deleted_at IS NOT NULL
            LIMIT $1
            FOR UPDATE OF d SKIP LOCKED
        ) gone
        WHERE d.workspace_id = gone.workspace_id AND d.document_key = gone.document_key
        """;

    private const string PurgeWorkspacesSql = """
        DELETE FROM workspaces w
        WHERE w.deleted_at IS NOT NULL AND NOT EXISTS (SELECT FROM documents d WHERE d.workspace_id = w.workspace_id)
        """;

    private const string GenerationSql = """
        SELECT g.generation FROM generations g JOIN workspaces w USING (workspace_id) WHERE g.workspace_id = $1 AND w.deleted_at IS NULL
        """;

    private const string FindLiveSql = "SELECT workspace_id FROM workspaces WHERE workspace_id = ANY ($1) AND deleted_at IS NULL";

    /// <summary>Creates a workspace that <paramref name="servingSpaceId"/> serves.</summary>
    /// <returns>False when there is a workspace of that name.</returns>
    public async Task<bool> CreateAsync(
        string name, string language, ChunkingRow chunking, int servingSpaceId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(chunking);
        await using var command = dataSource.CreateCommand(CreateSql);
        command.Parameters.Add(new() { Value = name });
        command.Parameters.Add(new() { Value = language });
        command.Parameters.Add(new() { Value = chunking.Strategy });
        command.Parameters.Add(new() { Value = chunking.TargetLength });
        command.Parameters.Add(new() { Value = chunking.Overlap });
        command.Parameters.Add(new() { Value = servingSpaceId });
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>The text search configurations that PostgreSQL has, by name.</summary>
    public async Task<IReadOnlyList<string>> ListLanguagesAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(LanguagesSql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var languages = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            languages.Add(reader.GetString(0));
        }

        return languages;
    }

    /// <summary>A workspace, or null.</summary>
    public async Task<WorkspaceRow?> FindAsync(string name, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(FindSql);
        command.Parameters.Add(new() { Value = name });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? Read(reader) : null;
    }

    /// <summary>Workspaces by name.</summary>
    /// <param name="after">The last name of the page before; empty for the first page.</param>
    /// <param name="limit">Rows, at most.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyList<WorkspaceRow>> ListAsync(string after, int limit, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = limit });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var workspaces = new List<WorkspaceRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            workspaces.Add(Read(reader));
        }

        return workspaces;
    }

    /// <summary>Makes a workspace invisible, with its keys and tasks gone; <see cref="PurgeAsync"/> removes its rows.</summary>
    /// <returns>False when there is none of that name.</returns>
    public async Task<bool> DeleteAsync(string name, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(MarkDeletedSql);
        command.Parameters.Add(new() { Value = name });
        if (await command.ExecuteNonQueryAsync(cancellationToken) == 0)
        {
            return false;
        }

        await PurgeTasksAsync(MaxTasks, cancellationToken);
        return true;
    }

    /// <summary>One step of removing what deleted workspaces owned.</summary>
    /// <param name="documents">Documents to remove, at most.</param>
    /// <param name="cancellationToken">Cancels the step.</param>
    /// <returns>Documents removed; 0 when nothing is left to do.</returns>
    public async Task<int> PurgeAsync(int documents, CancellationToken cancellationToken)
    {
        await PurgeTasksAsync(MaxTasks, cancellationToken);
        await using var purge = dataSource.CreateCommand(PurgeDocumentsSql);
        purge.Parameters.Add(new() { Value = documents });
        var removed = await purge.ExecuteNonQueryAsync(cancellationToken);
        if (removed == 0)
        {
            await using var finish = dataSource.CreateCommand(PurgeWorkspacesSql);
            await finish.ExecuteNonQueryAsync(cancellationToken);
        }

        return removed;
    }

    /// <summary>The generation of a workspace; null when it does not exist any more.</summary>
    public async Task<long?> FindGenerationAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(GenerationSql);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = workspaceId, NpgsqlDbType = NpgsqlDbType.Integer });
        return (long?)await command.ExecuteScalarAsync(cancellationToken);
    }

    /// <summary>Those of some workspaces that were not deleted.</summary>
    public async Task<IReadOnlySet<int>> FindLiveAsync(int[] workspaceIds, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(FindLiveSql);
        command.Parameters.Add(new() { Value = workspaceIds });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var live = new HashSet<int>();
        while (await reader.ReadAsync(cancellationToken))
        {
            live.Add(reader.GetInt32(0));
        }

        return live;
    }

    private Task<int> PurgeTasksAsync(int most, CancellationToken cancellationToken) => TransactionRetry.RunAsync(
        async token =>
        {
            await using var command = dataSource.CreateCommand(PurgeTasksSql);
            command.Parameters.Add(new() { Value = most });
            return await command.ExecuteNonQueryAsync(token);
        },
        cancellationToken);

    private static WorkspaceRow Read(NpgsqlDataReader reader) => new(
        reader.GetInt32(0),
        reader.GetString(1),
        reader.GetString(2),
        new ChunkingRow(reader.GetString(3), reader.GetInt32(4), reader.GetInt32(5)),
        SpaceRow.Read(reader, 10),
        reader.IsDBNull(6) ? null : reader.GetInt32(6),
        reader.GetFloat(7),
        reader.GetInt64(8),
        reader.GetFieldValue<DateTimeOffset>(9));
}
