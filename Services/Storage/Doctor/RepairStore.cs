using Npgsql;

namespace RagPlatform.Storage;

/// <summary>
/// Mends what <see cref="DoctorStore"/> found: what is wrong is removed, and the tasks of its documents are raised, in one transaction; the
/// workers do the rest. Repairing twice does no harm.
/// </summary>
public sealed class RepairStore(NpgsqlDataSource dataSource)
{
    // {0} is the table of a registered space.
    private const string DeleteVectorsSql = """
        DELETE FROM {0} v USING unnest($1::int[], $2::bigint[]) AS f (workspace_id, chunk_id)
        WHERE v.workspace_id = f.workspace_id AND v.chunk_id = f.chunk_id
        """;

    private const string DeleteSpaceSql = "DELETE FROM {0} v WHERE v.workspace_id = ANY ($1)";

    private const string ForgetSpaceSql = "DELETE FROM indexed_documents WHERE space_id = $1 AND workspace_id = ANY ($2)";

    private const string DeleteChunksSql = """
        DELETE FROM chunks c USING unnest($1::int[], $2::bigint[]) AS f (workspace_id, chunk_id)
        WHERE c.workspace_id = f.workspace_id AND c.chunk_id = f.chunk_id
        """;

    private const string LockDocumentsSql = """
        SELECT FROM unnest($1::int[], $2::text[]) AS f (workspace_id, document_id)
        JOIN documents d ON d.workspace_id = f.workspace_id AND d.document_id = f.document_id
        ORDER BY d.workspace_id, d.document_id
        FOR NO KEY UPDATE OF d
        """;

    private const string RaiseSql = """
        SELECT raise_tasks(array_agg(d.workspace_id), array_agg(d.document_id), array_agg(d.revision), array_agg(d.priority)) FROM (
            SELECT DISTINCT d.workspace_id, d.document_id, d.revision, d.priority
            FROM unnest($1::int[], $2::text[]) AS f (workspace_id, document_id)
            JOIN documents d ON d.workspace_id = f.workspace_id AND d.document_id = f.document_id) d
        HAVING count(*) > 0
        """;

    private const string RaiseGenerationsSql = "SELECT raise_generations($1)";

    private const string DropIndexSql = "DROP INDEX CONCURRENTLY IF EXISTS {0}";

    /// <summary>Mends faults.</summary>
    /// <param name="faults">What a check found.</param>
    /// <param name="spaces">Every registered space.</param>
    /// <param name="cancellationToken">Cancels; only indexes may have been dropped then.</param>
    public async Task RepairAsync(IReadOnlyList<IndexFault> faults, IReadOnlyList<SpaceRow> spaces, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(faults);
        ArgumentNullException.ThrowIfNull(spaces);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var indexes = spaces.ToDictionary(s => s.SpaceId, s => s.IndexName(s.WantsHalfIndex));
        var tables = spaces.ToDictionary(s => s.SpaceId, s => s.VectorTable);
        foreach (var fault in faults.Where(f => f.Kind == "invalid_index"))
        {
            // Whoever is at the space's indexes now drops it as well.
            await using var held = await VectorIndexLock.TryTakeAsync(dataSource, spaces.First(s => s.SpaceId == fault.SpaceId), cancellationToken);
            if (held is null)
            {
                continue;
            }

            await using var drop = new NpgsqlCommand(string.Format(null, DropIndexSql, indexes[fault.SpaceId!.Value]), connection);
            await drop.ExecuteNonQueryAsync(cancellationToken);
        }

        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);

        // In the order of Locks.
        var documents = faults.Where(f => f.DocumentId is not null).ToList();
        if (documents.Count > 0)
        {
            foreach (var sql in new[] { LockDocumentsSql, RaiseSql })
            {
                batch.BatchCommands.Add(new(sql)
                {
                    Parameters = { Array(documents.Select(f => f.WorkspaceId)), Array(documents.Select(f => f.DocumentId!)) },
                });
            }
        }

        // A vector that is there although it must not be, or is not of its chunk.
        foreach (var space in faults.Where(f => f is { ChunkId: not null, SpaceId: not null } && f.Kind is not ("wrong_space" or "missing"))
            .GroupBy(f => f.SpaceId!.Value))
        {
            batch.BatchCommands.Add(new(string.Format(null, DeleteVectorsSql, tables[space.Key]))
            {
                Parameters = { Array(space.Select(f => f.WorkspaceId)), Array(space.Select(f => f.ChunkId!.Value)) },
            });
        }

        foreach (var space in faults.Where(f => f.Kind == "wrong_space").GroupBy(f => f.SpaceId!.Value))
        {
            var workspaces = Array(space.Select(f => f.WorkspaceId));
            batch.BatchCommands.Add(new(string.Format(null, DeleteSpaceSql, tables[space.Key])) { Parameters = { workspaces } });
            batch.BatchCommands.Add(new(ForgetSpaceSql)
            {
                Parameters = { new() { Value = space.Key }, Array(space.Select(f => f.WorkspaceId)) },
            });
        }

        var chunks = faults.Where(f => f is { ChunkId: not null, SpaceId: null }).ToList();
        if (chunks.Count > 0)
        {
            batch.BatchCommands.Add(new(DeleteChunksSql)
            {
                Parameters = { Array(chunks.Select(f => f.WorkspaceId)), Array(chunks.Select(f => f.ChunkId!.Value)) },
            });
        }

        if (batch.BatchCommands.Count > 0)
        {
            batch.BatchCommands.Add(new(RaiseGenerationsSql)
            {
                Parameters = { Array(faults.Select(f => f.WorkspaceId).Where(w => w > 0).Distinct().Order()) },
            });
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
    }

    private static NpgsqlParameter Array<T>(IEnumerable<T> values) => new() { Value = values.ToArray() };
}
