using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Search;
using RagPlatform.SearchApi.Workspaces;

namespace RagPlatform.SearchApi.Ask;

/// <summary>Questions, answered by a chat model from the passages that are found for them.</summary>
internal static class AskEndpoints
{
    /// <summary>Adds what asking needs.</summary>
    public static IHostApplicationBuilder AddAsk(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<AskOptions>().BindConfiguration(AskOptions.Section).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<AskOptions>, AskOptionsValidator>();
        return builder;
    }

    /// <summary>Maps it on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static void MapAsk(this RouteGroupBuilder workspaceGroup) =>
        workspaceGroup.MapPost("/ask", AskAsync)
            // Ask:Timeout ends the answer, with an event that says so; finding passages has a limit of its own.
            .DisableRequestTimeout()
            .WithTags("Search")
            .WithName("Ask")
            .WithSummary("Ask a question; the answer is streamed, with citations")
            .WithDescription("Server-sent events: sources, text, …, done (or error). 501 when no chat model is configured.")
            .ProducesProblem(StatusCodes.Status429TooManyRequests)
            .ProducesProblem(StatusCodes.Status501NotImplemented);

    internal static async Task<Results<ServerSentEventsResult<AskEvent>, ValidationProblem, ProblemHttpResult>> AskAsync(
        CurrentWorkspace workspace,
        AskRequest request,
        SearchService search,
        IOptions<AskOptions> options,
        HttpContext context,
        CancellationToken cancellationToken)
    {
        if (!options.Value.IsConfigured)
        {
            return TypedResults.Problem(
                statusCode: StatusCodes.Status501NotImplemented,
                title: "No chat model is configured.",
                detail: "Set Ask__BaseUrl to an endpoint that speaks OpenAI's protocol (for example http://localhost:11434/v1), Ask__Model to the name of "
                    + "a model there and, if it needs one, Ask__ApiKey, and start search-api again. Searching works without.");
        }

        var query = SearchRequestReader.Read(
            workspace.Row, new(request.Question, request.Mode, request.Limit, Filter: request.Filter), out var errors);
        if (errors.Remove("query", out var wrong))
        {
            errors["question"] = wrong;
        }

        if (errors.Count > 0)
        {
            return ApiProblems.Invalid(errors);
        }

        try
        {
            return await search.SearchAsync(query, workspace.ArrivedAt, cancellationToken) is { } found
                ? TypedResults.ServerSentEvents(AskStream.StreamAsync(request.Question, found.Hits, options.Value, context.RequestAborted))
                : ApiProblems.NotFound("workspace", workspace.Row.Name);
        }
        catch (Exception e) when (SearchProblems.Knows(e, cancellationToken))
        {
            return SearchProblems.Answer(context, e);
        }
    }
}
