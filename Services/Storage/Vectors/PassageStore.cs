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

/// <summary>A passage next to another.</summary>
/// <param name="Of">The other one.</param>
/// <param name="ChunkId">Its key.</param>
/// <param name="Ordinal">Its place in the document, from 0.</param>
/// <param name="Text">Its text.</param>
public sealed record NeighborRow(long Of, long ChunkId, int Ordinal, string Text);

/// <summary>Reads passages.</summary>
public sealed class PassageStore(NpgsqlDataSource dataSource)
{
    private const string SelectLiveSql = """
        SELECT x.rank, c.chunk_id, c.document_key
        FROM unnest($2::bigint[]) WITH ORDINALITY AS x (lexical_id, rank)
        JOIN chunks c ON c.workspace_id = $1 AND c.lexical_id = x.lexical_id
        """;

    private const string JoinDocumentsSql = " JOIN documents d ON d.workspace_id = $1 AND d.document_key = c.document_key WHERE ";

    private const string OrderByRankSql = " ORDER BY x.rank";

    private const string MatchingSql = "SELECT d.document_key FROM documents d WHERE d.workspace_id = $1 AND ";

    // ts_headline takes what is joined by these characters for one word and drops what looks like a tag, which lexical_terms does not. So they become control
    // characters, which are blanks to it, and come back afterwards; control characters of the text itself become blanks for good.
    private const string Joining = "-/._<>&@:~+";
    private const string JoiningAway = "\u0005\u0006\u0007\u0008\u000E\u000F\u0010\u0011\u0012\u0013\u0014";

    private const string HighlightSql = """
        SELECT c.chunk_id,
               translate(ts_headline($3::text::regconfig, translate(translate(c.text, $7 || E'\x02\x03\x04', repeat(' ', 14)), $6, $7), q.query, $5), $7, $6)
        FROM chunks c, (SELECT lexical_any($4) AS query) q
        WHERE c.workspace_id = $1 AND c.chunk_id = ANY ($2)
        """;

    private const string TermsSql = "SELECT lexeme FROM unnest(lexical_terms($1::text::regconfig, $2))";

    private const string NeighborsSql = """
        SELECT h.chunk_id, n.chunk_id, n.ordinal, n.text
        FROM chunks h
        JOIN chunks n ON n.workspace_id = h.workspace_id AND n.document_key = h.document_key
            AND n.ordinal BETWEEN h.ordinal - $3 AND h.ordinal + $3 AND n.chunk_id <> h.chunk_id
        WHERE h.workspace_id = $1 AND h.chunk_id = ANY ($2)
        ORDER BY h.chunk_id, n.ordinal
        """;

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
    /// <param name="phrases">Regular expressions each of which the title or the text must match, in any case.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>The live ones, in the same order.</returns>
    public async Task<IReadOnlyList<CandidateRow>> FindLiveAsync(
        int workspaceId, long[] lexicalIds, Filter? filter, IReadOnlyList<string> phrases, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(phrases);
        await using var command = dataSource.CreateCommand();
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = lexicalIds });
        var conditions = new List<string>();
        if (filter is not null)
        {
            conditions.Add(filter.ToSql(command.Parameters));
        }

        foreach (var phrase in phrases)
        {
            command.Parameters.Add(new() { Value = phrase });
            conditions.Add($"(d.title ~* ${command.Parameters.Count} OR c.text ~* ${command.Parameters.Count})");
        }

        command.CommandText = SelectLiveSql
            + (conditions.Count == 0 ? "" : JoinDocumentsSql + string.Join(" AND ", conditions))
            + OrderByRankSql;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var live = new List<CandidateRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            live.Add(new(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2)));
        }

        return live;
    }

    /// <summary>What boosts need of documents.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="documentKeys">The documents.</param>
    /// <param name="filters">Conditions.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>For each document when it was changed last, and which of the conditions it meets.</returns>
    public async Task<IReadOnlyDictionary<long, (DateTimeOffset UpdatedAt, bool[] Meets)>> ReadFactorsAsync(
        int workspaceId, long[] documentKeys, IReadOnlyList<Filter> filters, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(filters);
        await using var command = dataSource.CreateCommand();
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = documentKeys });
        var meets = string.Join(", ", filters.Select(filter => filter.ToSql(command.Parameters)));
        command.CommandText = $"""
            SELECT d.document_key, d.updated_at, ARRAY[{meets}]::boolean[]
            FROM documents d WHERE d.workspace_id = $1 AND d.document_key = ANY ($2)
            """;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var factors = new Dictionary<long, (DateTimeOffset, bool[])>();
        while (await reader.ReadAsync(cancellationToken))
        {
            factors.Add(reader.GetInt64(0), (reader.GetFieldValue<DateTimeOffset>(1), reader.GetFieldValue<bool[]>(2)));
        }

        return factors;
    }

    /// <summary>The terms of a text, as passages have them.</summary>
    /// <param name="language">The workspace's text search configuration.</param>
    /// <param name="text">The text.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<string[]> ReadTermsAsync(string language, string text, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(TermsSql);
        command.Parameters.Add(new() { Value = language });
        command.Parameters.Add(new() { Value = text });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var terms = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            terms.Add(reader.GetString(0));
        }

        return [.. terms];
    }

    /// <summary>Excerpts of passages with some terms marked.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="chunkIds">The passages.</param>
    /// <param name="language">The workspace's text search configuration.</param>
    /// <param name="terms">The terms, stemmed as the index has them.</param>
    /// <param name="options">Options of PostgreSQL's ts_headline.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyDictionary<long, string>> HighlightAsync(
        int workspaceId, long[] chunkIds, string language, IReadOnlyCollection<string> terms, string options, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(HighlightSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = chunkIds });
        command.Parameters.Add(new() { Value = language });
        command.Parameters.Add(new() { Value = terms.ToArray() });
        command.Parameters.Add(new() { Value = options });
        command.Parameters.Add(new() { Value = Joining });
        command.Parameters.Add(new() { Value = JoiningAway });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var excerpts = new Dictionary<long, string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            excerpts.Add(reader.GetInt64(0), reader.GetString(1));
        }

        return excerpts;
    }

    /// <summary>The passages before and behind some passages of the same documents.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="chunkIds">The passages.</param>
    /// <param name="count">How many on each side.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<ILookup<long, NeighborRow>> ReadNeighborsAsync(
        int workspaceId, long[] chunkIds, int count, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(NeighborsSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = chunkIds });
        command.Parameters.Add(new() { Value = count });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var neighbors = new List<NeighborRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            neighbors.Add(new(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt32(2), reader.GetString(3)));
        }

        return neighbors.ToLookup(n => n.Of);
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
