using System.Globalization;
using Microsoft.Extensions.Logging;
using RagPlatform.Cli;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Lab.Bench;

/// <summary>What a benchmark or a drill works with. All that it starts is stopped at its end, after Ctrl-C and failures too.</summary>
/// <param name="run">The run: options, figures, progress, cancellation.</param>
/// <param name="seed">Where its randomness starts.</param>
internal sealed class BenchContext(FigureRun run, int seed) : IAsyncDisposable
{
    /// <summary>The name of the model that <see cref="StartProviderAsync"/> serves.</summary>
    public const string ScriptedModel = "scripted";

    private readonly Stack<IAsyncDisposable> _started = new();

    /// <summary>The run.</summary>
    public FigureRun Run { get; } = run;

    /// <summary>Where figures go.</summary>
    public FigureReport Figures => Run.Figures;

    /// <summary>Cancelled by Ctrl-C.</summary>
    public CancellationToken CancellationToken => Run.CancellationToken;

    /// <summary>The clock.</summary>
    public TimeProvider Time => Run.Context.Environment.Time;

    /// <summary>Where the randomness starts.</summary>
    public int Seed { get; } = seed;

    /// <summary>Random numbers; the same for the same seed. For one thread.</summary>
    public Random Random { get; } = new(seed);

    /// <summary>
    /// Starts a temporary instance. Its default model is the built-in <c>hashing</c> unless the options name one: what is measured is the platform, not
    /// the time that a transformer takes.
    /// </summary>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="CliException">It cannot start.</exception>
    public async Task<EphemeralNode> StartNodeAsync(SingleNodeOptions? options = null)
    {
        options ??= new SingleNodeOptions { LogLevel = LogLevel.Error };
        var settings = new Dictionary<string, string?>(options.Settings);
        settings.TryAdd("Embedding:DefaultModel", "hashing");
        var node = await EphemeralNode.StartAsync(Run, options with { Settings = settings });
        _started.Push(node);
        return node;
    }

    /// <summary>Starts a provider on this machine that answers every request rightly after <paramref name="latency"/>.</summary>
    /// <param name="latency">How long an answer takes.</param>
    /// <param name="dimensions">The length of its vectors.</param>
    public async Task<ScriptedEmbeddingServer> StartProviderAsync(TimeSpan latency, int dimensions = 384)
    {
        var provider = await ScriptedEmbeddingServer.StartAsync(dimensions, CancellationToken);
        provider.Script = _ => new ScriptedAnswer(Latency: latency);
        _started.Push(provider);
        return provider;
    }

    /// <summary>
    /// Settings by which a node has <see cref="ScriptedModel"/> from <paramref name="provider"/> as its default model, without a limit of calls.
    /// </summary>
    public static Dictionary<string, string?> SettingsFor(ScriptedEmbeddingServer provider) => new()
    {
        ["Embedding:DefaultModel"] = ScriptedModel,
        ["Embedding:Providers:scripted:BaseUrl"] = provider.Address.ToString(),
        ["Embedding:Providers:scripted:ApiKey"] = "scripted",
        ["Embedding:Providers:scripted:RequestsPerMinute"] = "0",
        ["Embedding:Models:0:Name"] = ScriptedModel,
        ["Embedding:Models:0:Providers:0"] = "scripted",
        ["Embedding:Models:0:Dimensions"] = provider.Dimensions.ToString(CultureInfo.InvariantCulture),
        ["Embedding:Models:0:Normalized"] = "true",
        ["Embedding:Models:0:PricePerMillionTokens"] = "0",
    };

    /// <summary>Tells the person what is going on.</summary>
    public void Progress(string message) => Run.Progress(message);

    /// <summary>How long <paramref name="work"/> takes, in milliseconds.</summary>
    public async Task<double> MeasureAsync(Func<Task> work)
    {
        var began = Time.GetTimestamp();
        await work();
        return Time.GetElapsedTime(began).TotalMilliseconds;
    }

    /// <summary>Stops what was started so far, so that it does not disturb what is measured next.</summary>
    public async ValueTask StopAsync()
    {
        while (_started.TryPop(out var started))
        {
            await started.DisposeAsync();
        }
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => StopAsync();
}
