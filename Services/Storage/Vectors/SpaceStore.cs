using System.Globalization;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>A registered embedding space.</summary>
/// <param name="SpaceId">Its key in the database.</param>
/// <param name="Id">Its public id, derived from all that makes vectors comparable.</param>
/// <param name="Model">The model's name.</param>
/// <param name="Revision">The model's revision; may be empty.</param>
/// <param name="Dimensions">Dimensions of its vectors.</param>
/// <param name="Normalized">Whether vectors have unit length.</param>
/// <param name="QueryPrompt">Text before a query.</param>
/// <param name="DocumentPrompt">Text before a passage.</param>
/// <param name="MaxTokens">Tokens after which a text is truncated; 0 when it is refused.</param>
/// <param name="Lexical">Whether vectors compare words rather than meaning.</param>
/// <param name="HalfIndex">Whether its HNSW indexes are to be of half precision; see <see cref="WantsHalfIndex"/>.</param>
public sealed record SpaceRow(
    int SpaceId,
    string Id,
    string Model,
    string Revision,
    int Dimensions,
    bool Normalized,
    string QueryPrompt,
    string DocumentPrompt,
    int MaxTokens,
    bool Lexical,
    bool HalfIndex = false)
{
    /// <summary>The columns that <see cref="Read"/> expects, of the table alias <c>s</c>.</summary>
    internal const string Columns =
        "s.space_id, s.id, s.model, s.revision, s.dimensions, s.normalized, s.query_prompt, s.document_prompt, s.max_tokens, s.lexical, s.half_index";

    /// <summary>The table that holds its vectors. Safe as an identifier: the id is checked when the space is registered.</summary>
    public string VectorTable => "vectors_" + Id;

    /// <summary>The column type of its vectors: HNSW indexes <c>vector</c> up to 2,000 and <c>halfvec</c> up to 4,000 dimensions.</summary>
    public string VectorType => Dimensions > 2000 ? "halfvec" : "vector";

    /// <summary>Whether its indexes are to be of less precision than its vectors, which decide about what the index finds.</summary>
    public bool WantsHalfIndex => HalfIndex && VectorType == "vector";

    /// <summary>The name of its HNSW index of full or of half precision.</summary>
    internal string IndexName(bool half) => half ? "hnsw_half_" + Number(SpaceId) : VectorTable + "_hnsw";

    /// <summary>The name of a workspace's own HNSW index.</summary>
    internal string IndexName(bool half, int workspaceId) => $"hnsw_{(half ? "half_" : "")}{Number(SpaceId)}_{Number(workspaceId)}";

    /// <summary>What such an index is over, of the table alias or nothing in <paramref name="prefix"/>; queries order by the same.</summary>
    internal string IndexExpression(bool half, string prefix = "") =>
        half ? $"({prefix}embedding::halfvec({Number(Dimensions)}))" : prefix + "embedding";

    /// <summary>The type of that expression.</summary>
    internal string IndexType(bool half) => half ? "halfvec" : VectorType;

    internal static SpaceRow Read(NpgsqlDataReader reader, int i) => new(
        reader.GetInt32(i),
        reader.GetString(i + 1),
        reader.GetString(i + 2),
        reader.GetString(i + 3),
        reader.GetInt32(i + 4),
        reader.GetBoolean(i + 5),
        reader.GetString(i + 6),
        reader.GetString(i + 7),
        reader.GetInt32(i + 8),
        reader.GetBoolean(i + 9),
        reader.GetBoolean(i + 10));

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Embedding spaces and the tables of their vectors.</summary>
public sealed class SpaceStore(NpgsqlDataSource dataSource)
{
    private const string FindSql = $"SELECT {SpaceRow.Columns} FROM spaces s WHERE s.id = $1";

    private const string ListSql = $"SELECT {SpaceRow.Columns} FROM spaces s ORDER BY s.space_id LIMIT 1000";

    private const string SetHalfIndexSql = "UPDATE spaces SET half_index = $2 WHERE id = $1";

    private const string LockSql = $"SELECT pg_advisory_xact_lock({Locks.Spaces})";

    private const string InsertSql = """
        INSERT INTO spaces (id, model, revision, dimensions, normalized, query_prompt, document_prompt, max_tokens, lexical)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (id) DO NOTHING
        """;

    // {0} is the table, {1} the type, {2} the dimensions: identifiers and numbers of a checked space, never input.
    // The HNSW index is built by the worker once there is enough to index: loading into an empty table is then several times faster.
    private const string CreateTableSql = """
        CREATE TABLE IF NOT EXISTS {0} (
            workspace_id int NOT NULL,
            chunk_id     bigint NOT NULL,
            document_key bigint NOT NULL,
            content_hash bytea NOT NULL,
            embedding    {1}({2}) NOT NULL,
            PRIMARY KEY (workspace_id, chunk_id),
            FOREIGN KEY (workspace_id, chunk_id) REFERENCES chunks ON DELETE CASCADE
        );
        CREATE INDEX IF NOT EXISTS {0}_document ON {0} (workspace_id, document_key);
        """;

    /// <summary>A space by its public id, or null.</summary>
    public async Task<SpaceRow?> FindAsync(string id, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(FindSql);
        command.Parameters.Add(new() { Value = id });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? SpaceRow.Read(reader, 0) : null;
    }

    /// <summary>Every registered space, oldest first, at most 1,000.</summary>
    public async Task<IReadOnlyList<SpaceRow>> ListAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var spaces = new List<SpaceRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            spaces.Add(SpaceRow.Read(reader, 0));
        }

        return spaces;
    }

    /// <summary>
    /// Sets whether the HNSW indexes of a space are to be of half precision. The worker builds those that are wanted, and drops the others when they
    /// are no more in use.
    /// </summary>
    /// <returns>False when there is no such space.</returns>
    public async Task<bool> SetHalfIndexAsync(string id, bool half, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(SetHalfIndexSql);
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = half });
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>Registers a space with the table for its vectors, unless it is registered already.</summary>
    /// <param name="space">The space; its <see cref="SpaceRow.SpaceId"/> is ignored.</param>
    /// <param name="cancellationToken">Cancels; nothing is half registered.</param>
    /// <returns>The registered space.</returns>
    /// <exception cref="PostgresException">The id or the dimensions are out of range (check violation).</exception>
    public async Task<SpaceRow> EnsureAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        if (await FindAsync(space.Id, cancellationToken) is { } known)
        {
            return known;
        }

        await using (var connection = await dataSource.OpenConnectionAsync(cancellationToken))
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await using (var batch = new NpgsqlBatch(connection))
            {
                batch.BatchCommands.Add(new(LockSql));
                batch.BatchCommands.Add(new(InsertSql)
                {
                    Parameters =
                    {
                        new() { Value = space.Id },
                        new() { Value = space.Model },
                        new() { Value = space.Revision },
                        new() { Value = space.Dimensions },
                        new() { Value = space.Normalized },
                        new() { Value = space.QueryPrompt },
                        new() { Value = space.DocumentPrompt },
                        new() { Value = space.MaxTokens },
                        new() { Value = space.Lexical },
                    },
                });
                await batch.ExecuteNonQueryAsync(cancellationToken);
            }

            // Only after the check constraints have accepted the id may it become part of a statement.
            await using (var create = new NpgsqlCommand(
                string.Format(null, CreateTableSql, space.VectorTable, space.VectorType, space.Dimensions), connection))
            {
                await create.ExecuteNonQueryAsync(cancellationToken);
            }

            await transaction.CommitAsync(cancellationToken);
        }

        return (await FindAsync(space.Id, cancellationToken))!;
    }
}
