using System.Net.Http.Json;
using System.Text.Json;
using RagPlatform.EmbeddingService.Budgets;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Embedding;

public sealed class BudgetTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _workspace = "ws" + Guid.NewGuid().ToString("n")[..8];
    private ScriptedEmbeddingServer _provider = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _provider = await ScriptedEmbeddingServer.StartAsync();

    public ValueTask DisposeAsync() => _provider.DisposeAsync();

    [Fact]
    public async Task Embed_ManyConcurrentCallsOverTwoReplicas_ExactlyWhatTheBudgetAllowsPasses()
    {
        _provider.Script = _ => new ScriptedAnswer(Latency: TimeSpan.FromMilliseconds(20));
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        await SetAsync(first, hard: true, tokens: 100);
        await second.Get<BudgetGate>().RefreshAsync(Token);

        // Two letters: both the estimate and the provider say one token.
        var answers = await Task.WhenAll(Enumerable.Range(0, 300).Select(i => (i % 2 == 0 ? first : second).EmbedAsync(
            [$"{(char)('a' + (i / 26))}{(char)('a' + (i % 26))}"], ("x-rag-workspace", _workspace))));

        Assert.Equal(100, answers.Count(answer => answer.Status == 200));
        Assert.Equal(_provider.TextCount, answers.Count(answer => answer.Status == 200));
        var refused = answers.Where(answer => answer.Status != 200).ToList();
        Assert.All(refused, answer => Assert.Equal((429, "insufficient_quota"), (answer.Status, answer.Code)));
        Assert.All(refused, answer => Assert.InRange(answer.RetryAfter!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1)));
        await WaitForAsync(async () => (await ReadAsync(first)).GetProperty("reservedTokens").GetInt64() == 0);
        Assert.Equal(_provider.TextCount, (await ReadAsync(first)).GetProperty("spentTokens").GetInt64());
    }

    [Fact]
    public async Task Embed_BudgetIsUsedUp_CachedTextsAreStillAnswered()
    {
        await using var replica = await StartAsync();
        await replica.EmbedAsync(["known"], ("x-rag-workspace", _workspace));
        await SetAsync(replica, hard: true, tokens: 0);

        Assert.Equal(200, (await replica.EmbedAsync(["known"], ("x-rag-workspace", _workspace))).Status);
        Assert.Equal(429, (await replica.EmbedAsync(["unknown"], ("x-rag-workspace", _workspace))).Status);
        Assert.Equal(200, (await replica.EmbedAsync(["unknown"], ("x-rag-workspace", "another"))).Status);
    }

    [Fact]
    public async Task Embed_JoinsACallerWithoutMoney_PaysForItself()
    {
        _provider.Script = _ => new ScriptedAnswer(Latency: TimeSpan.FromMilliseconds(50));
        await using var replica = await StartAsync();
        await SetAsync(replica, hard: true, tokens: 0);

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => replica.EmbedAsync(["shared"], ("x-rag-workspace", i % 2 == 0 ? _workspace : "rich"))));

        Assert.All(Enumerable.Range(0, 10), i => Assert.Equal(200, answers[(2 * i) + 1].Status));
        Assert.Equal(1, _provider.TextCount);
    }

    [Fact]
    public async Task Embed_BudgetNearsItsEnd_BulkIsSlowedDown()
    {
        await using var replica = await StartAsync();
        await SetAsync(replica, hard: true, tokens: 20);
        await replica.EmbedAsync([string.Join(' ', Enumerable.Repeat("aa", 18))], ("x-rag-workspace", _workspace));
        await WaitForAsync(async () => (await ReadAsync(replica)).GetProperty("spentTokens").GetInt64() == 18);
        var start = TimeProvider.System.GetTimestamp();

        var bulk = await replica.EmbedAsync(["bb"], ("x-rag-workspace", _workspace), ("x-rag-priority", "bulk"));

        Assert.Equal(200, bulk.Status);
        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalSeconds, 0.9, 8);
        await using var command = database.DataSource.CreateCommand("SELECT budget_id FROM embedding_budgets WHERE workspace = $1");
        command.Parameters.Add(new() { Value = _workspace });
        var id = await command.ExecuteScalarAsync(Token);
        Assert.Equal(204, (int)(await replica.Http.DeleteAsync($"/v1/budgets/{id}", Token)).StatusCode);
        Assert.Equal(404, (int)(await replica.Http.DeleteAsync($"/v1/budgets/{id}", Token)).StatusCode);
        Assert.Equal(400, (int)(await replica.Http.PutAsJsonAsync("/v1/budgets", new { workspace = _workspace, period = "day", hard = true }, Token)).StatusCode);
        Assert.Equal(400, (int)(await replica.Http.PutAsJsonAsync("/v1/budgets", new { workspace = _workspace, period = "year", hard = true, limitTokens = 1 }, Token)).StatusCode);
    }

    [Fact]
    public async Task Reserve_ProcessDied_ReservationReturns()
    {
        await using var replica = await StartAsync(("Embedding:Budgets:MaxWait", "00:00:20"));
        await SetAsync(replica, hard: true, tokens: 100);
        var reserved = await replica.Get<EmbeddingBudgetStore>().ReserveAsync(_workspace, "", Guid.NewGuid(), 0, 100, TimeSpan.FromSeconds(1), Token);
        Assert.Null(reserved!.RefusedBy);

        Assert.Equal(200, (await replica.EmbedAsync(["after the death"], ("x-rag-workspace", _workspace))).Status);
    }

    [Fact]
    public async Task Embed_SoftBudgetIsCrossed_AlertsOnceAndRefusesNothing()
    {
        await using var replica = await StartAsync();
        await SetAsync(replica, hard: false, tokens: 3);
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(200, (await replica.EmbedAsync([$"text{i}"], ("x-rag-workspace", _workspace))).Status);
        }

        await WaitForAsync(async () => (await ReadAsync(replica)).GetProperty("spentTokens").GetInt64() == 6);
        await using var command = database.DataSource.CreateCommand("SELECT alerted FROM embedding_budgets WHERE workspace = $1");
        command.Parameters.Add(new() { Value = _workspace });
        Assert.Equal((short)100, await command.ExecuteScalarAsync(Token));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Settle_SentTwice_IsBookedOnce(bool hard)
    {
        await using var replica = await StartAsync();
        await SetAsync(replica, hard, tokens: 100);
        var store = replica.Get<EmbeddingBudgetStore>();
        var id = Guid.CreateVersion7();
        await store.ReserveAsync(_workspace, "", id, 1, 20, TimeSpan.FromMinutes(1), Token);

        await store.SettleAsync(_workspace, "", id, 0.5m, 9, Token);
        await store.SettleAsync(_workspace, "", id, 0.5m, 9, Token);

        var budget = await ReadAsync(replica);
        Assert.Equal((9, 0), (budget.GetProperty("spentTokens").GetInt64(), budget.GetProperty("reservedTokens").GetInt64()));
    }

    [Fact]
    public async Task Embed_BatchFailsInPart_WhatWasBoughtIsRecordedAndBooked()
    {
        await using var replica = await StartAsync();
        await SetAsync(replica, hard: true, tokens: 1_000);
        _provider.FailingMarker = "bad";
        string[] texts = [.. Enumerable.Range(0, 49).Select(i => $"good{i}"), "bad"];

        Assert.Equal(400, (await replica.EmbedAsync(texts, ("x-rag-workspace", _workspace))).Status);

        await replica.FlushAsync();
        var usage = await replica.Http.GetFromJsonAsync<JsonElement>($"/v1/usage?workspace={_workspace}", Token);
        var source = Assert.Single(usage.GetProperty("entries").EnumerateArray());
        Assert.Equal(("source", 49, 49), (source.GetProperty("tier").GetString(), source.GetProperty("texts").GetInt32(), source.GetProperty("tokens").GetInt32()));
        Assert.Equal(49, (await ReadAsync(replica)).GetProperty("spentTokens").GetInt64());
    }

    [Fact]
    public async Task Embed_CallerLeaves_WhatWasBoughtIsRecorded()
    {
        await using var replica = await StartAsync();
        _provider.Script = _ => new ScriptedAnswer(Latency: TimeSpan.FromMilliseconds(300));
        using var leaves = new CancellationTokenSource();
        replica.Http.DefaultRequestHeaders.Add("x-rag-workspace", _workspace);
        var left = replica.Http.PostAsJsonAsync("/v1/embeddings", new { model = Replica.Model, input = "left alone", dimensions = Replica.Dimensions }, leaves.Token);
        await WaitForAsync(() => Task.FromResult(_provider.Requests.Count == 1));
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);

        await replica.FlushAsync();
        await replica.Get<UsageRecorder>().FlushAsync(Token);

        var row = Assert.Single(await replica.Get<EmbeddingUsageStore>().ListAsync(_workspace, DateOnly.MinValue, DateOnly.MaxValue, Token));
        Assert.Equal(("source", 1, 2), (row.Tier, row.Requests, row.Tokens));
    }

    [Fact]
    public async Task Usage_ManyConcurrentRequests_AddsUpExactly()
    {
        await using var replica = await StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => replica.EmbedAsync([$"a b c {i % 10}", $"own{i}"], ("x-rag-workspace", _workspace))));

        var usage = await replica.Http.GetFromJsonAsync<JsonElement>($"/v1/usage?workspace={_workspace}", Token);

        var entries = usage.GetProperty("entries").EnumerateArray().ToDictionary(entry => entry.GetProperty("tier").GetString()!);
        Assert.Equal(200, entries.Values.Sum(entry => entry.GetProperty("texts").GetInt64()));
        Assert.Equal(110, entries["source"].GetProperty("texts").GetInt64());
        Assert.Equal(140, entries["source"].GetProperty("tokens").GetInt64());
        Assert.Equal(140 * 0.02m, usage.GetProperty("spentMicroDollars").GetDecimal());
        var saved = entries.Where(entry => entry.Key != "source").Sum(entry => entry.Value.GetProperty("tokens").GetInt64());
        Assert.Equal(saved * 0.02m, usage.GetProperty("savedMicroDollars").GetDecimal());
        Assert.True(usage.GetProperty("monthForecastMicroDollars").GetDecimal() >= usage.GetProperty("monthToDateMicroDollars").GetDecimal());
    }

    [Fact]
    public async Task Embed_WorkspaceKey_PaysFromItsOwnWorkspaceOnly()
    {
        await using var replica = await StartAsync();
        var space = await replica.Get<SpaceStore>().EnsureAsync(new(0, "hashing_384_9cd7048b", "hashing", "1", 384, true, "", "", 0, true), Token);
        await replica.Get<WorkspaceStore>().CreateAsync(_workspace, "english", new("markdown", 1200, 200), space.SpaceId, Token);
        var workspace = (await replica.Get<WorkspaceStore>().FindAsync(_workspace, Token))!;
        await replica.Get<ApiKeyStore>().CreateAsync(workspace.WorkspaceId, "k", AdminKey.Hash("a-workspace-key-0001"), Token);
        replica.Http.DefaultRequestHeaders.Authorization = new("Bearer", "a-workspace-key-0001");

        Assert.Equal(200, (await replica.EmbedAsync(["mine"])).Status);
        Assert.Equal(403, (await replica.EmbedAsync(["mine"], ("x-rag-workspace", "another"))).Status);
        Assert.Equal(403, (int)(await replica.Http.GetAsync("/v1/cache", Token)).StatusCode);
        await replica.Get<UsageRecorder>().FlushAsync(Token);
        var row = Assert.Single(await replica.Get<EmbeddingUsageStore>().ListAsync(_workspace, DateOnly.MinValue, DateOnly.MaxValue, Token));
        Assert.NotEmpty(row.KeyId);
    }

    private async Task SetAsync(Replica replica, bool hard, long tokens)
    {
        using var response = await replica.Http.PutAsJsonAsync("/v1/budgets", new { workspace = _workspace, period = "day", hard, limitTokens = tokens }, Token);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Token));
    }

    private async Task<JsonElement> ReadAsync(Replica replica) =>
        (await replica.Http.GetFromJsonAsync<JsonElement>($"/v1/budgets?workspace={_workspace}", Token)).EnumerateArray().Single();

    private static async Task WaitForAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; i < 100 && !await condition(); i++)
        {
            await Task.Delay(50, Token);
        }

        Assert.True(await condition());
    }

    private Task<Replica> StartAsync(params (string, string)[] settings) =>
        Replica.StartAsync(_provider, database.ConnectionString, null, "", [("Embedding:Cache:Durable", "false"), .. settings]);
}
