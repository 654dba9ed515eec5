using Spectre.Console;

namespace RagPlatform.Cli.Status;

/// <summary><c>rag status --watch</c>: a table that follows what happens, or lines where nobody sees a table move.</summary>
internal static class StatusWatch
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    /// <summary>Shows the status until nothing is left to index, or until Ctrl-C.</summary>
    public static async Task RunAsync(CliEnvironment environment, StatusReader reader, CancellationToken cancellationToken)
    {
        if (environment.OutputIsTerminal)
        {
            var first = await reader.ReadAsync(cancellationToken);
            await environment.OutputConsole()
                .Live(StatusCommand.ToTable(first, environment.Time.GetUtcNow()))
                .StartAsync(live => FollowAsync(
                    environment, reader, rows => live.UpdateTarget(StatusCommand.ToTable(rows, environment.Time.GetUtcNow())), cancellationToken));
        }
        else
        {
            await FollowAsync(environment, reader, rows => PrintLines(environment, rows), cancellationToken);
        }
    }

    private static async Task FollowAsync(
        CliEnvironment environment, StatusReader reader, Action<IReadOnlyList<StatusRow>> show, CancellationToken cancellationToken)
    {
        while (true)
        {
            var rows = await reader.ReadAsync(cancellationToken);
            show(rows);
            if (rows.All(row => row.Indexing is { Queued: 0, Retrying: 0, Reindexing: false }))
            {
                return;
            }

            await Task.Delay(s_pause, environment.Time, cancellationToken);
        }
    }

    private static void PrintLines(CliEnvironment environment, IReadOnlyList<StatusRow> rows)
    {
        foreach (var row in rows.Where(row => rows.Count == 1 || row.Indexing.Queued + row.Indexing.Retrying > 0))
        {
            var indexing = row.Indexing;
            environment.Output.WriteLine(FormattableString.Invariant(
                $"{row.Workspace}: {indexing.Documents} documents, {indexing.Chunks} passages, {indexing.Queued} queued, {indexing.Retrying} retrying, {indexing.DeadLettered} dead")
                + (row.Rate is { } rate ? FormattableString.Invariant($", {rate:0.#}/s") : "")
                + (row.Left is { } left ? $", about {StatusCommand.Duration(left)} left" : ""));
        }
    }
}
