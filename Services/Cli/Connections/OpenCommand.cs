using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;

namespace RagPlatform.Cli.Connections;

/// <summary>Where the dashboard is.</summary>
internal static class DashboardAddress
{
    /// <summary>Where it listens unless it was told otherwise.</summary>
    public const string Default = "http://127.0.0.1:5081";

    /// <summary><c>RAG_DASHBOARD_URL</c>, else what a running local node wrote to <c>node.json</c>, else <see cref="Default"/>.</summary>
    public static string Find(CliEnvironment environment) =>
        environment.Variable("RAG_DASHBOARD_URL") ?? LocalNode.FindAddress(LocalData.Find(environment), "dashboard") ?? Default;
}

/// <summary><c>rag open</c>: the dashboard in the browser.</summary>
internal static class OpenCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var command = new Command("open", "Open the dashboard in the browser, and print its address.");
        command.SetAction(_ =>
        {
            var address = DashboardAddress.Find(context.Environment);
            if (!Uri.TryCreate(address, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
            {
                throw new CliException($"'{address}' is no address. Expected something like {DashboardAddress.Default}.");
            }

            context.Environment.Output.WriteLine(address);
            context.Environment.OpenAddress(uri);
        });
        return command;
    }

    /// <summary>Gives an address to the desktop; where there is none nothing happens.</summary>
    public static void OpenOnDesktop(Uri address)
    {
        // Its messages are not ours.
        var start = OperatingSystem.IsWindows() ? new ProcessStartInfo(address.ToString()) { UseShellExecute = true }
            : new ProcessStartInfo(OperatingSystem.IsMacOS() ? "open" : "xdg-open", [address.ToString()]) { RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using var opening = Process.Start(start);
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException)
        {
            // The address is printed.
        }
    }
}
