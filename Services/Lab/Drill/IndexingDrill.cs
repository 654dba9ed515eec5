using System.Net;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.IndexingWorker.Chunking;
using RagPlatform.Lab.Bench;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Drill;

/// <summary>What a run found.</summary>
/// <param name="Kills">Processes that were killed.</param>
/// <param name="Lost">Documents that are not searchable as they were put, and do not say so.</param>
/// <param name="Duplicates">Chunks that are there twice.</param>
/// <param name="Orphans">Chunks and vectors of nothing.</param>
/// <param name="Trace">What was done and what died, in order, and what is wrong at the end.</param>
internal sealed record DrillResult(int Kills, int Lost, int Duplicates, int Orphans, IReadOnlyList<string> Trace)
{
    /// <summary>Whether nothing is wrong.</summary>
    public bool Passed => Lost + Duplicates + Orphans == 0;
}

/// <summary>
/// Random puts of texts and of prepared chunks, edits, deletions, reindexings, pauses and replays, while workers, PostgreSQL and Valkey are killed at failpoints; at the end the
/// index has to be what a model of it says, by text and vector.
/// </summary>
internal sealed class IndexingDrill(FigureRun run, EphemeralNode node, NpgsqlDataSource dataSource, int seed) : IAsyncDisposable
{
    /// <summary>The dimensions of the drill's space.</summary>
    public const int Dimensions = 32;

    /// <summary>The model that the drill's provider is asked for.</summary>
    public const string Model = "scripted";

    private const int MaxPause = 150;
    private const int Documents = 20;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    // What is done depends on the seed alone; what dies, on how fast things go as well.
    private readonly Random _random = new(seed);
    private readonly Random _chaos = new(~seed);
    private readonly Dictionary<string, DrillDocument> _model = new(StringComparer.Ordinal);
    private readonly List<DrillProcess> _workers = [];
    private readonly List<string> _trace = [];
    private readonly Lock _lock = new();
    private readonly string _workspace = $"drill-{seed}";
    private int _workspaceId;
    private int _kills;
    private volatile string _target = "worker";

    /// <summary>Runs.</summary>
    /// <param name="provider">The provider of the workers.</param>
    /// <param name="steps">Operations.</param>
    public async Task<DrillResult> RunAsync(ScriptedEmbeddingServer provider, int steps)
    {
        var cancellationToken = run.CancellationToken;
        var space = await new SpaceStore(dataSource).EnsureAsync(
            new(0, "drill_32", Model, "", Dimensions, true, "", "", 0, true), cancellationToken).ConfigureAwait(false);
        await new WorkspaceStore(dataSource).CreateAsync(
            _workspace, "english", new("markdown", 1200, 200), space.SpaceId, cancellationToken).ConfigureAwait(false);
        _workspaceId = (await new WorkspaceStore(dataSource).FindAsync(_workspace, cancellationToken).ConfigureAwait(false))!.WorkspaceId;
        var variables = Variables(provider);
        for (var i = 0; i < 2; i++)
        {
            var worker = new DrillProcess(variables, OnHitAsync);
            worker.Start();
            _workers.Add(worker);
        }

        var texts = new DrillTexts(_random);

        // On a slow machine a worker needs many steps to come back: a run that killed next to nothing would prove next to nothing.
        for (var step = 1; step <= steps || (Volatile.Read(ref _kills) < steps / 10 && step <= 5 * steps); step++)
        {
            await WaitForAWorkerAsync(cancellationToken).ConfigureAwait(false);

            // A failpoint that nobody came by in a while is given up.
            var worker = _chaos.Next(_workers.Count);
            if (_workers[worker].IsReady && (!_workers[worker].IsArmed || step % 5 == 0))
            {
                await ArmAsync(worker).ConfigureAwait(false);
            }

            await StepAsync(step, texts, cancellationToken).ConfigureAwait(false);
            await Task.Delay(TimeSpan.FromMilliseconds(_chaos.Next(MaxPause)), run.Context.Environment.Time, cancellationToken).ConfigureAwait(false);
        }

        foreach (var worker in _workers)
        {
            await worker.ArmAsync("none", 0).ConfigureAwait(false);
        }

        await InsistAsync(() => ResumeAsync(cancellationToken), cancellationToken).ConfigureAwait(false);
        var idle = await WaitUntilIdleAsync(cancellationToken).ConfigureAwait(false);
        var verdict = new DrillVerdict(dataSource, _model, new Chunker(new("markdown", 1200, 200)));
        var (lost, duplicates, orphans, problems) = await verdict.ReachAsync(_workspace, space, cancellationToken).ConfigureAwait(false);
        if (!idle)
        {
            problems = [$"after {s_patience.TotalSeconds} s the queue is not empty", .. problems];
            lost = Math.Max(1, lost);
        }

        lock (_lock)
        {
            return new(_kills, lost, duplicates, orphans, [.. _trace, .. problems]);
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        foreach (var worker in _workers)
        {
            await worker.DisposeAsync().ConfigureAwait(false);
        }
    }

    private Dictionary<string, string> Variables(ScriptedEmbeddingServer provider)
    {
        var variables = new Dictionary<string, string>
        {
            ["ConnectionStrings__ragdb"] = node.App.PostgresConnectionString + ";Timeout=5;Command Timeout=10",
            ["services__embedding-service__http__0"] = new Uri(provider.Address, "/").ToString(),
            ["Auth__AdminKey"] = node.Address.Key,
            ["Indexing__Lease"] = "00:00:02",
            ["Indexing__RetryDelay"] = "00:00:00.100",
            ["Indexing__Cooldown"] = "00:00:00.100",
            ["Indexing__MaintenanceInterval"] = "00:00:00.300",
            ["Indexing__ClaimSize"] = "4",
            ["Indexing__DocumentsInWork"] = "8",
            ["Indexing__DoctorInterval"] = "00:00:00",
        };
        if (node.App.ValkeyConnectionString is { } valkey)
        {
            variables["ConnectionStrings__cache"] = valkey;
        }

        return variables;
    }

    private void Trace(string what)
    {
        lock (_lock)
        {
            _trace.Add(what);
        }
    }

    // Steps that nobody works on meanwhile would meet no failpoint.
    private async Task WaitForAWorkerAsync(CancellationToken cancellationToken)
    {
        while (!_workers.Exists(worker => worker.IsReady))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), run.Context.Environment.Time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task ArmAsync(int worker)
    {
        _target = _chaos.Next(10) switch { < 5 => "worker", < 8 => "postgres", _ => "valkey" };
        var failpoint = Failpoint.Names[_chaos.Next(Failpoint.Names.Count)];
        var count = _chaos.Next(1, 3);
        Trace($"  arm {_target} at hit {count} of {failpoint} in worker {worker}");
        await _workers[worker].ArmAsync(failpoint, count).ConfigureAwait(false);
    }

    // Whether the worker may go on.
    private Task<bool> OnHitAsync(string failpoint)
    {
        var target = _target;
        Trace($"  kill {target} at {failpoint}");
        Interlocked.Increment(ref _kills);
        switch (target)
        {
            case "postgres" when node.App.Postgres is { } postgres:
                postgres.Crash();
                return Task.FromResult(true);
            case "valkey" when node.App.Valkey is { } valkey:
                valkey.Crash();
                return Task.FromResult(true);
            default:
                return Task.FromResult(false);
        }
    }

    private async Task StepAsync(int step, DrillTexts texts, CancellationToken cancellationToken)
    {
        var id = $"d{_random.Next(Documents):00}";
        var exists = _model.TryGetValue(id, out var document);
        switch (_random.Next(28))
        {
            case < 8:
                await PutAsync(step, id, new(texts.Document()), cancellationToken).ConfigureAwait(false);
                break;
            case < 13 when exists:
                await PutAsync(
                    step, id, document!.Chunks is null ? new(texts.Edit(document.Text!)) : texts.EditPrepared(document), cancellationToken).ConfigureAwait(false);
                break;
            case 13:
                await PutAsync(step, id, new(""), cancellationToken).ConfigureAwait(false);
                break;
            case 14:
                await PutAsync(
                    step, id, new(texts.Document() + "\n\n" + DrillTexts.Marker + " " + texts.Sentence()), cancellationToken).ConfigureAwait(false);
                break;
            case < 17:
                Trace($"{step} delete {id}");
                await InsistAsync(() => node.Client.DeleteDocumentAsync(_workspace, id, null, cancellationToken), cancellationToken).ConfigureAwait(false);
                _model.Remove(id);
                break;
            case 17:
                Trace($"{step} reindex");
                await InsistAsync(
                    () => new ReindexStore(dataSource).StartAsync(_workspace, null, 1, cancellationToken), cancellationToken).ConfigureAwait(false);
                break;
            case 18:
                Trace($"{step} replay");
                await InsistAsync(
                    () => new DeadLetterStore(dataSource).ReplayAsync(_workspaceId, new(), cancellationToken), cancellationToken).ConfigureAwait(false);
                break;
            case 26:
                Trace($"{step} pause");
                await InsistAsync(() => PauseAsync(cancellationToken), cancellationToken).ConfigureAwait(false);
                break;
            case 27:
                Trace($"{step} resume");
                await InsistAsync(() => ResumeAsync(cancellationToken), cancellationToken).ConfigureAwait(false);
                break;
            case < 23:
                await PutAsync(step, id, texts.Prepared(), cancellationToken).ConfigureAwait(false);
                break;
            case < 25 when document?.Chunks is not null:
                await PutAsync(step, id, texts.EditPrepared(document), cancellationToken).ConfigureAwait(false);
                break;
            default:
                Trace($"{step} put {id} again");
                if (exists)
                {
                    await PutAsync(step, id, document!, cancellationToken).ConfigureAwait(false);
                }

                break;
        }
    }

    private async Task<bool> PauseAsync(CancellationToken cancellationToken)
    {
        await new IndexingControlStore(dataSource).PauseAsync(_workspaceId, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task<bool> ResumeAsync(CancellationToken cancellationToken)
    {
        await new IndexingControlStore(dataSource).ResumeAsync(_workspaceId, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task PutAsync(int step, string id, DrillDocument document, CancellationToken cancellationToken)
    {
        Trace($"{step} put {id}, {document.Description}");
        await InsistAsync(
            () => node.Client.PutDocumentAsync(
                _workspace, id, new DocumentPut(document.Text, $"Title {step}", Chunks: document.Chunks), null, cancellationToken),
            cancellationToken)
            .ConfigureAwait(false);
        _model[id] = document;
    }

    // An operation whose answer was lost may have been done or not: all of them can be repeated.
    private async Task InsistAsync<T>(Func<Task<T>> operation, CancellationToken cancellationToken)
    {
        var time = run.Context.Environment.Time;
        var begin = time.GetTimestamp();
        while (true)
        {
            try
            {
                await operation().ConfigureAwait(false);
                return;
            }
            catch (Exception e) when (time.GetElapsedTime(begin) < s_patience
                && e is NpgsqlException or HttpRequestException or RagApiException { Status: >= HttpStatusCode.InternalServerError } or TimeoutException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task<bool> WaitUntilIdleAsync(CancellationToken cancellationToken)
    {
        var (control, reindex) = (new IndexingControlStore(dataSource), new ReindexStore(dataSource));
        var time = run.Context.Environment.Time;
        var begin = time.GetTimestamp();
        while (time.GetElapsedTime(begin) < s_patience)
        {
            try
            {
                var jobs = await reindex.ListAsync(null, cancellationToken).ConfigureAwait(false);
                var queue = await control.FindStatusAsync(_workspaceId, cancellationToken).ConfigureAwait(false);
                if (queue is { Queued: 0, Retrying: 0 } && jobs.All(j => j.FinishedAt is not null))
                {
                    return true;
                }
            }
            catch (NpgsqlException)
            {
                // It was killed last; it comes back.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellationToken).ConfigureAwait(false);
        }

        return false;
    }
}
