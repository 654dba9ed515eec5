using System.Security.Claims;
using RagPlatform.SearchApi.Limits;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Documents;

/// <summary>Waits until documents are searchable. The tasks in the database are the truth; a notification only shortens the time between looks.</summary>
internal sealed class IndexingWaiter(
    IndexingStatusStore status, GenerationSignal signal, WaitSlots slots, IHostApplicationLifetime lifetime, TimeProvider time)
{
    private static readonly TimeSpan s_firstDelay = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan s_lastDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>Waits until every document is searchable or dead-lettered, the time is over, or the service stops.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="ids">At most 1,000 ids. A document that was deleted counts as searchable once nothing of it is left to do.</param>
    /// <param name="caller">Who waits.</param>
    /// <param name="duration">How long to wait at most.</param>
    /// <param name="cancellationToken">Cancels waiting.</param>
    /// <returns>Where the documents stand in the end; null when too many wait already, or too many of the caller's key, and nothing was waited for.</returns>
    public async Task<IReadOnlyDictionary<string, DocumentState>?> WaitAsync(
        int workspaceId, IReadOnlyCollection<string> ids, ClaimsPrincipal caller, TimeSpan duration, CancellationToken cancellationToken)
    {
        using var slot = slots.TryTake(caller);
        if (slot is null)
        {
            return null;
        }

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        var start = time.GetTimestamp();
        for (var delay = s_firstDelay; ; delay = delay * 2 < s_lastDelay ? delay * 2 : s_lastDelay)
        {
            var changed = signal.NextAsync(workspaceId);
            var states = await status.GetStatesAsync(workspaceId, ids, cancellationToken);
            var left = duration - time.GetElapsedTime(start);
            if (left <= TimeSpan.Zero || ending.IsCancellationRequested || states.Values.All(IsFinal))
            {
                return states;
            }

            await changed.WaitAsync(left < delay ? left : delay, time, ending.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Whether a state stays as it is until somebody writes or replays.</summary>
    internal static bool IsFinal(DocumentState state) => state is DocumentState.Indexed or DocumentState.DeadLettered;
}
