using System.Collections.Concurrent;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>
/// What follows when an endpoint is found to serve another model: no replica uses it, also after a restart, and what it may have answered since it was
/// last known to be right is removed from every tier. Replicas tell each other by PostgreSQL.
/// </summary>
internal sealed partial class ImpostorWatch(
    ModelRegistry registry,
    CachePurge purge,
    ChangeNews news,
    TimeProvider time,
    ILogger<ImpostorWatch> logger,
    EmbeddingModelStore? store = null,
    SchemaMigrator? schema = null) : BackgroundService
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_notifiedInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_maxFirstWait = TimeSpan.FromSeconds(1);

    // A vector that was on its way when the endpoint was found out may still be written, by this replica or another: sweeps go on for so long.
    private static readonly TimeSpan s_sweeps = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource _read = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<long, long> _seen = new();
    private readonly ConcurrentDictionary<long, bool> _finished = new();
    private readonly ConcurrentDictionary<EndpointState, (ServedModel Model, long Since, long Found)> _own = new();
    private readonly ConcurrentDictionary<EndpointState, (string Space, string Provider)> _unrecorded = new();
    private readonly SemaphoreSlim _following = new(1);

    private bool IsSweeping => !_own.IsEmpty || !_unrecorded.IsEmpty || _seen.Keys.Any(purge => !_finished.ContainsKey(purge));

    /// <summary>Completes when it is known which endpoints are out of use, or after a second: a provider is not called before.</summary>
    public Task ReadyAsync() => store is null || _read.Task.IsCompleted
        ? Task.CompletedTask
        : _read.Task.WaitAsync(s_maxFirstWait, time).ContinueWith(static _ => { }, TaskScheduler.Default);

    /// <summary>An endpoint answered as it should.</summary>
    /// <param name="model">The model.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="askedAt">When it was asked.</param>
    /// <param name="cancellationToken">Cancels the note for other replicas.</param>
    public async Task GoodAsync(ServedModel model, ModelEndpoint endpoint, long askedAt, CancellationToken cancellationToken)
    {
        using (await EnterAsync(cancellationToken))
        {
            if (store is not null)
            {
                await store.PutGoodAsync(model.Definition.Space.Id, endpoint.Provider, time.GetElapsedTime(askedAt), cancellationToken);
            }

            _unrecorded.TryRemove(endpoint.State, out _);
            endpoint.State.GoodAt = askedAt;
            endpoint.State.Impostor = false;
        }
    }

    /// <summary>An endpoint answered vectors of another model.</summary>
    public async Task FoundAsync(ServedModel model, ModelEndpoint endpoint, CancellationToken cancellationToken)
    {
        using (await EnterAsync(cancellationToken))
        {
            if (!endpoint.State.Impostor)
            {
                endpoint.State.Impostor = true;
                _own[endpoint.State] = (model, endpoint.State.GoodAt, time.GetTimestamp());
                _unrecorded[endpoint.State] = (model.Definition.Space.Id, endpoint.Provider);
            }

            await StepAsync(cancellationToken);
        }
    }

    /// <summary>Does what other replicas found out, and goes on with what is not done. Called by itself every two seconds.</summary>
    public async Task FollowAsync(CancellationToken cancellationToken)
    {
        using (await EnterAsync(cancellationToken))
        {
            await StepAsync(cancellationToken);
        }
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (schema is not null)
        {
            await schema.Ready.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await FollowAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(e.GetType().Name);
            }

            // What is being swept is looked at again and again; what others find out is notified.
            await (IsSweeping
                ? Task.Delay(s_interval, time, stoppingToken)
                : news.WaitAsync(news.Endpoints, s_interval, s_notifiedInterval, stoppingToken));
        }
    }

    private async Task StepAsync(CancellationToken cancellationToken)
    {
        foreach (var (state, (model, since, found)) in _own)
        {
            var swept = await purge.SweepAsync(
                model.Definition.Space, model.Definition.AcceptsDimensions, time.GetElapsedTime(since), time.GetElapsedTime(found), shared: true, cancellationToken);
            if (swept && time.GetElapsedTime(found) >= s_sweeps)
            {
                _own.TryRemove(state, out _);
            }
        }

        if (store is not null)
        {
            await FollowAsync(store, cancellationToken);
        }

        _read.TrySetResult();
    }

    private async Task FollowAsync(EmbeddingModelStore checks, CancellationToken cancellationToken)
    {
        // What the others do not know yet comes first: else what they know would be believed.
        foreach (var (state, (space, provider)) in _unrecorded)
        {
            await checks.PutImpostorAsync(space, provider, cancellationToken);
            _unrecorded.TryRemove(state, out _);
        }

        foreach (var known in await checks.ListChecksAsync(cancellationToken))
        {
            foreach (var endpoint in EndpointsOf(known.Space, known.Provider).Where(endpoint => endpoint.State.Impostor != known.Impostor))
            {
                LogFollowed(known.Provider, known.Space, known.Impostor ? "another model" : "the right model again");
                endpoint.State.Impostor = known.Impostor;
            }
        }

        foreach (var found in await checks.ListPurgesAsync(cancellationToken))
        {
            var seenAt = _seen.GetOrAdd(found.PurgeId, time.GetTimestamp());
            if (_finished.ContainsKey(found.PurgeId))
            {
                continue;
            }

            var model = registry.Models.FirstOrDefault(model => model.Definition.Space.Id == found.Space)?.Definition;
            var swept = model is null || await purge.SweepAsync(
                model.Space, model.AcceptsDimensions, found.Since, found.Found, shared: !found.Done, cancellationToken);
            if (swept && time.GetElapsedTime(seenAt) >= s_sweeps)
            {
                _finished[found.PurgeId] = true;
                if (model is not null && !found.Done)
                {
                    await checks.FinishPurgeAsync(found.PurgeId, cancellationToken);
                }
            }
        }
    }

    private async Task<Turn> EnterAsync(CancellationToken cancellationToken)
    {
        await _following.WaitAsync(cancellationToken);
        return new Turn(_following);
    }

    private IEnumerable<ModelEndpoint> EndpointsOf(string space, string provider) => registry.Models
        .Where(model => model.Definition.Space.Id == space)
        .SelectMany(model => model.Endpoints)
        .Where(endpoint => endpoint.Provider == provider);

    [LoggerMessage(1, LogLevel.Warning, "Endpoint {Provider} of space {Space} was found to serve {What}")]
    private partial void LogFollowed(string provider, string space, string what);

    [LoggerMessage(2, LogLevel.Debug, "What other replicas found out about endpoints cannot be read ({Failure})")]
    private partial void LogFailed(string failure);

    private readonly struct Turn(SemaphoreSlim following) : IDisposable
    {
        public void Dispose() => following.Release();
    }
}
