using System.Text.Json;
using RagPlatform.SingleNode.Servers;

namespace RagPlatform.SingleNode;

/// <summary>The folder that one node keeps everything in. As long as it is open, no other node can open it.</summary>
internal sealed class DataFolder : IDisposable
{
    private const string LockName = "lock";
    private const string StateName = "node.json";

    private readonly FileStream _lock;
    private readonly bool _temporary;

    private DataFolder(string path, bool temporary, FileStream folderLock)
    {
        FullPath = path;
        _temporary = temporary;
        _lock = folderLock;
    }

    /// <summary>The folder, absolute.</summary>
    public string FullPath { get; }

    /// <summary>The file with the key that opens everything.</summary>
    public string AdminKeyFile => PathOf("admin.key");

    /// <summary>Opens a folder, which is made if it does not exist.</summary>
    /// <param name="path">The folder; null for a temporary one, which is deleted at the end.</param>
    /// <exception cref="SingleNodeException">Another node uses it, or a right is missing.</exception>
    public static DataFolder Open(string? path)
    {
        var temporary = path is null;
        // For its owner only: it has the keys. The servers' folders are opened for them before they change the user.
        path = path is null ? Directory.CreateTempSubdirectory("rag-node-").FullName : Path.GetFullPath(path);
        try
        {
            if (!Directory.Exists(path) && !OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            var folderLock = new FileStream(
                Path.Combine(path, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            var folder = new DataFolder(path, temporary, folderLock);
            File.Delete(folder.PathOf(StateName));
            return folder;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new SingleNodeException(
                SingleNodeExit.DataFolder,
                $"No right to write into {path}: start as its owner, or choose another data folder (--data).",
                e);
        }
        catch (IOException e) when (File.Exists(Path.Combine(path, LockName)))
        {
            throw new SingleNodeException(
                SingleNodeExit.DataFolder,
                $"{path} is in use by {Describe(path)}: stop that instance, or choose another data folder (--data).",
                e);
        }
    }

    /// <summary>The path of a file in the folder.</summary>
    public string PathOf(string name) => Path.Combine(FullPath, name);

    /// <summary>Writes where the node can be reached. The file is there exactly as long as the node is ready.</summary>
    public void WriteState(NodeState state)
    {
        // Renamed into place: whoever waits for the file reads all of it.
        PrivateFile.Write(PathOf(StateName + ".new"), JsonSerializer.Serialize(state, NodeState.JsonOptions));
        File.Move(PathOf(StateName + ".new"), PathOf(StateName), overwrite: true);
    }

    /// <summary>Says that the node is no longer ready.</summary>
    public void RemoveState() => File.Delete(PathOf(StateName));

    /// <summary>Closes the folder: another node can open it. A temporary one is deleted.</summary>
    public void Dispose()
    {
        RemoveState();
        _lock.Dispose();
        if (_temporary)
        {
            Directory.Delete(FullPath, recursive: true);
        }
    }

    private static string Describe(string path)
    {
        try
        {
            var state = JsonSerializer.Deserialize<NodeState>(
                File.ReadAllText(Path.Combine(path, StateName)), NodeState.JsonOptions);
            return $"process {state!.ProcessId} ({state.Api})";
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException)
        {
            return "another instance, which is starting or stopping";
        }
    }
}

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
    /// <summary>One value a line, so that a shell can read it too.</summary>
    public static JsonSerializerOptions JsonOptions { get; } = new(JsonSerializerDefaults.Web) { WriteIndented = true };
}

/// <summary>A server that the node started.</summary>
/// <param name="Port">Its port on 127.0.0.1.</param>
/// <param name="ProcessId">Its first process.</param>
internal sealed record ServerState(int Port, int? ProcessId);
