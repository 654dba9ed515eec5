using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Operations;

/// <summary>Indexing documents again: jobs that workers go through step by step.</summary>
internal static class ReindexEndpoints
{
    private const string Description =
        "Answers at once with a job: workers queue its documents in steps, and go on after a restart. Documents stay searchable meanwhile. Only passages "
        + "that are different now cost an embedding. Dead letters of these documents are tried again.";

    private const string Example = """{"changedSince":"2026-01-31T00:00:00Z","priority":"low"}""";

    /// <summary>Maps them on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static RouteGroupBuilder MapReindex(this RouteGroupBuilder group)
    {
        var reindex = group.MapGroup("").WithTags("Indexing");
        reindex.MapPost("/indexing/reindex", ReindexAsync)
            .WithName("Reindex")
            .WithSummary("Index documents again, all or those written since a time")
            .WithDescription(Description)
            .WithMetadata(new RequestExampleAttribute(Example));
        reindex.MapGet("/reindex-jobs", ListAsync)
            .WithName("ListReindexJobs")
            .WithSummary("Reindexings of the workspace, newest first, at most 100");
        reindex.MapGet("/reindex-jobs/{jobId:long}", FindAsync)
            .WithName("GetReindexJob")
            .WithSummary("How far a reindexing of the workspace is");
        return group;
    }

    /// <summary>Maps them for all workspaces together, on the group <c>/v1</c>, which needs the admin key.</summary>
    public static RouteGroupBuilder MapReindexAll(this RouteGroupBuilder group)
    {
        var reindex = group.MapGroup("").WithTags("Operations");
        reindex.MapPost("/indexing/reindex", ReindexAllAsync)
            .WithName("ReindexAll")
            .WithSummary("Index the documents of every workspace again, all or those written since a time")
            .WithDescription(Description)
            .WithMetadata(new RequestExampleAttribute(Example));
        reindex.MapGet("/reindex-jobs", ListAllAsync)
            .WithName("ListAllReindexJobs")
            .WithSummary("Reindexings, newest first, at most 100");
        reindex.MapGet("/reindex-jobs/{jobId:long}", FindAnyAsync)
            .WithName("GetAnyReindexJob")
            .WithSummary("How far a reindexing is");
        return group;
    }

    internal static async Task<Results<Accepted<ReindexJob>, ProblemHttpResult>> ReindexAsync(
        CurrentWorkspace workspace, ReindexRequest request, ReindexStore reindex, CancellationToken cancellationToken) =>
        await reindex.StartAsync(workspace.Row.Name, request.ChangedSince, (short)request.Priority, cancellationToken) is { } job
            ? TypedResults.Accepted(Path($"/v1/workspaces/{workspace.Row.Name}", job), ToContract(job))
            : ApiProblems.NotFound("workspace", workspace.Row.Name);

    internal static async Task<Accepted<ReindexJob>> ReindexAllAsync(
        ReindexRequest request, ReindexStore reindex, CancellationToken cancellationToken)
    {
        var job = await reindex.StartAsync(null, request.ChangedSince, (short)request.Priority, cancellationToken);
        return TypedResults.Accepted(Path("/v1", job!), ToContract(job!));
    }

    internal static async Task<Ok<Page<ReindexJob>>> ListAsync(
        CurrentWorkspace workspace, ReindexStore reindex, CancellationToken cancellationToken) =>
        TypedResults.Ok(ToPage(await reindex.ListAsync(workspace.Id, cancellationToken)));

    internal static async Task<Ok<Page<ReindexJob>>> ListAllAsync(ReindexStore reindex, CancellationToken cancellationToken) =>
        TypedResults.Ok(ToPage(await reindex.ListAsync(null, cancellationToken)));

    internal static async Task<Results<Ok<ReindexJob>, ProblemHttpResult>> FindAsync(
        CurrentWorkspace workspace, long jobId, ReindexStore reindex, CancellationToken cancellationToken) =>
        ToResult(await reindex.FindAsync(workspace.Id, jobId, cancellationToken), jobId);

    internal static async Task<Results<Ok<ReindexJob>, ProblemHttpResult>> FindAnyAsync(
        long jobId, ReindexStore reindex, CancellationToken cancellationToken) =>
        ToResult(await reindex.FindAsync(null, jobId, cancellationToken), jobId);

    private static string Path(string group, ReindexRow job) => string.Create(CultureInfo.InvariantCulture, $"{group}/reindex-jobs/{job.JobId}");

    private static Page<ReindexJob> ToPage(IReadOnlyList<ReindexRow> jobs) => new([.. jobs.Select(ToContract)], null);

    private static ReindexJob ToContract(ReindexRow job) =>
        new(job.JobId, job.Workspace, job.ChangedSince, job.Raised, job.StartedAt, job.FinishedAt);

    private static Results<Ok<ReindexJob>, ProblemHttpResult> ToResult(ReindexRow? job, long id) =>
        job is null ? ApiProblems.NotFound("reindexing", id.ToString(CultureInfo.InvariantCulture)) : TypedResults.Ok(ToContract(job));
}
