namespace RagPlatform.Cli.Connections;

/// <summary>The data folder of a node on this machine.</summary>
internal static class LocalData
{
    /// <summary><c>RAG_DATA</c>, else <c>.data</c> of the repository that the program or the working directory is in; null if there is none.</summary>
    public static string? Find(CliEnvironment environment)
    {
        if (environment.Variable("RAG_DATA") is { } data)
        {
            return environment.FullPath(data);
        }

        return Repository(environment.WorkingDirectory) ?? Repository(environment.ProgramDirectory);
    }

    private static string? Repository(string start)
    {
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "RagPlatform.sln")))
            {
                return Path.Combine(folder.FullName, ".data");
            }
        }

        return null;
    }
}
