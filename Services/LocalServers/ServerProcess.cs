using System.Diagnostics;

namespace RagPlatform.LocalServers;

/// <summary>What to run, where, and as whom.</summary>
/// <param name="Name">The name that the system shows for the process: <c>postgres</c>, <c>valkey-server</c>.</param>
/// <param name="Folder">The server's own folder. The process opens it before it changes the user, as <see cref="FolderHandle"/>.</param>
/// <param name="WorkingFolder">The folder that the running server works in, without symbolic links: what it can be recognised by.</param>
/// <param name="File">The program.</param>
/// <param name="Arguments">Its arguments. No secrets: everybody on the machine can read them.</param>
/// <param name="User">The user to run as; null for the current one.</param>
/// <param name="Input">What the program reads on its standard input.</param>
internal sealed record ServerCommand(
    string Name,
    string Folder,
    string WorkingFolder,
    string File,
    IReadOnlyList<string> Arguments,
    UnixUser? User = null,
    string Input = "")
{
    /// <summary>
    /// The server's folder as the process itself sees it. An open handle needs no right on the folders above, so that a server that
    /// runs as another user can have its data below a home folder that only its owner may enter.
    /// </summary>
    public const string FolderHandle = "/proc/self/fd/9";

    /// <summary>The name of the file in <see cref="Folder"/> that gets what the process prints.</summary>
    public const string LogFile = "server.log";
}

/// <summary>
/// A server as a child process: in a session of its own, so that Ctrl-C reaches the host only and the host decides the order, and told
/// by the kernel to end when the host dies, even by SIGKILL.
/// </summary>
internal sealed class ServerProcess
{
    private const long LogLimit = 10_000_000;

    // 9 is the folder; the log is opened before the user changes. Everything execs, so the process id stays the same.
    private const string LaunchScript = """
        umask 077
        exec 9<"$1" >>"$1/server.log" 2>&1 || exit 1
        cd /
        shift
        exec "$@"
        """;

    private readonly TaskCompletionSource<int> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ServerProcess(int id) => Id = id;

    /// <summary>The process id.</summary>
    public int Id { get; }

    /// <summary>Completes with the exit code when the process ends.</summary>
    public Task<int> Exited => _exited.Task;

    /// <summary>Starts a server.</summary>
    /// <param name="command">What to run.</param>
    /// <param name="onHostDeath">The signal that the kernel sends when the host dies: one that ends the server in order.</param>
    public static async Task<ServerProcess> StartAsync(ServerCommand command, string onHostDeath)
    {
        TruncateLog(Path.Combine(command.Folder, ServerCommand.LogFile));
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, WorkingDirectory = "/" };
        string[] user = command.User is { } u ? [$"--reuid={u.Id}", $"--regid={u.GroupId}", "--clear-groups"] : [];
        string[] arguments =
        [
            "-c", LaunchScript, "sh", command.Folder, "setsid", "setpriv", "--pdeathsig", onHostDeath, "--no-new-privs", .. user, "--",
            command.File, .. command.Arguments,
        ];
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // The host's environment holds keys of providers, which a server has no use for.
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        start.Environment["LC_ALL"] = "C.UTF-8";

        // The kernel's "parent" is the thread that forked, not the process: that thread has to live as long as the child.
        var started = new TaskCompletionSource<ServerProcess>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() => Run(start, command.Input, started)) { IsBackground = true, Name = command.Name }.Start();
        return await started.Task;
    }

    /// <summary>The processes of that name whose working folder is <paramref name="folder"/>, whoever started them.</summary>
    /// <param name="name">The name that the system shows.</param>
    /// <param name="folder">A path without symbolic links.</param>
    public static IReadOnlyList<int> FindIn(string name, string folder)
    {
        var found = new List<int>();
        foreach (var entry in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(entry), out var id))
            {
                continue;
            }

            try
            {
                if (File.ReadAllText(entry + "/comm").TrimEnd() == name
                    && File.ResolveLinkTarget(entry + "/cwd", returnFinalTarget: false)?.FullName == folder)
                {
                    found.Add(id);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Ended meanwhile, or somebody else's.
            }
        }

        return found;
    }

    /// <summary>Sends a signal.</summary>
    public void Signal(int signal)
    {
        if (!_exited.Task.IsCompleted)
        {
            Unix.Send(Id, signal);
        }
    }

    private static void Run(ProcessStartInfo start, string input, TaskCompletionSource<ServerProcess> started)
    {
        try
        {
            using var process = Process.Start(start)!;
            var server = new ServerProcess(process.Id);
            process.StandardInput.Write(input);
            process.StandardInput.Close();
            started.SetResult(server);
            process.WaitForExit();
            server._exited.SetResult(process.ExitCode);
        }
        catch (Exception e)
        {
            started.TrySetException(e);
        }
    }

    private static void TruncateLog(string path)
    {
        if (File.Exists(path) && new FileInfo(path).Length > LogLimit)
        {
            File.Delete(path);
        }
    }
}
