namespace RagPlatform.LocalServers;

/// <summary>Where things are in a data folder, whoever runs the platform over it, and the secrets in it.</summary>
/// <param name="Folder">The folder, absolute.</param>
internal sealed record DataFolderFiles(string Folder)
{
    /// <summary>The file with the key that opens everything.</summary>
    public string AdminKeyFile => PathOf("admin.key");

    /// <summary>The key that opens everything; made when there is none.</summary>
    public string AdminKey => Secret("admin.key", "rag_");

    /// <summary>The folder of PostgreSQL.</summary>
    public string Postgres => PathOf("postgres");

    /// <summary>The password of PostgreSQL's administrator; made when there is none.</summary>
    public string PostgresPassword => Secret("postgres.password");

    /// <summary>The password of the role that the services use; made when there is none.</summary>
    public string RolePassword => Secret("ragdb.password");

    /// <summary>There as long as the launched PostgreSQL can be used: it answers before the role and the database are made.</summary>
    public string PostgresReady => PathOf("postgres.ready");

    /// <summary>The folder of Valkey.</summary>
    public string Valkey => PathOf("valkey");

    /// <summary>The password of Valkey; made when there is none.</summary>
    public string ValkeyPassword => Secret("valkey.password");

    /// <summary>The folder of the keys that the dashboard's cookies are protected with.</summary>
    public string DashboardKeys => PathOf("dashboard-keys");

    /// <summary>The folder of the other services' data protection keys.</summary>
    public string DataProtection => PathOf("data-protection");

    /// <summary>Where the running platform can be reached; there exactly as long as it is ready.</summary>
    public string State => PathOf("node.json");

    /// <summary>Makes the folder if it does not exist: for its owner only, because it has the keys.</summary>
    /// <remarks>The servers' folders are opened for them before they change the user.</remarks>
    public void Create()
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(Folder);
        }
        else
        {
            Directory.CreateDirectory(Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    /// <summary>The path of a file in the folder.</summary>
    public string PathOf(string name) => Path.Combine(Folder, name);

    private string Secret(string name, string prefix = "")
    {
        Create();
        return PrivateFile.ReadOrCreateSecret(PathOf(name), prefix);
    }
}
