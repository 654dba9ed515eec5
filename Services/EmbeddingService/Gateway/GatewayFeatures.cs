using Microsoft.FeatureManagement;

namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>
/// Feature flags, section <c>feature_management</c> or <c>FeatureManagement</c>: read every few seconds, so that a request costs nothing and a change of the
/// configuration takes effect without a restart.
/// </summary>
internal sealed class GatewayFeatures(IFeatureManager manager, bool cacheEnabled, TimeProvider time) : BackgroundService
{
    /// <summary>Whether vectors are cached.</summary>
    public const string CacheFlag = "EmbeddingCache";

    /// <summary>Whether vectors are cached in PostgreSQL.</summary>
    public const string DurableFlag = "DurableEmbeddingCache";

    /// <summary>Whether aliases may point a share of workspaces at another model.</summary>
    public const string AliasFlag = "ModelAlias";

    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(5);

    private volatile bool _cache;
    private volatile bool _durable = true;
    private volatile bool _alias = true;

    public bool Cache => _cache;

    public bool Durable => _durable;

    public bool Alias => _alias;

    /// <summary>Reads the flags. One that is not defined is on.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        var defined = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        await foreach (var name in manager.GetFeatureNamesAsync().WithCancellation(cancellationToken))
        {
            defined.Add(name);
        }

        _cache = cacheEnabled && await IsOnAsync(CacheFlag);
        _durable = await IsOnAsync(DurableFlag);
        _alias = await IsOnAsync(AliasFlag);

        async Task<bool> IsOnAsync(string flag) => !defined.Contains(flag) || await manager.IsEnabledAsync(flag);
    }

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(s_interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            await RefreshAsync(stoppingToken);
        }
    }
}
