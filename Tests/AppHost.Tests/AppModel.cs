[assembly: AssemblyFixture(typeof(RagPlatform.AppHost.Tests.AppModel))]

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
        "OPENAI_API_KEY=",
    ];

    private readonly List<IDistributedApplicationTestingBuilder> _builders = [];

    /// <summary>The resources of a plain <c>dotnet run</c>.</summary>
    public IResourceCollection Default { get; private set; } = null!;

    /// <summary>The resources with <c>UseVolumes=false</c>.</summary>
    public IResourceCollection WithoutVolumes { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Default = await BuildAsync();
        WithoutVolumes = await BuildAsync("UseVolumes=false");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var builder in _builders)
        {
            await builder.DisposeAsync();
        }
    }

    private async Task<IResourceCollection> BuildAsync(params string[] args)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>([.. Parameters, .. args], timeout.Token);
        _builders.Add(builder);
        return builder.Resources;
    }
}
