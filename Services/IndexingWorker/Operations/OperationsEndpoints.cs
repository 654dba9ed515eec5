using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Operations;

/// <summary>What concerns the whole installation rather than a workspace, which the search API serves. All of it needs the admin key.</summary>
internal static class OperationsEndpoints
{
    /// <summary>Maps <c>/admin/indexing</c>.</summary>
    public static void MapOperations(this WebApplication app)
    {
        var admin = app.MapGroup("/admin/indexing").RequireAuthorization(AuthExtensions.AdminPolicy);
        admin.MapPut("/workspaces/{workspace}/weight", WeighAsync);
        admin.MapPut("/spaces/{space}/half-index", SetHalfIndexAsync);
        admin.MapGet("/cooldowns", ListCooldownsAsync);
        admin.MapPost("/reindex", ReindexAsync);
        admin.MapGet("/reindex", ListReindexAsync);
        admin.MapPost("/doctor", CheckAsync);
        admin.MapGet("/doctor", (IndexDoctor doctor) => doctor.LastReport is { } report ? Results.Ok(report) : Results.NoContent());
    }

    private static async Task<Results<NoContent, NotFound>> WeighAsync(
        string workspace, [Range(1, 100)] int weight, TaskQueue queue, CancellationToken cancellationToken) =>
        await queue.WeighAsync(workspace, weight, cancellationToken) ? TypedResults.NoContent() : TypedResults.NotFound();

    // Maintenance builds the index that is wanted from now on; meanwhile searches use the one that is there.
    private static async Task<Results<NoContent, NotFound>> SetHalfIndexAsync(
        string space, bool enabled, SpaceStore spaces, CancellationToken cancellationToken) =>
        await spaces.SetHalfIndexAsync(space, enabled, cancellationToken) ? TypedResults.NoContent() : TypedResults.NotFound();

    private static async Task<Ok<IReadOnlyList<SpaceCooldown>>> ListCooldownsAsync(TaskQueue queue, CancellationToken cancellationToken) =>
        TypedResults.Ok<IReadOnlyList<SpaceCooldown>>(
        [
            .. (await queue.ListCooldownsAsync(cancellationToken))
                .Select(c => new SpaceCooldown(c.Space, c.Until, c.Failures, c.Cause, c.Message)),
        ]);

    private static async Task<Results<Accepted<ReindexJob>, NotFound>> ReindexAsync(
        ReindexJobRequest request, ReindexStore reindex, TimeProvider time, CancellationToken cancellationToken) =>
        await reindex.StartAsync(request.Workspace, request.ChangedSince, (short)request.Priority, cancellationToken) is { } job
            ? TypedResults.Accepted(
                "/admin/indexing/reindex", new ReindexJob(job, request.Workspace, request.ChangedSince, 0, time.GetUtcNow(), null))
            : TypedResults.NotFound();

    private static async Task<Ok<IReadOnlyList<ReindexJob>>> ListReindexAsync(ReindexStore reindex, CancellationToken cancellationToken) =>
        TypedResults.Ok<IReadOnlyList<ReindexJob>>(
        [
            .. (await reindex.ListAsync(cancellationToken))
                .Select(j => new ReindexJob(j.JobId, j.Workspace, j.ChangedSince, j.Raised, j.StartedAt, j.FinishedAt)),
        ]);

    private static async Task<Results<Ok<DoctorReport>, NotFound>> CheckAsync(
        IndexDoctor doctor, WorkspaceStore workspaces, CancellationToken cancellationToken, string? workspace = null, bool repair = false)
    {
        int? workspaceId = null;
        if (workspace is not null)
        {
            if (await workspaces.FindAsync(workspace, cancellationToken) is not { } row)
            {
                return TypedResults.NotFound();
            }

            workspaceId = row.WorkspaceId;
        }

        return TypedResults.Ok(await doctor.CheckAsync(workspaceId, repair, cancellationToken));
    }
}
