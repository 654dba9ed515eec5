using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Status;

/// <summary>Where a workspace stands, and how fast it moves.</summary>
/// <param name="Workspace">The workspace.</param>
/// <param name="Model">Its embedding model.</param>
/// <param name="Indexing">Where it stands.</param>
/// <param name="Rate">Tasks a second since the first reading; null on the first, and when nothing waits.</param>
/// <param name="Left">How long the rest takes at that rate.</param>
internal sealed record StatusRow(string Workspace, string Model, WorkspaceIndexing Indexing, double? Rate, TimeSpan? Left);

/// <summary>Reads where workspaces stand, again and again.</summary>
/// <param name="client">The API.</param>
/// <param name="time">The clock.</param>
/// <param name="only">The workspace to read; null for all.</param>
/// <param name="most">The most workspaces to read.</param>
internal sealed class StatusReader(RagClient client, TimeProvider time, string? only, int most)
{
    private const int Parallel = 8;

    private readonly Dictionary<string, (long Stamp, long Pending)> _first = new(StringComparer.Ordinal);

    /// <summary>Reads once.</summary>
    /// <exception cref="CliException">There is no such workspace.</exception>
    public async Task<IReadOnlyList<StatusRow>> ReadAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<Workspace> workspaces = only is null
            ? await WorkspaceCommand.ListAsync(client, most, cancellationToken)
            : [await client.FindWorkspaceAsync(only, cancellationToken)
                ?? throw new CliException($"there is no workspace '{only}'. 'rag workspace list' shows what there is.")];

        var rows = new StatusRow[workspaces.Count];
        await ForEachAsync(workspaces, async i =>
        {
            var indexing = await client.GetIndexingAsync(workspaces[i].Name, cancellationToken);
            rows[i] = ToRow(workspaces[i], indexing);
        }, cancellationToken);
        return rows;
    }

    private static Task ForEachAsync(IReadOnlyList<Workspace> workspaces, Func<int, Task> read, CancellationToken cancellationToken) =>
        System.Threading.Tasks.Parallel.ForAsync(
            0,
            workspaces.Count,
            new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellationToken },
            async (i, _) => await read(i));

    private StatusRow ToRow(Workspace workspace, WorkspaceIndexing indexing)
    {
        var pending = indexing.Queued + indexing.Retrying;
        lock (_first)
        {
            // More than at first: something new came in, so the measurement begins again.
            if (!_first.TryGetValue(workspace.Name, out var first) || pending > first.Pending || pending == 0)
            {
                _first[workspace.Name] = (time.GetTimestamp(), pending);
                return new StatusRow(workspace.Name, workspace.Model, indexing, null, null);
            }

            var seconds = time.GetElapsedTime(first.Stamp).TotalSeconds;
            var rate = seconds > 0 ? (first.Pending - pending) / seconds : 0;
            return new StatusRow(
                workspace.Name, workspace.Model, indexing, rate, rate > 0 ? TimeSpan.FromSeconds(pending / rate) : null);
        }
    }
}
