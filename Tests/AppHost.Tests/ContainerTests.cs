namespace RagPlatform.AppHost.Tests;

/// <summary>The application with PostgreSQL and Valkey in containers, where an engine answers.</summary>
public sealed class ContainerTests(ContainerAppHost host) : IClassFixture<ContainerAppHost>
{
    [Fact]
    public async Task Platform_OnContainers_IsHealthyAndFindsWhatWasPut()
    {
        host.SkipUnlessStarted();
        using var timeout = RunningAppHost.Timeout();

        await Journey.EveryServiceIsHealthyAsync(host, timeout.Token);
        await Journey.PutAndSearchInEveryModeAsync(host, "containers", timeout.Token);
        await Journey.SearchWithoutCacheAsync(host, "containers", timeout.Token);
    }
}
