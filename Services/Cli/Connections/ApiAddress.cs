namespace RagPlatform.Cli.Connections;

/// <summary>Where the API is, and with which key.</summary>
/// <param name="Url">Its root.</param>
/// <param name="Key">The key.</param>
internal sealed record ApiAddress(Uri Url, string Key)
{
    /// <summary>Where a local node listens unless it was told otherwise.</summary>
    public const string Default = "http://127.0.0.1:5080";

    /// <summary>
    /// Finds both. The address: <paramref name="url"/>, else <c>RAG_URL</c>, else what a running local node wrote to <c>node.json</c> in its
    /// data folder, else <see cref="Default"/>. The key: <paramref name="key"/>, else <paramref name="keyFile"/>, else <c>RAG_API_KEY</c>,
    /// else <c>admin.key</c> in the data folder.
    /// </summary>
    /// <exception cref="CliException">The address is none, the file cannot be read, or there is no key.</exception>
    public static ApiAddress Find(CliEnvironment environment, string? url, string? key, string? keyFile)
    {
        var data = LocalData.Find(environment);
        return new ApiAddress(
            Parse(url ?? environment.Variable("RAG_URL") ?? LocalNode.FindAddress(data, "api") ?? Default),
            (key ?? FromFile(environment, keyFile) ?? environment.Variable("RAG_API_KEY") ?? FromAdminKey(data))?.Trim()
                ?? throw new CliException(
                    "no API key. Pass --key or --key-file, or set RAG_API_KEY; a local node keeps its admin key in .data/admin.key"
                    + (data is null ? "." : $" ({Path.Combine(data, "admin.key")} does not exist).")));
    }

    private static Uri Parse(string url) =>
        Uri.TryCreate(url.EndsWith('/') ? url : url + "/", UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            ? uri
            : throw new CliException($"'{url}' is no address. Expected something like {Default}.");

    private static string? FromFile(CliEnvironment environment, string? keyFile)
    {
        if (keyFile is null)
        {
            return null;
        }

        try
        {
            return File.ReadAllText(environment.FullPath(keyFile)) is { } key && !string.IsNullOrWhiteSpace(key)
                ? key
                : throw new CliException($"{keyFile} is empty.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException("the API key cannot be read: " + e.Message, e);
        }
    }

    private static string? FromAdminKey(string? data)
    {
        var file = data is null ? null : Path.Combine(data, "admin.key");
        try
        {
            return file is not null && File.Exists(file) ? File.ReadAllText(file) : null;
        }
        catch (UnauthorizedAccessException)
        {
            throw new CliException($"{file} cannot be read by this user. Pass --key, or set RAG_API_KEY.");
        }
    }
}
