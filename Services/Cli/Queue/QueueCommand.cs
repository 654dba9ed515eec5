using System.CommandLine;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Queue;

/// <summary><c>rag queue pause|resume|cancel|reindex</c>.</summary>
internal static class QueueCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context) => new("queue", "Pause, resume or cancel a workspace's indexing, or index documents again.")
    {
        CreateStep(context, "pause", "Pause indexing: writes go on being queued.", async (client, workspace, token) =>
            $"{workspace}: paused, {Quantity.Of((await client.PauseIndexingAsync(workspace, token)).Queued, "task")} queued."),
        CreateStep(context, "resume", "End a pause.", async (client, workspace, token) =>
            $"{workspace}: goes on, {Quantity.Of((await client.ResumeIndexingAsync(workspace, token)).Queued, "task")} queued."),
        CreateStep(context, "cancel", "Empty the queue. What is not searchable therefore becomes a dead letter, which can be replayed.", CancelAsync),
        CreateReindex(context),
    };

    private static async Task<string> CancelAsync(RagClient client, string workspace, CancellationToken cancellationToken)
    {
        var cancelled = await client.CancelIndexingAsync(workspace, cancellationToken);
        return $"{workspace}: {Quantity.Of(cancelled.Tasks, "task")} cancelled, {Quantity.Of(cancelled.DeadLetters, "dead letter")}.";
    }

    private static Command CreateStep(
        CliContext context, string name, string description, Func<RagClient, string, CancellationToken, Task<string>> runAsync)
    {
        var workspace = WorkspaceOptions.Name(context);
        var command = new Command(name, description) { workspace };
        command.SetAction(async (parse, cancellationToken) => context.Environment.Output.WriteLine(
            await runAsync(context.Connect(parse), parse.GetRequiredValue(workspace), cancellationToken)));
        return command;
    }

    private static Command CreateReindex(CliContext context)
    {
        var workspace = new Option<string?>("--workspace", "-w") { Description = "The workspace.", HelpName = "NAME" };
        var all = new Option<bool>("--all") { Description = "Every workspace. Needs the admin key." };
        var since = new Option<DateTimeOffset?>("--since") { Description = "Only documents that were written since then, such as 2026-11-20T08:00Z." };
        var priority = EnumOption.Create("--priority", "How soon, against other documents.", DocumentPriority.Low);
        var command = new Command("reindex", "Index documents again, in the background. Follow it with: rag status --watch")
        {
            workspace, all, since, priority,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(workspace) is null != result.GetValue(all))
            {
                result.AddError("Give --workspace, or --all.");
            }
        });
        command.SetAction(async (parse, cancellationToken) =>
        {
            var name = parse.GetValue(workspace);
            var job = await context.Connect(parse)
                .ReindexAsync(name, new ReindexRequest(parse.GetValue(since), parse.GetValue(priority)), cancellationToken);
            context.Environment.Output.WriteLine(FormattableString.Invariant($"{name ?? "every workspace"}: reindexing {job.Id} has begun."));
        });
        return command;
    }
}
