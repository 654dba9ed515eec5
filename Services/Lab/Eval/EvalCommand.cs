using System.CommandLine;
using RagPlatform.Cli;
using RagPlatform.Cli.Ingest;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;
using RagPlatform.Lab.Bench;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Eval;

/// <summary><c>rag eval retrieval --data DIR</c>.</summary>
internal static class EvalCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context) => new("eval", LabVerbs.Eval) { CreateRetrieval(context) };

    private static Command CreateRetrieval(CliContext context)
    {
        var data = new Option<string>("--data")
        {
            Description = "A BEIR folder: corpus.jsonl, queries.jsonl, qrels/test.tsv.",
            HelpName = "DIR",
            Required = true,
        };
        var modes = new Option<SearchMode[]>("--modes")
        {
            Description = "The modes to measure, separated by commas.",
            HelpName = "keyword,vector,hybrid",
            DefaultValueFactory = _ => [SearchMode.Keyword, SearchMode.Vector, SearchMode.Hybrid],
            CustomParser = result => EvalModes.Parse(string.Join(',', result.Tokens.Select(token => token.Value)), result.AddError),
        };
        var ephemeral = new Option<bool>("--ephemeral") { Description = "On a temporary instance of its own, which is removed afterwards." };
        var workspace = new Option<string?>("--workspace", "-w")
        {
            Description = "Put the collection into this workspace and keep it; else into a new one that is deleted afterwards.",
            HelpName = "NAME",
        };
        var keep = new Option<bool>("--keep") { Description = "Keep the new workspace." };
        var settings = new WorkspaceOptions(context);

        return FigureCommand.Create(
            context,
            "retrieval",
            "Measure nDCG@10, Recall@100, MAP and MRR@10 on a BEIR collection, by the conventions of trec_eval.",
            [data, modes, ephemeral, workspace, keep, settings.Model, settings.Language, settings.ChunkSize, settings.Overlap, settings.Strategy],
            async run =>
            {
                var folder = context.Environment.FullPath(run.Parse.GetRequiredValue(data));
                var collection = BeirCollection.Load(Path.TrimEndingDirectorySeparator(folder));
                await using var node = await StartAsync(run, run.Parse.GetValue(ephemeral));
                var name = run.Parse.GetValue(workspace);
                var temporary = name is null && !run.Parse.GetValue(keep) && !run.Parse.GetValue(ephemeral);
                name ??= EvalModes.WorkspaceName(collection.Name, context.Environment.Time.GetUtcNow());
                var evaluation = new RetrievalEvaluation(run, node.Client, collection, name);
                try
                {
                    await evaluation.IngestAsync(settings.ToCreate(run.Parse, name));
                    await evaluation.MeasureAsync(run.Parse.GetValue(modes) ?? []);
                }
                finally
                {
                    if (temporary)
                    {
                        await evaluation.DeleteWorkspaceAsync();
                    }
                }
            });
    }

    private static async Task<Node> StartAsync(FigureRun run, bool ephemeral) =>
        ephemeral ? await EphemeralNode.StartAsync(run) : Node.Running(run);
}
