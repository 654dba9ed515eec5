namespace RagPlatform.AppHost;

/// <summary>
/// The processes of Aspire's orchestrator, which stop the services after this application has stopped. Whoever waits for this process
/// expects that nothing of it runs any more.
/// </summary>
internal static class Orchestrator
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_pollInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>The file that all processes of this application's orchestrator are started with; null where it does not run.</summary>
    public static string? FindSession()
    {
        var monitor = Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture);
        foreach (var arguments in CommandLines())
        {
            var (monitored, kubeconfig) = (Array.IndexOf(arguments, "--monitor"), Array.IndexOf(arguments, "--kubeconfig"));
            if (monitored >= 0 && kubeconfig >= 0 && kubeconfig + 1 < arguments.Length && arguments[monitored + 1] == monitor)
            {
                return arguments[kubeconfig + 1];
            }
        }

        return null;
    }

    /// <summary>Returns when none of its processes is left, or after 30 seconds.</summary>
    /// <param name="session">What <see cref="FindSession"/> found.</param>
    public static async Task WaitForEndAsync(string? session)
    {
        var until = DateTime.UtcNow + s_patience;
        while (session is not null && CommandLines().Any(arguments => arguments.Contains(session)) && DateTime.UtcNow < until)
        {
            await Task.Delay(s_pollInterval);
        }
    }

    private static IEnumerable<string[]> CommandLines()
    {
        if (!OperatingSystem.IsLinux())
        {
            yield break;
        }

        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(folder => char.IsAsciiDigit(Path.GetFileName(folder)[0])))
        {
            string[] arguments;
            try
            {
                arguments = File.ReadAllText(folder + "/cmdline").Split('\0');
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Ended meanwhile, or somebody else's.
                continue;
            }

            yield return arguments;
        }
    }
}
