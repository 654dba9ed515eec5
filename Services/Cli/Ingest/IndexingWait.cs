using RagPlatform.Contracts;

namespace RagPlatform.Cli.Ingest;

/// <summary>Waits until a workspace has nothing left to index.</summary>
/// <param name="client">The API.</param>
/// <param name="time">The clock.</param>
/// <param name="patience">How long nothing may happen; null to wait for ever.</param>
internal sealed class IndexingWait(RagClient client, TimeProvider time, TimeSpan? patience = null)
{
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(1);

    /// <summary>Waits.</summary>
    /// <returns>Where the workspace stands then; its dead letters are the reader's business.</returns>
    /// <exception cref="TimeoutException">Nothing happened for longer than the patience lasts.</exception>
    public async Task<WorkspaceIndexing> WaitAsync(string workspace, IngestProgress progress, CancellationToken cancellationToken)
    {
        progress.Phase = IngestPhase.Indexing;
        var moved = time.GetTimestamp();
        WorkspaceIndexing? last = null;
        for (var pause = TimeSpan.FromMilliseconds(50); ; pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause)
        {
            var indexing = await client.GetIndexingAsync(workspace, cancellationToken);
            progress.SetIndexing(indexing.Queued + indexing.Retrying, indexing.Retrying);
            if (indexing.Queued + indexing.Retrying == 0)
            {
                return indexing;
            }

            moved = indexing == last ? moved : time.GetTimestamp();
            last = indexing;
            if (time.GetElapsedTime(moved) > patience)
            {
                throw new TimeoutException(
                    $"{Quantity.Of(indexing.Queued + indexing.Retrying, "document")} of '{workspace}' wait, and nothing has happened for "
                    + $"{patience.Value.TotalSeconds:N0} s. Does the indexing worker run?");
            }

            await Task.Delay(pause, time, cancellationToken);
        }
    }
}
