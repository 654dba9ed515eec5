using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>The search of a workspace.</summary>
internal static class SearchEndpoints
{
    /// <summary>Adds what searching needs. <see cref="EmbeddingGatewayClient"/> and the stores are added elsewhere.</summary>
    public static IHostApplicationBuilder AddSearch(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<SearchOptions>().BindConfiguration(SearchOptions.Section).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<SearchOptions>, SearchOptionsValidator>();
        builder.Services.AddSingleton<QueryPlanner>();
        builder.Services.AddSingleton<Searcher>();
        return builder;
    }

    /// <summary>Maps it on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static void MapSearch(this RouteGroupBuilder workspaceGroup) =>
        workspaceGroup.MapPost("/search", SearchAsync)
            .WithTags("Search")
            .WithName("Search")
            .WithSummary("Find passages by keyword, by vector, or by both")
            .WithDescription("A filter never makes an answer incomplete: there are min(limit, matches − offset) hits, at any selectivity.");

    internal static async Task<Results<Ok<SearchResponse>, ValidationProblem, ProblemHttpResult>> SearchAsync(
        CurrentWorkspace workspace, SearchRequest request, Searcher searcher, HttpContext context, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(request.Query) || request.Query.Contains('\0', StringComparison.Ordinal))
        {
            return ApiProblems.Invalid("query", "Expected words, without the character U+0000.");
        }

        Filter? filter = null;
        if (request.Filter is { } json)
        {
            filter = FilterParser.Parse(json, out var errors);
            if (errors.Count > 0)
            {
                return ApiProblems.Invalid(errors);
            }
        }

        try
        {
            return await searcher.SearchAsync(workspace.Row, request, filter, cancellationToken) is { } response
                ? TypedResults.Ok(response)
                : ApiProblems.NotFound("workspace", workspace.Row.Name);
        }
        catch (EmbeddingGatewayException e)
        {
            return ApiProblems.Unavailable(context, "The query could not be embedded.", e.Message + " Keyword search does not need it.");
        }
    }
}
