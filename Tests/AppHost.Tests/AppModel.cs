using Xunit.Sdk;
using Xunit.v3;

[assembly: AssemblyFixture(typeof(RagPlatform.AppHost.Tests.AppModel))]
// One running application at a time: two would share two cores, and their figures would say nothing.
[assembly: Parallelization(Mode = ParallelMode.None)]

namespace RagPlatform.AppHost.Tests;

/// <summary>
/// The AppHost's resources, as a developer runs it and as the tests run it. Nothing is started, so that no container runtime is needed.
/// </summary>
public sealed class AppModel : IAsyncLifetime
{
    /// <summary>What every test passes: no prompt, and nothing written to the user secrets.</summary>
    public static readonly string[] Parameters =
    [
        "Parameters:admin-key=test-admin-key-0123456789abcdef",
        "Parameters:postgres-password=test-postgres-password",
        "Parameters:cache-password=test-cache-password",
        "ConnectionStrings:ragdb=Host=database.example;Database=ragdb",
        "ConnectionStrings:cache=cache.example:6379",
        "OPENAI_API_KEY=",
    ];

    private readonly List<IDistributedApplicationTestingBuilder> _builders = [];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rag-tests-");

    /// <summary>The resources with containers.</summary>
    public IResourceCollection Containers { get; private set; } = null!;

    /// <summary>The resources with containers that leave nothing behind.</summary>
    public IResourceCollection WithoutVolumes { get; private set; } = null!;

    /// <summary>The resources with servers of this machine.</summary>
    public IResourceCollection Local { get; private set; } = null!;

    /// <summary>The resources with servers that exist.</summary>
    public IResourceCollection External { get; private set; } = null!;

    /// <summary>The resources with one kind of backends.</summary>
    public IResourceCollection Of(string backends) => backends switch
    {
        "containers" => Containers,
        "local" => Local,
        _ => External,
    };

    public async ValueTask InitializeAsync()
    {
        Containers = await BuildAsync("--Backends=containers");
        WithoutVolumes = await BuildAsync("UseVolumes=false", "--Backends=containers");
        Local = await BuildAsync("--Backends=local");
        External = await BuildAsync("--Backends=external");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var builder in _builders)
        {
            // Built, but not started: the disposal of a builder alone would have its program go on.
            await using var app = await builder.BuildAsync();
        }

        _folder.Delete(recursive: true);
    }

    private async Task<IResourceCollection> BuildAsync(params string[] args)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(
            [.. Parameters, $"Data={_folder.CreateSubdirectory(args[0]).FullName}", .. args], timeout.Token);
        _builders.Add(builder);
        return builder.Resources;
    }
}
