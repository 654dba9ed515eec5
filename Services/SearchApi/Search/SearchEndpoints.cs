using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.SearchApi.Workspaces;

namespace RagPlatform.SearchApi.Search;

/// <summary>The search of a workspace.</summary>
internal static class SearchEndpoints
{
    /// <summary>Adds what searching needs. <see cref="EmbeddingGatewayClient"/> and the stores are added elsewhere.</summary>
    public static IHostApplicationBuilder AddSearch(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<SearchOptions>().BindConfiguration(SearchOptions.Section).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<SearchOptions>, SearchOptionsValidator>();
        builder.Services.AddSingleton<SearchMetrics>();
        builder.Services.AddSingleton<QueryPlanner>();
        builder.Services.AddSingleton<IRankStage, BoostStage>();
        builder.Services.AddSingleton<IRankStage, DiversityStage>();
        builder.Services.AddSingleton<Ranker>();
        builder.Services.AddSingleton<QueryEmbedder>();
        builder.Services.AddSingleton<Searcher>();
        builder.Services.AddSingleton<SearchGate>();
        builder.Services.AddSingleton<ResultCache>();
        builder.Services.AddSingleton<SearchService>();
        builder.Services.AddSingleton(services => new PopularQueries(services.GetRequiredService<IOptions<SearchOptions>>().Value.WarmUpQueries > 0));
        builder.Services.AddSingleton<WarmUp>();
        builder.Services.AddHostedService(services => services.GetRequiredService<WarmUp>());
        builder.Services.AddHealthChecks().AddCheck<WarmUp>("warm-up");
        builder.Services.AddHostedService<IndexPromotion>();
        return builder;
    }

    /// <summary>Maps it on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static void MapSearch(this RouteGroupBuilder workspaceGroup) =>
        workspaceGroup.MapPost("/search", SearchAsync)
            .WithTags("Search")
            .WithName("Search")
            .WithSummary("Find passages by keyword, by vector, or by both")
            .WithDescription("A filter never makes an answer incomplete: there are min(limit, matches − offset) hits, at any selectivity.")
            .WithMetadata(new RequestExampleAttribute("""{"query":"how often are backups made","mode":"keyword","limit":5}"""))
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status429TooManyRequests)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

    internal static async Task<Results<Ok<SearchResponse>, ValidationProblem, ProblemHttpResult>> SearchAsync(
        CurrentWorkspace workspace,
        SearchRequest request,
        SearchService search,
        HttpContext context,
        CancellationToken cancellationToken)
    {
        var query = SearchRequestReader.Read(workspace.Row, request, out var errors);
        if (errors.Count > 0)
        {
            return ApiProblems.Invalid(errors);
        }

        try
        {
            return await search.SearchAsync(query, workspace.ArrivedAt, cancellationToken) switch
            {
                null => ApiProblems.NotFound("workspace", workspace.Row.Name),
                { Generation: var generation } when generation < request.MinGeneration =>
                    ApiProblems.Conflict($"The workspace is at generation {generation}, not yet at {request.MinGeneration}."),
                var response => TypedResults.Ok(response),
            };
        }
        catch (Exception e) when (SearchProblems.Knows(e, cancellationToken))
        {
            return SearchProblems.Answer(context, e);
        }
    }
}
