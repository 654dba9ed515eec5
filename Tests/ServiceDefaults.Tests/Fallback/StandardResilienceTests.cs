using System.Net;
using System.Net.Http.Headers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Options;
using Polly.CircuitBreaker;
using Polly.Timeout;

namespace RagPlatform.ServiceDefaults.Tests.Fallback;

/// <summary>What the fallback shares with Microsoft.Extensions.Http.Resilience.</summary>
public sealed class StandardResilienceTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Options_Defaults_AreThePackages()
    {
        var options = new HttpStandardResilienceOptions();

        Assert.Equal(TimeSpan.FromSeconds(30), options.TotalRequestTimeout.Timeout);
        Assert.Equal(TimeSpan.FromSeconds(10), options.AttemptTimeout.Timeout);
        Assert.Equal(3, options.Retry.MaxRetryAttempts);
        Assert.Equal(TimeSpan.FromSeconds(2), options.Retry.Delay);
        Assert.True(options.Retry.UseJitter);
        Assert.Equal(0.1, options.CircuitBreaker.FailureRatio);
        Assert.Equal(100, options.CircuitBreaker.MinimumThroughput);
        Assert.Equal(TimeSpan.FromSeconds(30), options.CircuitBreaker.SamplingDuration);
        Assert.Equal(1_000, options.RateLimiter.DefaultRateLimiterOptions.PermitLimit);
    }

    [Fact]
    public async Task Send_AlwaysFailing_IsTriedFourTimes()
    {
        var server = new ScriptedHandler([.. Enumerable.Repeat(HttpStatusCode.InternalServerError, 10)]);
        using var services = Build(server, options => options.Retry.Delay = TimeSpan.Zero);

        using var response = await GetAsync(services);

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Equal(4, server.Bodies.Count);
    }

    [Theory]
    [InlineData(HttpStatusCode.RequestTimeout, 2)]
    [InlineData(HttpStatusCode.TooManyRequests, 2)]
    [InlineData(HttpStatusCode.BadGateway, 2)]
    [InlineData(HttpStatusCode.NotFound, 1)]
    [InlineData(HttpStatusCode.Conflict, 1)]
    public async Task Send_Status_IsRetriedWhenTransient(HttpStatusCode status, int requests)
    {
        var server = new ScriptedHandler(status, HttpStatusCode.OK);
        using var services = Build(server, options => options.Retry.Delay = TimeSpan.Zero);

        using var response = await GetAsync(services);

        Assert.Equal(requests, server.Bodies.Count);
    }

    [Fact]
    public async Task Send_RetryAfter_IsWaitedFor()
    {
        var time = new ManualTime();
        var server = new ScriptedHandler(HttpStatusCode.TooManyRequests, HttpStatusCode.OK) { RetryAfter = TimeSpan.FromSeconds(7) };
        using var services = Build(server, options => options.Retry.Delay = TimeSpan.Zero, time);

        var pending = GetAsync(services);
        time.Advance(TimeSpan.FromSeconds(6));
        Assert.Single(server.Bodies);
        time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(HttpStatusCode.OK, (await pending).StatusCode);
    }

    [Fact]
    public async Task Send_NoAnswer_EndsAtTheTotalTimeout()
    {
        var time = new ManualTime();
        using var services = Build(new ScriptedHandler(), options => options.Retry.Delay = TimeSpan.Zero, time);

        var pending = GetAsync(services);
        for (var i = 0; i < 31; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await Assert.ThrowsAsync<TimeoutRejectedException>(() => pending);
    }

    [Fact]
    public async Task Send_ManyFailures_OpenTheBreaker()
    {
        var server = new ScriptedHandler([.. Enumerable.Repeat(HttpStatusCode.InternalServerError, 50)]);
        using var services = Build(server, options =>
        {
            options.Retry.MaxRetryAttempts = 1;
            options.Retry.Delay = TimeSpan.Zero;
            options.CircuitBreaker.MinimumThroughput = 2;
        });

        using var first = await GetAsync(services);
        await Assert.ThrowsAsync<BrokenCircuitException>(() => GetAsync(services));

        Assert.Equal(2, server.Bodies.Count);
    }

    [Fact]
    public async Task Send_TooManyUnderWay_AreRefusedAtOnce()
    {
        using var services = Build(new ScriptedHandler(), options => options.RateLimiter.DefaultRateLimiterOptions.PermitLimit = 1);
        using var first = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var pending = Client(services).GetAsync("http://test/", first.Token);

        await Assert.ThrowsAsync<HttpRequestException>(() => GetAsync(services));

        await first.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pending);
    }

    [Theory]
    [InlineData("AttemptTimeout:Timeout", "00:01:00")]
    [InlineData("CircuitBreaker:SamplingDuration", "00:00:10")]
    public void Options_ThatContradict_AreRefused(string key, string value)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new($"R:{key}", value)]).Build();
        var services = new ServiceCollection();
        services.AddHttpClient("test").AddStandardResilienceHandler(configuration.GetSection("R"));
        using var provider = services.BuildServiceProvider();

        Assert.Throws<OptionsValidationException>(
            () => provider.GetRequiredService<IOptionsMonitor<HttpStandardResilienceOptions>>().Get("test-standard"));
    }

    [Fact]
    public void RetryAfter_DateThatIsPast_IsNow()
    {
        var time = new ManualTime();
        using var response = new HttpResponseMessage();
        response.Headers.RetryAfter = new RetryConditionHeaderValue(time.GetUtcNow().AddSeconds(-5));

        Assert.Equal(TimeSpan.Zero, HttpRetryStrategyOptions.RetryAfter(response, time));
        Assert.Null(HttpRetryStrategyOptions.RetryAfter(null, time));
    }

    private static Task<HttpResponseMessage> GetAsync(IServiceProvider services) => Client(services).GetAsync("http://test/", Cancellation);

    private static HttpClient Client(IServiceProvider services) => services.GetRequiredService<IHttpClientFactory>().CreateClient("test");

    private static ServiceProvider Build(ScriptedHandler server, Action<HttpStandardResilienceOptions> configure, TimeProvider? time = null)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton(time ?? TimeProvider.System);
        services.AddHttpClient("test").ConfigurePrimaryHttpMessageHandler(() => server).AddStandardResilienceHandler(configure);
        return services.BuildServiceProvider();
    }
}
