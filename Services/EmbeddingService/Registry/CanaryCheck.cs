using System.Collections.Concurrent;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;
using RagPlatform.EmbeddingService.Providers;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>
/// Asks endpoints for the vectors of fixed texts and compares them with those that they gave first. Another model of the same dimensions behind the
/// same name passes every other check; its vectors would be compared with the old ones, and nobody would notice but by bad results.
/// Models that nobody used are not asked: that would cost money.
/// </summary>
internal sealed partial class CanaryCheck(
    ModelRegistry registry, ImpostorWatch impostors, IOptions<CanaryOptions> options, TimeProvider time, ILogger<CanaryCheck> logger, EmbeddingModelStore? store = null)
    : BackgroundService
{
    private static readonly string[] s_texts =
    [
        "The quick brown fox jumps over the lazy dog.",
        "Wie viel kostet eine Monatskarte für Studierende?",
        "SELECT count(*) FROM orders WHERE status = 'open'",
    ];

    private static readonly TimeSpan s_tick = TimeSpan.FromSeconds(10);

    // An endpoint that is busy is asked at the next tick.
    private static readonly TimeSpan s_maxWait = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, byte[]> _known = new();

    /// <summary>Checks every endpoint of every model that is in use.</summary>
    public async Task CheckAsync(bool all, CancellationToken cancellationToken)
    {
        var due = new List<(string Provider, ServedModel Model, ModelEndpoint Endpoint)>();
        foreach (var model in registry.Models.Where(model => !model.Definition.InProcess))
        {
            foreach (var endpoint in model.Endpoints)
            {
                if ((all || !endpoint.State.Checked) && (endpoint.State.Used || await FindAsync(model.Definition.Space.Id, cancellationToken) is not null))
                {
                    due.Add((endpoint.Provider, model, endpoint));
                }
            }
        }

        // One provider that is slow, or takes no calls, holds up the checks of no other one.
        await Task.WhenAll(due.GroupBy(check => check.Provider).Select(async checks =>
        {
            foreach (var (_, model, endpoint) in checks)
            {
                await CheckAsync(model, endpoint, cancellationToken);
            }
        }));
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(s_tick, time);
        var checkedAt = time.GetTimestamp();
        while (options.Value.Enabled)
        {
            try
            {
                var due = time.GetElapsedTime(checkedAt) >= options.Value.Interval;
                if (due)
                {
                    checkedAt = time.GetTimestamp();
                }

                await CheckAsync(due, stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogUnchecked("all", e.GetType().Name);
            }

            await timer.WaitForNextTickAsync(stoppingToken);
        }
    }

    private async Task CheckAsync(ServedModel model, ModelEndpoint endpoint, CancellationToken cancellationToken)
    {
        float[] now;
        var askedAt = time.GetTimestamp();
        try
        {
            now = await AskAsync(model, endpoint, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // Down is not another model: the breaker takes care of that.
            LogUnchecked($"{model.Definition.Name} at {endpoint.Provider}", e.GetType().Name);
            return;
        }

        var space = model.Definition.Space;
        var stored = await EnsureAsync(space.Id, now, cancellationToken);
        var cosine = stored.Length == now.Length ? Enumerable.Range(0, s_texts.Length).Min(i => Cosine(stored, now, i * space.Dimensions, space.Dimensions)) : 0;
        var wasImpostor = endpoint.State.Impostor;
        if (cosine < options.Value.MinCosine)
        {
            if (!wasImpostor)
            {
                LogImpostor(model.Definition.Name, endpoint.Provider, cosine);
            }

            await impostors.FoundAsync(model, endpoint, cancellationToken);
        }
        else
        {
            await impostors.GoodAsync(model, endpoint, askedAt, cancellationToken);
            if (wasImpostor)
            {
                LogGenuine(model.Definition.Name, endpoint.Provider);
            }
        }

        endpoint.State.Checked = true;
    }

    private static async Task<float[]> AskAsync(ServedModel model, ModelEndpoint endpoint, CancellationToken cancellationToken)
    {
        var space = model.Definition.Space;
        await endpoint.Channel.EnterAsync(tokens: 40, interactive: false, s_maxWait, cancellationToken);
        try
        {
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            timeout.CancelAfter(endpoint.Options.Timeout);
            var answer = await endpoint.Generator.GenerateAsync(s_texts, new() { Dimensions = space.Dimensions }, timeout.Token);
            var items = AnswerCheck.Check(answer, space.Dimensions, space.Normalized, s_texts.Length, [1, 1, 1]);
            return [.. items.SelectMany(item => item.Vector ?? throw item.Error!)];
        }
        finally
        {
            endpoint.Channel.Leave();
        }
    }

    private async Task<byte[]?> FindAsync(string space, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(space, out var known))
        {
            return known;
        }

        var stored = store is null ? null : await store.FindCanaryAsync(space, cancellationToken);
        return stored is null ? null : _known.GetOrAdd(space, stored);
    }

    private async Task<float[]> EnsureAsync(string space, float[] now, CancellationToken cancellationToken)
    {
        var bytes = MemoryMarshal.AsBytes(now.AsSpan()).ToArray();
        var stored = store is null ? _known.GetOrAdd(space, bytes) : await store.EnsureCanaryAsync(space, bytes, cancellationToken);
        _known[space] = stored;
        return MemoryMarshal.Cast<byte, float>(stored).ToArray();
    }

    private static double Cosine(float[] a, float[] b, int start, int length) =>
        TensorPrimitives.CosineSimilarity<float>(a.AsSpan(start, length), b.AsSpan(start, length));

    [LoggerMessage(1, LogLevel.Critical,
        "Model {Model}: endpoint {Provider} answers vectors of another model (cosine {Cosine} to those that it gave first); it is out of use until it answers the right ones again")]
    private partial void LogImpostor(string model, string provider, double cosine);

    [LoggerMessage(2, LogLevel.Warning, "Model {Model}: endpoint {Provider} answers the right vectors again")]
    private partial void LogGenuine(string model, string provider);

    [LoggerMessage(3, LogLevel.Information, "{Model} could not be checked ({Failure})")]
    private partial void LogUnchecked(string model, string failure);
}
