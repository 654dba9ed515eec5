using RagPlatform.SingleNode;
using RagPlatform.SingleNode.Servers;

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
        catch (SingleNodeException e)
        {
            Missing(e.Message);
        }
    }

    /// <summary>The installed Valkey.</summary>
    public static string NeedValkey()
    {
        var program = LocalValkey.FindProgram();
        if (program is null)
        {
            Missing("valkey-server is not installed: run eng/install-backends.sh.");
        }

        return program!;
    }

    /// <summary>Ends the test: skipped, or failed in CI.</summary>
    public static void Missing(string reason)
    {
        Assert.SkipWhen(string.IsNullOrEmpty(Environment.GetEnvironmentVariable("CI")), reason);
        Assert.Fail(reason);
    }
}
