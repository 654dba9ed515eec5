using System.ComponentModel;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Operations;

/// <summary>What concerns the queue of the whole installation: workspaces' shares of the workers, and spaces that rest.</summary>
internal static class QueueEndpoints
{
    /// <summary>Maps them on the group <c>/v1</c>, which needs the admin key.</summary>
    public static RouteGroupBuilder MapQueue(this RouteGroupBuilder group)
    {
        group.MapGet("/indexing/cooldowns", ListCooldownsAsync)
            .WithTags("Operations")
            .WithName("ListCooldowns")
            .WithSummary("Embedding spaces whose provider failed lately, and when each is tried again")
            .WithDescription("Documents wait meanwhile, and pay for it with no attempt.");
        group.MapPut("/indexing/spaces/{space}/half-index", SetHalfIndexAsync)
            .WithTags("Operations")
            .WithName("SetHalfIndex")
            .WithSummary("Let the vector indexes of an embedding space be of half precision, or not")
            .WithDescription("The index that is wanted is built beside the one that serves, and replaces it. See docs/search.md.");
        return group;
    }

    /// <summary>Maps them on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static RouteGroupBuilder MapWeight(this RouteGroupBuilder group)
    {
        group.MapPut("/indexing/weight", WeighAsync)
            .RequireAuthorization(AuthExtensions.AdminPolicy)
            .WithTags("Indexing")
            .WithName("SetIndexingWeight")
            .WithSummary("Set the workspace's share of the workers")
            .WithDescription("Against other workspaces that wait at the same time. 1 unless it was set.")
            .WithMetadata(new RequestExampleAttribute("""{"weight":5}"""));
        return group;
    }

    internal static async Task<Results<Ok<IndexingWeight>, ValidationProblem, ProblemHttpResult>> WeighAsync(
        CurrentWorkspace workspace, IndexingWeight weight, TaskQueue queue, CancellationToken cancellationToken) =>
        await queue.WeighAsync(workspace.Row.Name, weight.Weight, cancellationToken)
            ? TypedResults.Ok(weight)
            : ApiProblems.NotFound("workspace", workspace.Row.Name);

    internal static async Task<Results<NoContent, ValidationProblem, ProblemHttpResult>> SetHalfIndexAsync(
        [Description("The id of the space, as workspaces show it.")] string space,
        [Description("Whether its indexes are to be of half precision.")] bool enabled,
        SpaceStore spaces,
        CancellationToken cancellationToken) =>
        await spaces.SetHalfIndexAsync(space, enabled, cancellationToken) ? TypedResults.NoContent() : ApiProblems.NotFound("space", space);

    internal static async Task<Ok<Page<SpaceCooldown>>> ListCooldownsAsync(TaskQueue queue, CancellationToken cancellationToken) =>
        TypedResults.Ok(new Page<SpaceCooldown>(
            [
                .. (await queue.ListCooldownsAsync(cancellationToken))
                    .Select(c => new SpaceCooldown(c.Space, c.Until, c.Failures, c.Cause, c.Message)),
            ],
            null));
}
