using System.CommandLine;

namespace RagPlatform.Cli;

/// <summary>
/// The verbs that host whole installations. They are in the program <c>RagPlatform.Lab</c>, which is this command line and them; the launcher
/// <c>rag</c> starts the one that a command line needs. Here they are named, so that help and completion are the same in both.
/// </summary>
internal static class LabVerbs
{
    /// <summary>What <c>rag eval</c> is for.</summary>
    public const string Eval = "Measure how good answers are.";

    /// <summary>What <c>rag bench</c> is for.</summary>
    public const string Bench = "Measure a temporary instance on this machine.";

    /// <summary>What <c>rag drill</c> is for.</summary>
    public const string Drill = "Put a temporary instance through trouble, and prove that nothing is lost, stale or mixed up.";

    /// <summary>The verbs, in the order of the help.</summary>
    public static IReadOnlyList<Func<CliContext, Command>> All { get; } =
        [_ => Name("eval", Eval), _ => Name("bench", Bench), _ => Name("drill", Drill)];

    private static Command Name(string verb, string description)
    {
        var command = new Command(verb, description) { TreatUnmatchedTokensAsErrors = false };
        command.SetAction(_ => Refuse(verb));
        return command;
    }

    private static int Refuse(string verb) => throw new CliException(
        $"'rag {verb}' hosts whole installations and is in a program of its own, RagPlatform.Lab: in a clone ./rag {verb} builds and starts it.");
}
