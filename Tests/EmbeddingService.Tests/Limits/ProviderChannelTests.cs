using Microsoft.Extensions.DependencyInjection;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Tests.Infrastructure;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.EmbeddingService.Tests.Limits;

public sealed class ProviderChannelTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Enter_PlacesAreTaken_InteractiveGoesFirst()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 2);
        await channel.EnterAsync(1, interactive: true, Token);
        await channel.EnterAsync(1, interactive: true, Token);
        var bulk = channel.EnterAsync(1, interactive: false, Token);
        var query = channel.EnterAsync(1, interactive: true, Token);
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
        await channel.EnterAsync(1, interactive: false, Token);
        var bulk = channel.EnterAsync(1, interactive: false, Token);

        await channel.EnterAsync(1, interactive: true, Token);

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
        await channel.EnterAsync(1, interactive: true, Token);
        using var leaves = new CancellationTokenSource();
        var waiting = channel.EnterAsync(1, interactive: true, leaves.Token);
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

        await channel.EnterAsync(1, interactive: true, Token);

        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalMilliseconds, 290, 5_000);
    }

    [Fact]
    public async Task Enter_LimitIsReached_Waits()
    {
        await using var service = await TestGateway.StartAsync();
        var channel = Create(service, 10, requestsPerMinute: 3);
        for (var i = 0; i < 3; i++)
        {
            await channel.EnterAsync(1, interactive: true, Token);
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => channel.EnterAsync(1, interactive: true, patience.Token));
    }

    private static ProviderChannel Create(TestGateway service, int places, int requestsPerMinute = 0) => new(
        places,
        new SharedRateLimiter("p", requestsPerMinute, 0, "k", service.Services.GetRequiredService<CacheConnection>(), TimeProvider.System),
        TimeProvider.System);
}
