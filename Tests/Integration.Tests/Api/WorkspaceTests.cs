using System.Net;
using System.Net.Http.Json;
using System.Text;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Api;

public sealed class WorkspaceTests(ApiFixture api) : IClassFixture<ApiFixture>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task CreateWorkspace_WithDefaults_HasTheDefaultModelsSpace()
    {
        var name = $"w{Guid.NewGuid():N}";

        var created = await api.Client.CreateWorkspaceAsync(new(name, "german", Chunking: new(ChunkingStrategy.Sentence, 400, 50)), Cancellation);

        Assert.Equal((name, "german", "test-model", 8, 1L), (created.Name, created.Language, created.Model, created.Dimensions, created.Generation));
        Assert.Equal(new EmbeddingSpace("test-model", "1", 8).Id, created.Space);
        Assert.Equal(new ChunkingSettings(ChunkingStrategy.Sentence, 400, 50), created.Chunking);
        Assert.Equal(created, await api.Client.FindWorkspaceAsync(name, Cancellation));
    }

    [Fact]
    public async Task CreateWorkspace_ANameThatIsTaken_IsAConflict()
    {
        var name = await api.CreateWorkspaceAsync();

        var error = await Assert.ThrowsAsync<RagApiException>(() => api.Client.CreateWorkspaceAsync(new(name), Cancellation));

        Assert.Equal(HttpStatusCode.Conflict, error.Status);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ListWorkspaces_PageByPage_IsEveryWorkspaceOnceByName()
    {
        var names = new[] { await api.CreateWorkspaceAsync(), await api.CreateWorkspaceAsync(), await api.CreateWorkspaceAsync() };

        var listed = new List<string>();
        string? cursor = null;
        do
        {
            var page = await api.Client.ListWorkspacesAsync(cursor, 2, Cancellation);
            listed.AddRange(page.Items.Select(w => w.Name));
            cursor = page.NextCursor;
        }
        while (cursor is not null);

        Assert.Equal(listed.Order(StringComparer.Ordinal), listed);
        Assert.Equal(listed.Distinct().Count(), listed.Count);
        Assert.Equal(3, listed.Intersect(names).Count());
    }

    [Fact]
    public async Task DeleteWorkspace_Once_IsGoneAtOnceWithItsKeysAndTheNameIsFree()
    {
        var name = await api.CreateWorkspaceAsync();
        var key = await api.Client.CreateApiKeyAsync(name, new("k"), Cancellation);
        await api.Client.PutDocumentAsync(name, "a", new("of the old one"), cancellationToken: Cancellation);

        Assert.True(await api.Client.DeleteWorkspaceAsync(name, name, Cancellation));
        Assert.False(await api.Client.DeleteWorkspaceAsync(name, name, Cancellation));
        Assert.Null(await api.Client.FindWorkspaceAsync(name, Cancellation));

        await api.Client.CreateWorkspaceAsync(new(name), Cancellation);
        Assert.Null(await api.Client.FindDocumentAsync(name, "a", Cancellation));
        using var old = api.CreateClient(key.Secret);
        Assert.Equal(HttpStatusCode.Unauthorized, (await old.GetAsync($"/v1/workspaces/{name}", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task Keys_CreatedListedRevoked_OpenTheirWorkspaceOnlyWhileTheyExist()
    {
        var (own, other) = (await api.CreateWorkspaceAsync(), await api.CreateWorkspaceAsync());
        var key = await api.Client.CreateApiKeyAsync(own, new("reader"), Cancellation);
        using var http = api.CreateClient(key.Secret);
        var client = new RagClient(http);

        await client.PutDocumentAsync(own, "a", new("text"), cancellationToken: Cancellation);
        Assert.Equal(own, Assert.Single((await client.ListWorkspacesAsync(cancellationToken: Cancellation)).Items).Name);
        foreach (var path in new[] { $"/v1/workspaces/{other}", $"/v1/workspaces/{other}/documents/a", $"/v1/workspaces/{own}/keys", "/v1/workspaces/nope" })
        {
            Assert.Equal(HttpStatusCode.Forbidden, (await http.GetAsync(path, Cancellation)).StatusCode);
        }

        var listed = await api.Http.GetFromJsonAsync<Page<ApiKey>>($"/v1/workspaces/{own}/keys", RagJson.Options, Cancellation);
        Assert.Equal(key with { Secret = null }, Assert.Single(listed!.Items));

        using var revoked = await api.Http.DeleteAsync($"/v1/workspaces/{own}/keys/{key.KeyId}", Cancellation);
        Assert.Equal(HttpStatusCode.NoContent, revoked.StatusCode);
        using var refused = await http.GetAsync($"/v1/workspaces/{own}", Cancellation);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Equal("application/problem+json", refused.Content.Headers.ContentType?.MediaType);
        using var again = await api.Http.DeleteAsync($"/v1/workspaces/{own}/keys/{key.KeyId}", Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, again.StatusCode);
    }

    [Fact]
    public async Task CreateApiKey_Stored_IsOnlyItsHash()
    {
        var key = await api.Client.CreateApiKeyAsync(await api.CreateWorkspaceAsync(), new("k"), Cancellation);

        await using var command = api.Database.CreateCommand("SELECT count(*) FROM api_keys WHERE key_id = $1 AND secret_hash = sha256($2::bytea)");
        command.Parameters.Add(new() { Value = key.KeyId });
        command.Parameters.Add(new() { Value = System.Text.Encoding.UTF8.GetBytes(key.Secret!) });
        Assert.Equal(1L, await command.ExecuteScalarAsync(Cancellation));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("rag_ws_unknown")]
    public async Task Request_NoKeyOrAWrongOne_IsUnauthorized(string? key)
    {
        using var http = api.CreateClient(key);

        foreach (var path in new[] { "/v1/workspaces", "/v1/workspaces/nope", "/v1/workspaces/nope/documents/a" })
        {
            using var response = await http.GetAsync(path, Cancellation);
            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
            Assert.NotEmpty(response.Headers.WwwAuthenticate);
        }
    }

    [Fact]
    public async Task PutDocument_WhoseWorkspaceIsReplacedBeforeItsBodyHasArrived_IsAConflict()
    {
        var name = await api.CreateWorkspaceAsync();
        await api.FinishTasksAsync();
        using var body = new InParts("{\"text\": \"one ", "two\"}") { Headers = { ContentType = new("application/json") } };

        var put = api.Http.PutAsync(new Uri($"/v1/workspaces/{name}/documents/d", UriKind.Relative), body, Cancellation);
        await body.FirstSent.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancellation);

        // The API has looked the workspace up once the headers have arrived; there is no sign of it.
        await Task.Delay(300, Cancellation);
        await new WorkspaceStore(api.Database).DeleteAsync(name, Cancellation);
        await api.Client.CreateWorkspaceAsync(new(name), Cancellation);
        body.SendRest.SetResult();

        using var response = await put;
        Assert.Equal(HttpStatusCode.Conflict, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        using var get = await api.Http.GetAsync(new Uri($"/v1/workspaces/{name}/documents/d", UriKind.Relative), Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, get.StatusCode);
    }

    private sealed class InParts(string first, string rest) : HttpContent
    {
        public TaskCompletionSource FirstSent { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource SendRest { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(first));
            await stream.FlushAsync();
            FirstSent.SetResult();
            await SendRest.Task;
            await stream.WriteAsync(Encoding.UTF8.GetBytes(rest));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
