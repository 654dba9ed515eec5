using RagPlatform.EmbeddingService.Providers;
using RagPlatform.EmbeddingService.Wire;

namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>Embeds texts: the only way to a provider.</summary>
internal sealed class EmbeddingGateway
{
    /// <exception cref="GatewayException">The provider refused or failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<EmbeddingResult> EmbedAsync(EmbeddingCall call, CancellationToken cancellationToken)
    {
        var vectors = new float[call.Texts.Count][];
        var tokens = 0L;
        var endpoint = call.Target.Model.Endpoints[0];
        var space = call.Target.Space;
        try
        {
            for (var start = 0; start < vectors.Length; start += endpoint.Options.MaxBatch)
            {
                var texts = call.Texts.Skip(start).Take(endpoint.Options.MaxBatch).Select(text => call.Target.Prompted(text, call.Input)).ToList();
                var answer = await endpoint.Generator.GenerateAsync(texts, new() { Dimensions = space.Dimensions }, cancellationToken);
                AnswerCheck.Check(answer, texts.Count, space.Dimensions, space.Normalized).CopyTo(vectors, start);
                tokens += answer.Usage?.InputTokenCount ?? 0;
            }
        }
        catch (ProviderException e)
        {
            throw Translate(e);
        }

        return new EmbeddingResult(vectors, tokens);
    }

    internal static GatewayException Translate(ProviderException e) => e.Failure switch
    {
        ProviderFailure.RateLimited => new(StatusCodes.Status429TooManyRequests, "requests", "rate_limit_exceeded", e.Message, inner: e) { RetryAfter = e.RetryAfter },
        ProviderFailure.Rejected => new(StatusCodes.Status400BadRequest, "invalid_request_error", "provider_rejected_input", e.Message, "input", e),
        ProviderFailure.Malformed => GatewayException.Upstream(e.Message, e),
        ProviderFailure.Unusable => new(StatusCodes.Status502BadGateway, "server_error", "provider_unusable", e.Message, inner: e),
        _ => new(StatusCodes.Status503ServiceUnavailable, "server_error", "provider_unavailable", e.Message, inner: e) { RetryAfter = e.RetryAfter },
    };
}
