namespace RagPlatform.Cli.Connections;

/// <summary>Where the embedding service is: operators talk to it directly.</summary>
internal static class EmbeddingAddress
{
    /// <summary>Where a local node's listens unless it was told otherwise.</summary>
    public const string Default = "http://127.0.0.1:5082";

    /// <summary><paramref name="url"/>, else <c>RAG_EMBEDDING_URL</c>, else what a running local node wrote to <c>node.json</c>; with the API's key.</summary>
    /// <exception cref="CliException">There is no address, or no key.</exception>
    public static ApiAddress Find(CliEnvironment environment, string? url, string? key, string? keyFile)
    {
        var found = url ?? environment.Variable("RAG_EMBEDDING_URL") ?? LocalNode.FindAddress(LocalData.Find(environment), "embedding")
            ?? throw new CliException("there is no address of the embedding service. Pass --embedding-url, or set RAG_EMBEDDING_URL; a local node knows its own.");
        return ApiAddress.Find(environment, found, key, keyFile);
    }
}
