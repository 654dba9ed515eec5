using System.Reflection;

namespace RagPlatform.AppHost;

/// <summary>Programs that are built with the AppHost and started by it, for <c>dotnet</c>.</summary>
internal static class Programs
{
    /// <summary>The command line <c>rag</c>.</summary>
    public static string CommandLine { get; } = Find("CommandLine");

    /// <summary>The launcher of PostgreSQL and Valkey of this machine.</summary>
    public static string LocalServers { get; } = Find("LocalServers");

    private static string Find(string name) => Path.GetFullPath(
        typeof(Programs).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == name).Value!);
}
