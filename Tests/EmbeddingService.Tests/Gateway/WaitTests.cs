using System.Net;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Tests.Infrastructure;
using RagPlatform.EmbeddingService.Wire;

namespace RagPlatform.EmbeddingService.Tests.Gateway;

/// <summary>How long a caller waits, and what is bought for callers that left.</summary>
public sealed class WaitTests
{
    private const string Model = "text-embedding-3-small";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Embed_LongRetryAfter_EveryCallerIsRefusedAtOnceAndTheProviderIsLeftAlone(bool interactive)
    {
        var provider = new ScriptedProvider { Script = _ => Refusal("45") };
        await using var service = await TestGateway.StartAsync(provider);

        var first = await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, interactive, Token, "a"));
        var second = await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, interactive, Token, "b", "c"));

        Assert.Equal((429, 429), (first.Status, second.Status));
        Assert.InRange(second.RetryAfter!.Value.TotalSeconds, 30, 45);
        Assert.Single(provider.Calls);
    }

    [Fact]
    public async Task Embed_CallersLeaveWhileTheProviderIsLeftAlone_TheirTextsAreNeverBought()
    {
        var provider = new ScriptedProvider();
        var refused = 0;
        provider.Script = _ => Interlocked.Increment(ref refused) == 1 ? Refusal("1") : null;
        await using var service = await TestGateway.StartAsync(provider);
        using var leaves = new CancellationTokenSource();
        var left = Enumerable.Range(0, 20).Select(i => EmbedAsync(service, true, leaves.Token, $"left {i}", "shared")).ToList();
        var stayed = EmbedAsync(service, true, Token, "stayed", "shared");
        await Until(() => provider.Calls.Count == 1);

        await leaves.CancelAsync();
        await stayed;
        await Until(() => service.Services.GetRequiredService<VectorFetcher>() is { Fetching: 0, InFlight: 0 });

        // What was sent before they left is in the first call.
        Assert.DoesNotContain(provider.Calls.Skip(1).SelectMany(call => call.Texts), text => text.StartsWith("left", StringComparison.Ordinal));
        Assert.Contains(provider.Calls.Skip(1).SelectMany(call => call.Texts), text => text == "stayed");
        Assert.All(left, caller => Assert.True(caller.IsCanceled));
    }

    [Fact]
    public async Task Embed_SomebodyComesForATextThatWasGivenUp_ItIsBoughtForHim()
    {
        var open = new TaskCompletionSource();
        var provider = new ScriptedProvider { Before = (call, token) => call.Texts.Contains("slow") ? open.Task.WaitAsync(token) : Task.CompletedTask };
        await using var service = await TestGateway.StartAsync(provider, ("Embedding:Providers:openai:MaxInFlight", "1"));
        var slow = EmbedAsync(service, true, Token, "slow");
        await Until(() => provider.Calls.Count == 1);
        using var leaves = new CancellationTokenSource();
        var given = EmbedAsync(service, true, leaves.Token, "a");
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given);

        var again = EmbedAsync(service, true, Token, "a");
        open.SetResult();

        Assert.Equal(ScriptedProvider.VectorOf("a", 1536), (await again).Vectors[0]);
        Assert.Single(provider.Calls, call => call.Texts.Contains("a"));
        await slow;
    }

    [Fact]
    public async Task Embed_PersonWantsATextOfABulkCallThatWaits_DoesNotWaitForItAndPaysOnce()
    {
        var open = new TaskCompletionSource();
        var provider = new ScriptedProvider { Before = (call, token) => call.Texts.Contains("slow") ? open.Task.WaitAsync(token) : Task.CompletedTask };
        await using var service = await TestGateway.StartAsync(provider, ("Embedding:Providers:openai:MaxInFlight", "2"));
        var slow = EmbedAsync(service, false, Token, "slow");
        await Until(() => provider.Calls.Count == 1);
        var bulk = EmbedAsync(service, false, Token, "a", "b", "c");

        var person = await EmbedAsync(service, true, Token, "b");

        Assert.False(bulk.IsCompleted);
        Assert.Equal(1, person.Tiers.Texts(Tier.Source));
        open.SetResult();
        var rest = await bulk;
        Assert.Equal(["a", "c"], provider.Calls[^1].Texts);
        Assert.Equal(ScriptedProvider.VectorOf("b", 1536), rest.Vectors[1]);
        Assert.Equal((2, 1), (rest.Tiers.Texts(Tier.Source), rest.Tiers.Texts(Tier.Joined)));
        await slow;
    }

    [Fact]
    public async Task Embed_PersonWhoOvertookLeaves_TheBulkCallBuysTheText()
    {
        var open = new TaskCompletionSource();
        var provider = new ScriptedProvider { Before = (_, token) => open.Task.WaitAsync(token) };
        await using var service = await TestGateway.StartAsync(provider, ("Embedding:Providers:openai:MaxInFlight", "1"));
        var slow = EmbedAsync(service, false, Token, "slow");
        await Until(() => provider.Calls.Count == 1);
        var bulk = EmbedAsync(service, false, Token, "a", "b");
        using var leaves = new CancellationTokenSource();
        var person = EmbedAsync(service, true, leaves.Token, "b");
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => person);

        open.SetResult();

        Assert.Equal(ScriptedProvider.VectorOf("b", 1536), (await bulk).Vectors[1]);
        await slow;
    }

    private static HttpResponseMessage Refusal(string retryAfter) => new(HttpStatusCode.TooManyRequests)
    {
        Content = new StringContent("{}"),
        Headers = { { "Retry-After", retryAfter } },
    };

    private static async Task Until(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(5, Token);
        }
    }

    private static Task<EmbeddingResult> EmbedAsync(TestGateway service, bool interactive, CancellationToken token, params string[] texts) =>
        service.Services.GetRequiredService<EmbeddingGateway>().EmbedAsync(
            new EmbeddingCall(service.Services.GetRequiredService<ModelRegistry>().Resolve(Model, null), texts, EmbeddingInput.Document, interactive, "", ""),
            token).AsTask();
}
