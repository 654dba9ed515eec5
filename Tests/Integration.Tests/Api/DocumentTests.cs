using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Integration.Tests.Api;

public sealed class DocumentTests(ApiFixture api) : IClassFixture<ApiFixture>
{
    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(20);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("plain")]
    [InlineData("guides/setup/linux.md")]
    [InlineData("/leading and trailing/")]
    [InlineData("100% é 🙂 + & ? # %41")]
    [InlineData("a//b")]
    public async Task PutDocument_AnyId_IsReadBackAsItWasPut(string id)
    {
        var workspace = await api.CreateWorkspaceAsync();
        var metadata = JsonElement.Parse("""{"year":2024,"tags":["a","b"]}""");

        var write = await api.Client.PutDocumentAsync(
            workspace, id, new("The text.", "A title", metadata, DocumentPriority.High), cancellationToken: Cancellation);
        var read = await api.Client.FindDocumentAsync(workspace, id, Cancellation);

        Assert.Equal((id, true, IndexingState.Queued), (write.Id, write.Changed, write.State));
        Assert.NotNull(read);
        Assert.Equal((id, "The text.", "A title", DocumentPriority.High, write.Revision), (read.Id, read.Text, read.Title, read.Priority, read.Revision));
        Assert.True(JsonElement.DeepEquals(metadata, read.Metadata));
        Assert.Equal(id, (await api.Client.FindDocumentIndexingAsync(workspace, id, Cancellation))!.Id);
        Assert.True(await api.Client.DeleteDocumentAsync(workspace, id, cancellationToken: Cancellation));
        Assert.Null(await api.Client.FindDocumentAsync(workspace, id, Cancellation));
    }

    [Fact]
    public async Task PutDocument_AnEncodedSlash_IsASlash()
    {
        var path = $"/v1/workspaces/{await api.CreateWorkspaceAsync()}/documents/";

        using var put = await api.Http.PutAsJsonAsync(path + "a%2Fb%2fc", new DocumentPut("text"), RagJson.Options, Cancellation);
        using var get = await api.Http.GetAsync(path + "a/b/c", Cancellation);

        Assert.Equal(HttpStatusCode.Created, put.StatusCode);
        Assert.Equal(HttpStatusCode.OK, get.StatusCode);
    }

    [Fact]
    public async Task PutDocument_NewThenChangedThenTheSame_Answers201Then200WithTheRevisionAsETag()
    {
        var path = $"/v1/workspaces/{await api.CreateWorkspaceAsync()}/documents/a";

        var (created, first) = await PutAsync("one");
        var (changed, second) = await PutAsync("two");
        var (same, third) = await PutAsync("two");

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK, HttpStatusCode.OK), (created, changed, same));
        Assert.Equal((true, true, false), (first.Changed, second.Changed, third.Changed));
        Assert.True(first.Revision < second.Revision);
        Assert.Equal(second.Revision, third.Revision);

        async Task<(HttpStatusCode Status, DocumentWrite Write)> PutAsync(string text)
        {
            using var response = await api.Http.PutAsJsonAsync(path, new DocumentPut(text), RagJson.Options, Cancellation);
            var write = await response.Content.ReadFromJsonAsync<DocumentWrite>(RagJson.Options, Cancellation);
            Assert.Equal($"\"{write!.Revision}\"", response.Headers.ETag!.Tag);
            return (response.StatusCode, write);
        }
    }

    [Fact]
    public async Task PutDocument_WaitAndTheWorkerFinishes_AnswersAsSoonAsItIsIndexed()
    {
        var workspace = await api.CreateWorkspaceAsync();
        var started = TimeProvider.System.GetTimestamp();

        var put = api.Client.PutDocumentAsync(workspace, "a", new("text"), s_wait, Cancellation);
        await UntilQueuedAsync(workspace);
        Assert.False(put.IsCompleted);
        await api.FinishTasksAsync();

        Assert.Equal(IndexingState.Indexed, (await put).State);
        Assert.True(TimeProvider.System.GetElapsedTime(started) < s_wait / 2);
    }

    [Fact]
    public async Task PutDocument_WaitAndNobodyWorks_Answers202AfterTheTime()
    {
        using var request = Put($"/v1/workspaces/{await api.CreateWorkspaceAsync()}/documents/a", "text", "respond-async, wait=1");

        using var response = await api.Http.SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        Assert.Equal("wait=1", response.Headers.GetValues("Preference-Applied").Single());
        Assert.Equal(IndexingState.Queued, (await response.Content.ReadFromJsonAsync<DocumentWrite>(RagJson.Options, Cancellation))!.State);
    }

    [Fact]
    public async Task PutDocument_WaitAndItIsDeadLettered_SaysSo()
    {
        var workspace = await api.CreateWorkspaceAsync();

        var put = api.Client.PutDocumentAsync(workspace, "a", new("text"), s_wait, Cancellation);
        await UntilQueuedAsync(workspace);
        await using (var command = api.Database.CreateCommand("""
            WITH dead AS (DELETE FROM tasks t USING workspaces w WHERE w.workspace_id = t.workspace_id AND w.name = $1 RETURNING t.*)
            INSERT INTO dead_letters (workspace_id, document_id, space_id, revision, cause, history)
            SELECT workspace_id, document_id, space_id, revision, 'provider', '[{"at":"2026-01-01T00:00:00Z","cause":"provider","message":"no"}]' FROM dead
            """))
        {
            command.Parameters.Add(new() { Value = workspace });
            Assert.Equal(1, await command.ExecuteNonQueryAsync(Cancellation));
        }

        Assert.Equal(IndexingState.DeadLettered, (await put).State);
        var indexing = await api.Client.FindDocumentIndexingAsync(workspace, "a", Cancellation);
        Assert.Equal("provider", Assert.Single(indexing!.Attempts).Cause);
        Assert.Equal(1, (await api.Client.GetIndexingAsync(workspace, Cancellation)).DeadLettered);
    }

    [Fact]
    public async Task PutDocument_WaitForWhatIsIndexedAlready_AnswersAtOnce()
    {
        var workspace = await api.CreateWorkspaceAsync();
        await api.Client.PutDocumentAsync(workspace, "a", new("text"), cancellationToken: Cancellation);
        await api.FinishTasksAsync();

        var again = await api.Client.PutDocumentAsync(workspace, "a", new("text"), s_wait, Cancellation);

        Assert.Equal((IndexingState.Indexed, false), (again.State, again.Changed));
    }

    [Fact]
    public async Task PutDocuments_ABatchOf1000_IsWrittenAndAnsweredInItsOrder()
    {
        var workspace = await api.CreateWorkspaceAsync();
        var batch = Enumerable.Range(0, 1_000).Select(i => new BatchDocument($"d{999 - i:000}", $"Text {i}.")).ToList();

        var result = await api.Client.PutDocumentsAsync(workspace, batch, cancellationToken: Cancellation);

        Assert.Equal(batch.Select(d => d.Id), result.Documents.Select(d => d.Id));
        var indexing = await api.Client.GetIndexingAsync(workspace, Cancellation);
        Assert.Equal((1_000, 1_000), (indexing.Documents, indexing.Queued));
    }

    [Fact]
    public async Task ListDocuments_PageByPage_IsEveryDocumentOnceById()
    {
        var workspace = await api.CreateWorkspaceAsync();
        string[] ids = ["a", "a/b", "é", "z", "Z", "🙂", "10", "9"];
        await api.Client.PutDocumentsAsync(workspace, [.. ids.Select(id => new BatchDocument(id, "four"))], cancellationToken: Cancellation);

        var listed = new List<DocumentSummary>();
        string? cursor = null;
        do
        {
            var page = await api.Client.ListDocumentsAsync(workspace, cursor, 3, Cancellation);
            listed.AddRange(page.Items);
            cursor = page.NextCursor;
        }
        while (cursor is not null);

        Assert.Equal(["10", "9", "Z", "a", "a/b", "z", "é", "🙂"], listed.Select(d => d.Id));
        Assert.All(listed, d => Assert.Equal((4, IndexingState.Queued), (d.TextLength, d.State)));
    }

    [Fact]
    public async Task DeleteDocument_NotThere_IsNotFound()
    {
        var workspace = await api.CreateWorkspaceAsync();

        Assert.False(await api.Client.DeleteDocumentAsync(workspace, "nothing", cancellationToken: Cancellation));
        Assert.Null(await api.Client.FindDocumentAsync(workspace, "nothing", Cancellation));
        Assert.Null(await api.Client.FindDocumentIndexingAsync(workspace, "nothing", Cancellation));
    }

    private async Task UntilQueuedAsync(string workspace)
    {
        while ((await api.Client.GetIndexingAsync(workspace, Cancellation)).Queued == 0)
        {
            await Task.Delay(10, Cancellation);
        }
    }

    private static HttpRequestMessage Put(string path, string text, string prefer) => new(HttpMethod.Put, path)
    {
        Content = JsonContent.Create(new DocumentPut(text), options: RagJson.Options),
        Headers = { { "Prefer", prefer } },
    };
}
