using RagPlatform.Cli;
using RagPlatform.Cli.Ingest;
using RagPlatform.Contracts;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Eval;

/// <summary>One evaluation of a collection: documents in, queries asked, figures out.</summary>
/// <param name="run">The run.</param>
/// <param name="client">The API.</param>
/// <param name="collection">The collection.</param>
/// <param name="workspace">The workspace that holds it.</param>
internal sealed class RetrievalEvaluation(FigureRun run, RagClient client, BeirCollection collection, string workspace)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_cleanUp = TimeSpan.FromSeconds(20);

    private bool _created;

    /// <summary>Puts the collection into the workspace and waits until it is searchable.</summary>
    /// <exception cref="UnsoundRunException">A document is missing, or the workspace holds others.</exception>
    public async Task IngestAsync(WorkspaceCreate settings)
    {
        await IngestCommand.FindOrCreateAsync(client, settings, create: true, run.CancellationToken);
        _created = true;

        var environment = run.Context.Environment;
        var scan = SourceScanner.Scan([collection.CorpusFile]);
        var progress = new IngestProgress(scan.Files.Sum(file => file.Length));
        var began = environment.Time.GetTimestamp();
        var indexing = await ProgressView.ShowAsync(environment, progress, async () =>
        {
            await new Ingestion(client, workspace, new SourceIdentity(collection.Name, "", ""), new IngestOptions(), progress)
                .RunAsync(scan, IngestLedger.None(), run.CancellationToken);
            return await new IndexingWait(client, environment.Time, s_patience)
                .WaitAsync(workspace, progress, run.CancellationToken);
        });

        if (progress.Refusals is [var refusal, ..])
        {
            throw new UnsoundRunException($"{Quantity.Of(progress.Refusals.Count, "document")} refused, such as '{refusal.Document}': {refusal.Reason}");
        }

        if (indexing.DeadLettered > 0)
        {
            throw new UnsoundRunException($"{indexing.DeadLettered} documents could not be indexed");
        }

        if (indexing.Documents != progress.Accepted)
        {
            throw new UnsoundRunException(
                $"workspace '{workspace}' holds {indexing.Documents} documents, the collection {progress.Accepted}: name an empty one, or none");
        }

        var took = environment.Time.GetElapsedTime(began);
        run.Progress(FormattableString.Invariant(
            $"{collection.Name}: {indexing.Documents} documents, {indexing.Chunks} passages, searchable after {took.TotalSeconds:0.0} s"));
    }

    /// <summary>Asks all queries in each mode and adds the figures.</summary>
    public async Task MeasureAsync(IReadOnlyList<SearchMode> modes)
    {
        var evaluator = new RetrievalEvaluator((request, token) => client.SearchAsync(workspace, request, token));
        var ndcg10 = new Dictionary<SearchMode, double>();
        foreach (var mode in modes)
        {
            var began = run.Context.Environment.Time.GetTimestamp();
            var quality = await evaluator.EvaluateAsync(collection.Queries, mode, run.CancellationToken);
            ndcg10[mode] = quality.Ndcg10;

            var name = $"eval.{collection.Name}.{mode.ToString().ToLowerInvariant()}";
            run.Figures.Add(name + ".ndcg10", quality.Ndcg10, goal: EvalGoals.Ndcg10(collection.Name, mode, ndcg10));
            run.Figures.Add(name + ".recall100", quality.Recall100);
            run.Figures.Add(name + ".map", quality.Map100);
            run.Figures.Add(name + ".mrr10", quality.Mrr10);
            run.Figures.Add(name + ".queries", quality.Queries);
            run.Progress(FormattableString.Invariant(
                $"{name}: {quality.Queries} queries in {run.Context.Environment.Time.GetElapsedTime(began).TotalSeconds:0.0} s"));
        }
    }

    /// <summary>Deletes the workspace, also after Ctrl-C; says so when it cannot.</summary>
    public async Task DeleteWorkspaceAsync()
    {
        if (!_created)
        {
            return;
        }

        using var timeout = new CancellationTokenSource(s_cleanUp, run.Context.Environment.Time);
        try
        {
            await client.DeleteWorkspaceAsync(workspace, workspace, timeout.Token);
        }
        catch (Exception e) when (e is RagApiException or HttpRequestException or OperationCanceledException or TimeoutException)
        {
            run.Progress($"rag: workspace '{workspace}' could not be deleted: {e.Message}");
        }
    }
}
