using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Tests.Indexing;

public sealed class EmbeddingBatcherTests
{
    private static readonly SpaceRow s_space = new(1, "test_1", "test", "", 1, true, "", "", 0, true);

    private readonly ConcurrentQueue<IReadOnlyList<string>> _requests = [];
    private readonly ConcurrentQueue<CancellationToken> _tokens = [];
    private Func<IReadOnlyList<string>, Task> _before = _ => Task.CompletedTask;

    private EmbeddingBatcher Create(int inFlight = 5, TokenCalibration? tokens = null, TimeSpan? timeout = null) => new(
        async (_, _, texts, cancellationToken) =>
        {
            _requests.Enqueue(texts);
            _tokens.Enqueue(cancellationToken);
            await _before(texts);
            return [.. texts.Select(t => (ReadOnlyMemory<float>)new float[] { t.Length })];
        },
        tokens ?? new(),
        Options.Create(new IndexingOptions
        {
            EmbeddingsInFlight = inFlight, EmbeddingBatchTokens = 10_000, EmbeddingTimeout = timeout ?? TimeSpan.FromMinutes(2),
        }),
        TimeProvider.System,
        NullLogger<EmbeddingBatcher>.Instance);

    private static Task<ReadOnlyMemory<float>[]> EmbedAsync(EmbeddingBatcher batcher, params string[] texts) =>
        batcher.EmbedAsync(s_space, "w", 1, texts, TestContext.Current.CancellationToken);

    [Fact]
    public async Task Embed_MoreThanOneRequestHolds_VectorsInOrderInBatchesOf100()
    {
        var texts = Enumerable.Range(1, 250).Select(i => new string('x', i)).ToArray();

        var vectors = await EmbedAsync(Create(), texts);

        Assert.Equal(texts.Select(t => (float)t.Length), vectors.Select(v => v.Span[0]));
        Assert.Equal([50, 100, 100], _requests.Select(r => r.Count).Order());
    }

    [Theory]
    [InlineData(0, 10)]
    [InlineData(1500, 20)]
    [InlineData(6000, 5)]
    public async Task Embed_LongTexts_RequestsHoldAsManyAsTheCalibratedEstimateAllows(int countedTokens, int expected)
    {
        // 3,000 characters of ASCII are estimated as 1,000 tokens, until the provider counts something else.
        var text = new string('x', 3000);
        var tokens = new TokenCalibration();
        tokens.Observe(s_space.SpaceId, [text, text, text], countedTokens);

        await EmbedAsync(Create(inFlight: 1, tokens), [.. Enumerable.Range(0, 20).Select(i => text[..^2] + $"{i:00}")]);

        Assert.Equal(expected, _requests.First().Count);
        Assert.Equal(20, _requests.Sum(r => r.Count));
    }

    [Fact]
    public async Task Embed_TextThatIsLongerThanARequestMayBe_GoesAlone()
    {
        await EmbedAsync(Create(inFlight: 1), "a", new string('x', 40_000), "b");

        Assert.Equal([1, 1, 1], _requests.Select(r => r.Count));
    }

    [Fact]
    public async Task Embed_ManyDocumentsWhileRequestsAreInFlight_ShareTheNextOne()
    {
        var batcher = Create(inFlight: 1);
        var go = new TaskCompletionSource();
        _before = texts => texts.Contains("first") ? go.Task : Task.CompletedTask;
        var first = EmbedAsync(batcher, "first");
        var others = Enumerable.Range(0, 30).Select(i => EmbedAsync(batcher, $"text {i}")).ToList();
        go.SetResult();
        await first;
        await Task.WhenAll(others);

        Assert.Equal([1, 30], _requests.Select(r => r.Count));
    }

    [Theory]
    [InlineData(400, null)]
    [InlineData(500, null)]
    [InlineData(502, EmbeddingGatewayException.BadProviderAnswer)]
    [InlineData(503, EmbeddingGatewayException.ProviderUnavailable)]
    public async Task Embed_OneTextIsRefused_OnlyItsDocumentFails(int status, string? code)
    {
        _before = texts => texts.Contains("bad")
            ? throw new EmbeddingGatewayException(status, "Refused.") { Code = code }
            : Task.CompletedTask;
        var batcher = Create(inFlight: 1);
        var go = EmbedAsync(batcher, "first");
        var good = Enumerable.Range(0, 50).Select(i => EmbedAsync(batcher, $"good {i}")).ToList();
        var bad = EmbedAsync(batcher, "fine", "bad");
        good.AddRange(Enumerable.Range(50, 30).Select(i => EmbedAsync(batcher, $"good {i}")));
        await go;

        await Task.WhenAll(good);
        var failure = await Assert.ThrowsAsync<DocumentFailedException>(() => bad);
        Assert.Equal(status == 400 ? "text" : "provider", failure.Cause);
        Assert.Contains("Passage 2", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, null, "unreachable", 1)]
    [InlineData(429, null, "rate", 1)]
    [InlineData(401, null, "refused", 1)]
    [InlineData(503, null, "unavailable", 1)]
    [InlineData(502, EmbeddingGatewayException.ProviderUnusable, "provider_unusable", 1)]
    [InlineData(503, EmbeddingGatewayException.ProviderUnavailable, "provider", 2)]
    [InlineData(500, null, "provider", 2)]
    public async Task Embed_NothingCanBeEmbedded_TheSpaceIsUnavailableAfterFewRequests(int status, string? code, string cause, int requests)
    {
        _before = _ => throw new EmbeddingGatewayException(status, "No.") { Code = code };

        var failure = await Assert.ThrowsAsync<SpaceUnavailableException>(
            () => EmbedAsync(Create(), [.. Enumerable.Range(0, 100).Select(i => $"text {i}")]));

        Assert.Equal(cause, failure.Cause);
        Assert.Equal(requests, _requests.Count);
    }

    [Fact]
    public async Task Embed_BudgetIsSpent_SaysWhenItBeginsAnewAfterOneRequest()
    {
        var reset = new DateTimeOffset(2030, 1, 2, 0, 0, 0, TimeSpan.Zero);
        _before = _ => throw new EmbeddingGatewayException(429, "No.") { Code = EmbeddingGatewayException.InsufficientQuota, ResetsAt = reset };

        var spent = await Assert.ThrowsAsync<BudgetSpentException>(() => EmbedAsync(Create(), "a", "b"));

        Assert.Equal(reset, spent.ResetsAt);
        Assert.Single(_requests);
    }

    [Fact]
    public async Task Embed_ABudgetIsSpent_WhatWaitsForTheSameWorkspaceIsNotSentAndOthersGoOn()
    {
        var go = new TaskCompletionSource();
        _before = async texts =>
        {
            if (texts.Contains("first"))
            {
                await go.Task;
                throw new EmbeddingGatewayException(429, "No.") { Code = EmbeddingGatewayException.InsufficientQuota };
            }
        };
        var batcher = Create(inFlight: 1);
        var first = batcher.EmbedAsync(s_space, "poor", 1, ["first"], TestContext.Current.CancellationToken);
        var behind = batcher.EmbedAsync(s_space, "poor", 0, ["behind"], TestContext.Current.CancellationToken);
        var other = EmbedAsync(batcher, "other");
        go.SetResult();

        await Assert.ThrowsAsync<BudgetSpentException>(() => first);
        await Assert.ThrowsAsync<BudgetSpentException>(() => behind);
        await other;
        Assert.DoesNotContain(_requests, r => r.Contains("behind"));
    }

    [Fact]
    public async Task Embed_AProviderDoesNotAnswer_WhatWaitsForItIsNotSentOnceItIsKnown()
    {
        var go = new TaskCompletionSource();
        _before = async _ =>
        {
            await go.Task;
            throw new EmbeddingGatewayException(0, "No.");
        };
        var batcher = Create(inFlight: 1);
        var calls = Enumerable.Range(0, 5).Select(i => batcher.EmbedAsync(s_space, $"w{i % 2}", 1, ["text"], TestContext.Current.CancellationToken)).ToList();
        go.SetResult();

        foreach (var call in calls)
        {
            await Assert.ThrowsAsync<SpaceUnavailableException>(() => call);
        }

        // One of each workspace: neither waits for the other one's.
        Assert.Equal(2, _requests.Count);
    }

    [Fact]
    public async Task Embed_ManyProvidersThatNeverAnswer_AnotherSpaceStillHasAPlace()
    {
        var never = new TaskCompletionSource();
        _before = texts => texts[0].StartsWith("dead", StringComparison.Ordinal) ? never.Task : Task.CompletedTask;
        var batcher = Create();
        foreach (var i in Enumerable.Range(10, 30))
        {
            for (var workspace = 0; workspace < 10; workspace++)
            {
                _ = batcher.EmbedAsync(s_space with { SpaceId = i }, $"w{workspace}", 2, [$"dead {i}"], TestContext.Current.CancellationToken);
            }
        }

        await EmbedAsync(batcher, "alive");

        // Five places of its own for the first, and ever fewer for the next ones.
        Assert.InRange(_requests.Count, 30, 100);
        never.SetResult();
    }

    [Fact]
    public async Task Embed_UrgentTextsWithoutEnd_OthersHaveTheirTurnsToo()
    {
        var batcher = Create(inFlight: 1);
        var (go, sent) = (new TaskCompletionSource(), new List<string>());
        var order = new Lock();
        _before = async texts =>
        {
            lock (order)
            {
                sent.Add(texts[0][..1]);
            }

            await go.Task;
        };
        var text = new string('x', 29_000);
        var calls = Enumerable.Range(0, 150).Select(i => batcher.EmbedAsync(s_space, "flood", 2, ["u" + text], TestContext.Current.CancellationToken)).ToList();
        calls.Add(batcher.EmbedAsync(s_space, "flood", 1, ["n" + text, "n" + text + "."], TestContext.Current.CancellationToken));
        calls.Add(batcher.EmbedAsync(s_space, "late", 2, ["v" + text], TestContext.Current.CancellationToken));
        go.SetResult();
        await Task.WhenAll(calls);

        // Another workspace has a place of its own; of the same one, 8 urgent requests come for each of the others.
        Assert.InRange(sent.IndexOf("v"), 0, 3);
        Assert.InRange(sent.IndexOf("n"), 1, 12);
        Assert.InRange(sent.LastIndexOf("n"), 3, 24);
    }

    [Fact]
    public async Task Embed_OneWorkspaceHasAllPlaces_AnotherOneNeedNotWaitForThem()
    {
        var go = new TaskCompletionSource();
        _before = texts => texts[0].StartsWith("load", StringComparison.Ordinal) ? go.Task : Task.CompletedTask;
        var batcher = Create(inFlight: 2);
        var load = Enumerable.Range(0, 10).Select(i => batcher.EmbedAsync(s_space, "load", 2, [$"load {i}"], TestContext.Current.CancellationToken)).ToList();

        await batcher.EmbedAsync(s_space, "edit", 0, ["edit"], TestContext.Current.CancellationToken);

        // The edit may be answered before both requests of the load are on their way.
        while (_requests.Count < 3)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        Assert.Equal(3, _requests.Count);
        go.SetResult();
        await Task.WhenAll(load);
    }

    [Fact]
    public async Task Embed_NoAnswerWithinTheBound_IsGivenBackThoughTheCallGoesOn()
    {
        var never = new TaskCompletionSource();
        _before = texts => texts.Contains("stuck") ? never.Task : Task.CompletedTask;
        var batcher = Create(inFlight: 1, timeout: TimeSpan.FromMilliseconds(20));

        var failure = await Assert.ThrowsAsync<SpaceUnavailableException>(() => EmbedAsync(batcher, "stuck"));

        Assert.Equal("timeout", failure.Cause);
        Assert.True(_tokens.Single().IsCancellationRequested);
        await EmbedAsync(batcher, "next");
        never.SetResult();
    }

    [Fact]
    public async Task Embed_NobodyWaitsAnyMore_ThePlaceIsFreeAtOnce()
    {
        var never = new TaskCompletionSource();
        _before = texts => texts.Contains("left") ? never.Task : Task.CompletedTask;
        var batcher = Create(inFlight: 1);
        using var cancellation = new CancellationTokenSource();
        var left = batcher.EmbedAsync(s_space, "w", 1, ["left"], cancellation.Token);
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        await EmbedAsync(batcher, "next");
        Assert.True(_tokens.First().IsCancellationRequested);
        never.SetResult();
    }

    [Fact]
    public async Task Embed_WhatSdksThrow_IsTheSpacesRestAndNobodysFailure()
    {
        _before = _ => throw new AggregateException(new HttpRequestException("Connection refused."), new IOException());

        Assert.Equal("unreachable", (await Assert.ThrowsAsync<SpaceUnavailableException>(() => EmbedAsync(Create(), "a"))).Cause);
    }

    [Fact]
    public async Task Embed_Cancelled_EndsAtOnceAndOthersGoOn()
    {
        var batcher = Create(inFlight: 1);
        var go = new TaskCompletionSource();
        _before = texts => texts.Contains("first") ? go.Task : Task.CompletedTask;
        using var cancellation = new CancellationTokenSource();
        var first = EmbedAsync(batcher, "first");
        var cancelled = batcher.EmbedAsync(s_space, "w", 1, ["waits"], cancellation.Token);
        var other = EmbedAsync(batcher, "other");
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        go.SetResult();
        await first;
        await other;
        Assert.DoesNotContain(_requests, r => r.Contains("waits"));
    }
}
