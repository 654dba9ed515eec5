using System.Text.Json;

namespace RagPlatform.LocalServers;

/// <summary>What <c>node.json</c> in the data folder says while the node is ready.</summary>
/// <param name="ProcessId">The node's process.</param>
/// <param name="StartedAt">When it was ready.</param>
/// <param name="Api">The search API.</param>
/// <param name="Dashboard">The dashboard.</param>
/// <param name="Embedding">The embedding service.</param>
/// <param name="Worker">The indexing worker.</param>
/// <param name="AdminKeyFile">The file with the key that opens everything.</param>
/// <param name="Postgres">The local PostgreSQL; null when the node uses one that existed.</param>
/// <param name="Valkey">The local Valkey; null when the node uses one that existed, or none.</param>
internal sealed record NodeState(
    int ProcessId,
    DateTimeOffset StartedAt,
    Uri Api,
    Uri Dashboard,
    Uri Embedding,
    Uri Worker,
    string AdminKeyFile,
    ServerState? Postgres,
    ServerState? Valkey)
{
    /// <summary>The login link of the Aspire dashboard; null where there is none.</summary>
    public Uri? Aspire { get; init; }

    /// <summary>One value a line, so that a shell can read it too.</summary>
    public static JsonSerializerOptions JsonOptions { get; } = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>What somebody who started it wants to know, a line each.</summary>
    public string Describe() => $"""
        API        {Api}
        Gateway    {Embedding}v1
        Dashboard  {Dashboard}{(Aspire is null ? "" : $"\nAspire     {Aspire}")}
        Admin key  {AdminKeyFile}
        """;
}

/// <summary>A server that the node started.</summary>
/// <param name="Port">Its port on 127.0.0.1.</param>
/// <param name="ProcessId">Its first process.</param>
internal sealed record ServerState(int Port, int? ProcessId);
