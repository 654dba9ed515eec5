using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Workspaces;

/// <summary>Workspaces: create, get, list, delete.</summary>
internal static class WorkspaceEndpoints
{
    private const int DefaultPage = 100;

    /// <summary>Maps what is about workspaces as a whole, on the group <c>/v1/workspaces</c>.</summary>
    public static RouteGroupBuilder MapWorkspaces(this RouteGroupBuilder group)
    {
        group.MapPost("", CreateAsync)
            .RequireAuthorization(AuthExtensions.AdminPolicy)
            .WithName("CreateWorkspace")
            .WithSummary("Create a workspace")
            .WithDescription("The model decides the embedding space; it can be changed later by a migration.")
            .WithMetadata(new RequestExampleAttribute("""{"name":"docs","language":"english"}"""));
        group.MapGet("", ListAsync)
            .RequireAuthorization(AuthExtensions.AnyKeyPolicy)
            .WithName("ListWorkspaces")
            .WithSummary("List workspaces by name")
            .WithDescription("With the admin key all of them, with a workspace's key that one.");
        return group;
    }

    /// <summary>Maps what is about one workspace, on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static RouteGroupBuilder MapWorkspace(this RouteGroupBuilder group)
    {
        group.MapGet("", Get)
            .WithName("GetWorkspace")
            .WithSummary("Get a workspace");
        group.MapDelete("", DeleteAsync)
            .RequireAuthorization(AuthExtensions.AdminPolicy)
            .WithName("DeleteWorkspace")
            .WithSummary("Delete a workspace with all that it owns")
            .WithDescription("The workspace is gone at once; its rows are removed in the background. 'confirm' has to be its name once more.");
        return group;
    }

    internal static async Task<Results<Created<Workspace>, ValidationProblem, ProblemHttpResult>> CreateAsync(
        WorkspaceCreate workspace,
        WorkspaceStore workspaces,
        SpaceStore spaces,
        TokenRatioStore ratios,
        EmbeddingModels models,
        HttpContext context,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<EmbeddingModel> offered;
        try
        {
            offered = await models.ListAsync(cancellationToken);
        }
        catch (EmbeddingGatewayException)
        {
            return ApiProblems.Unavailable(
                context, "The embedding service does not answer.", "It has to say what the model's vectors are. Try again shortly.");
        }

        var errors = new Dictionary<string, string[]>();
        var model = workspace.Model is null ? offered.FirstOrDefault(m => m.Default) : offered.FirstOrDefault(m => m.Id == workspace.Model);
        if (model is null)
        {
            errors["model"] =
            [
                (workspace.Model is null ? "The embedding service has no default model. " : $"There is no model '{workspace.Model}'. ")
                    + $"There is: {Enumerate(offered.Select(m => m.Id))}.",
            ];
        }

        var languages = await workspaces.ListLanguagesAsync(cancellationToken);
        if (!languages.Contains(workspace.Language))
        {
            errors["language"] = [$"There is no text search configuration '{workspace.Language}'. There is: {Enumerate(languages)}."];
        }

        if (errors.Count > 0)
        {
            return ApiProblems.Invalid(errors);
        }

        var space = await spaces.EnsureAsync(ToRow(model!.Space), cancellationToken);
        var chunking = workspace.Chunking
            ?? DefaultChunking.For(space.MaxTokens, await ratios.FindAsync(space.SpaceId, cancellationToken));
        var created = await workspaces.CreateAsync(
            workspace.Name,
            workspace.Language,
            new(ToName(chunking.Strategy), chunking.TargetLength, chunking.Overlap),
            space.SpaceId,
            cancellationToken);
        return created && await workspaces.FindAsync(workspace.Name, cancellationToken) is { } row
            ? TypedResults.Created($"/v1/workspaces/{row.Name}", ToContract(row))
            : ApiProblems.Conflict($"There is a workspace '{workspace.Name}' already.");
    }

    internal static async Task<Results<Ok<Page<Workspace>>, ValidationProblem>> ListAsync(
        HttpContext context,
        WorkspaceStore workspaces,
        string? cursor = null,
        [Range(1, 1000)] int limit = DefaultPage,
        CancellationToken cancellationToken = default)
    {
        if (!Cursor.TryDecode(cursor, out var after))
        {
            return Cursor.Invalid();
        }

        if (context.User.FindWorkspace() is { } own)
        {
            var row = WorkspaceKeys.FindWorkspaceId(context.User) is { } id && await workspaces.FindAsync(own, cancellationToken) is { } found
                && found.WorkspaceId == id ? found : null;
            return TypedResults.Ok(new Page<Workspace>(row is null ? [] : [ToContract(row)], null));
        }

        var rows = await workspaces.ListAsync(after, limit + 1, cancellationToken);
        return TypedResults.Ok(Cursor.Page(rows, limit, row => row.Name, ToContract));
    }

    internal static async Task<Ok<Workspace>> Get(CurrentWorkspace workspace, WorkspaceStore workspaces, CancellationToken cancellationToken) =>
        TypedResults.Ok(ToContract(await workspaces.FindAsync(workspace.Row.Name, cancellationToken) ?? workspace.Row));

    internal static async Task<Results<NoContent, ValidationProblem>> DeleteAsync(
        CurrentWorkspace workspace, WorkspaceStore workspaces, WorkspaceCache cache, string? confirm = null, CancellationToken cancellationToken = default)
    {
        if (confirm != workspace.Row.Name)
        {
            return ApiProblems.Invalid(
                "confirm", $"Everything of the workspace would be gone: repeat its name as '?confirm={workspace.Row.Name}' if that is meant.");
        }

        await workspaces.DeleteAsync(workspace.Row.Name, cancellationToken);
        cache.Invalidate(workspace.Id);
        return TypedResults.NoContent();
    }

    internal static Workspace ToContract(WorkspaceRow row) => new(
        row.Name,
        row.Language,
        row.Serving.Model,
        row.Serving.Id,
        row.Serving.Dimensions,
        new(Enum.Parse<ChunkingStrategy>(row.Chunking.Strategy, ignoreCase: true), row.Chunking.TargetLength, row.Chunking.Overlap),
        row.Generation,
        row.CreatedAt);

    private static string ToName(ChunkingStrategy strategy) => strategy.ToString().ToLowerInvariant();

    private static SpaceRow ToRow(EmbeddingSpace space) => new(
        0,
        space.Id,
        space.Model,
        space.Revision,
        space.Dimensions,
        space.Normalized,
        space.QueryPrompt,
        space.DocumentPrompt,
        space.MaxTokens,
        space.Lexical);

    private static string Enumerate(IEnumerable<string> names) => string.Join(", ", names.Order(StringComparer.Ordinal).DefaultIfEmpty("nothing"));
}
