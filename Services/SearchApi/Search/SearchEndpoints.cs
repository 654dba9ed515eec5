using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>The search of a workspace.</summary>
internal static class SearchEndpoints
{
    private static readonly string[] s_noQuery = ["The query is empty."];

    /// <summary>Adds what searching needs. <see cref="EmbeddingGatewayClient"/> and the stores are added elsewhere.</summary>
    public static IHostApplicationBuilder AddSearch(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<SearchOptions>().BindConfiguration(SearchOptions.Section).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<SearchOptions>, SearchOptionsValidator>();
        builder.Services.AddSingleton<QueryPlanner>();
        builder.Services.AddSingleton<Searcher>();
        return builder;
    }

    /// <summary>Maps <c>POST search</c> in the group of a workspace, <c>/v1/workspaces/{workspace}</c>.</summary>
    public static void MapSearch(this RouteGroupBuilder workspaceGroup) =>
        workspaceGroup.MapPost("/search", SearchAsync)
            .WithName("Search")
            .WithSummary("Finds passages by keyword, by vector, or by both.");

    private static async Task<Results<Ok<SearchResponse>, ValidationProblem, ProblemHttpResult>> SearchAsync(
        string workspace, SearchRequest request, WorkspaceStore workspaces, Searcher searcher, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(request.Query))
        {
            return TypedResults.ValidationProblem(new Dictionary<string, string[]> { ["query"] = s_noQuery });
        }

        Filter? filter = null;
        if (request.Filter is { } json)
        {
            filter = FilterParser.Parse(json, out var errors);
            if (errors.Count > 0)
            {
                return TypedResults.ValidationProblem(errors);
            }
        }

        if (await workspaces.FindAsync(workspace, cancellationToken) is not { } row)
        {
            return TypedResults.Problem(
                statusCode: StatusCodes.Status404NotFound, title: "Not found.", detail: $"There is no workspace '{workspace}'.");
        }

        try
        {
            return TypedResults.Ok(await searcher.SearchAsync(row, request, filter, cancellationToken));
        }
        catch (EmbeddingGatewayException e)
        {
            return TypedResults.Problem(
                statusCode: StatusCodes.Status503ServiceUnavailable,
                title: "The query could not be embedded.",
                detail: e.Message + " Keyword search does not need it.");
        }
    }
}
