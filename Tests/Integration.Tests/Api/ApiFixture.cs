using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SearchApi;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>The search API over a database of its own, on a real listener; the embedding service is a list of models, the worker is a statement.</summary>
public class ApiFixture(Backends backends) : IAsyncLifetime
{
    public const string AdminKey = "integration-tests-admin-key";

    private WebApplication? _app;
    private HttpClient? _http;

    /// <summary>A client that holds the admin key. Where a server is missing, it skips the test that reads it.</summary>
    public HttpClient Http => _http ?? throw backends.Missing();

    /// <summary>The typed client that holds the admin key.</summary>
    public RagClient Client => new(Http);

    public Uri Address { get; private set; } = null!;

    public NpgsqlDataSource Database { get; private set; } = null!;

    /// <summary>What the embedding service answers; by default one model.</summary>
    public Func<HttpResponseMessage> Models { get; set; } = DefaultModels;

    public IServiceProvider Services => _app!.Services;

    public async ValueTask InitializeAsync()
    {
        if (!backends.AreThere)
        {
            return;
        }

        var connectionString = await backends.CreateDatabaseAsync();
        Database = StorageDataSource.Create(connectionString);
        var route = await RouteDatabaseAsync(connectionString);
        _app = SearchApiApp.Build([], builder =>
        {
            builder.Logging.SetMinimumLevel(LogLevel.Warning);
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["ConnectionStrings:ragdb"] = route,
                ["services:embedding-service:http:0"] = "http://embedding-service.invalid",
                ["Auth:AdminKey"] = AdminKey,
                ["Auth:KeyCacheDuration"] = "00:00:00",
            });
            Configure(builder);
            builder.Services.AddSingleton(new EmbeddingGatewayClient(
                new Uri("http://embedding-service.invalid"), AdminKey, new ScriptedModels(() => Models())));
        });
        await _app.StartAsync();
        await _app.Services.GetRequiredService<SchemaMigrator>().Ready.WaitAsync(TimeSpan.FromMinutes(1));
        Address = new Uri(_app.Urls.First());
        _http = CreateClient(AdminKey);
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_app is not null)
        {
            _http?.Dispose();
            await _app.DisposeAsync();
            await Database.DisposeAsync();
        }
    }

    /// <summary>A client with another key, or none.</summary>
    public HttpClient CreateClient(string? key)
    {
        var http = new HttpClient { BaseAddress = Address };
        if (key is not null)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        return http;
    }

    /// <summary>A new workspace of a name that no other test has.</summary>
    public async Task<string> CreateWorkspaceAsync()
    {
        var name = $"w{Guid.NewGuid():N}";
        await Client.CreateWorkspaceAsync(new(name), TestContext.Current.CancellationToken);
        return name;
    }

    /// <summary>Does in one statement what a worker does for every task, and notifies as it does.</summary>
    public async Task FinishTasksAsync()
    {
        await using var command = Database.CreateCommand(
            """
            WITH done AS (DELETE FROM tasks RETURNING workspace_id, document_id, space_id), indexed AS (
                INSERT INTO indexed_documents (workspace_id, document_key, space_id, revision, text_hash, chunks)
                SELECT d.workspace_id, d.document_key, t.space_id, d.revision, document_hash(d.text, d.prepared), 0
                FROM done t JOIN documents d USING (workspace_id, document_id)
                ON CONFLICT (workspace_id, document_key, space_id) DO UPDATE SET revision = excluded.revision, text_hash = excluded.text_hash
            )
            SELECT raise_generations(array_agg(DISTINCT workspace_id)) FROM done HAVING count(*) > 0
            """);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Further settings of the API.</summary>
    protected virtual void Configure(WebApplicationBuilder builder)
    {
    }

    /// <summary>The way that the API takes to the database.</summary>
    protected virtual ValueTask<string> RouteDatabaseAsync(string connectionString) => new(connectionString);

    internal static HttpResponseMessage DefaultModels()
    {
        var space = new EmbeddingSpace("test-model", "1", 8);
        return new(HttpStatusCode.OK)
        {
            Content = JsonContent.Create(
                new EmbeddingModelList([new("test-model", "tests", space, space.Id, true, 0, true, "For tests.")]), options: RagJson.Options),
        };
    }

    private sealed class ScriptedModels(Func<HttpResponseMessage> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(answer());
    }
}
