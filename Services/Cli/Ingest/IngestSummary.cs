using RagPlatform.Contracts;

namespace RagPlatform.Cli.Ingest;

/// <summary>What an ingestion says at its end: what went in, what was deleted, and what was left out or refused, and why.</summary>
internal static class IngestSummary
{
    private const int MostShown = 50;

    /// <summary>Prints what was done.</summary>
    /// <param name="environment">Where to print.</param>
    /// <param name="workspace">The workspace.</param>
    /// <param name="scan">What was found.</param>
    /// <param name="progress">What became of it.</param>
    /// <param name="after">Where the workspace stands; null when nobody waited for it.</param>
    /// <param name="took">How long it took.</param>
    public static void Print(
        CliEnvironment environment, string workspace, SourceScan scan, IngestProgress progress, WorkspaceIndexing? after, TimeSpan took)
    {
        var unchanged = progress.Unchanged + progress.Skipped;
        environment.Output.WriteLine(
            $"{workspace}: {Quantity.Of(progress.Settled, "document")} in {took.TotalSeconds:N1} s: "
            + $"{progress.Changed:N0} new or changed, {unchanged:N0} unchanged"
            + (progress.Deleted.Count > 0 ? $", {progress.Deleted.Count:N0} deleted" : "")
            + $", {progress.Refusals.Count:N0} refused.");
        PrintLeftOut(environment, scan, progress);
        environment.Output.WriteLine(after is null
            ? $"Not waited until they are searchable: rag status --workspace {workspace}"
            : $"The workspace has {Quantity.Of(after.Documents, "document")}, {Quantity.Of(after.Chunks, "passage")} searchable.");
        PrintSome(environment.Output, progress.Deleted.Select(id => $"deleted {id}").ToArray());
        PrintRefusals(environment, progress);
    }

    /// <summary>Prints what would be done.</summary>
    public static void PrintDryRun(
        CliEnvironment environment, string workspace, SourceScan scan, IngestProgress progress, Ingestion ingestion, IReadOnlyList<MissingDocuments> missing)
    {
        foreach (var id in ingestion.WouldPut)
        {
            environment.Output.WriteLine($"would put {TerminalText.Plain(id)}");
        }

        foreach (var id in missing.SelectMany(source => source.Ids))
        {
            environment.Output.WriteLine($"would delete {TerminalText.Plain(id)}");
        }

        environment.Output.WriteLine(
            $"{workspace}: {Quantity.Of(ingestion.WouldPut.Count, "document")} would be put, {progress.Skipped:N0} unchanged, "
            + $"{missing.Sum(source => source.Ids.Count):N0} would be deleted, {progress.Refusals.Count:N0} refused. Nothing was done.");
        PrintLeftOut(environment, scan, progress);
        PrintRefusals(environment, progress);
    }

    private static void PrintLeftOut(CliEnvironment environment, SourceScan scan, IngestProgress progress)
    {
        string[] parts =
        [
            scan.LeftOut.ToString(),
            progress.LinksOnly > 0 ? $"{Quantity.Of(progress.LinksOnly, "page")} of links only" : "",
            progress.LeftOutPieces > 0 ? $"{Quantity.Of(progress.LeftOutPieces, "piece")} of navigation and of what stands on most pages" : "",
        ];
        if (string.Join(", ", parts.Where(part => part.Length > 0)) is { Length: > 0 } leftOut)
        {
            environment.Output.WriteLine($"Left out: {leftOut}.");
        }

        if (progress.Empty > 0)
        {
            environment.Output.WriteLine($"{Quantity.Of(progress.Empty, "document")} without text.");
        }

        foreach (var root in scan.Roots.Where(root => !scan.Files.Any(file => file.Root == root)))
        {
            environment.Error.WriteLine($"There is nothing to ingest in {root.Path}.");
        }
    }

    private static void PrintRefusals(CliEnvironment environment, IngestProgress progress) =>
        PrintSome(environment.Error, progress.Refusals.Select(refusal => $"refused {refusal.Document}: {refusal.Reason}").ToArray());

    private static void PrintSome(TextWriter output, string[] lines)
    {
        foreach (var line in lines.Take(MostShown))
        {
            output.WriteLine(TerminalText.Plain(line));
        }

        if (lines.Length > MostShown)
        {
            output.WriteLine($"… and {lines.Length - MostShown:N0} more.");
        }
    }
}
