using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>What a person does with a workspace's indexing.</summary>
public sealed class OperationTests(ApiFixture api) : IClassFixture<ApiFixture>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task DeadLetters_OfTwoCauses_AreListedGroupedAndReplayed()
    {
        var workspace = await CreateAsync("a", "b", "c", "d/e");
        await BuryAsync(workspace, "provider", "a", "b");
        await BuryAsync(workspace, "text", "c");

        var first = await api.Client.ListDeadLettersAsync(workspace, limit: 2, cancellationToken: Cancellation);
        var rest = await api.Client.ListDeadLettersAsync(workspace, cursor: first.NextCursor, limit: 2, cancellationToken: Cancellation);
        Assert.Equal(["a", "b", "c"], first.Items.Concat(rest.Items).Select(l => l.DocumentId));
        Assert.Null(rest.NextCursor);
        Assert.Equal("no", Assert.Single(first.Items[0].Attempts).Message);
        Assert.Equal(["c"], (await api.Client.ListDeadLettersAsync(workspace, "text", cancellationToken: Cancellation)).Items.Select(l => l.DocumentId));

        var causes = await api.Client.ListDeadLetterCausesAsync(workspace, Cancellation);
        Assert.Equal([("provider", 2, "no"), ("text", 1, "no")], causes.Items.Select(c => (c.Cause, c.Count, c.Message)));

        Assert.Equal(2, (await api.Client.ReplayDeadLettersAsync(workspace, new(Cause: "provider"), Cancellation)).Count);
        Assert.Equal(IndexingState.Queued, (await api.Client.FindDocumentIndexingAsync(workspace, "a", Cancellation))!.State);
        Assert.Equal(1, (await api.Client.ReplayDeadLettersAsync(workspace, new(Ids: ["c", "nothing"]), Cancellation)).Count);
        Assert.Equal(0, (await api.Client.ReplayDeadLettersAsync(workspace, new(All: true), Cancellation)).Count);
        var indexing = await api.Client.GetIndexingAsync(workspace, Cancellation);
        Assert.Equal((4, 0), (indexing.Queued, indexing.DeadLettered));
    }

    [Fact]
    public async Task DiscardDeadLetters_One_IsOutOfSightAndItsDocumentStillVisiblyNotSearchable()
    {
        var workspace = await CreateAsync("a", "b");
        await BuryAsync(workspace, "text", "a", "b");

        Assert.Equal(1, (await api.Client.DiscardDeadLettersAsync(workspace, new(Ids: ["a"]), Cancellation)).Count);

        Assert.Equal(["b"], (await api.Client.ListDeadLettersAsync(workspace, cancellationToken: Cancellation)).Items.Select(l => l.DocumentId));
        Assert.Equal(1, (await api.Client.GetIndexingAsync(workspace, Cancellation)).DeadLettered);
        Assert.Equal(IndexingState.DeadLettered, (await api.Client.FindDocumentIndexingAsync(workspace, "a", Cancellation))!.State);
        using var discarded = JsonDocument.Parse(
            await api.Http.GetStringAsync($"/v1/workspaces/{workspace}/dead-letters?discarded=true", Cancellation));
        Assert.Equal("a", Assert.Single(discarded.RootElement.GetProperty("items").EnumerateArray()).GetProperty("documentId").GetString());

        Assert.Equal(1, (await api.Client.ReplayDeadLettersAsync(workspace, new(All: true), Cancellation)).Count);
        Assert.Equal(IndexingState.DeadLettered, (await api.Client.FindDocumentIndexingAsync(workspace, "a", Cancellation))!.State);

        await api.Client.PutDocumentAsync(workspace, "a", new("better"), cancellationToken: Cancellation);
        Assert.Equal(IndexingState.Queued, (await api.Client.FindDocumentIndexingAsync(workspace, "a", Cancellation))!.State);
    }

    [Theory]
    [InlineData("{}", "all")]
    [InlineData("""{"all":true,"cause":"text"}""", "all")]
    [InlineData("""{"ids":[]}""", "ids")]
    [InlineData("""{"ids":["\u0000"]}""", "ids[0]")]
    [InlineData("""{"cause":"\u0000"}""", "cause")]
    public async Task ReplayDeadLetters_NoClearSelection_IsRefused(string body, string field)
    {
        using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var response = await api.Http.PostAsync($"/v1/workspaces/{await api.CreateWorkspaceAsync()}/dead-letters/replay", content, Cancellation);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        using var problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancellation));
        Assert.True(problem.RootElement.GetProperty("errors").TryGetProperty(field, out _));
    }

    [Fact]
    public async Task PauseIndexing_UntilItIsResumed_NoTaskOfTheWorkspaceIsTaken()
    {
        var queue = api.Services.GetRequiredService<TaskQueue>();
        var workspace = await CreateAsync("a");

        Assert.NotNull((await api.Client.PauseIndexingAsync(workspace, Cancellation)).PausedAt);
        await api.Client.PutDocumentAsync(workspace, "b", new("text"), cancellationToken: Cancellation);
        Assert.Empty(await ClaimAsync());

        var resumed = await api.Client.ResumeIndexingAsync(workspace, Cancellation);
        Assert.Equal((null, 2L), (resumed.PausedAt, resumed.Queued));
        Assert.Equal(["a", "b"], (await ClaimAsync()).Order());

        // A claim takes tasks of every workspace, those of other tests too.
        async Task<List<string>> ClaimAsync()
        {
            var id = (await api.Services.GetRequiredService<WorkspaceStore>().FindAsync(workspace, Cancellation))!.WorkspaceId;
            var claim = await queue.ClaimAsync(Guid.NewGuid(), 1_000, TimeSpan.FromMinutes(1), default, Cancellation);
            return [.. claim.Tasks.Where(t => t.WorkspaceId == id).Select(t => t.DocumentId)];
        }
    }

    [Fact]
    public async Task CancelIndexing_DocumentsThatAreNotSearchable_BecomeDeadLettersAndTheOthersStay()
    {
        var workspace = await CreateAsync("indexed", "new");
        await MarkIndexedAsync(workspace, "indexed");
        await api.Client.ReindexAsync(workspace, cancellationToken: Cancellation);
        await StepUntilDoneAsync();

        var cancelled = await api.Client.CancelIndexingAsync(workspace, Cancellation);

        Assert.Equal((2, 1), (cancelled.Tasks, cancelled.DeadLetters));
        Assert.Equal(IndexingState.Indexed, (await api.Client.FindDocumentIndexingAsync(workspace, "indexed", Cancellation))!.State);
        var letter = Assert.Single((await api.Client.ListDeadLettersAsync(workspace, cancellationToken: Cancellation)).Items);
        Assert.Equal(("new", "cancelled"), (letter.DocumentId, letter.Cause));
    }

    [Fact]
    public async Task Reindex_ChangedSince_IsAJobThatQueuesOnlyThose()
    {
        var workspace = await CreateAsync("old", "older");
        await api.FinishTasksAsync();
        var since = (await api.Client.FindDocumentAsync(workspace, "older", Cancellation))!.UpdatedAt.AddMicroseconds(1);
        await api.Client.PutDocumentAsync(workspace, "new", new("text"), cancellationToken: Cancellation);
        await api.FinishTasksAsync();

        using var accepted = await api.Http.PostAsJsonAsync(
            $"/v1/workspaces/{workspace}/indexing/reindex", new ReindexRequest(since), RagJson.Options, Cancellation);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        var job = (await accepted.Content.ReadFromJsonAsync<ReindexJob>(RagJson.Options, Cancellation))!;
        Assert.Equal(($"/v1/workspaces/{workspace}/reindex-jobs/{job.Id}", workspace), (accepted.Headers.Location?.ToString(), job.Workspace));
        Assert.True((await api.Client.GetIndexingAsync(workspace, Cancellation)).Reindexing);
        await StepUntilDoneAsync();

        job = (await api.Client.FindReindexJobAsync(workspace, job.Id, Cancellation))!;
        Assert.Equal((1, true), (job.Queued, job.FinishedAt is not null));
        var indexing = await api.Client.GetIndexingAsync(workspace, Cancellation);
        Assert.Equal((1, false), (indexing.Queued, indexing.Reindexing));

        var all = await api.Client.ReindexAsync(workspace, cancellationToken: Cancellation);
        await StepUntilDoneAsync();
        Assert.Equal(3, (await api.Client.GetIndexingAsync(workspace, Cancellation)).Queued);
        Assert.Equal([all.Id, job.Id], (await api.Client.ListReindexJobsAsync(workspace, Cancellation)).Items.Select(j => j.Id));
        Assert.Null(await api.Client.FindReindexJobAsync(await api.CreateWorkspaceAsync(), job.Id, Cancellation));
    }

    [Fact]
    public async Task Reindex_Everything_QueuesTheDocumentsOfEveryWorkspaceAndNeedsTheAdminKey()
    {
        var (first, second) = (await CreateAsync("a", "b"), await CreateAsync("c"));
        await api.FinishTasksAsync();
        var key = await api.Client.CreateApiKeyAsync(first, new("own"), Cancellation);
        using var own = api.CreateClient(key.Secret);
        var refused = await Assert.ThrowsAsync<RagApiException>(() => new RagClient(own).ReindexAsync(null, cancellationToken: Cancellation));
        Assert.Equal(HttpStatusCode.Forbidden, refused.Status);

        var job = await api.Client.ReindexAsync(null, cancellationToken: Cancellation);
        await StepUntilDoneAsync();

        Assert.Null(job.Workspace);
        Assert.True((await api.Client.FindReindexJobAsync(null, job.Id, Cancellation))!.Queued >= 3);
        Assert.Equal(2, (await api.Client.GetIndexingAsync(first, Cancellation)).Queued);
        Assert.Equal(1, (await api.Client.GetIndexingAsync(second, Cancellation)).Queued);
    }

    [Fact]
    public async Task DoctorCheck_Requested_WaitsForAWorkerAndKeepsItsReport()
    {
        var workspace = await CreateAsync("a");
        var checks = api.Services.GetRequiredService<DoctorCheckStore>();

        var check = await api.Client.RequestDoctorCheckAsync(new(workspace, Repair: true), Cancellation);
        Assert.Equal((workspace, true, DoctorCheckState.Queued, null), (check.Workspace, check.Repair, check.State, check.Report));
        var owner = Guid.NewGuid();
        var claimed = (await checks.ClaimAsync(owner, TimeSpan.FromMinutes(1), Cancellation))!;
        Assert.Equal((check.Id, true), (claimed.CheckId, claimed.Repair));
        Assert.Null(await checks.ClaimAsync(Guid.NewGuid(), TimeSpan.FromMinutes(1), Cancellation));
        Assert.Equal(DoctorCheckState.Running, (await api.Client.FindDoctorCheckAsync(check.Id, Cancellation))!.State);

        var report = new DoctorReport(true, 1, 1, 1, 1, 0, new Dictionary<string, int>(), [], false, 0.5, DateTimeOffset.UnixEpoch);
        Assert.Equal(0, await checks.FinishAsync(Guid.NewGuid(), check.Id, "{}", null, Cancellation));
        Assert.Equal(1, await checks.FinishAsync(owner, check.Id, JsonSerializer.Serialize(report, RagJson.Options), null, Cancellation));

        check = (await api.Client.FindDoctorCheckAsync(check.Id, Cancellation))!;
        Assert.Equal((DoctorCheckState.Done, true, 0.5), (check.State, check.Report?.Healthy, check.Report?.Seconds));
        Assert.Equal(check.Id, Assert.Single((await api.Client.ListDoctorChecksAsync(Cancellation)).Items).Id);
        Assert.Null(await api.Client.FindDoctorCheckAsync(check.Id + 1000, Cancellation));
        var nowhere = await Assert.ThrowsAsync<RagApiException>(() => api.Client.RequestDoctorCheckAsync(new("nowhere"), Cancellation));
        Assert.Equal(HttpStatusCode.NotFound, nowhere.Status);
    }

    [Fact]
    public async Task DoctorCheck_WithTheKeyOfAWorkspace_IsRefused()
    {
        var workspace = await CreateAsync("a");
        using var own = api.CreateClient((await api.Client.CreateApiKeyAsync(workspace, new("own"), Cancellation)).Secret);

        var refused = await Assert.ThrowsAsync<RagApiException>(() => new RagClient(own).RequestDoctorCheckAsync(new(workspace), Cancellation));

        Assert.Equal(HttpStatusCode.Forbidden, refused.Status);
    }

    [Fact]
    public async Task SetHalfIndex_OfASpace_IsTakenOrNotFound()
    {
        var workspace = await api.CreateWorkspaceAsync();
        var space = (await api.Client.FindWorkspaceAsync(workspace, Cancellation))!.Space;

        using var taken = await api.Http.PutAsync($"/v1/indexing/spaces/{space}/half-index?enabled=false", null, Cancellation);
        using var unknown = await api.Http.PutAsync("/v1/indexing/spaces/nothing/half-index?enabled=true", null, Cancellation);

        Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.NotFound), (taken.StatusCode, unknown.StatusCode));
    }

    [Theory]
    [InlineData(0, HttpStatusCode.BadRequest)]
    [InlineData(101, HttpStatusCode.BadRequest)]
    [InlineData(5, HttpStatusCode.OK)]
    public async Task SetIndexingWeight_InAndOutOfRange_IsTakenOrRefused(int weight, HttpStatusCode expected)
    {
        var workspace = await api.CreateWorkspaceAsync();

        using var response = await api.Http.PutAsJsonAsync(
            $"/v1/workspaces/{workspace}/indexing/weight", new { weight }, RagJson.Options, Cancellation);

        Assert.Equal(expected, response.StatusCode);
        await using var read = api.Database.CreateCommand("SELECT indexing_weight FROM workspaces WHERE name = $1");
        read.Parameters.Add(new() { Value = workspace });
        Assert.Equal(expected == HttpStatusCode.OK ? weight : 1, await read.ExecuteScalarAsync(Cancellation));
    }

    [Fact]
    public async Task ListCooldowns_SpaceThatRests_IsNamed()
    {
        var workspace = await api.CreateWorkspaceAsync();
        var space = (await api.Services.GetRequiredService<WorkspaceStore>().FindAsync(workspace, Cancellation))!.Serving;
        var queue = api.Services.GetRequiredService<TaskQueue>();
        await queue.CoolDownAsync(space.SpaceId, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1), "rate", "Too many requests.", Cancellation);
        try
        {
            var cooldown = Assert.Single((await api.Client.ListCooldownsAsync(Cancellation)).Items);
            Assert.Equal((space.Id, "rate", 1), (cooldown.Space, cooldown.Cause, cooldown.Failures));
        }
        finally
        {
            await queue.WarmUpAsync(space.SpaceId, Cancellation);
        }
    }

    [Fact]
    public async Task WatchProgress_UntilIdle_EndsWhenNothingIsLeft()
    {
        var workspace = await CreateAsync("a", "b");

        using var response = await api.Http.GetAsync(
            $"/v1/workspaces/{workspace}/progress?until=idle", HttpCompletionOption.ResponseHeadersRead, Cancellation);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        var events = new List<IndexingProgress>();
        await using var stream = await response.Content.ReadAsStreamAsync(Cancellation);
        await foreach (var item in SseParser.Create(
            stream, (_, data) => JsonSerializer.Deserialize<IndexingProgress>(data, RagJson.Options)!).EnumerateAsync(Cancellation))
        {
            Assert.Equal("progress", item.EventType);
            events.Add(item.Data);
            if (events.Count == 1)
            {
                await api.FinishTasksAsync();
            }
        }

        Assert.Equal((2, 0), (events[0].Queued, events[^1].Queued));
        Assert.True(events[^1].PerSecond > 0);
        Assert.Equal(0, events[^1].SecondsLeft);
    }

    // What a worker does for reindexings.
    private async Task StepUntilDoneAsync()
    {
        while (await api.Services.GetRequiredService<ReindexStore>().StepAsync(1_000, Cancellation))
        {
        }
    }

    private async Task<string> CreateAsync(params string[] ids)
    {
        var workspace = await api.CreateWorkspaceAsync();
        await api.Client.PutDocumentsAsync(workspace, [.. ids.Select(id => new BatchDocument(id, $"Text of {id}."))], cancellationToken: Cancellation);
        return workspace;
    }

    private Task BuryAsync(string workspace, string cause, params string[] ids) => ExecuteAsync(
        """
        WITH dead AS (
            DELETE FROM tasks t USING workspaces w
            WHERE w.workspace_id = t.workspace_id AND w.name = $1 AND t.document_id = ANY ($2) RETURNING t.*)
        INSERT INTO dead_letters (workspace_id, document_id, space_id, revision, cause, history)
        SELECT workspace_id, document_id, space_id, revision, $3,
               jsonb_build_array(jsonb_build_object('at', now(), 'cause', $3::text, 'message', 'no'))
        FROM dead
        """,
        ids.Length,
        workspace,
        ids,
        cause);

    private Task MarkIndexedAsync(string workspace, string id) => ExecuteAsync(
        """
        INSERT INTO indexed_documents (workspace_id, document_key, space_id, revision, text_hash, chunks)
        SELECT d.workspace_id, d.document_key, r.serving_space, d.revision, sha256(convert_to(d.text, 'UTF8')), 1
        FROM documents d JOIN workspaces w USING (workspace_id) JOIN routes r USING (workspace_id)
        WHERE w.name = $1 AND d.document_id = $2
        """,
        1,
        workspace,
        id);

    private async Task ExecuteAsync(string sql, int rows, params object[] parameters)
    {
        await using var command = api.Database.CreateCommand(sql);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(new() { Value = parameter });
        }

        Assert.Equal(rows, await command.ExecuteNonQueryAsync(Cancellation));
    }
}
