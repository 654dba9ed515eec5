using System.Text.Json;

namespace RagPlatform.LocalServers;

/// <summary>The folder that one node keeps everything in. As long as it is open, no other node can open it.</summary>
internal sealed class DataFolder : IDisposable
{
    private const string LockName = "lock";

    private readonly FileStream _lock;
    private readonly bool _temporary;

    private DataFolder(DataFolderFiles files, bool temporary, FileStream folderLock)
    {
        Files = files;
        _temporary = temporary;
        _lock = folderLock;
    }

    /// <summary>What is in it.</summary>
    public DataFolderFiles Files { get; }

    /// <summary>Opens a folder, which is made if it does not exist.</summary>
    /// <param name="path">The folder; null for a temporary one, which is deleted at the end.</param>
    /// <exception cref="LocalServerException">Another node uses it, or a right is missing.</exception>
    public static DataFolder Open(string? path)
    {
        var temporary = path is null;
        path = path is null ? Directory.CreateTempSubdirectory("rag-node-").FullName : Path.GetFullPath(path);
        var files = new DataFolderFiles(path);
        try
        {
            files.Create();
            var folderLock = new FileStream(
                Path.Combine(path, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            File.Delete(files.State);
            return new DataFolder(files, temporary, folderLock);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new LocalServerException(
                LocalServerFault.DataFolder,
                $"No right to write into {path}: start as its owner, or choose another data folder (--data).",
                e);
        }
        catch (IOException e) when (File.Exists(Path.Combine(path, LockName)))
        {
            throw new LocalServerException(
                LocalServerFault.DataFolder,
                $"{path} is in use by {Describe(files)}: stop that instance, or choose another data folder (--data).",
                e);
        }
    }

    /// <summary>Writes where the node can be reached. The file is there exactly as long as the node is ready.</summary>
    public void WriteState(NodeState state)
    {
        // Renamed into place: whoever waits for the file reads all of it.
        PrivateFile.Write(Files.State + ".new", JsonSerializer.Serialize(state, NodeState.JsonOptions));
        File.Move(Files.State + ".new", Files.State, overwrite: true);
    }

    /// <summary>Says that the node is no longer ready.</summary>
    public void RemoveState() => File.Delete(Files.State);

    /// <summary>Closes the folder: another node can open it. A temporary one is deleted.</summary>
    public void Dispose()
    {
        RemoveState();
        _lock.Dispose();
        if (_temporary)
        {
            Directory.Delete(Files.Folder, recursive: true);
        }
    }

    private static string Describe(DataFolderFiles files)
    {
        try
        {
            var state = JsonSerializer.Deserialize<NodeState>(File.ReadAllText(files.State), NodeState.JsonOptions);
            return $"process {state!.ProcessId} ({state.Api})";
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException)
        {
            return "another instance, which is starting or stopping";
        }
    }
}
