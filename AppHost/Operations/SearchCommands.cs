using Microsoft.Extensions.Diagnostics.HealthChecks;
using RagPlatform.Contracts;

namespace RagPlatform.AppHost.Operations;

/// <summary>What can be done to the platform from the Aspire dashboard, through the search API.</summary>
internal static class SearchCommands
{
    private const string SampleWorkspace = "docs";
    private const int PageSize = 100;

    /// <summary>Adds <c>reindex-all</c>, <c>replay-dead-letters</c> and <c>ingest-samples</c>.</summary>
    public static IResourceBuilder<ProjectResource> WithSearchCommands(
        this IResourceBuilder<ProjectResource> api, IResourceBuilder<ParameterResource> adminKey)
    {
        var client = new ApiConnection(api, adminKey);
        api.WithCommand(
            "reindex-all",
            "Reindex everything",
            context => TryAsync(() => ReindexAsync(client, context.CancellationToken)),
            new CommandOptions
            {
                Description = "Queues every document of every workspace to be cut and embedded again, behind what is written meanwhile.",
                ConfirmationMessage = "Index every document of every workspace again?",
                IconName = "ArrowSync",
                UpdateState = WhenHealthy,
            });
        api.WithCommand(
            "replay-dead-letters",
            "Replay dead letters",
            context => TryAsync(() => ReplayAsync(client, context.CancellationToken)),
            new CommandOptions
            {
                Description = "Queues the documents of every workspace again that could not be indexed.",
                ConfirmationMessage = "Try every document again that could not be indexed?",
                IconName = "ArrowRepeatAll",
                UpdateState = WhenHealthy,
            });
#pragma warning disable ASPIREPROCESSCOMMAND001 // Marked as experimental; what it replaces, starting and reading a process, would be ours to write.
        api.WithProcessCommand(
            "ingest-samples",
            "Ingest the sample documents",
            async context => new ProcessCommandSpec("dotnet")
            {
                Arguments = [Programs.CommandLine, "ingest", "README.md", "docs", "--workspace", SampleWorkspace],
                WorkingDirectory = Path.GetDirectoryName(api.ApplicationBuilder.AppHostDirectory.TrimEnd('/')),
                EnvironmentVariables =
                {
                    [ApiConnection.AddressVariable] = api.GetEndpoint("http").Url,
                    [ApiConnection.KeyVariable] = await client.GetKeyAsync(context.CancellationToken) ?? "",
                },
            },
            new ProcessCommandOptions
            {
                Description = $"Puts the project's own documentation into the workspace \"{SampleWorkspace}\".",
                ConfirmationMessage = $"Put the project's documentation into the workspace \"{SampleWorkspace}\"?",
                IconName = "DocumentAdd",
                UpdateState = WhenHealthy,
                MaxOutputLineCount = 20,
            });
#pragma warning restore ASPIREPROCESSCOMMAND001
        return api;
    }

    /// <summary>A command that needs its resource is offered while that is healthy.</summary>
    internal static ResourceCommandState WhenHealthy(UpdateCommandStateContext context) =>
        context.ResourceSnapshot.HealthStatus is HealthStatus.Healthy ? ResourceCommandState.Enabled : ResourceCommandState.Disabled;

    private static async Task<string> ReindexAsync(ApiConnection api, CancellationToken cancellationToken)
    {
        var client = await api.OpenAsync(cancellationToken);
        var job = await client.ReindexAsync(workspace: null, cancellationToken: cancellationToken);
        return $"Reindexing {job.Id} is on its way; the dashboard shows how far it is.";
    }

    private static async Task<string> ReplayAsync(ApiConnection api, CancellationToken cancellationToken)
    {
        var client = await api.OpenAsync(cancellationToken);
        var (replayed, cursor) = (0L, (string?)null);
        do
        {
            var page = await client.ListWorkspacesAsync(cursor, PageSize, cancellationToken);
            foreach (var workspace in page.Items)
            {
                replayed += (await client.ReplayDeadLettersAsync(workspace.Name, new DeadLetterSelection(All: true), cancellationToken)).Count;
            }

            cursor = page.NextCursor;
        }
        while (cursor is not null);
        return $"{replayed} dead letters are queued again.";
    }

    private static async Task<ExecuteCommandResult> TryAsync(Func<Task<string>> work)
    {
        try
        {
            return CommandResults.Success(await work());
        }
        catch (Exception e) when (e is HttpRequestException or RagApiException)
        {
            return CommandResults.Failure(e.Message);
        }
    }
}
