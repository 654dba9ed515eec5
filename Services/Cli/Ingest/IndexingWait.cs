using RagPlatform.Contracts;

namespace RagPlatform.Cli.Ingest;

/// <summary>Waits until a workspace has nothing left to index.</summary>
/// <param name="client">The API.</param>
/// <param name="time">The clock.</param>
internal sealed class IndexingWait(RagClient client, TimeProvider time)
{
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(1);

    /// <summary>Waits.</summary>
    /// <returns>Where the workspace stands then; its dead letters are the reader's business.</returns>
    public async Task<WorkspaceIndexing> WaitAsync(string workspace, IngestProgress progress, CancellationToken cancellationToken)
    {
        progress.Phase = IngestPhase.Indexing;
        for (var pause = TimeSpan.FromMilliseconds(50); ; pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause)
        {
            var indexing = await client.GetIndexingAsync(workspace, cancellationToken).ConfigureAwait(false);
            progress.SetIndexing(indexing.Queued + indexing.Retrying, indexing.Retrying);
            if (indexing.Queued + indexing.Retrying == 0)
            {
                return indexing;
            }

            await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
        }
    }
}
