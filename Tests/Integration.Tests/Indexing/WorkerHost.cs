using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using RagPlatform.IndexingWorker;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

/// <summary>A worker over a database of tests, with an embedder in memory that counts and can be told to fail.</summary>
internal sealed class WorkerHost : IAsyncDisposable
{
    /// <summary>The admin key of every worker.</summary>
    public const string AdminKey = "an-admin-key-of-tests";

    private readonly WebApplication _app;

    private WorkerHost(WebApplication app) => _app = app;

    public ConcurrentQueue<string> Embedded { get; } = [];

    /// <summary>Called with each request before it is answered; may throw.</summary>
    public Func<IReadOnlyList<string>, Task> BeforeAnswer { get; set; } = _ => Task.CompletedTask;

    public IServiceProvider Services => _app.Services;

    public Uri Address => new(_app.Urls.First());

    public static async Task<WorkerHost> StartAsync(TestDatabase database, params (string Key, string Value)[] settings)
    {
        WorkerHost? host = null;
        var app = IndexingWorkerApp.Build([], builder =>
        {
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["urls"] = "http://127.0.0.1:0",
                ["ConnectionStrings:ragdb"] = database.ConnectionString,
                ["Auth:AdminKey"] = AdminKey,
                ["Indexing:RetryDelay"] = "00:00:00.050",
                ["Indexing:Cooldown"] = "00:00:00.050",
                ["Indexing:PollInterval"] = "00:00:00.100",
                ["Indexing:MaintenanceInterval"] = "00:00:00.100",
            });
            builder.Configuration.AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value)));
            builder.Logging.ClearProviders();
            builder.Services.AddSingleton<EmbedTexts>((space, _, texts, _) => host!.EmbedAsync(space, texts));
        });
        host = new(app);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return host;
    }

    /// <summary>Waits until no task is left.</summary>
    public static async Task WaitUntilIdleAsync(TestDatabase database, int seconds = 20)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (await QueryAsync<long>(database, "SELECT count(*) FROM tasks") > 0)
        {
            await Task.Delay(10, limit.Token);
        }
    }

    /// <summary>Waits until something is so.</summary>
    public static async Task WaitUntilAsync(Func<Task<bool>> isSo, int seconds = 20)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (!await isSo())
        {
            await Task.Delay(10, limit.Token);
        }
    }

    public static async Task<T> QueryAsync<T>(TestDatabase database, string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    public static async Task ExecuteAsync(TestDatabase database, string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>What no service may do.</summary>
    public static async Task ExecuteAsAdministratorAsync(TestDatabase database, string sql)
    {
        await using var dataSource = NpgsqlDataSource.Create(database.AdministrationConnectionString + ";Pooling=false");
        await using var command = dataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>A vector that says which text it is of.</summary>
    public static float[] VectorOf(string text, int dimensions)
    {
        var random = new Random(text.Aggregate(17, (hash, c) => unchecked((hash * 31) + c)));
        return [.. Enumerable.Range(0, dimensions).Select(_ => random.NextSingle() - 0.5f)];
    }

    public Task StopAsync() => _app.StopAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private async Task<IReadOnlyList<ReadOnlyMemory<float>>> EmbedAsync(SpaceRow space, IReadOnlyList<string> texts)
    {
        await BeforeAnswer(texts);
        foreach (var text in texts)
        {
            Embedded.Enqueue(text);
        }

        return [.. texts.Select(text => (ReadOnlyMemory<float>)VectorOf(text, space.Dimensions))];
    }
}

/// <summary>Workspaces and documents for tests, through the stores that the API uses.</summary>
internal sealed class TestWorkspace(TestDatabase database, int id, string name, SpaceRow space)
{
    private readonly DocumentStore _documents = new(database.DataSource);

    public int Id { get; } = id;

    public string Name { get; } = name;

    public SpaceRow Space { get; } = space;

    public static async Task<TestWorkspace> CreateAsync(TestDatabase database, string name, int dimensions = 8, string strategy = "markdown")
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var space = await new SpaceStore(database.DataSource).EnsureAsync(
            new(0, $"test_{dimensions}", "test", "", dimensions, true, "", "", 0, true), cancellationToken);
        var workspaces = new WorkspaceStore(database.DataSource);
        Assert.True(await workspaces.CreateAsync(name, "english", new(strategy, 1200, 200), space.SpaceId, cancellationToken));
        return new(database, (await workspaces.FindAsync(name, cancellationToken))!.WorkspaceId, name, space);
    }

    public async Task PutAsync(params (string Id, string Text)[] documents) => await _documents.PutAsync(
        Id, [.. documents.Select(d => new DocumentInput(d.Id, "Title of " + d.Id, d.Text, "{}", 1))], TestContext.Current.CancellationToken);

    public async Task PutPreparedAsync(string id, string text, params (string Text, float[]? Vector)[] chunks) => await _documents.PutAsync(
        Id,
        [new(id, "", text, "{}", 1, [.. chunks.Select((c, i) =>
            new PreparedChunkRow(c.Text, i, 0, "", c.Vector is null ? null : Space.SpaceId, c.Vector))])],
        TestContext.Current.CancellationToken);

    public Task<bool> DeleteAsync(string id) => _documents.DeleteAsync(Id, id, TestContext.Current.CancellationToken);

    public Task<long> CountAsync(string table) =>
        WorkerHost.QueryAsync<long>(database, $"SELECT count(*) FROM {table} WHERE workspace_id = {Id}");

    /// <summary>Every chunk of a document has one vector, of its own text; returns the document's chunks.</summary>
    public async Task<IReadOnlyList<string>> ReadIndexAsync(string documentId)
    {
        await using var command = database.DataSource.CreateCommand($"""
            SELECT c.text, v.embedding::real[] FROM documents d JOIN chunks c USING (workspace_id, document_key)
            LEFT JOIN {Space.VectorTable} v USING (workspace_id, chunk_id)
            WHERE d.workspace_id = {Id} AND d.document_id = $1 ORDER BY c.ordinal
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = documentId });
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var texts = new List<string>();
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
        {
            texts.Add(reader.GetString(0));
            Assert.Equal(WorkerHost.VectorOf(texts[^1], Space.Dimensions), reader.GetFieldValue<float[]>(1));
        }

        return texts;
    }
}
