using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace RagPlatform.AppHost.Tests;

/// <summary>The whole application, started once for the tests that use it, where a container runtime answers.</summary>
public sealed class RunningAppHost : IAsyncLifetime
{
    /// <summary>The services, in the order in which they become healthy.</summary>
    public static readonly string[] Services = ["embedding-service", "indexing-worker", "search-api", "dashboard"];

    /// <summary>The admin key of the started application.</summary>
    public const string AdminKey = "test-admin-key-0123456789abcdef";

    // The first start on a machine pulls two images.
    private static readonly TimeSpan s_startTimeout = TimeSpan.FromMinutes(10);

    private DistributedApplication? _app;

    /// <summary>The application.</summary>
    public DistributedApplication App => _app ?? throw new InvalidOperationException("The application was not started.");

    /// <summary>Skips the calling test where nothing could be started; in CI it fails.</summary>
    public void SkipUnlessStarted() =>
        Assert.SkipUnless(_app is not null, "No container runtime (Docker or Podman) answers on this machine.");

    public async ValueTask InitializeAsync()
    {
        using var timeout = new CancellationTokenSource(s_startTimeout);
        if (!await ContainerRuntime.AnswersAsync(timeout.Token))
        {
            Assert.False(ContainerRuntime.IsRequired, "RAG_TEST_APPHOST=1, but no container runtime answers.");
            return;
        }

        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(
            [.. AppModel.Parameters, "UseVolumes=false"], timeout.Token);
        builder.Services.AddLogging(
            logging => logging.SetMinimumLevel(LogLevel.Information).AddFilter("Aspire.Hosting.Dcp", LogLevel.Warning));
        var app = await builder.BuildAsync(timeout.Token);
        try
        {
            await app.StartAsync(timeout.Token);
            foreach (var service in Services)
            {
                // A service that exited will not become healthy any more.
                await app.ResourceNotifications.WaitForResourceHealthyAsync(service, WaitBehavior.StopOnResourceUnavailable, timeout.Token);
            }
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }

        _app = app;
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await _app.DisposeAsync();
        }
    }
}
