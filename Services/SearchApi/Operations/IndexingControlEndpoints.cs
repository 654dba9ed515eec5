using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Limits;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Operations;

/// <summary>The indexing of a workspace, for who operates it: pause, resume, cancel, watch.</summary>
internal static class IndexingControlEndpoints
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    /// <summary>Maps them on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static RouteGroupBuilder MapIndexingControl(this RouteGroupBuilder group)
    {
        var indexing = group.MapGroup("/indexing").WithTags("Indexing");
        indexing.MapPost("/pause", PauseAsync)
            .WithName("PauseIndexing")
            .WithSummary("Pause indexing")
            .WithDescription("Once this is answered, nothing of the workspace is indexed: what workers had taken is queued again. Writes go on being queued; what is searchable stays so.");
        indexing.MapPost("/resume", ResumeAsync)
            .WithName("ResumeIndexing")
            .WithSummary("End a pause");
        indexing.MapPost("/cancel", CancelAsync)
            .WithName("CancelIndexing")
            .WithSummary("Empty the queue of a workspace")
            .WithDescription("Documents that are not searchable with their present text become dead letters of the cause 'cancelled': they can be replayed.");
        group.MapGet("/progress", Watch)
            .DisableRequestTimeout()
            .WithTags("Indexing")
            .WithName("WatchProgress")
            .WithSummary("Progress of indexing as server-sent events, one a second")
            .WithDescription("Events of the type 'progress' carry an IndexingProgress. With until=idle the stream ends when nothing is left to do.");
        return group;
    }

    /// <summary>Adds what the endpoints need.</summary>
    public static void AddOperations(this WebApplicationBuilder builder) => builder.Services.AddSingleton<StreamSlots>();

    internal static async Task<Ok<IndexingProgress>> PauseAsync(
        CurrentWorkspace workspace, IndexingControlStore indexing, TimeProvider time, CancellationToken cancellationToken)
    {
        await indexing.PauseAsync(workspace.Id, cancellationToken);
        return await ReadAsync(workspace, indexing, time, cancellationToken);
    }

    internal static async Task<Ok<IndexingProgress>> ResumeAsync(
        CurrentWorkspace workspace, IndexingControlStore indexing, TimeProvider time, CancellationToken cancellationToken)
    {
        await indexing.ResumeAsync(workspace.Id, cancellationToken);
        return await ReadAsync(workspace, indexing, time, cancellationToken);
    }

    internal static async Task<Ok<IndexingCancelled>> CancelAsync(
        CurrentWorkspace workspace, IndexingControlStore indexing, CancellationToken cancellationToken)
    {
        var (tasks, deadLetters) = await indexing.CancelAsync(workspace.Id, cancellationToken);
        return TypedResults.Ok(new IndexingCancelled(tasks, deadLetters));
    }

    internal static Results<ServerSentEventsResult<IndexingProgress>, ValidationProblem, ProblemHttpResult> Watch(
        CurrentWorkspace workspace,
        IndexingControlStore indexing,
        StreamSlots slots,
        TimeProvider time,
        IHostApplicationLifetime lifetime,
        HttpContext context,
        string? until = null)
    {
        if (until is not (null or "idle"))
        {
            return ApiProblems.Invalid("until", "Expected 'idle', or nothing.");
        }

        if (slots.TryTake(context.User) is not { } slot)
        {
            return ApiProblems.Unavailable(context, "Too many streams are open.", "Ask for GET indexing from time to time instead.", retryAfterSeconds: 10);
        }

        context.Response.RegisterForDispose(slot);
        return TypedResults.ServerSentEvents(
            StreamAsync(workspace.Id, indexing, time, until == "idle", lifetime.ApplicationStopping, context.RequestAborted));
    }

    private static async IAsyncEnumerable<SseItem<IndexingProgress>> StreamAsync(
        int workspaceId,
        IndexingControlStore indexing,
        TimeProvider time,
        bool untilIdle,
        CancellationToken stopping,
        [EnumeratorCancellation] CancellationToken aborted)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping, aborted);
        using var timer = new PeriodicTimer(s_interval, time);
        var meter = new ProgressMeter(time);
        while (await indexing.FindStatusAsync(workspaceId, aborted) is { } status)
        {
            yield return new(meter.Measure(status), "progress");
            if (untilIdle && status.Queued + status.Retrying == 0 && !status.Reindexing)
            {
                break;
            }

            try
            {
                await timer.WaitForNextTickAsync(ending.Token);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
    }

    private static async Task<Ok<IndexingProgress>> ReadAsync(
        CurrentWorkspace workspace, IndexingControlStore indexing, TimeProvider time, CancellationToken cancellationToken) =>
        TypedResults.Ok(new ProgressMeter(time).Measure(await indexing.FindStatusAsync(workspace.Id, cancellationToken) ?? new(0, 0, 0, null)));
}
