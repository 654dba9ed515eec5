using System.Diagnostics;
using Microsoft.Extensions.AI;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>
/// Spans of embedding, by OpenTelemetry's conventions for generative AI: the call as it came in, with the tiers that its vectors came from, and each request
/// to a provider. The library's own wrapper of generators is not used: it copies messages of providers, which may quote a key or a text.
/// </summary>
internal static class EmbeddingSpans
{
    /// <summary>The name of the source.</summary>
    public const string SourceName = "RagPlatform.Embedding";

    private static readonly ActivitySource s_source = new(SourceName);

    /// <summary>Begins a call.</summary>
    public static Activity? Begin(EmbeddingCall call) => !s_source.HasListeners()
        ? null
        : Describe(s_source.StartActivity($"embed {call.Target.Model.Definition.Name}"), call.Target)
            ?.SetTag("rag.texts", call.Texts.Count)
            .SetTag("rag.embedding.input", call.Input.ToString())
            .SetTag("rag.embedding.interactive", call.Interactive)
            .SetTag("rag.workspace", call.Workspace);

    /// <summary>Says where the vectors came from.</summary>
    public static void Answer(this Activity? span, in TierCounts tiers, long tokens)
    {
        if (span is null)
        {
            return;
        }

        span.SetTag("gen_ai.usage.input_tokens", tokens);
        foreach (var tier in Enum.GetValues<Tier>())
        {
            span.SetTag($"rag.embedding.tier.{TierStatistics.Name(tier)}", tiers.Texts(tier));
        }
    }

    /// <summary>Begins a request to a provider.</summary>
    public static Activity? Begin(ModelEndpoint endpoint, ModelSpace target, int texts) => !s_source.HasListeners() || Activity.Current is null
        ? null
        : Describe(s_source.StartActivity($"embeddings {target.Model.Definition.ProviderModel}", ActivityKind.Client), target)
            ?.SetTag("gen_ai.provider.name", endpoint.Provider)
            .SetTag("rag.texts", texts);

    /// <summary>Says what the provider counted.</summary>
    public static void Answer(this Activity? span, GeneratedEmbeddings<Embedding<float>> answer) =>
        span?.SetTag("gen_ai.usage.input_tokens", answer.Usage?.InputTokenCount).SetTag("gen_ai.response.model", answer.FirstOrDefault()?.ModelId);

    /// <summary>Says that it failed: in which way, not in whose words.</summary>
    public static void Fail(this Activity? span, string kind) => span?.SetStatus(ActivityStatusCode.Error).SetTag("error.type", kind);

    private static Activity? Describe(Activity? span, ModelSpace target) => span
        ?.SetTag("gen_ai.operation.name", "embeddings")
        .SetTag("gen_ai.request.model", target.Model.Definition.Name)
        .SetTag("gen_ai.embeddings.dimension.count", target.Space.Dimensions)
        .SetTag("rag.space", target.Id);
}
