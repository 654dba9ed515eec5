using System.CommandLine;
using System.Net;
using RagPlatform.Cli.Connections;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Ingest;

/// <summary><c>rag ingest PATH… --workspace W</c>.</summary>
internal static class IngestCommand
{
    private const int MostRefusalsShown = 50;

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var paths = new Argument<string[]>("path")
        {
            Description = "Folders and files: .md .markdown .txt .html .htm, and BEIR's corpus.jsonl.",
            Arity = ArgumentArity.OneOrMore,
        };
        var workspace = WorkspaceOptions.Name();
        var create = new Option<bool>("--create")
        {
            Description = "Create the workspace if there is none of that name.",
            DefaultValueFactory = _ => true,
        };
        var settings = new WorkspaceOptions();
        var prefix = new Option<string>("--prefix") { Description = "Put before each document id.", DefaultValueFactory = _ => "", HelpName = "TEXT" };
        var parallel = new Option<int>("--parallel") { Description = "Batches in flight, 1 to 16.", DefaultValueFactory = _ => 4 };
        parallel.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && result.GetValueOrDefault<int>() is < 1 or > 16)
            {
                result.AddError("--parallel takes 1 to 16.");
            }
        });
        var priority = EnumOption.Create("--priority", "How soon, against other documents of all workspaces.", DocumentPriority.Normal);
        var noWait = new Option<bool>("--no-wait") { Description = "Do not wait until the documents are searchable." };
        var all = new Option<bool>("--all") { Description = "Send also what an earlier run from this machine has put already." };
        var deleteMissing = new Option<bool>("--delete-missing") { Description = "Delete documents that came from these folders and are gone." };
        var allowRefused = new Option<bool>("--allow-refused") { Description = "Exit with 0 although documents were refused." };

        var command = new Command(
            "ingest", "Put documents into a workspace. Unchanged ones cost nothing; an interrupted run goes on where it stopped.")
        {
            paths, workspace, create, settings.Model, settings.Language, settings.ChunkSize, settings.Overlap, settings.Strategy, prefix, parallel,
            priority, noWait, all, deleteMissing, allowRefused,
        };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var environment = context.Environment;
            var scan = SourceScanner.Scan(parse.GetRequiredValue(paths).Select(environment.FullPath));
            var address = context.Address(parse);
            var client = context.Connect(address, patient: true);
            var name = parse.GetRequiredValue(workspace);
            var target = await FindOrCreateAsync(client, settings.ToCreate(parse, name), parse.GetValue(create), cancellationToken);
            var before = await client.GetIndexingAsync(name, cancellationToken);

            using var ledger = parse.GetValue(all) ? IngestLedger.None() : IngestLedger.Open(LedgerFolder(environment), address.Url, target);
            var progress = new IngestProgress(scan.Files.Sum(file => file.Length));
            var ingestion = new Ingestion(
                client,
                name,
                new IngestOptions
                {
                    Prefix = parse.GetValue(prefix) ?? "",
                    Parallel = parse.GetValue(parallel),
                    Priority = parse.GetValue(priority),
                    DeleteMissing = parse.GetValue(deleteMissing),
                },
                progress);

            var began = environment.Time.GetTimestamp();
            WorkspaceIndexing? after = null;
            try
            {
                after = await ProgressView.ShowAsync(environment, progress, async () =>
                {
                    await ingestion.RunAsync(scan, ledger, cancellationToken);
                    return parse.GetValue(noWait)
                        ? null
                        : await new IndexingWait(client, environment.Time).WaitAsync(name, progress, cancellationToken);
                });
            }
            catch (Exception)
            {
                environment.Error.WriteLine(progress.Phase == IngestPhase.Indexing
                    ? $"What was accepted is being indexed all the same: rag status --watch --workspace {name}"
                    : $"{Quantity.Of(progress.Accepted, "document")} accepted before it stopped; the same command goes on from there.");
                throw;
            }

            Summarise(environment, name, scan, progress, after, environment.Time.GetElapsedTime(began));
            var deadLettered = after is null ? 0 : Math.Max(0, after.DeadLettered - before.DeadLettered);
            if (deadLettered > 0)
            {
                throw new CliException($"{Quantity.Of(deadLettered, "document")} could not be indexed: rag dead-letters list --workspace {name}");
            }

            return progress.Refusals.Count == 0 || parse.GetValue(allowRefused) ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    /// <summary>The workspace; it is created when there is none.</summary>
    /// <exception cref="CliException">There is none, and <paramref name="create"/> is false.</exception>
    public static async Task<Workspace> FindOrCreateAsync(
        RagClient client, WorkspaceCreate settings, bool create, CancellationToken cancellationToken)
    {
        if (await client.FindWorkspaceAsync(settings.Name, cancellationToken) is { } found)
        {
            return found;
        }

        if (!create)
        {
            throw new CliException($"there is no workspace '{settings.Name}'. 'rag workspace list' shows what there is.");
        }

        try
        {
            return await client.CreateWorkspaceAsync(settings, cancellationToken);
        }
        catch (RagApiException e) when (e.Status == HttpStatusCode.Conflict)
        {
            // Somebody else was faster.
            return await client.FindWorkspaceAsync(settings.Name, cancellationToken)
                ?? throw new CliException($"workspace '{settings.Name}' is being created or deleted by somebody else.", e);
        }
    }

    private static string LedgerFolder(CliEnvironment environment) => Path.Combine(
        LocalData.Find(environment) ?? Path.Combine(
            environment.Variable("XDG_STATE_HOME") ?? Path.Combine(environment.Variable("HOME") ?? Path.GetTempPath(), ".local", "state"), "rag"),
        "ingested");

    private static void Summarise(
        CliEnvironment environment, string workspace, SourceScan scan, IngestProgress progress, WorkspaceIndexing? after, TimeSpan took)
    {
        var refusals = progress.Refusals;
        var unchanged = progress.Unchanged + progress.Skipped;
        environment.Output.WriteLine(
            $"{workspace}: {Quantity.Of(progress.Settled, "document")} in {took.TotalSeconds:N1} s: "
            + $"{progress.Changed:N0} new or changed, {unchanged:N0} unchanged"
            + (progress.Deleted > 0 ? $", {progress.Deleted:N0} deleted" : "")
            + $", {refusals.Count:N0} refused"
            + (scan.Ignored > 0 ? $"; {Quantity.Of(scan.Ignored, "file")} of other kinds ignored" : "")
            + ".");
        environment.Output.WriteLine(after is null
            ? $"Not waited until they are searchable: rag status --workspace {workspace}"
            : $"The workspace has {Quantity.Of(after.Documents, "document")}, {Quantity.Of(after.Chunks, "passage")} searchable.");

        foreach (var refusal in refusals.Take(MostRefusalsShown))
        {
            environment.Error.WriteLine($"refused {refusal.Document}: {refusal.Reason}");
        }

        if (refusals.Count > MostRefusalsShown)
        {
            environment.Error.WriteLine($"… and {refusals.Count - MostRefusalsShown:N0} more.");
        }
    }
}
