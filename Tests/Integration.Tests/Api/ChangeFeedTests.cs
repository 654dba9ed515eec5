using System.Net;
using Npgsql;
using RagPlatform.Contracts;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>Whoever follows the feed sees each change once, whatever commits when.</summary>
public sealed class ChangeFeedTests(ApiFixture api) : IClassFixture<ApiFixture>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ListChanges_WritesOfEachKind_AreThereInTheirOrder()
    {
        var workspace = await api.CreateWorkspaceAsync();
        await api.Client.PutDocumentAsync(workspace, "a", new("one"), cancellationToken: Cancellation);
        var second = await api.Client.PutDocumentAsync(workspace, "a", new("two"), cancellationToken: Cancellation);
        await api.Client.PutDocumentAsync(workspace, "a", new("two"), cancellationToken: Cancellation);
        await api.Client.DeleteDocumentAsync(workspace, "a", cancellationToken: Cancellation);

        var changes = await FollowAsync(workspace, null, 3);

        Assert.Equal([DocumentChangeKind.Insert, DocumentChangeKind.Update, DocumentChangeKind.Delete], changes.Items.Select(c => c.Kind));
        Assert.Equal(second.Revision, changes.Items[1].Revision);
        Assert.Equal(changes.Items.OrderBy(c => c.Revision), changes.Items);
        Assert.Empty((await api.Client.ListChangesAsync(workspace, changes.Next, cancellationToken: Cancellation)).Items);
    }

    [Fact]
    public async Task ListChanges_PageByPage_IsEveryChangeOnce()
    {
        var workspace = await api.CreateWorkspaceAsync();
        var ids = Enumerable.Range(0, 25).Select(i => $"d{i:00}").ToList();
        await api.Client.PutDocumentsAsync(workspace, [.. ids.Select(id => new BatchDocument(id, "text"))], cancellationToken: Cancellation);
        await FollowAsync(workspace, null, 25);

        var seen = new List<string>();
        string? after = null;
        DocumentChanges page;
        do
        {
            page = await api.Client.ListChangesAsync(workspace, after, 10, cancellationToken: Cancellation);
            seen.AddRange(page.Items.Select(c => c.DocumentId));
            after = page.Next;
        }
        while (page.More);

        Assert.Equal(ids, seen.Order());
    }

    [Fact]
    public async Task ListChanges_AWriteThatBeganEarlierAndCommitsLater_IsNotPassed()
    {
        var workspace = await api.CreateWorkspaceAsync();
        var start = (await api.Client.ListChangesAsync(workspace, "end", cancellationToken: Cancellation)).Next;
        await using var connection = await api.Database.OpenConnectionAsync(Cancellation);
        await using var slow = await connection.BeginTransactionAsync(Cancellation);
        await using (var insert = new NpgsqlCommand(
            "INSERT INTO documents (workspace_id, document_id, title, text) SELECT workspace_id, 'slow', '', 'text' FROM workspaces WHERE name = $1",
            connection))
        {
            insert.Parameters.Add(new() { Value = await api.CreateWorkspaceAsync() });
            await insert.ExecuteNonQueryAsync(Cancellation);
        }

        await api.Client.PutDocumentAsync(workspace, "quick", new("text"), cancellationToken: Cancellation);
        Assert.Empty((await api.Client.ListChangesAsync(workspace, start, cancellationToken: Cancellation)).Items);

        await slow.CommitAsync(Cancellation);
        var changes = await FollowAsync(workspace, start, 1);
        Assert.Equal("quick", Assert.Single(changes.Items).DocumentId);
    }

    [Fact]
    public async Task ListChanges_WaitAndSomebodyWrites_AnswersThen()
    {
        var workspace = await api.CreateWorkspaceAsync();
        var end = (await api.Client.ListChangesAsync(workspace, "end", cancellationToken: Cancellation)).Next;

        var waiting = api.Client.ListChangesAsync(workspace, end, wait: TimeSpan.FromSeconds(20), cancellationToken: Cancellation);
        await api.Client.PutDocumentAsync(workspace, "a", new("text"), cancellationToken: Cancellation);

        Assert.Equal("a", Assert.Single((await waiting).Items).DocumentId);
    }

    [Theory]
    [InlineData("after=nothing!", "after")]
    [InlineData("after=YWJj", "after")]
    [InlineData("limit=0", "limit")]
    public async Task ListChanges_AParameterThatIsWrong_NamesIt(string query, string field)
    {
        using var response = await api.Http.GetAsync($"/v1/workspaces/{await api.CreateWorkspaceAsync()}/changes?{query}", Cancellation);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains($"\"{field}\":[", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    // Other transactions of the server can hold changes back for a moment.
    private async Task<DocumentChanges> FollowAsync(string workspace, string? after, int count)
    {
        DocumentChanges changes;
        do
        {
            changes = await api.Client.ListChangesAsync(workspace, after, 1_000, TimeSpan.FromSeconds(10), Cancellation);
        }
        while (changes.Items.Count < count);

        return changes;
    }
}
