using System.CommandLine;
using System.Net;
using RagPlatform.Cli.Connections;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;
using Spectre.Console;

namespace RagPlatform.Cli.Ingest;

/// <summary><c>rag ingest PATH… --workspace W</c>.</summary>
internal static class IngestCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var paths = new Argument<string[]>("path")
        {
            Description = "Folders and files: .md .markdown .txt .html .htm, and BEIR's corpus.jsonl.",
            Arity = ArgumentArity.OneOrMore,
        };
        var workspace = WorkspaceOptions.Name(context);
        var create = new Option<bool>("--create")
        {
            Description = "Create the workspace if there is none of that name.",
            DefaultValueFactory = _ => true,
        };
        var settings = new WorkspaceOptions(context);
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
        var source = new Option<string?>("--source")
        {
            Description = "The name of the source, kept with each document; else the folder's place on this machine. The same name is the same source.",
            HelpName = "NAME",
        };
        var deleteMissing = new Option<bool>("--delete-missing")
        {
            Description = "Delete documents that came from these folders and are gone. Asks, or wants --yes, when these are more than half.",
        };
        var yes = new Option<bool>("--yes", "-y") { Description = "Delete without asking, however many." };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only list what would be put and deleted." };
        var allowRefused = new Option<bool>("--allow-refused") { Description = "Exit with 0 although documents were refused." };

        var command = new Command(
            "ingest", "Put documents into a workspace. Unchanged ones cost nothing; an interrupted run goes on where it stopped.")
        {
            paths, workspace, create, settings.Model, settings.Language, settings.ChunkSize, settings.Overlap, settings.Strategy, prefix, parallel,
            priority, noWait, all, source, deleteMissing, yes, dryRun, allowRefused,
        };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var environment = context.Environment;
            var scan = SourceScanner.Scan(parse.GetRequiredValue(paths).Select(environment.FullPath));
            var address = context.Address(parse);
            var client = context.Connect(address, patient: true);
            var name = parse.GetRequiredValue(workspace);
            var isDryRun = parse.GetValue(dryRun);
            var target = isDryRun
                ? await client.FindWorkspaceAsync(name, cancellationToken)
                : await FindOrCreateAsync(client, settings.ToCreate(parse, name), parse.GetValue(create), cancellationToken);
            var progress = new IngestProgress(scan.Files.Sum(file => file.Length));
            var ingestion = new Ingestion(
                client,
                name,
                new SourceIdentity(parse.GetValue(source), parse.GetValue(prefix) ?? "", environment.MachineName),
                new IngestOptions
                {
                    Prefix = parse.GetValue(prefix) ?? "",
                    Parallel = parse.GetValue(parallel),
                    Priority = parse.GetValue(priority),
                    Compare = parse.GetValue(deleteMissing) && target is not null,
                    DryRun = isDryRun,
                },
                progress);
            using var ledger = parse.GetValue(all) || target is null
                ? IngestLedger.None()
                : IngestLedger.Open(LedgerFolder(environment), address.Url, target);
            if (isDryRun)
            {
                await ingestion.RunAsync(scan, ledger, cancellationToken);
                IngestSummary.PrintDryRun(environment, name, scan, progress, ingestion, parse.GetValue(deleteMissing) ? ingestion.FindMissing(scan) : []);
                return progress.Refusals.Count == 0 || parse.GetValue(allowRefused) ? ExitCode.Success : ExitCode.Failure;
            }

            var before = await client.GetIndexingAsync(name, cancellationToken);
            var began = environment.Time.GetTimestamp();
            WorkspaceIndexing? after = null;
            string? kept = null;
            try
            {
                await ProgressView.ShowAsync(environment, progress, async () =>
                {
                    await ingestion.RunAsync(scan, ledger, cancellationToken);
                    return true;
                });
                if (parse.GetValue(deleteMissing))
                {
                    kept = await DeleteMissingAsync(environment, ingestion, scan, parse.GetValue(yes), cancellationToken);
                }

                if (!parse.GetValue(noWait))
                {
                    after = await ProgressView.ShowAsync(
                        environment, progress, () => new IndexingWait(client, environment.Time).WaitAsync(name, progress, cancellationToken));
                }
            }
            catch (Exception)
            {
                environment.Error.WriteLine(progress.Phase == IngestPhase.Indexing
                    ? $"What was accepted is being indexed all the same: rag status --watch --workspace {name}"
                    : $"{Quantity.Of(progress.Accepted, "document")} accepted before it stopped; the same command goes on from there.");
                throw;
            }

            IngestSummary.Print(environment, name, scan, progress, after, environment.Time.GetElapsedTime(began));
            var deadLettered = after is null ? 0 : Math.Max(0, after.DeadLettered - before.DeadLettered);
            if (deadLettered > 0)
            {
                throw new CliException($"{Quantity.Of(deadLettered, "document")} could not be indexed: rag dead-letters list --workspace {name}");
            }

            if (kept is not null)
            {
                throw new CliException(kept);
            }

            return progress.Refusals.Count == 0 || parse.GetValue(allowRefused) ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    // Why something was not deleted; null when all that is gone was.
    private static async Task<string?> DeleteMissingAsync(
        CliEnvironment environment, Ingestion ingestion, SourceScan scan, bool yes, CancellationToken cancellationToken)
    {
        IReadOnlyList<MissingDocuments> missing;
        try
        {
            missing = ingestion.FindMissing(scan);
        }
        catch (CliException e)
        {
            return e.Message;
        }

        string? kept = null;
        foreach (var source in missing)
        {
            var what = source.Ids.Count == source.Stored
                ? $"all {Quantity.Of(source.Stored, "document")}"
                : FormattableString.Invariant($"{source.Ids.Count:N0} of {Quantity.Of(source.Stored, "document")}");
            if (!source.IsLarge || yes || await AskAsync(environment, $"Delete {what} that came from {source.Source} and are gone?", cancellationToken))
            {
                await ingestion.DeleteAsync(source.Ids, cancellationToken);
            }
            else
            {
                kept = $"{what} that came from {source.Source} are gone, and were not deleted. --dry-run lists them, --yes deletes them.";
            }
        }

        return kept;
    }

    private static async Task<bool> AskAsync(CliEnvironment environment, string question, CancellationToken cancellationToken) =>
        environment.InputIsTerminal
        && await new ConfirmationPrompt(Markup.Escape(question)) { DefaultValue = false }.ShowAsync(environment.ErrorConsole(), cancellationToken);

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
}
