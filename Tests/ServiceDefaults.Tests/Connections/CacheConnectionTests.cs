using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using NSubstitute;
using RagPlatform.ServiceDefaults.Connections;
using StackExchange.Redis;

namespace RagPlatform.ServiceDefaults.Tests.Connections;

public sealed class CacheConnectionTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly LogLines<CacheConnection> _log = new();
    private readonly IConnectionMultiplexer _multiplexer = Substitute.For<IConnectionMultiplexer>();
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly CacheOptions _options = new();

    public CacheConnectionTests() => _multiplexer.IsConnected.Returns(true);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Try_Answer_IsReturned() => Assert.Equal(7, await Create().TryAsync(_ => Task.FromResult(7), Cancellation));

    [Fact]
    public async Task Try_NothingConfigured_SendsNothing()
    {
        var cache = Create(isConfigured: false);

        Assert.Equal(default, await cache.TryGetAsync(_ => Task.FromResult(7), Cancellation));
        Assert.False(cache.IsAvailable);
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task Try_NotConnected_IsAMissAndSaidOnce()
    {
        _multiplexer.IsConnected.Returns(false);
        var cache = Create();

        Assert.Null(await cache.TryAsync(_ => Task.FromResult("x"), Cancellation));
        Assert.Null(await cache.TryAsync(_ => Task.FromResult("x"), Cancellation));

        Assert.Equal(["Warning: The cache is away (not connected): every lookup is a miss until it is back"], _log.Lines);
    }

    [Fact]
    public async Task Try_BeforeTheConnectionWasMade_IsAMiss()
    {
        var cache = Create(connect: false);

        Assert.Equal(default, await cache.TryGetAsync(_ => Task.FromResult(7), Cancellation));
    }

    [Fact]
    public async Task Try_NoAnswerInTime_IsAMissAndNoReasonToDoubt()
    {
        var cache = Create();
        var never = new TaskCompletionSource<int>();

        var pending = cache.TryGetAsync(_ => never.Task, Cancellation).AsTask();
        Assert.False(pending.IsCompleted);
        _time.Advance(_options.CommandTimeout);

        Assert.Equal(new CacheAnswer<int>(false, 0, Late: true), await pending);
        Assert.True(cache.IsAvailable);

        never.SetResult(7);
        _time.Advance(_options.SilenceLimit);
        Assert.True(cache.IsAvailable);
        Assert.Empty(_log.Lines);
    }

    // On a busy machine the one who asks is late: as long as anything is answered, the server is there.
    [Fact]
    public async Task Try_OneCommandIsNeverAnsweredButOthersAre_IsNotAway()
    {
        var cache = Create();
        await LeaveAsync(cache);
        _time.Advance(TimeSpan.FromTicks(1));
        await cache.TryAsync(_ => Task.FromResult(7), Cancellation);

        _time.Advance(_options.SilenceLimit);

        Assert.True(cache.IsAvailable);
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task Try_Silence_IsAwayUntilAPingIsAnsweredThatNobodyWaitsFor()
    {
        var ping = new TaskCompletionSource<TimeSpan>();
        _multiplexer.GetDatabase().PingAsync().Returns(ping.Task);
        var cache = Create();
        await LeaveAsync(cache);
        _time.Advance(_options.SilenceLimit);

        Assert.False(cache.IsAvailable);
        Assert.Equal(default, await cache.TryGetAsync<int>(_ => throw new InvalidOperationException("It was sent."), Cancellation));

        ping.SetResult(TimeSpan.FromMilliseconds(1));
        Assert.Equal(7, await cache.TryAsync(_ => Task.FromResult(7), Cancellation));
        Assert.Equal(
            ["Warning: The cache is away (no answer): every lookup is a miss until it is back", "Information: The cache answers"], _log.Lines);
    }

    [Fact]
    public async Task Try_ConnectionError_IsAMiss() =>
        Assert.Equal(default, await Create().TryGetAsync<int>(_ => throw new IOException(), Cancellation));

    [Fact]
    public async Task Try_ErrorsAndPingsThatFail_CostAPingAPause()
    {
        var pings = 0;
        _multiplexer.GetDatabase().PingAsync().Returns(_ => ++pings > 1 ? Task.FromResult(TimeSpan.Zero) : throw new RedisException("still away"));
        var cache = Create();
        var sent = 0;
        for (var i = 0; i < 10; i++)
        {
            await cache.TryAsync<int>(_ => { sent++; throw new IOException(); }, Cancellation);
        }

        Assert.Equal((1, 1), (sent, pings));
        Assert.False(cache.IsAvailable);

        _time.Advance(_options.BreakDuration);
        Assert.False(cache.IsAvailable);
        Assert.Equal(2, pings);
        Assert.True(cache.IsAvailable);
    }

    // "OOM", "LOADING", "READONLY": the server answers, so the next read may well succeed.
    [Fact]
    public async Task Try_ServerRefuses_IsAMissThatDoesNotBreak()
    {
        var cache = Create();
        for (var i = 0; i < 10; i++)
        {
            await cache.TryAsync<int>(_ => throw ServerRefusal(), Cancellation);
        }

        Assert.Equal(7, await cache.TryAsync(_ => Task.FromResult(7), Cancellation));
    }

    [Fact]
    public async Task Try_CallerLeaves_IsCancelledAndDoesNotCount()
    {
        var cache = Create();
        using var caller = new CancellationTokenSource();
        var pending = cache.TryAsync(_ => new TaskCompletionSource<int>().Task, caller.Token).AsTask();

        await caller.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pending);
        Assert.True(cache.IsAvailable);
    }

    [Theory]
    [InlineData(true, true, HealthStatus.Healthy)]
    [InlineData(true, false, HealthStatus.Degraded)]
    [InlineData(false, false, HealthStatus.Healthy)]
    public async Task Health_CacheAway_IsDegradedAtWorst(bool configured, bool answers, HealthStatus expected)
    {
        _multiplexer.IsConnected.Returns(answers);
        _multiplexer.GetDatabase().PingAsync().Returns(TimeSpan.FromMilliseconds(1));
        var check = new CacheHealthCheck(Create(configured), Options.Create(_options));
        var context = new HealthCheckContext { Registration = new("cache", check, HealthStatus.Degraded, []) };

        Assert.Equal(expected, (await check.CheckHealthAsync(context, Cancellation)).Status);
    }

    public void Dispose() => _services.Dispose();

    // Its constructor is internal in the client's older versions.
    private static RedisServerException ServerRefusal() =>
        (RedisServerException)RuntimeHelpers.GetUninitializedObject(typeof(RedisServerException));

    // Sends a command that is not answered, and waits its time.
    private async Task LeaveAsync(CacheConnection cache)
    {
        var pending = cache.TryGetAsync(_ => new TaskCompletionSource<int>().Task, Cancellation).AsTask();
        _time.Advance(_options.CommandTimeout);
        Assert.True((await pending).Late);
    }

    private CacheConnection Create(bool isConfigured = true, bool connect = true)
    {
        var cache = new CacheConnection(isConfigured, Options.Create(_options), _time, _services.GetRequiredService<IMeterFactory>(), _log);
        if (connect && isConfigured)
        {
            cache.Use(_multiplexer);
        }

        return cache;
    }
}
