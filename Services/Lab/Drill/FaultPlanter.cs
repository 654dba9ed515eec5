using Npgsql;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Drill;

/// <summary>Breaks an index on purpose, to see whether the doctor finds it. Needs a role that may switch off triggers: tests and drills.</summary>
internal sealed class FaultPlanter(NpgsqlDataSource dataSource)
{
    /// <summary>Documents that a planting needs.</summary>
    public const int Documents = 9;

    // Without triggers and foreign keys: what is planted here cannot happen otherwise.
    private const string UnguardSql = "SET LOCAL session_replication_role = replica";

    private const string ChunksSql = """
        SELECT min(c.chunk_id) FROM chunks c WHERE c.workspace_id = $1 GROUP BY c.document_key ORDER BY c.document_key LIMIT 9
        """;

    // {0} is the space's table, {1} another space's and {2} its dimensions; $1 the workspace, $2 another one, $3 nine chunks of different documents.
    private static readonly string[] s_plants =
    [
        "DELETE FROM {0} WHERE workspace_id = $1 AND chunk_id = $3[1] AND $2 > 0",
        """
        INSERT INTO {0} SELECT workspace_id, 9000000000, document_key, content_hash, embedding FROM {0}
        WHERE workspace_id = $1 AND chunk_id = $3[2] AND $2 > 0
        """,
        "UPDATE chunks SET text = 'Something else.' WHERE workspace_id = $1 AND chunk_id = $3[3] AND $2 > 0",
        """
        INSERT INTO {1} (workspace_id, chunk_id, document_key, content_hash, embedding)
        SELECT $1, $3[4], 1, decode('00', 'hex'), array_fill(1::real, ARRAY[{2}])::vector WHERE $2 > 0
        """,
        """
        UPDATE {0} SET embedding = array_fill(0::real, ARRAY[vector_dims(embedding)])::vector
        WHERE workspace_id = $1 AND chunk_id = $3[5] AND $2 > 0
        """,
        "UPDATE {0} SET workspace_id = $2 WHERE workspace_id = $1 AND chunk_id = $3[6]",
        """
        INSERT INTO chunks (workspace_id, document_key, content_hash, occurrence, ordinal, start_offset, overlap, heading, text, lexical_id)
        SELECT workspace_id, document_key, content_hash, 1000, ordinal, 0, 0, '', text, -1
        FROM chunks WHERE workspace_id = $1 AND chunk_id = $3[7] AND $2 > 0
        """,
        """
        INSERT INTO chunks (workspace_id, document_key, content_hash, occurrence, ordinal, start_offset, overlap, heading, text, lexical_id)
        SELECT workspace_id, 9000000000, content_hash, 0, 0, 0, 0, '', text, -2
        FROM chunks WHERE workspace_id = $1 AND chunk_id = $3[8] AND $2 > 0
        """,
        """
        UPDATE documents d SET text = 'Changed without a task.' FROM chunks c
        WHERE c.workspace_id = $1 AND c.chunk_id = $3[9] AND d.workspace_id = $1 AND d.document_key = c.document_key AND $2 > 0
        """,
        """
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass('{0}_hnsw') AND $1 > 0 AND $2 > 0 AND cardinality($3) > 0
        """,
    ];

    private const string CreateIndexSql = "CREATE INDEX IF NOT EXISTS {0}_hnsw ON {0} USING hnsw (embedding {1}_cosine_ops)";

    /// <summary>Plants ten faults of ten kinds: see <see cref="IndexFault"/>.</summary>
    /// <param name="workspace">A workspace with at least nine documents that have chunks.</param>
    /// <param name="space">The space that serves it, of the type <c>vector</c>.</param>
    /// <param name="other">Another workspace.</param>
    /// <param name="otherSpace">The space that serves that one: not <paramref name="space"/>, and of the type <c>vector</c> too.</param>
    /// <param name="cancellationToken">Cancels; nothing is planted then.</param>
    public async Task PlantAsync(int workspace, SpaceRow space, int other, SpaceRow otherSpace, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        ArgumentNullException.ThrowIfNull(otherSpace);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using (var create = new NpgsqlCommand(string.Format(null, CreateIndexSql, space.VectorTable, space.VectorType), connection))
        {
            create.CommandTimeout = 0;
            await create.ExecuteNonQueryAsync(cancellationToken);
        }

        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var chunks = new List<long>();
        await using (var list = new NpgsqlCommand(ChunksSql, connection) { Parameters = { new() { Value = workspace } } })
        await using (var reader = await list.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                chunks.Add(reader.GetInt64(0));
            }
        }

        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { new(UnguardSql) } };
        foreach (var plant in s_plants)
        {
            batch.BatchCommands.Add(new(string.Format(null, plant, space.VectorTable, otherSpace.VectorTable, otherSpace.Dimensions))
            {
                Parameters = { new() { Value = workspace }, new() { Value = other }, new() { Value = chunks.ToArray() } },
            });
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}
