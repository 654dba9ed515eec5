using RagPlatform.SingleNode;
using RagPlatform.LocalServers;

namespace RagPlatform.Integration.Tests.Infrastructure;

/// <summary>What a test needs from the machine. In CI what is missing fails the test; elsewhere it skips it, with the reason.</summary>
internal static class Requirements
{
    /// <summary>The installed PostgreSQL.</summary>
    public static void NeedPostgres()
    {
        try
        {
            PostgresBinaries.Choose(PostgresBinaries.FindAll(), dataMajor: null, folder: "");
        }
        catch (LocalServerException e)
        {
            throw Missing(e.Message);
        }
    }

    /// <summary>The installed Valkey.</summary>
    public static string NeedValkey() =>
        LocalValkey.FindProgram() ?? throw Missing("valkey-server is not installed: run eng/install-backends.sh.");

    /// <summary>Ends the test: skipped, or failed in CI. It never returns; the type lets callers write <c>throw</c>.</summary>
    public static Exception Missing(string reason)
    {
        Assert.SkipWhen(string.IsNullOrEmpty(Environment.GetEnvironmentVariable("CI")), reason);
        Assert.Fail(reason);
        return new InvalidOperationException(reason);
    }
}
