using Npgsql;

namespace RagPlatform.Storage;

/// <summary>A passage with what an answer says about it.</summary>
/// <param name="ChunkId">Its key.</param>
/// <param name="DocumentKey">Its document's key.</param>
/// <param name="DocumentId">Its document, by the caller's id.</param>
/// <param name="Ordinal">Its place in the document, from 0.</param>
/// <param name="Title">The document's title.</param>
/// <param name="Heading">The headings above it.</param>
/// <param name="Text">Its text.</param>
/// <param name="Metadata">The document's metadata: a JSON object, as text.</param>
public sealed record PassageRow(
    long ChunkId, long DocumentKey, string DocumentId, int Ordinal, string Title, string Heading, string Text, string Metadata)
{
    /// <summary>The columns that <see cref="Read"/> expects, of the table aliases <c>c</c> (chunks) and <c>d</c> (documents).</summary>
    internal const string Columns =
        "c.chunk_id, c.document_key, d.document_id, c.ordinal, d.title, c.heading, c.text, d.metadata::text";

    internal static PassageRow Read(NpgsqlDataReader reader, int i) => new(
        reader.GetInt64(i),
        reader.GetInt64(i + 1),
        reader.GetString(i + 2),
        reader.GetInt32(i + 3),
        reader.GetString(i + 4),
        reader.GetString(i + 5),
        reader.GetString(i + 6),
        reader.GetString(i + 7));
}

/// <summary>A passage that is a candidate: its keys only.</summary>
/// <param name="Rank">Its place among the candidates that were asked for, from 1.</param>
/// <param name="ChunkId">Its key.</param>
/// <param name="DocumentKey">Its document's key.</param>
public readonly record struct CandidateRow(long Rank, long ChunkId, long DocumentKey);

/// <summary>Reads passages.</summary>
public sealed class PassageStore(NpgsqlDataSource dataSource)
{
    private const string SelectLiveSql = """
        SELECT x.rank, c.chunk_id, c.document_key
        FROM unnest($2::bigint[]) WITH ORDINALITY AS x (lexical_id, rank)
        JOIN chunks c ON c.workspace_id = $1 AND c.lexical_id = x.lexical_id
        """;

    private const string JoinDocumentsSql = " JOIN documents d ON d.workspace_id = $1 AND d.document_key = c.document_key WHERE ";

    private const string MatchingSql = "SELECT d.document_key FROM documents d WHERE d.workspace_id = $1 AND ";

    private const string OrderByRankSql = " ORDER BY x.rank";

    private const string ReadSql = $"""
        SELECT {PassageRow.Columns}
        FROM unnest($2::bigint[]) WITH ORDINALITY AS x (chunk_id, rank)
        JOIN chunks c ON c.workspace_id = $1 AND c.chunk_id = x.chunk_id
        JOIN documents d ON d.workspace_id = $1 AND d.document_key = c.document_key
        ORDER BY x.rank
        """;

    /// <summary>Which of some lexical ids belong to live chunks of documents that meet a condition.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="lexicalIds">The ids, best first.</param>
    /// <param name="filter">The condition, or null.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>The live ones, in the same order.</returns>
    public async Task<IReadOnlyList<CandidateRow>> FindLiveAsync(
        int workspaceId, long[] lexicalIds, Filter? filter, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand();
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = lexicalIds });
        command.CommandText = filter is null
            ? SelectLiveSql + OrderByRankSql
            : SelectLiveSql + JoinDocumentsSql + filter.ToSql(command.Parameters) + OrderByRankSql;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var live = new List<CandidateRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            live.Add(new(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2)));
        }

        return live;
    }

    /// <summary>The keys of all documents that meet a condition. Meant for conditions that few meet.</summary>
    public async Task<IReadOnlySet<long>> FindMatchingAsync(int workspaceId, Filter filter, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(filter);
        await using var command = dataSource.CreateCommand();
        command.Parameters.Add(new() { Value = workspaceId });
        command.CommandText = MatchingSql + filter.ToSql(command.Parameters);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var matching = new HashSet<long>();
        while (await reader.ReadAsync(cancellationToken))
        {
            matching.Add(reader.GetInt64(0));
        }

        return matching;
    }

    /// <summary>Reads passages by their keys; those that are gone are left out.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="chunkIds">Their keys.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyList<PassageRow>> ReadAsync(int workspaceId, long[] chunkIds, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ReadSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = chunkIds });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var passages = new List<PassageRow>(chunkIds.Length);
        while (await reader.ReadAsync(cancellationToken))
        {
            passages.Add(PassageRow.Read(reader, 0));
        }

        return passages;
    }
}
