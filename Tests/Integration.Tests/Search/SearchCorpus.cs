using System.Security.Cryptography;
using System.Text;
using Npgsql;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Search;

/// <summary>Writes workspaces, documents, chunks and vectors straight into a test's database, as indexing would.</summary>
internal sealed class SearchCorpus
{
    public const int Dimensions = 16;

    private const string InsertChunksSql = """
        INSERT INTO chunks (workspace_id, document_key, content_hash, occurrence, ordinal, start_offset, overlap, heading, text)
        SELECT d.workspace_id, d.document_key, i.hash, 0, i.ordinal, 0, 0, '', i.text
        FROM unnest($2::text[], $3::int[], $4::text[], $5::bytea[]) WITH ORDINALITY AS i (id, ordinal, text, hash, place)
        JOIN documents d ON d.workspace_id = $1 AND d.document_id = i.id
        ORDER BY i.place
        RETURNING chunk_id, document_key, content_hash
        """;

    private readonly NpgsqlDataSource _dataSource;

    private SearchCorpus(NpgsqlDataSource dataSource, WorkspaceRow workspace)
    {
        _dataSource = dataSource;
        Workspace = workspace;
    }

    public WorkspaceRow Workspace { get; }

    public int WorkspaceId => Workspace.WorkspaceId;

    public static async Task<SearchCorpus> CreateAsync(
        TestDatabase database, string name, string language, CancellationToken cancellationToken, int dimensions = Dimensions)
    {
        var space = await new SpaceStore(database.DataSource).EnsureAsync(
            new(0, $"test_{dimensions}_0", "test", "", dimensions, true, "", "", 0, false), cancellationToken);
        var workspaces = new WorkspaceStore(database.DataSource);
        Assert.True(await workspaces.CreateAsync(name, language, new("markdown", 1200, 200), space.SpaceId, cancellationToken));
        return new(database.DataSource, (await workspaces.FindAsync(name, cancellationToken))!);
    }

    public Task PutAsync(string id, string title, string metadata, CancellationToken cancellationToken) =>
        PutAsync([new(id, title, "", metadata, 1)], cancellationToken);

    public Task PutAsync(IReadOnlyList<DocumentInput> documents, CancellationToken cancellationToken) =>
        new DocumentStore(_dataSource).PutAsync(WorkspaceId, documents, cancellationToken);

    public Task DeleteAsync(string id, CancellationToken cancellationToken) =>
        new DocumentStore(_dataSource).DeleteAsync(WorkspaceId, id, cancellationToken);

    /// <summary>Adds chunks to documents that are there, and returns their ids.</summary>
    public async Task<long[]> AddChunksAsync(
        IReadOnlyList<(string Document, int Ordinal, string Text)> chunks, CancellationToken cancellationToken)
    {
        await using var command = _dataSource.CreateCommand(InsertChunksSql);
        command.Parameters.Add(new() { Value = WorkspaceId });
        command.Parameters.Add(new() { Value = chunks.Select(c => c.Document).ToArray() });
        command.Parameters.Add(new() { Value = chunks.Select(c => c.Ordinal).ToArray() });
        command.Parameters.Add(new() { Value = chunks.Select(c => c.Text).ToArray() });
        command.Parameters.Add(new()
        {
            Value = chunks.Select((c, i) => SHA256.HashData(Encoding.UTF8.GetBytes($"{c.Document} {c.Ordinal} {i} {c.Text}"))[..16]).ToArray(),
        });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var ids = new List<long>();
        while (await reader.ReadAsync(cancellationToken))
        {
            ids.Add(reader.GetInt64(0));
        }

        return [.. ids];
    }

    /// <summary>Gives chunks their vectors.</summary>
    public async Task AddVectorsAsync(IReadOnlyList<(long ChunkId, float[] Vector)> vectors, CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        foreach (var (chunkId, vector) in vectors)
        {
            batch.BatchCommands.Add(new($"""
                INSERT INTO {Workspace.Serving.VectorTable} (workspace_id, chunk_id, document_key, content_hash, embedding)
                SELECT workspace_id, chunk_id, document_key, content_hash, $3::real[]::vector FROM chunks WHERE workspace_id = $1 AND chunk_id = $2
                """)
            {
                Parameters = { new() { Value = WorkspaceId }, new() { Value = chunkId }, new() { Value = vector } },
            });
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task ExecuteAsync(string sql, CancellationToken cancellationToken, bool parameters = true)
    {
        await using var command = _dataSource.CreateCommand(sql);
        if (parameters)
        {
            command.Parameters.Add(new() { Value = WorkspaceId });
        }

        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task<List<T>> QueryAsync<T>(string sql, CancellationToken cancellationToken)
    {
        await using var command = _dataSource.CreateCommand(sql);
        command.Parameters.Add(new() { Value = WorkspaceId });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(reader.GetFieldValue<T>(0));
        }

        return rows;
    }

    /// <summary>A vector of unit length.</summary>
    public static float[] RandomVector(Random random, int dimensions = Dimensions)
    {
        var vector = Enumerable.Range(0, dimensions).Select(_ => (random.NextSingle() * 2) - 1).ToArray();
        var norm = MathF.Sqrt(vector.Sum(x => x * x));
        return [.. vector.Select(x => x / norm)];
    }
}
