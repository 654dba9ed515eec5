using Microsoft.Extensions.DependencyInjection;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Providers;
using RagPlatform.EmbeddingService.Tests.Infrastructure;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.EmbeddingService.Tests.Limits;

public sealed class ProviderChannelTests
{
    private const int MaxWaiting = 4;

    private static readonly TimeSpan s_patient = TimeSpan.FromMinutes(2);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Enter_PlacesAreTaken_InteractiveGoesFirst()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 2);
        await channel.EnterAsync(1, interactive: true, s_patient, Token);
        await channel.EnterAsync(1, interactive: true, s_patient, Token);
        var bulk = channel.EnterAsync(1, interactive: false, s_patient, Token);
        var query = channel.EnterAsync(1, interactive: true, s_patient, Token);
        Assert.Equal((2, 2), (channel.InFlight, channel.Waiting));

        channel.Leave();
        await query;
        Assert.False(bulk.IsCompleted);
        channel.Leave();
        channel.Leave();
        await bulk;
    }

    [Fact]
    public async Task Enter_Bulk_NeverTakesTheLastPlace()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 2);
        await channel.EnterAsync(1, interactive: false, s_patient, Token);
        var bulk = channel.EnterAsync(1, interactive: false, s_patient, Token);

        await channel.EnterAsync(1, interactive: true, s_patient, Token);

        Assert.False(bulk.IsCompleted);
        channel.Leave();
        channel.Leave();
        await bulk;
    }

    [Fact]
    public async Task Enter_GivenUp_LeavesTheQueue()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 1);
        await channel.EnterAsync(1, interactive: true, s_patient, Token);
        using var leaves = new CancellationTokenSource();
        var waiting = channel.EnterAsync(1, interactive: true, s_patient, leaves.Token);
        await leaves.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal(0, channel.Waiting);
    }

    [Fact]
    public async Task Enter_Blocked_WaitsUntilTheBlockEnds()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 1);
        await channel.BlockAsync(TimeSpan.FromMilliseconds(300));
        await channel.BlockAsync(TimeSpan.Zero);
        var start = TimeProvider.System.GetTimestamp();

        await channel.EnterAsync(1, interactive: true, s_patient, Token);

        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalMilliseconds, 290, 5_000);
    }

    [Fact]
    public async Task Enter_LimitIsReached_Waits()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 10, requestsPerMinute: 3);
        for (var i = 0; i < 3; i++)
        {
            await channel.EnterAsync(1, interactive: true, s_patient, Token);
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => channel.EnterAsync(1, interactive: true, s_patient, patience.Token));
    }

    [Fact]
    public async Task Enter_LimitIsReachedForLonger_IsRefusedAtOnce()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 10, requestsPerMinute: 1);
        await channel.EnterAsync(1, interactive: true, s_patient, Token);

        var refused = await Assert.ThrowsAsync<ProviderException>(() => channel.EnterAsync(1, interactive: true, TimeSpan.FromSeconds(10), Token));

        Assert.Equal(ProviderFailure.RateLimited, refused.Failure);
        Assert.InRange(refused.RetryAfter!.Value.TotalSeconds, 50, 62);
        Assert.Equal(0, channel.Waiting);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Enter_BlockedForLong_WhoWaitsAndWhoComesAreRefusedAtOnce(bool interactive)
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 1);
        await channel.EnterAsync(1, interactive: true, s_patient, Token);
        var waiting = channel.EnterAsync(1, interactive, s_patient, Token);

        await channel.BlockAsync(TimeSpan.FromSeconds(45));

        var waited = await Assert.ThrowsAsync<ProviderException>(() => waiting);
        var came = await Assert.ThrowsAsync<ProviderException>(() => channel.EnterAsync(1, interactive, s_patient, Token));
        Assert.All([waited, came], refused => Assert.InRange(refused.RetryAfter!.Value.TotalSeconds, 40, 45));
    }

    [Fact]
    public async Task Block_ShorterOneLater_TheLongerOneHolds()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 1);
        await channel.BlockAsync(TimeSpan.FromSeconds(45));
        await channel.BlockAsync(TimeSpan.FromSeconds(1));

        var refused = await Assert.ThrowsAsync<ProviderException>(() => channel.EnterAsync(1, interactive: true, s_patient, Token));
        Assert.InRange(refused.RetryAfter!.Value.TotalSeconds, 40, 45);
    }

    [Fact]
    public async Task Enter_TooManyWait_IsRefusedAtOnce()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 1);
        await channel.EnterAsync(1, interactive: true, s_patient, Token);
        var waiting = Enumerable.Range(0, MaxWaiting).Select(_ => channel.EnterAsync(1, interactive: false, s_patient, Token)).ToList();

        await Assert.ThrowsAsync<ProviderException>(() => channel.EnterAsync(1, interactive: false, s_patient, Token));

        // The other queue has room.
        var query = channel.EnterAsync(1, interactive: true, s_patient, Token);
        channel.Leave();
        await query;
        Assert.DoesNotContain(waiting, bulk => bulk.IsCompleted);
    }

    [Fact]
    public async Task Enter_NoPlaceInTime_IsRefused()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 1);
        await channel.EnterAsync(1, interactive: true, s_patient, Token);

        await Assert.ThrowsAsync<ProviderException>(() => channel.EnterAsync(1, interactive: true, TimeSpan.FromMilliseconds(20), Token));
        Assert.Equal(0, channel.Waiting);
    }

    private static ProviderChannel Create(TestGateway service, int places, int requestsPerMinute = 0) => new(
        places,
        MaxWaiting,
        new SharedRateLimiter("p", requestsPerMinute, 0, "k", service.Services.GetRequiredService<CacheConnection>(), TimeProvider.System),
        TimeProvider.System);
}
