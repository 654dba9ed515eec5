using Microsoft.Extensions.Options;
using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Search;

/// <summary>
/// Embeds queries through the embedding service, before a search takes its place at the database, and for a short time only: whatever a provider does,
/// keyword search does not wait for it.
/// </summary>
internal sealed partial class QueryEmbedder(
    EmbeddingGatewayClient embeddings, SearchMetrics metrics, IOptions<SearchOptions> options, TimeProvider time, ILogger<QueryEmbedder> logger)
{
    private int _failing;

    /// <summary>The vector of a search's query.</summary>
    /// <returns>The vector; null when the search needs none, or is hybrid and has to do without.</returns>
    /// <exception cref="EmbeddingGatewayException">The search is by vector alone, and its query could not be embedded.</exception>
    public async Task<float[]?> EmbedAsync(SearchQuery query, SearchTrace trace, CancellationToken cancellationToken)
    {
        if (!query.ByVector || query.Vector is not null)
        {
            return query.Vector;
        }

        try
        {
            var vector = await EmbedInTimeAsync(query, trace, cancellationToken);
            if (Interlocked.Exchange(ref _failing, 0) == 1)
            {
                LogAnswers();
            }

            return vector;
        }
        catch (EmbeddingGatewayException e)
        {
            if (Interlocked.Exchange(ref _failing, 1) == 0)
            {
                LogFailed(e.Status);
            }

            metrics.CountDegraded(SearchDegradation.Embedding);
            if (query.Mode == SearchMode.Vector)
            {
                throw;
            }

            trace.Degrade(SearchDegradation.Embedding);
            return null;
        }
    }

    private async Task<float[]> EmbedInTimeAsync(SearchQuery query, SearchTrace trace, CancellationToken cancellationToken)
    {
        using var stage = trace.Begin(SearchStages.Embed);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var limit = options.Value.EmbeddingTimeout;
        deadline.CancelAfter(limit);
        var space = query.Space;
        var embedding = embeddings.EmbedAsync(
            new(space.Model, space.Revision, space.Dimensions, space.Normalized, space.QueryPrompt, space.DocumentPrompt, space.MaxTokens, space.Lexical),
            space.Id,
            [query.Text.Words],
            EmbeddingInput.Query,
            query.Workspace.Name,
            deadline.Token);
        try
        {
            return (await embedding.WaitAsync(limit, time, cancellationToken))[0].ToArray();
        }
        catch (Exception e) when (e is not EmbeddingGatewayException && !cancellationToken.IsCancellationRequested)
        {
            // Whatever it is, it came from the way to the service: there is nothing else here that could fail.
            Searcher.Observe(embedding);
            throw new EmbeddingGatewayException(0, $"The embedding service did not answer within {limit.TotalSeconds:0.###} s, or broke off.", e);
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Queries cannot be embedded (status {Status}; 0: no answer). Hybrid searches are answered by keyword meanwhile.")]
    private partial void LogFailed(int status);

    [LoggerMessage(2, LogLevel.Information, "Queries are embedded again.")]
    private partial void LogAnswers();
}

/// <summary>What an answer can have to do without.</summary>
internal static class SearchDegradation
{
    /// <summary>The query could not be embedded: a hybrid search was answered by keyword.</summary>
    public const string Embedding = "embedding";
}
