using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Documents;

/// <summary>How far indexing is.</summary>
internal static class IndexingEndpoints
{
    /// <summary>Maps them on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static RouteGroupBuilder MapIndexing(this RouteGroupBuilder group)
    {
        var indexing = group.MapGroup("/indexing").WithTags("Indexing");
        indexing.MapGet("", GetWorkspaceAsync)
            .WithName("GetWorkspaceIndexing")
            .WithSummary("How far a workspace's indexing is")
            .WithDescription("Counts rows: meant for people and progress bars.");
        indexing.MapGet("/{**id}", GetDocumentAsync)
            .WithName("GetDocumentIndexing")
            .WithSummary("Where the newest revision of a document stands, with its failed attempts");
        return group;
    }

    internal static async Task<Ok<WorkspaceIndexing>> GetWorkspaceAsync(
        CurrentWorkspace workspace, IndexingStatusStore status, WorkspaceRestStore rests, CancellationToken cancellationToken)
    {
        var row = await status.GetWorkspaceAsync(workspace.Id, cancellationToken);
        return TypedResults.Ok(new WorkspaceIndexing(
            row.Documents, row.Chunks, row.Queued, row.Retrying, row.DeadLettered, row.OldestQueuedAt, row.Generation,
            row.Reindexing,
            await ListRestsAsync(row.Queued + row.Retrying > 0, workspace.Id, rests, cancellationToken)));
    }

    internal static async Task<Results<Ok<DocumentIndexing>, ValidationProblem, ProblemHttpResult>> GetDocumentAsync(
        CurrentWorkspace workspace, DocumentId id, IndexingStatusStore status, WorkspaceRestStore rests, CancellationToken cancellationToken)
    {
        if (DocumentIds.Check(id.Value) is { } wrong)
        {
            return ApiProblems.Invalid("id", wrong);
        }

        return await status.FindDocumentAsync(workspace.Id, id.Value, cancellationToken) is { } row
            ? TypedResults.Ok(new DocumentIndexing(
                row.Id,
                row.Revision,
                (IndexingState)row.State,
                row.Chunks,
                [.. row.Attempts.Select(a => new IndexingAttempt(a.At, a.Cause, a.Message))],
                row.NextAttemptAt,
                await ListRestsAsync(row.State is DocumentState.Queued or DocumentState.Retrying, workspace.Id, rests, cancellationToken)))
            : ApiProblems.NotFound("document", id.Value);
    }

    private static async Task<IReadOnlyList<IndexingRest>?> ListRestsAsync(
        bool isWaiting, int workspaceId, WorkspaceRestStore rests, CancellationToken cancellationToken) =>
        isWaiting && await rests.ListAsync(workspaceId, cancellationToken) is { Count: > 0 } rows
            ? [.. rows.Select(r => new IndexingRest(r.Cause, r.Message, r.Until, r.Space))]
            : null;
}
