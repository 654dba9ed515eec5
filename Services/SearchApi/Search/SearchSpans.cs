using System.Diagnostics;
using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Search;

/// <summary>
/// The spans of a search: the search itself, by OpenTelemetry's conventions for generative AI a retrieval, and its stages. None of them has the query's or a
/// passage's text.
/// </summary>
internal static class SearchSpans
{
    /// <summary>The name of the source.</summary>
    public const string SourceName = "RagPlatform.SearchApi";

    private static readonly ActivitySource s_source = new(SourceName);

    /// <summary>Begins a search.</summary>
    public static Activity? Begin(SearchQuery query)
    {
        if (!s_source.HasListeners())
        {
            return null;
        }

        var span = s_source.StartActivity($"retrieval {query.Workspace.Name}");
        return span?.SetTag("gen_ai.operation.name", "retrieval")
            .SetTag("gen_ai.data_source.id", query.Workspace.Name)
            .SetTag("gen_ai.request.model", query.ByVector ? query.Space.Model : null)
            .SetTag("gen_ai.request.top_k", query.Request.Limit)
            .SetTag("rag.search.mode", JsonNaming(query.Mode))
            .SetTag("rag.space", query.Space.Id);
    }

    /// <summary>Begins a stage of the search at hand.</summary>
    public static Activity? Begin(string stage) =>
        s_source.HasListeners() && Activity.Current is not null ? s_source.StartActivity($"search {stage}") : null;

    /// <summary>Says how the search was answered.</summary>
    public static void Answer(this Activity? span, SearchResponse? response)
    {
        if (span is null || response is null)
        {
            return;
        }

        span.SetTag("rag.search.hits", response.Hits.Count)
            .SetTag("rag.search.plan", response.Plan)
            .SetTag("rag.search.cached", response.Cached)
            .SetTag("rag.search.generation", response.Generation);
        if (response.Degraded is { Count: > 0 } degraded)
        {
            span.SetTag("rag.search.degraded", degraded.ToArray());
        }
    }

    private static string JsonNaming(SearchMode mode) => mode switch
    {
        SearchMode.Keyword => "keyword",
        SearchMode.Vector => "vector",
        _ => "hybrid",
    };
}
