using System.CommandLine;
using RagPlatform.Cli;

namespace RagPlatform.Lab.Bench;

/// <summary><c>rag bench …</c>: how fast, and how right under load.</summary>
internal static class BenchVerb
{
    /// <summary>Makes the command. A new benchmark is one line here.</summary>
    public static Command Create(CliContext context) => new("bench", LabVerbs.Bench)
    {
        EmbedBench.Create(context),
        IndexBench.Create(context),
        SearchBench.Create(context),
        StartBench.Create(context),
    };
}
