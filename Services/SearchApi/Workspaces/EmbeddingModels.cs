using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Workspaces;

/// <summary>The models that the embedding service offers, remembered briefly.</summary>
internal sealed class EmbeddingModels(EmbeddingGatewayClient gateway, TimeProvider time)
{
    private static readonly TimeSpan s_lifetime = TimeSpan.FromSeconds(10);

    // The list is short and computed in memory over there: what takes longer is an outage.
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);

    private volatile Listing? _listing;

    /// <summary>The models.</summary>
    /// <exception cref="EmbeddingGatewayException">The embedding service does not answer.</exception>
    public async ValueTask<IReadOnlyList<EmbeddingModel>> ListAsync(CancellationToken cancellationToken)
    {
        if (_listing is { } listing && time.GetElapsedTime(listing.ReadAt) < s_lifetime)
        {
            return listing.Models;
        }

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(s_timeout);
        try
        {
            var models = await gateway.ListModelsAsync(timeout.Token);
            _listing = new(models, time.GetTimestamp());
            return models;
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new EmbeddingGatewayException(0, "The embedding service did not list its models in time.", e);
        }
    }

    private sealed record Listing(IReadOnlyList<EmbeddingModel> Models, long ReadAt);
}
