using System.ComponentModel;
using System.Diagnostics;

namespace RagPlatform.AppHost.Backends;

/// <summary>Docker or Podman of this machine.</summary>
internal static class ContainerEngine
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>Does one answer? <c>ASPIRE_CONTAINER_RUNTIME</c> says which to ask; without it both are.</summary>
    public static bool Answers()
    {
        var chosen = Environment.GetEnvironmentVariable("ASPIRE_CONTAINER_RUNTIME");
        string[] candidates = string.IsNullOrEmpty(chosen) ? ["docker", "podman"] : [chosen];
        return candidates.Any(Answers);
    }

    private static bool Answers(string program)
    {
        // A client without a server is installed in many places: only the server's answer counts.
        using var process = new Process
        {
            StartInfo = new(program, "info") { RedirectStandardOutput = true, RedirectStandardError = true },
        };
        try
        {
            process.OutputDataReceived += (_, _) => { };
            process.ErrorDataReceived += (_, _) => { };
            process.Start();
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            if (process.WaitForExit(s_patience))
            {
                return process.ExitCode == 0;
            }

            process.Kill(entireProcessTree: true);
            return false;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }
}
