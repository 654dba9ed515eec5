using System.CommandLine;

namespace RagPlatform.Cli.Bench;

/// <summary><c>rag bench …</c>: how fast, and how right under load.</summary>
internal static class BenchVerb
{
    /// <summary>Makes the command. A new benchmark is one line here.</summary>
    public static Command Create(CliContext context) => new("bench", "Measure a temporary instance on this machine.")
    {
        EmbedBench.Create(context),
        IndexBench.Create(context),
        SearchBench.Create(context),
    };
}
