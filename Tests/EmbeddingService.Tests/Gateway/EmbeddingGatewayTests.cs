using System.Net;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Tests.Infrastructure;
using RagPlatform.EmbeddingService.Wire;

namespace RagPlatform.EmbeddingService.Tests.Gateway;

public sealed class EmbeddingGatewayTests
{
    private const string Model = "text-embedding-3-small";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Embed_SameTextTwice_PaysOnce()
    {
        var provider = new ScriptedProvider();
        await using var service = await TestGateway.StartAsync(provider);

        var first = await EmbedAsync(service, "a", "b", "a");
        var second = await EmbedAsync(service, "b", "a");

        Assert.Equal(["a", "b"], Assert.Single(provider.Calls).Texts);
        Assert.Equal(2, first.Tiers.Texts(Tier.Source));
        Assert.Equal(1, first.Tiers.Texts(Tier.Joined));
        Assert.Equal(2, second.Tiers.Texts(Tier.L1));
        Assert.Same(first.Vectors[0], second.Vectors[1]);
        Assert.Equal(3, first.Tokens);
    }

    [Fact]
    public async Task Embed_ManyCallersOfOneText_OneCall()
    {
        var open = new TaskCompletionSource();
        var provider = new ScriptedProvider { Before = (_, token) => open.Task.WaitAsync(token) };
        await using var service = await TestGateway.StartAsync(provider);

        var callers = Enumerable.Range(0, 200).Select(_ => EmbedAsync(service, "the one")).ToArray();
        open.SetResult();
        var results = await Task.WhenAll(callers);

        Assert.Single(provider.Calls);
        Assert.All(results, result => Assert.Same(results[0].Vectors[0], result.Vectors[0]));
    }

    [Fact]
    public async Task Embed_OverlappingBatches_EachTextIsSentOnce()
    {
        var open = new TaskCompletionSource();
        var provider = new ScriptedProvider { Before = (_, token) => open.Task.WaitAsync(token) };
        await using var service = await TestGateway.StartAsync(provider);

        var first = EmbedAsync(service, "a", "b", "c");
        var second = EmbedAsync(service, "c", "d", "b");
        open.SetResult();
        await Task.WhenAll(first, second);

        Assert.Equal(["a", "b", "c", "d"], provider.Calls.SelectMany(call => call.Texts).Order());
        Assert.Equal(2, (await second).Tiers.Texts(Tier.Joined));
        AssertRight(["c", "d", "b"], await second);
    }

    [Fact]
    public async Task Embed_CallerLeaves_TheOthersGetTheirVector()
    {
        var open = new TaskCompletionSource();
        var provider = new ScriptedProvider { Before = (_, token) => open.Task.WaitAsync(token) };
        await using var service = await TestGateway.StartAsync(provider);
        using var leaves = new CancellationTokenSource();
        var gateway = service.Services.GetRequiredService<EmbeddingGateway>();

        var first = gateway.EmbedAsync(Call(service, "a"), leaves.Token).AsTask();
        var second = EmbedAsync(service, "a");
        await leaves.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        open.SetResult();
        AssertRight(["a"], await second);
        Assert.Single(provider.Calls);
    }

    [Fact]
    public async Task Embed_RandomBatchesAndFaults_NoVectorIsEverMisplacedAndNothingBadIsCached()
    {
        const int Batches = 1_500;
        var random = new Random(20261120);
        var provider = new ScriptedProvider { Script = call => ProviderFaults.Next(random, call) };
        await using var service = await TestGateway.StartAsync(provider, ("Embedding:Cache:MemoryEntries", "40"), ("Embedding:Providers:openai:MaxAttempts", "1"));
        var (right, refused) = (0, 0);
        for (var i = 0; i < Batches; i++)
        {
            var texts = Enumerable.Range(0, random.Next(1, 12)).Select(_ => $"text {random.Next(60)}").ToArray();
            try
            {
                AssertRight(texts, await EmbedAsync(service, texts));
                right++;
            }
            catch (GatewayException)
            {
                refused++;
            }
        }

        Assert.True(right > Batches / 3, $"{right} right");
        Assert.True(refused > 20, $"{refused} refused");
    }

    [Theory]
    [InlineData(500, 503, "provider_unavailable", 3)] // the last one asks whether it is the text
    [InlineData(401, 502, "provider_unusable", 1)]
    [InlineData(429, 429, "rate_limit_exceeded", 2)]
    public async Task Embed_ProviderFails_IsRepeatedOnlyWhereThatHelps(int status, int answered, string code, int calls)
    {
        var provider = new ScriptedProvider { Script = _ => new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent("{}") } };
        await using var service = await TestGateway.StartAsync(provider, ("Embedding:Providers:openai:MaxAttempts", "2"));

        var error = await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, "a"));

        Assert.Equal(answered, error.Status);
        Assert.Equal(code, error.Code);
        Assert.Equal(calls, provider.Calls.Count);
    }

    [Fact]
    public async Task Embed_RetryAfter_IsObeyed()
    {
        var provider = new ScriptedProvider();
        var refused = 0;
        provider.Script = _ => Interlocked.Increment(ref refused) == 1
            ? new HttpResponseMessage(HttpStatusCode.TooManyRequests) { Content = new StringContent("{}"), Headers = { { "Retry-After", "1" } } }
            : null;
        await using var service = await TestGateway.StartAsync(provider);
        var start = TimeProvider.System.GetTimestamp();

        AssertRight(["a"], await EmbedAsync(service, "a"));

        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalSeconds, 0.99, 5);
        Assert.Equal(2, provider.Calls.Count);
    }

    [Fact]
    public async Task Embed_NoRequestsRemain_TheNextCallWaitsForTheReset()
    {
        var provider = new ScriptedProvider();
        provider.Script = call =>
        {
            var answer = ScriptedProvider.Answer(call.Texts.Select((text, i) => (i, ScriptedProvider.VectorOf(text, 1536))), 1);
            answer.Headers.Add("x-ratelimit-remaining-requests", "0");
            answer.Headers.Add("x-ratelimit-reset-requests", "400ms");
            answer.Headers.Add("x-ratelimit-remaining-tokens", "0");
            answer.Headers.Add("x-ratelimit-reset-tokens", "600ms");
            return answer;
        };
        await using var service = await TestGateway.StartAsync(provider);
        var start = TimeProvider.System.GetTimestamp();
        await EmbedAsync(service, "a");

        await EmbedAsync(service, "b");

        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalMilliseconds, 590, 30_000);
    }

    [Fact]
    public async Task Embed_QuotaIsUsedUpAtTheProvider_IsNotRepeated()
    {
        var provider = new ScriptedProvider
        {
            Script = _ => new HttpResponseMessage(HttpStatusCode.TooManyRequests) { Content = new StringContent("""{"error":{"code":"insufficient_quota"}}""") },
        };
        await using var service = await TestGateway.StartAsync(provider);

        var error = await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, "a"));

        Assert.Equal(("provider_unusable", true), (error.Code, error.NoRetry));
        Assert.Single(provider.Calls);
        Assert.Contains("insufficient_quota", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(typeof(HttpRequestException))]
    [InlineData(typeof(IOException))]
    [InlineData(typeof(InvalidOperationException))]
    public async Task Embed_ProviderCannotBeReached_Is503(Type failure)
    {
        var provider = new ScriptedProvider { Script = _ => throw (Exception)Activator.CreateInstance(failure)! };
        await using var service = await TestGateway.StartAsync(provider, ("Embedding:Providers:openai:MaxAttempts", "1"));

        Assert.Equal(503, (await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, "a"))).Status);
    }

    [Fact]
    public async Task Embed_OneTextIsRefused_ItsNeighboursAreCached()
    {
        var provider = new ScriptedProvider
        {
            Script = call => call.Texts.Contains("bad") ? new HttpResponseMessage(HttpStatusCode.BadRequest) { Content = new StringContent("{}") } : null,
        };
        await using var service = await TestGateway.StartAsync(provider);
        string[] texts = ["a", "b", "bad", "c", "d"];

        var error = await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, texts));
        var calls = provider.Calls.Count;
        var rest = await EmbedAsync(service, "a", "b", "c", "d");

        Assert.Equal(400, error.Status);
        Assert.Equal("input[2]", error.Param);
        Assert.Equal(4, rest.Tiers.Texts(Tier.L1));
        Assert.Equal(calls, provider.Calls.Count);
        AssertRight(["a", "b", "c", "d"], rest);
    }

    [Fact]
    public async Task Embed_FirstEndpointFails_AnotherOfTheSameSpaceAnswers()
    {
        var provider = new ScriptedProvider
        {
            Script = call => call.Url.Host == "first.test" ? new HttpResponseMessage(HttpStatusCode.InternalServerError) { Content = new StringContent("{}") } : null,
        };
        await using var service = await TestGateway.StartAsync(
            provider,
            ("Embedding:Providers:first:BaseUrl", "http://first.test/v1"),
            ("Embedding:Providers:second:BaseUrl", "http://second.test/v1"),
            ("Embedding:Models:0:Name", Model),
            ("Embedding:Models:0:Providers:0", "first"),
            ("Embedding:Models:0:Providers:1", "second"));

        AssertRight(["a"], await EmbedAsync(service, "a"));
        for (var i = 0; i < 6; i++)
        {
            await EmbedAsync(service, $"more {i}");
        }

        // After five failures the first one is not even asked.
        Assert.Equal(5, provider.Calls.Count(call => call.Url.Host == "first.test"));
        Assert.Equal(7, provider.Calls.Count(call => call.Url.Host == "second.test"));
        Assert.True(service.Services.GetRequiredService<ModelRegistry>().Find(Model)!.Healthy);
    }

    [Fact]
    public async Task Embed_ManyTexts_ArePackedByCountAndTokens()
    {
        var provider = new ScriptedProvider();
        await using var service = await TestGateway.StartAsync(
            provider, ("Embedding:Providers:openai:MaxBatch", "10"), ("Embedding:Providers:openai:MaxBatchTokens", "300"));
        var texts = Enumerable.Range(0, 30).Select(i => $"short {i}").Append(new string('x', 800)).Append(new string('y', 3_000)).ToArray();

        AssertRight(texts, await EmbedAsync(service, texts));

        Assert.All(provider.Calls, call => Assert.InRange(call.Texts.Count, 1, 10));
        Assert.Equal(texts.Order(), provider.Calls.SelectMany(call => call.Texts).Order());
        Assert.Single(Assert.Single(provider.Calls, call => call.Texts.Contains(texts[^1])).Texts);
    }

    [Fact]
    public async Task Embed_Bypass_AsksTheProviderAndLeavesNothing()
    {
        var provider = new ScriptedProvider();
        await using var service = await TestGateway.StartAsync(provider);

        await service.PostAsync(new { model = Model, input = "a" }, ("x-rag-cache", "bypass"));
        await service.PostAsync(new { model = Model, input = "a" }, ("x-rag-cache", "bypass"));
        var (_, _, headers) = await service.PostAsync(new { model = Model, input = "a" });
        var (_, _, again) = await service.PostAsync(new { model = Model, input = "a" });

        Assert.Equal(3, provider.Calls.Count);
        Assert.Equal("l1=0, l2=0, l3=0, joined=0, source=1", headers.GetValues("x-rag-cache").Single());
        Assert.Equal("l1=1, l2=0, l3=0, joined=0, source=0", again.GetValues("x-rag-cache").Single());
    }

    [Theory]
    [InlineData("EMBEDDING_CACHE_ENABLED")]
    [InlineData("FeatureManagement:EmbeddingCache")]
    public async Task Embed_CacheSwitchedOff_PaysEachTime(string setting)
    {
        var provider = new ScriptedProvider();
        await using var service = await TestGateway.StartAsync(provider, (setting, "false"));

        await EmbedAsync(service, "a");
        await EmbedAsync(service, "a");

        Assert.Equal(2, provider.Calls.Count);
    }

    [Fact]
    public async Task Embed_QueryAndDocumentPrompt_AreDifferentVectorsOfOneSpace()
    {
        var provider = new ScriptedProvider();
        await using var service = await TestGateway.StartAsync(
            provider,
            ("Embedding:Models:0:Name", "own"),
            ("Embedding:Models:0:Providers:0", "openai"),
            ("Embedding:Models:0:Dimensions", "1536"),
            ("Embedding:Models:0:QueryPrompt", "query: "),
            ("Embedding:Models:0:DocumentPrompt", "passage: "));

        var (_, _, query) = await service.PostAsync(new { model = "own", input = "x" }, (EmbeddingHeaders.Input, "query"));
        var (_, _, document) = await service.PostAsync(new { model = "own", input = "x" });

        Assert.Equal(["query: x", "passage: x"], provider.Calls.Select(call => call.Texts.Single()));
        Assert.Equal(query.GetValues(EmbeddingHeaders.Space), document.GetValues(EmbeddingHeaders.Space));
    }

    [Fact]
    public async Task Embed_ProviderHangs_EndsAfterItsTimeout()
    {
        var provider = new ScriptedProvider { Before = (_, token) => Task.Delay(Timeout.Infinite, token) };
        await using var service = await TestGateway.StartAsync(
            provider, ("Embedding:Providers:openai:Timeout", "00:00:00.2"), ("Embedding:Providers:openai:MaxAttempts", "1"));

        Assert.Equal(503, (await Assert.ThrowsAsync<GatewayException>(() => EmbedAsync(service, "a"))).Status);
    }

    private static EmbeddingCall Call(TestGateway service, params string[] texts) => new(
        service.Services.GetRequiredService<ModelRegistry>().Resolve(Model, null), texts, EmbeddingInput.Document, true, "", "");

    private static Task<EmbeddingResult> EmbedAsync(TestGateway service, params string[] texts) =>
        service.Services.GetRequiredService<EmbeddingGateway>().EmbedAsync(Call(service, texts), Token).AsTask();

    private static void AssertRight(string[] texts, EmbeddingResult result)
    {
        Assert.Equal(texts.Length, result.Vectors.Length);
        for (var i = 0; i < texts.Length; i++)
        {
            Assert.Equal(ScriptedProvider.VectorOf(texts[i], 1536), result.Vectors[i]);
        }
    }
}
