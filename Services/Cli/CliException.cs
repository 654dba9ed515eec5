namespace RagPlatform.Cli;

/// <summary>What a person has to read instead of a stack trace.</summary>
/// <param name="message">What is wrong and what to do about it, on one line.</param>
/// <param name="inner">The cause.</param>
internal class CliException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>What was asked for cannot be meant: nothing was done, and the exit code is <see cref="ExitCode.Usage"/>.</summary>
/// <param name="message">What is wrong and what is expected, on one line.</param>
/// <param name="inner">The cause.</param>
internal sealed class UsageException(string message, Exception? inner = null) : CliException(message, inner);

/// <summary>What the process ends with.</summary>
internal static class ExitCode
{
    /// <summary>It was done.</summary>
    public const int Success = 0;

    /// <summary>It failed, or with <c>--check</c> a figure fell short.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong: nothing was done.</summary>
    public const int Usage = 2;

    /// <summary>Ctrl-C.</summary>
    public const int Cancelled = 130;
}
