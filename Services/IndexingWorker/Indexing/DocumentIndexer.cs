using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.IndexingWorker.Chunking;
using RagPlatform.IndexingWorker.Queue;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>Who holds the leases of this process.</summary>
internal sealed class WorkerIdentity
{
    public Guid Id { get; } = Guid.NewGuid();
}

/// <summary>Does the work of claimed tasks: chunk, compare, embed what is new, write.</summary>
internal sealed partial class DocumentIndexer(
    TaskQueue queue,
    WorkspaceRestStore rests,
    RestingSpaces resting,
    DatabaseCondition database,
    IndexStore store,
    EmbeddingBatcher batcher,
    IndexCommitter committer,
    WorkerIdentity identity,
    TasksInWork inWork,
    WorkMemory memory,
    IOptions<IndexingOptions> options,
    IndexingMetrics metrics,
    TimeProvider time,
    ILogger<DocumentIndexer> logger)
{
    // Claims without any end of the work: the process died with it in hand, again and again.
    private const int MaxClaims = 10;

    // Claims that ended because the database took too long: then it is the document's own fault, and costs it an attempt.
    private const int MaxTimeouts = 4;

    // Documents whose texts are in memory before the first of them is cut.
    private const int LoadSize = 16;

    // Characters that are a document of their own for loading.
    private const int LargeText = 100_000;
    private static readonly TimeSpan s_noRoom = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan s_gathering = TimeSpan.FromMilliseconds(10);

    private readonly ConcurrentDictionary<ChunkingRow, Chunker> _chunkers = [];
    private readonly List<IndexTask> _back = [];
    private Task? _giving;
    private readonly ConcurrentDictionary<(int Workspace, int Space), bool> _withoutBudget = [];

    /// <summary>Works on tasks; each ends finished, given back, failed or buried.</summary>
    /// <param name="tasks">Claimed tasks.</param>
    /// <param name="cancellationToken">Gives up; what is not written stays leased until it is released.</param>
    public async Task ProcessAsync(IReadOnlyList<IndexTask> tasks, CancellationToken cancellationToken)
    {
        var running = new List<Task>(tasks.Count);
        foreach (var slice in tasks.Where(t => t.Length < LargeText).Chunk(LoadSize))
        {
            running.Add(RunAsync(slice, cancellationToken));
        }

        foreach (var task in tasks.Where(t => t.Length >= LargeText))
        {
            running.Add(RunAsync([task], cancellationToken));
        }

        await Task.WhenAll(running);
    }

    private async Task RunAsync(IndexTask[] tasks, CancellationToken cancellationToken)
    {
        try
        {
            var admitted = new List<IndexTask>(tasks.Length);
            foreach (var task in tasks)
            {
                if (await memory.TryTakeAsync(task, cancellationToken))
                {
                    admitted.Add(task);
                    continue;
                }

                metrics.Discarded("memory");
                await queue.ReleaseAsync(identity.Id, [task], Jitter(s_noRoom), cancellationToken);
                End(task);
            }

            await Task.WhenAll(admitted.Count > 0 ? await BeginAsync([.. admitted], cancellationToken) : []);
        }
        catch (Exception e)
        {
            foreach (var task in tasks.Where(inWork.Contains))
            {
                await EndAsync(task, e, cancellationToken);
            }
        }
    }

    private void End(IndexTask task)
    {
        memory.Free(task);
        inWork.Remove(task);
    }

    private async Task<List<Task>> BeginAsync(IndexTask[] tasks, CancellationToken cancellationToken)
    {
        var running = new List<Task>(tasks.Length);
        var sources = await store.LoadAsync(tasks, cancellationToken);
        var work = sources.Where(s => s is { Routed: true, DocumentKey: not null }).ToList();
        var idle = tasks.Except(work.Select(s => s.Task)).ToList();
        if (idle.Count > 0)
        {
            await queue.FinishAsync(identity.Id, idle, cancellationToken);
            idle.ForEach(End);
        }

        foreach (var group in work.GroupBy(s => s.Space))
        {
            var known = (await store.ListKnownAsync(
                group.Key, [.. group.Select(s => (s.Task.WorkspaceId, s.DocumentKey!.Value))], cancellationToken))
                .ToLookup(k => k.DocumentKey, k => ContentHash.FromBytes(k.Hash));
            foreach (var source in group)
            {
                running.Add(RunAsync(source, known[source.DocumentKey!.Value].ToHashSet(), cancellationToken));
            }
        }

        return running;
    }

    private async Task RunAsync(IndexSource source, HashSet<ContentHash> known, CancellationToken cancellationToken)
    {
        using var activity = IndexingTraces.BeginDocument(source);
        Exception? failure = null;
        try
        {
            if (source.Task.Claims > MaxClaims)
            {
                throw new DocumentFailedException("worker", $"{source.Task.Claims - 1} workers ended while they held it.");
            }

            await IndexAsync(source, known, inWork.TokenOf(source.Task), cancellationToken);
        }
        catch (Exception e)
        {
            failure = e;
            activity.Fail(e);
        }

        await EndAsync(source.Task, failure, cancellationToken, source.Space);
    }

    // The token of the task ends the embedding only: a transaction is shared with other documents.
    private async Task IndexAsync(
        IndexSource source, HashSet<ContentHash> known, CancellationToken taskToken, CancellationToken cancellationToken)
    {
        var begin = time.GetTimestamp();
        var passages = source.Prepared is { } prepared
            ? [.. prepared.Select(c => new Passage(c.Start, c.Overlap, c.Heading, c.Text))]
            : Split(source);
        var given = GivenVectors.Of(source);
        given.Forget(known);
        Failpoint.Hit("split.done");
        var wanted = passages.Where(p => !known.Contains(p.Hash) && !given.Contains(p.Hash)).DistinctBy(p => p.Hash).ToList();
        var vectors = await batcher.EmbedAsync(
            source.Space, source.Workspace, source.Task.Priority, wanted.ConvertAll(p => p.Text), taskToken);
        Failpoint.Hit("embed.done");
        Activity.Current?.SetTag("rag.passages", passages.Count).SetTag("rag.passages.embedded", wanted.Count);
        if (wanted.Count > 0)
        {
            await EndRestsAsync(source.Task, cancellationToken);
        }

        var byHash = given.Except(known);
        for (var i = 0; i < wanted.Count; i++)
        {
            byHash.Add(wanted[i].Hash, Check(vectors[i], i));
        }

        var occurrences = new Dictionary<ContentHash, int>(passages.Count);
        var chunks = new List<IndexChunk>(passages.Count);
        foreach (var passage in passages)
        {
            var occurrence = occurrences.GetValueOrDefault(passage.Hash);
            occurrences[passage.Hash] = occurrence + 1;
            chunks.Add(new(
                passage.Hash.ToBytes(), occurrence, passage.Start, passage.Overlap, passage.Heading, passage.Text,
                byHash.GetValueOrDefault(passage.Hash)));
        }

        var document = new IndexDocument(
            source.Task, source.DocumentKey!.Value, DocumentHash.Of(source.Text!, source.Prepared), chunks, given.ToBytes());
        var outcome = await committer.WriteAsync(source.Space, document, cancellationToken);
        if (outcome == IndexOutcome.Written)
        {
            metrics.Indexed(chunks.Count, wanted.Count, time.GetElapsedTime(begin), time.GetUtcNow() - source.Task.RaisedAt);
            return;
        }

        metrics.Discarded(outcome == IndexOutcome.Stale ? "stale" : "vector_missing");
        await queue.ReleaseAsync(identity.Id, [source.Task], TimeSpan.Zero, cancellationToken);
    }

    private Task RestAsync(SpaceRow space, SpaceUnavailableException failure, CancellationToken cancellationToken)
    {
        LogUnavailable(space.Id, failure.Cause, failure.Message);
        resting.Add(space.SpaceId);
        return queue.CoolDownAsync(
            space.SpaceId, Jitter(options.Value.Cooldown), options.Value.LongestCooldown, failure.Cause, Shorten(failure.Message), cancellationToken);
    }

    private async Task RestAsync(IndexTask task, BudgetSpentException failure, CancellationToken cancellationToken)
    {
        _withoutBudget[(task.WorkspaceId, task.SpaceId)] = true;
        if (await rests.BeginAsync(
            task.WorkspaceId, task.SpaceId, RestUntil(failure.ResetsAt), "budget", Shorten(failure.Message), cancellationToken))
        {
            LogBudget(task.WorkspaceId, failure.Message);
        }
    }

    // A provider that is away gives back hundreds at a time: they share a statement.
    private Task GiveBackAsync(IndexTask task, CancellationToken cancellationToken)
    {
        lock (_back)
        {
            _back.Add(task);
            return _giving ??= GiveAsync();
        }

        async Task GiveAsync()
        {
            await Task.Delay(s_gathering, time, cancellationToken);
            List<IndexTask> tasks;
            lock (_back)
            {
                tasks = [.. _back];
                _back.Clear();
                _giving = null;
            }

            await queue.ReleaseAsync(identity.Id, tasks, TimeSpan.Zero, cancellationToken);
        }
    }

    private async Task EndRestsAsync(IndexTask task, CancellationToken cancellationToken)
    {
        if (resting.Remove(task.SpaceId))
        {
            await queue.WarmUpAsync(task.SpaceId, cancellationToken);
        }

        if (_withoutBudget.TryRemove((task.WorkspaceId, task.SpaceId), out _))
        {
            await rests.EndAsync(task.WorkspaceId, task.SpaceId, cancellationToken);
        }
    }

    private IReadOnlyList<Passage> Split(IndexSource source)
    {
        using var activity = IndexingTraces.Begin("split");
        try
        {
            var chunker = _chunkers.GetOrAdd(source.Chunking, static settings => new Chunker(settings));

            // Without a text, what a document says is its title.
            return chunker.Split(source.Text!) is { Count: > 0 } passages ? passages : chunker.Split(source.Title);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            throw new DocumentFailedException("chunking", $"The text cannot be cut: {e.GetType().Name}.", e);
        }
    }

    // Cosine distance of a zero vector is undefined, and PostgreSQL refuses what is not finite.
    private static ReadOnlyMemory<float> Check(ReadOnlyMemory<float> vector, int index)
    {
        var norm = 0d;
        foreach (var value in vector.Span)
        {
            norm += (double)value * value;
        }

        return double.IsFinite(norm) && norm > 0
            ? vector
            : throw new DocumentFailedException("vector", $"The vector of passage {index + 1} of those to embed is zero or not finite.");
    }

    // Every way out of a task. What goes wrong here leaves the task to its lease.
    private async Task EndAsync(
        IndexTask task, Exception? failure, CancellationToken cancellationToken, SpaceRow? space = null)
    {
        try
        {
            if (failure is not null)
            {
                database.Note(failure);
            }

            switch (failure)
            {
                case null:
                    break;
                case OperationCanceledException when cancellationToken.IsCancellationRequested:
                    break;
                case OperationCanceledException when inWork.TokenOf(task).IsCancellationRequested:
                    metrics.Discarded("taken_away");

                    // A pause that came while the task was locked has left it to us.
                    await queue.ReleaseAsync(identity.Id, [task], TimeSpan.Zero, cancellationToken);
                    break;
                case SpaceUnavailableException e:
                    metrics.Discarded("unavailable");
                    await e.WriteOnceAsync(() => RestAsync(space!, e, cancellationToken));
                    await GiveBackAsync(task, cancellationToken);
                    break;
                case BudgetSpentException e:
                    metrics.Discarded("budget");
                    await e.WriteOnceAsync(() => RestAsync(task, e, cancellationToken));
                    await GiveBackAsync(task, cancellationToken);
                    break;
                case DocumentFailedException e:
                    await FailAsync(task, e.Cause, e.Message, cancellationToken);
                    break;
                case PostgresException { SqlState: PostgresErrorCodes.QueryCanceled }:
                    // The server's own limit of a statement. One that does not answer at all is away.
                    LogDatabase(failure.Message);
                    metrics.Discarded("timeout");
                    if (task.Claims >= MaxTimeouts)
                    {
                        await FailAsync(task, "timeout", $"PostgreSQL took too long for it {task.Claims} times.", cancellationToken);
                    }
                    else
                    {
                        await queue.ReleaseAsync(identity.Id, [task], Jitter(options.Value.Cooldown) * task.Claims, true, cancellationToken);
                    }

                    break;
                case OutOfMemoryException:
                    // Whoever asked for the last byte need not be the one who took the others.
                    LogDatabase(failure.Message);
                    metrics.Discarded("memory");
                    await queue.ReleaseAsync(identity.Id, [task], Jitter(options.Value.Cooldown) * task.Claims, true, cancellationToken);
                    break;
                case NpgsqlException and not PostgresException:
                case var _ when DatabaseFailure.IsTransient(failure):
                    LogDatabase(failure.Message);
                    metrics.Discarded("database");
                    await queue.ReleaseAsync(identity.Id, [task], Jitter(options.Value.Cooldown), cancellationToken);
                    break;
                case var _ when TransportFailure.Is(failure, cancellationToken):
                    LogTransport(failure.Message);
                    metrics.Discarded("transport");
                    await queue.ReleaseAsync(identity.Id, [task], Jitter(options.Value.Cooldown), cancellationToken);
                    break;
                case PostgresException e:
                    await FailAsync(task, "storage", $"PostgreSQL refused the chunks (SQLSTATE {e.SqlState}): {e.MessageText}", cancellationToken);
                    break;
                default:
                    LogUnexpected(failure);
                    await FailAsync(task, "internal", $"Unexpected: {failure.GetType().Name}.", cancellationToken);
                    break;
            }
        }
        catch (Exception e)
        {
            LogDatabase(e.Message);
        }
        finally
        {
            End(task);
        }
    }

    private async Task FailAsync(IndexTask task, string cause, string message, CancellationToken cancellationToken)
    {
        message = Shorten(message);
        if (task.Attempts + 1 >= options.Value.MaxAttempts)
        {
            LogBuried(task.WorkspaceId, cause, message);
            metrics.DeadLettered(cause);
            await queue.BuryAsync(identity.Id, task, cause, message, cancellationToken);
            return;
        }

        metrics.Retried(cause);
        await queue.FailAsync(
            identity.Id, task, cause, message, Jitter(options.Value.RetryDelay * Math.Pow(2, task.Attempts)), cancellationToken);
    }

    // Not until the budget begins anew, which may be weeks away: whoever changed prices or limits elsewhere need not tell us.
    private TimeSpan RestUntil(DateTimeOffset? resetsAt)
    {
        var longest = Jitter(options.Value.LongestCooldown);
        var left = resetsAt - time.GetUtcNow();
        return left is { } rest && rest > TimeSpan.Zero && rest < longest ? rest : longest;
    }

    // Between nine and eleven tenths.
    private static TimeSpan Jitter(TimeSpan delay) => delay * (0.9 + (Random.Shared.NextDouble() * 0.2));

    private static string Shorten(string message) => message.Length <= 500 ? message : message[..499] + "…";

    [LoggerMessage(1, LogLevel.Warning, "Space {Space} cannot be embedded in at the moment ({Cause}); its tasks wait: {Reason}")]
    private partial void LogUnavailable(string space, string cause, string reason);

    [LoggerMessage(2, LogLevel.Warning, "The database did not do what it was asked; the tasks are taken up again: {Reason}")]
    private partial void LogDatabase(string reason);

    [LoggerMessage(6, LogLevel.Warning, "A budget of workspace {WorkspaceId} is used up; its tasks rest: {Reason}")]
    private partial void LogBudget(int workspaceId, string reason);

    [LoggerMessage(5, LogLevel.Warning, "A call failed on its way; the task is taken up again: {Reason}")]
    private partial void LogTransport(string reason);

    [LoggerMessage(3, LogLevel.Error, "A document could not be indexed.")]
    private partial void LogUnexpected(Exception exception);

    [LoggerMessage(4, LogLevel.Warning, "A document of workspace {WorkspaceId} is dead-lettered ({Cause}): {Reason}")]
    private partial void LogBuried(int workspaceId, string cause, string reason);
}
