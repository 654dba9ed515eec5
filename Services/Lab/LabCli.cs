using System.CommandLine;
using RagPlatform.Cli;
using RagPlatform.Lab.Bench;
using RagPlatform.Lab.Drill;
using RagPlatform.Lab.Eval;

namespace RagPlatform.Lab;

/// <summary>The command line <c>rag</c> with the verbs that host whole installations to measure and break them.</summary>
internal static class LabCli
{
    private static readonly Func<CliContext, Command>[] s_verbs = [EvalCommand.Create, BenchVerb.Create, DrillCommand.Create];

    /// <summary>Runs one command line.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static Task<int> RunAsync(string[] args, CliEnvironment environment, CancellationToken cancellationToken = default) =>
        RagCli.RunAsync(args, environment, s_verbs, cancellationToken);
}
