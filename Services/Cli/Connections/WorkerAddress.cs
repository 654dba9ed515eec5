namespace RagPlatform.Cli.Connections;

/// <summary>Where the indexing worker answers, whose operations are not part of the API.</summary>
internal static class WorkerAddress
{
    /// <summary><paramref name="url"/>, else <c>RAG_WORKER_URL</c>, else what a running local node wrote to <c>node.json</c>.</summary>
    /// <exception cref="CliException">There is none.</exception>
    public static Uri Find(CliEnvironment environment, string? url)
    {
        var text = url ?? environment.Variable("RAG_WORKER_URL") ?? LocalNode.FindAddress(LocalData.Find(environment), "worker");
        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : throw new CliException("where is the indexing worker? Pass --worker-url, or set RAG_WORKER_URL; a local node is found by itself while it runs.");
    }
}
