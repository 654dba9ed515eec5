using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using RagPlatform.LocalServers;

namespace RagPlatform.AppHost.Tests;

/// <summary>The whole application, started once for the tests that use it.</summary>
public abstract class RunningAppHost : IAsyncLifetime
{
    /// <summary>The services.</summary>
    public static readonly string[] Services = ["embedding-service", "indexing-worker", "search-api", "dashboard"];

    /// <summary>The admin key of the started application.</summary>
    public const string AdminKey = "test-admin-key-0123456789abcdef";

    private static readonly TimeSpan s_requestTimeout = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rag-tests-");
    private DistributedApplication? _app;
    private string? _missing;

    /// <summary>The application.</summary>
    public DistributedApplication App => _app ?? throw new InvalidOperationException("The application was not started.");

    /// <summary>What the services send of their telemetry.</summary>
    internal OtlpReceiver Telemetry { get; } = new();

    /// <summary>The data folder.</summary>
    internal DataFolderFiles Files => new(_folder.FullName);

    /// <summary>Ends the calling test where the application could not be started: skipped, or failed where it has to be.</summary>
    public void SkipUnlessStarted()
    {
        if (_missing is { } reason)
        {
            Assert.SkipUnless(IsRequired, reason);
            Assert.Fail(reason);
        }
    }

    public async ValueTask InitializeAsync()
    {
        _missing = await FindMissingAsync();
        if (_missing is not null)
        {
            return;
        }

        using var timeout = new CancellationTokenSource(StartTimeout);
        await Telemetry.StartAsync();
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(
            [$"Parameters:admin-key={AdminKey}", "OPENAI_API_KEY=", $"Data={_folder.FullName}", .. Arguments], timeout.Token);
        builder.Services.AddLogging(
            logging => logging.SetMinimumLevel(LogLevel.Information).AddFilter("Aspire.Hosting.Dcp", LogLevel.Warning));
        foreach (var project in builder.Resources.OfType<ProjectResource>().ToList())
        {
            builder.CreateResourceBuilder(project)
                .WithEnvironment("OTEL_EXPORTER_OTLP_ENDPOINT", Telemetry.Address)
                .WithEnvironment("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
                .WithEnvironment("OTEL_BSP_SCHEDULE_DELAY", "200")
                .WithEnvironment("OTEL_BLRP_SCHEDULE_DELAY", "200")
                // What a killed worker held is free again soon.
                .WithEnvironment("Indexing__Lease", "00:00:05");
        }

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
            Assert.Empty(ServerProcess.FindIn("postgres", Path.Combine(Files.Postgres, "data")));
            Assert.Empty(ServerProcess.FindIn("valkey-server", Files.Valkey));
        }

        await Telemetry.DisposeAsync();
        _folder.Delete(recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>A time limit for one test.</summary>
    internal static CancellationTokenSource Timeout()
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        source.CancelAfter(s_requestTimeout);
        return source;
    }

    // A plain client: the one that Aspire makes retries, and would hide an error behind a second attempt.
    internal HttpClient CreateApiClient()
    {
        var client = new HttpClient { BaseAddress = App.GetEndpoint("search-api", "http"), Timeout = s_requestTimeout };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        return client;
    }

    internal static async Task<JsonNode?> EnsureSuccessAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var body = await response.Content.ReadAsStringAsync(cancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"{(int)response.StatusCode}: {body}");
        return body.Length == 0 ? null : JsonNode.Parse(body);
    }

    /// <summary>What the AppHost is started with.</summary>
    protected abstract string[] Arguments { get; }

    /// <summary>How long the start may take.</summary>
    protected abstract TimeSpan StartTimeout { get; }

    /// <summary>Whether a machine that cannot start it fails the tests.</summary>
    protected abstract bool IsRequired { get; }

    /// <summary>Why it cannot be started here; null where it can.</summary>
    protected abstract Task<string?> FindMissingAsync();
}

/// <summary>With PostgreSQL and Valkey of this machine.</summary>
public sealed class LocalAppHost : RunningAppHost
{
    protected override string[] Arguments => ["--Backends=local", "Durable=false"];

    protected override TimeSpan StartTimeout => TimeSpan.FromMinutes(2);

    protected override bool IsRequired => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("CI"));

    protected override Task<string?> FindMissingAsync()
    {
        try
        {
            PostgresBinaries.Choose(PostgresBinaries.FindAll(), dataMajor: null, folder: "");
            return Task.FromResult(LocalValkey.FindProgram() is null ? LocalValkey.Missing().Message : null);
        }
        catch (LocalServerException e)
        {
            return Task.FromResult<string?>(e.Message);
        }
    }
}

/// <summary>With containers.</summary>
public sealed class ContainerAppHost : RunningAppHost
{
    protected override string[] Arguments =>
    [
        "--Backends=containers", "UseVolumes=false",
        "Parameters:postgres-password=test-postgres-password", "Parameters:cache-password=test-cache-password",
    ];

    // The first start on a machine pulls two images.
    protected override TimeSpan StartTimeout => TimeSpan.FromMinutes(10);

    protected override bool IsRequired => Environment.GetEnvironmentVariable("RAG_TEST_CONTAINERS") == "1";

    protected override Task<string?> FindMissingAsync() => Task.FromResult(
        Backends.ContainerEngine.Answers() ? null : "No container engine (Docker or Podman) answers on this machine.");
}
