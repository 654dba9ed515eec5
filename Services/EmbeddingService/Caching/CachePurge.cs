using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>Removes from every tier what an endpoint may have answered wrongly.</summary>
internal sealed class CachePurge(MemoryTier memory, ValkeyTier valkey, DurableTier durable, TimeProvider time, EmbeddingCacheStore? store = null)
{
    private const int Step = 1_000;

    // A write that was under way when the endpoint was found out.
    private static readonly TimeSpan s_late = TimeSpan.FromSeconds(30);

    /// <summary>Removes vectors of a model that were written since a moment. In Valkey, which does not know when, all of the model.</summary>
    /// <param name="own">The model's space at its own dimensions.</param>
    /// <param name="acceptsDimensions">Whether it is asked for fewer dimensions too.</param>
    /// <param name="since">How long ago the moment was.</param>
    /// <param name="until">How long ago it was found out.</param>
    /// <param name="shared">Whether also from the tiers that replicas share.</param>
    /// <param name="cancellationToken">Cancels; what was removed stays so.</param>
    /// <returns>Whether every tier is rid of them: not when one did not answer.</returns>
    public async Task<bool> SweepAsync(
        EmbeddingSpace own, bool acceptsDimensions, TimeSpan since, TimeSpan until, bool shared, CancellationToken cancellationToken)
    {
        var spaces = SpacesOf(own, acceptsDimensions);
        if (!shared)
        {
            Forget();
            return true;
        }

        // From the slowest tier up: a reader in between may bring back only what is gone below.
        var complete = true;
        if (durable.IsConfigured)
        {
            try
            {
                await durable.FlushAsync(cancellationToken).WaitAsync(TimeSpan.FromSeconds(2), time, cancellationToken);
                while (await store!.DeleteBetweenAsync([.. spaces], since, until - s_late, Step, cancellationToken) == Step)
                {
                }
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is Npgsql.NpgsqlException or TimeoutException)
            {
                complete = false;
            }
        }

        complete &= await valkey.RemoveModelAsync(own.Id, cancellationToken);
        Forget();
        return complete;

        void Forget() => memory.RemoveWhere((key, age) => age <= since && spaces.Contains(key.Space));
    }

    private static HashSet<string> SpacesOf(EmbeddingSpace own, bool acceptsDimensions) => acceptsDimensions
        ? [.. Enumerable.Range(1, own.Dimensions).Select(dimensions => (own with { Dimensions = dimensions }).Id)]
        : [own.Id];
}
