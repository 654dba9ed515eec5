using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.EmbeddingService.Budgets;
using RagPlatform.EmbeddingService.Operations;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Tests.Infrastructure;

namespace RagPlatform.EmbeddingService.Tests.Operations;

public sealed class OperationsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("GET", "/v1/usage")]
    [InlineData("GET", "/v1/budgets")]
    [InlineData("DELETE", "/v1/budgets/1")]
    [InlineData("DELETE", "/v1/registry/models/x")]
    [InlineData("DELETE", "/v1/registry/aliases/x")]
    [InlineData("DELETE", "/v1/registry/canaries/x")]
    public async Task Request_WithoutDatabase_SaysThatItNeedsOne(string method, string path)
    {
        await using var service = await TestGateway.StartAsync();

        using var response = await service.Client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path), Token);

        Assert.Equal(501, (int)response.StatusCode);
        Assert.Equal("no_database", (await response.Content.ReadFromJsonAsync<JsonElement>(Token)).GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Cache_WithoutDatabaseAndValkey_ReportsMemoryAlone()
    {
        await using var service = await TestGateway.StartAsync();
        await service.PostAsync(new { model = "hashing", input = new[] { "a", "b" } });

        var tiers = (await service.Client.GetFromJsonAsync<JsonElement>("/v1/cache", Token)).GetProperty("tiers");

        Assert.Equal(["on", "off", "off", "on"], tiers.EnumerateArray().Select(tier => tier.GetProperty("state").GetString()));
        Assert.Equal(2, tiers[0].GetProperty("entries").GetInt32());
    }

    [Fact]
    public async Task Cache_InvalidateAndWarm_WorkOnMemory()
    {
        await using var service = await TestGateway.StartAsync();
        using var warm = await service.Client.PostAsJsonAsync("/v1/cache/warm", new { texts = new[] { "a", "b" } }, Token);
        using var all = await service.Client.PostAsJsonAsync("/v1/cache/invalidate", new { model = "hashing", all = true }, Token);
        using var nothing = await service.Client.PostAsJsonAsync("/v1/cache/warm", new { }, Token);
        using var wrong = await service.Client.PostAsJsonAsync("/v1/cache/warm", new { texts = new[] { "a" }, input = "question" }, Token);
        using var unreadable = await service.Client.PostAsync("/v1/cache/warm", new StringContent("{", null, "application/json"), Token);

        Assert.Equal(2, (await warm.Content.ReadFromJsonAsync<JsonElement>(Token)).GetProperty("source").GetInt32());
        Assert.Equal(2, (await all.Content.ReadFromJsonAsync<JsonElement>(Token)).GetProperty("l1").GetInt32());
        Assert.Equal((400, 400, 400), ((int)nothing.StatusCode, (int)wrong.StatusCode, (int)unreadable.StatusCode));
    }

    [Theory]
    [InlineData("PUT", "registry/models/x", "null")]
    [InlineData("PUT", "registry/models/x", "[]")]
    [InlineData("PUT", "registry/models/x", """{"providers":null}""")]
    [InlineData("PUT", "registry/models/x", """{"dimensions":8,"providers":[null]}""")]
    [InlineData("PUT", "registry/models/x", """{"dimensions":8,"providers":["openai"],"queryPrompt":"\u0000"}""")]
    [InlineData("PUT", "registry/aliases/x", """{"model":null}""")]
    [InlineData("PUT", "registry/aliases/x", "null")]
    [InlineData("PUT", "budgets", """{"workspace":null,"period":"day","hard":true,"limitTokens":1}""")]
    [InlineData("PUT", "budgets", """{"workspace":"w","period":"day","hard":true,"limitTokens":1e400}""")]
    [InlineData("PUT", "budgets", """{"workspace":"w\u0000","period":"day","hard":true,"limitTokens":1}""")]
    [InlineData("POST", "cache/warm", """{"texts":[null]}""")]
    [InlineData("POST", "cache/warm", "null")]
    [InlineData("POST", "cache/invalidate", """{"texts":[null]}""")]
    [InlineData("POST", "cache/invalidate", """{"olderThanSeconds":9007199254740993}""")]
    [InlineData("POST", "cache/invalidate", """{"olderThanSeconds":-1}""")]
    public async Task Body_ThatNoRecordTakes_Is400(string method, string path, string body)
    {
        await using var service = await TestGateway.StartAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), "/v1/" + path)
        {
            Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json"),
        };

        using var response = await service.Client.SendAsync(request, Token);

        Assert.Equal(400, (int)response.StatusCode);
    }

    [Fact]
    public async Task Canary_WithoutDatabase_RemembersWhatItSawFirst()
    {
        var provider = new ScriptedProvider();
        await using var service = await TestGateway.StartAsync(provider);
        await service.PostAsync(new { model = "text-embedding-3-small", input = "x" });
        var canary = service.Services.GetRequiredService<CanaryCheck>();
        var model = service.Services.GetRequiredService<ModelRegistry>().Find("text-embedding-3-small")!;
        await canary.CheckAsync(true, Token);
        Assert.True(model.Healthy);

        provider.Script = call => ScriptedProvider.Answer(call.Texts.Select((text, i) => (i, ScriptedProvider.VectorOf("other " + text, 1536))), 1);
        await canary.CheckAsync(true, Token);
        Assert.False(model.Healthy);
        var (status, _, _) = await service.PostAsync(new { model = "text-embedding-3-small", input = "y" });
        Assert.Equal(503, status);

        provider.Script = null;
        await canary.CheckAsync(true, Token);
        Assert.True(model.Healthy);
    }

    [Fact]
    public async Task Canary_ProviderIsDown_IsNoImpostor()
    {
        var provider = new ScriptedProvider();
        await using var service = await TestGateway.StartAsync(provider);
        await service.PostAsync(new { model = "text-embedding-3-small", input = "x" });
        provider.Script = _ => throw new HttpRequestException("down");

        await service.Services.GetRequiredService<CanaryCheck>().CheckAsync(true, Token);

        Assert.True(service.Services.GetRequiredService<ModelRegistry>().Find("text-embedding-3-small")!.Healthy);
    }

    [Fact]
    public void Forecast_SteadySpending_IsExtrapolatedToTheEndOfTheMonth()
    {
        var now = new DateTimeOffset(2026, 6, 16, 0, 0, 0, TimeSpan.Zero);
        var days = Enumerable.Range(1, 15).Select(day => (new DateOnly(2026, 6, day), 10m)).ToList();

        var (toDate, atEnd) = Forecast.OfMonth(days, now);

        Assert.Equal(150, toDate);
        Assert.InRange(atEnd, 296, 304);
    }

    [Fact]
    public void Forecast_FirstDay_ExtrapolatesFromItsHours()
    {
        var (toDate, atEnd) = Forecast.OfMonth([(new DateOnly(2026, 6, 1), 5m)], new DateTimeOffset(2026, 6, 1, 12, 0, 0, TimeSpan.Zero));

        Assert.Equal(5, toDate);
        Assert.Equal(300, atEnd);
    }

    [Fact]
    public void Forecast_NothingSpent_IsNothing() => Assert.Equal((0m, 0m), Forecast.OfMonth([], new DateTimeOffset(2026, 6, 30, 23, 0, 0, TimeSpan.Zero)));

    [Theory]
    [InlineData("day", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z")]
    [InlineData("month", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z")]
    [InlineData("month", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")]
    [InlineData("day", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z")]
    public void ResetOf_Period_IsItsEnd(string period, string now, string reset) => Assert.Equal(
        DateTimeOffset.Parse(reset, null), BudgetGate.ResetOf(period, DateTimeOffset.Parse(now, null)));

    [Fact]
    public void BudgetException_WithoutDatabase_Is503()
    {
        Assert.Equal(503, new BudgetException("day", null, TimeSpan.Zero).ToGatewayException().Status);
        var used = new BudgetException("day", DateTimeOffset.UnixEpoch, TimeSpan.FromHours(1)).ToGatewayException();
        Assert.Equal((429, TimeSpan.FromHours(1), true), (used.Status, used.RetryAfter, used.NoRetry));
    }
}
