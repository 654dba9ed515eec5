using System.ComponentModel;
using System.Diagnostics;

namespace RagPlatform.AppHost.Tests;

/// <summary>Whether this machine can run containers.</summary>
internal static class ContainerRuntime
{
    private static readonly TimeSpan s_answerTimeout = TimeSpan.FromSeconds(20);

    /// <summary>In CI a start that cannot be tested is a failure, not a skip.</summary>
    public static bool IsRequired => Environment.GetEnvironmentVariable("RAG_TEST_APPHOST") == "1";

    /// <summary>Asks Docker, then Podman; the one that <c>ASPIRE_CONTAINER_RUNTIME</c> names alone, when it is set.</summary>
    public static async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        var chosen = Environment.GetEnvironmentVariable("ASPIRE_CONTAINER_RUNTIME");
        string[] candidates = string.IsNullOrEmpty(chosen) ? ["docker", "podman"] : [chosen];
        foreach (var candidate in candidates)
        {
            if (await AnswersAsync(candidate, cancellationToken))
            {
                return true;
            }
        }

        return false;
    }

    private static async Task<bool> AnswersAsync(string command, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(s_answerTimeout);
        using var process = new Process
        {
            StartInfo = new(command, "info") { RedirectStandardOutput = true, RedirectStandardError = true },
        };
        try
        {
            process.Start();
            await Task.WhenAll(process.StandardOutput.ReadToEndAsync(timeout.Token), process.StandardError.ReadToEndAsync(timeout.Token));
            await process.WaitForExitAsync(timeout.Token);
            return process.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            process.Kill(entireProcessTree: true);
            return false;
        }
    }
}
