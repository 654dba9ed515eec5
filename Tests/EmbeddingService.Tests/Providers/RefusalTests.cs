using System.Net;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Tests.Infrastructure;
using RagPlatform.EmbeddingService.Wire;

namespace RagPlatform.EmbeddingService.Tests.Providers;

/// <summary>What a provider refuses: a text, so many texts, a format, or everything. Whom that is blamed on, and what it costs to find out.</summary>
public sealed class RefusalTests
{
    private const string Model = "text-embedding-3-small";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("float")]
    [InlineData(null)]
    public async Task Embed_ProviderKnowsOneFormatOnly_IsAskedInItFromThenOn(string? format)
    {
        var provider = new ScriptedProvider { Script = call => call.Format == format ? null : Refusal(400) };
        await using var service = await TestGateway.StartAsync(provider);

        AssertRight(["a", "b"], await EmbedAsync(service, "a", "b"));
        var calls = provider.Calls.Count;
        AssertRight(["c"], await EmbedAsync(service, "c"));

        Assert.InRange(calls, 2, 3);
        Assert.Equal(format, provider.Calls[calls].Format);
        Assert.Equal(calls + 1, provider.Calls.Count);
    }

    [Fact]
    public async Task Embed_ServerErrorThatNamesTheFormat_IsAskedInAnother()
    {
        var provider = new ScriptedProvider
        {
            Script = call => call.Format == "base64"
                ? new HttpResponseMessage(HttpStatusCode.NotImplemented) { Content = new StringContent("""{"error":"encoding_format base64"}""") }
                : null,
        };
        await using var service = await TestGateway.StartAsync(provider);

        AssertRight(["a"], await EmbedAsync(service, "a"));
        Assert.Equal(2, provider.Calls.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    public async Task Embed_ProviderRefusesEverything_NoTextIsBlamedAndFewCallsAreMade(int texts)
    {
        var provider = new ScriptedProvider { Script = _ => Refusal(400) };
        await using var service = await TestGateway.StartAsync(provider);

        var error = await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, [.. Enumerable.Range(0, texts).Select(i => $"text {i}")]));

        Assert.Equal((502, "provider_unusable", null), (error.Status, error.Code, error.Param));
        Assert.InRange(provider.Calls.Count, 2, 12);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(60)]
    public async Task Embed_ProviderTakesFewTexts_TheLimitIsLearned(int limit)
    {
        var refused = 0;
        var provider = new ScriptedProvider();
        provider.Script = call =>
        {
            if (call.Texts.Count > limit)
            {
                Interlocked.Increment(ref refused);
                return Refusal(413);
            }

            return null;
        };
        await using var service = await TestGateway.StartAsync(provider);
        string[] first = [.. Enumerable.Range(0, 100).Select(i => $"first {i}")];
        string[] second = [.. Enumerable.Range(0, 250).Select(i => $"second {i}")];

        AssertRight(first, await EmbedAsync(service, first));
        var (learned, calls) = (refused, provider.Calls.Count);
        AssertRight(second, await EmbedAsync(service, second));

        Assert.Equal(learned, refused);
        Assert.InRange(provider.Calls.Count - calls, 250 / limit, (2 * 250 / limit) + 2);
    }

    [Fact]
    public async Task Embed_SeveralTextsAreRefused_TheOthersAreSentTogether()
    {
        var provider = new ScriptedProvider { Script = call => call.Texts.Any(text => text.StartsWith("bad", StringComparison.Ordinal)) ? Refusal(400) : null };
        await using var service = await TestGateway.StartAsync(provider);
        string[] texts = [.. Enumerable.Range(0, 100).Select(i => i is 20 or 70 ? $"bad {i}" : $"good {i}")];

        var error = await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, texts));
        var calls = provider.Calls.Count;
        string[] good = [.. texts.Where(text => text.StartsWith("good", StringComparison.Ordinal))];
        var rest = await EmbedAsync(service, good);

        Assert.Equal("input[20]", error.Param);
        Assert.Equal(98, rest.Tiers.Texts(Tier.L1));
        Assert.InRange(calls, 5, 60);

        // It was not the number of texts.
        await EmbedAsync(service, [.. Enumerable.Range(0, 100).Select(i => $"more {i}")]);
        Assert.Equal(100, provider.Calls[^1].Texts.Count);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    public async Task Embed_ProviderFailsWithOneText_ItIsNoOutage(int status)
    {
        var provider = new ScriptedProvider { Script = call => call.Texts.Any(text => text.StartsWith("bad", StringComparison.Ordinal)) ? Refusal(status) : null };
        await using var service = await TestGateway.StartAsync(provider);
        var batch = EmbedAsync(service, "a", "b", "bad", "c");
        var single = EmbedAsync(service, "bad too");
        var unrelated = Enumerable.Range(0, 20).Select(i => EmbedAsync(service, $"unrelated {i}")).ToList();

        await Task.WhenAll(unrelated);
        var error = await Assert.ThrowsAsync<GatewayException>(() => batch);
        await Assert.ThrowsAsync<GatewayException>(() => single);

        Assert.Equal((400, "provider_rejected_input", "input[2]"), (error.Status, error.Code, error.Param));
        Assert.True(service.Services.GetRequiredService<ModelRegistry>().Find(Model)!.Healthy);
        Assert.Equal(3, (await EmbedAsync(service, "a", "b", "c")).Tiers.Texts(Tier.L1));
    }

    [Fact]
    public async Task Embed_ProviderIsBusy_TheTextIsNotBlamed()
    {
        var provider = new ScriptedProvider
        {
            Script = call => call.Texts.Contains("a")
                ? new HttpResponseMessage(HttpStatusCode.ServiceUnavailable) { Content = new StringContent("{}"), Headers = { { "Retry-After", "1" } } }
                : null,
        };
        await using var service = await TestGateway.StartAsync(provider, ("Embedding:Providers:openai:MaxAttempts", "1"));

        Assert.Equal(503, (await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, "a"))).Status);
    }

    [Fact]
    public async Task Embed_VectorOfNulls_ItsNeighboursAreUsed()
    {
        var provider = new ScriptedProvider
        {
            Script = call => call.Texts.Contains("bad") ? new HttpResponseMessage(HttpStatusCode.OK)
            {
                Content = System.Net.Http.Json.JsonContent.Create(new
                {
                    data = call.Texts.Select((text, i) => new
                    {
                        index = i,
                        embedding = ScriptedProvider.VectorOf(text, 1536).Select(value => text == "bad" ? (float?)null : value),
                    }),
                }),
            }
            : null,
        };
        await using var service = await TestGateway.StartAsync(provider);

        var error = await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, "a", "bad", "b"));
        var rest = await EmbedAsync(service, "a", "b");

        Assert.Equal("bad_provider_answer", error.Code);
        Assert.Equal(2, rest.Tiers.Texts(Tier.L1));
        AssertRight(["a", "b"], rest);
    }

    private static HttpResponseMessage Refusal(int status) => new((HttpStatusCode)status) { Content = new StringContent("""{"error":{"message":"no"}}""") };

    private static Task<EmbeddingResult> EmbedAsync(TestGateway service, params string[] texts) =>
        service.Services.GetRequiredService<EmbeddingGateway>().EmbedAsync(
            new EmbeddingCall(service.Services.GetRequiredService<ModelRegistry>().Resolve(Model, null), texts, EmbeddingInput.Document, true, "", ""),
            Token).AsTask();

    private static void AssertRight(string[] texts, EmbeddingResult result) =>
        Assert.Equal(texts.Select(text => ScriptedProvider.VectorOf(text, 1536)), result.Vectors);
}
