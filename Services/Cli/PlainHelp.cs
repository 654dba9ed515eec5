using System.CommandLine;
using System.CommandLine.Invocation;
using System.Text.RegularExpressions;

namespace RagPlatform.Cli;

/// <summary>Help whose defaults are written as they are typed: in lower case, and none where there is none.</summary>
/// <param name="inner">The help.</param>
internal sealed partial class PlainHelp(SynchronousCommandLineAction inner) : SynchronousCommandLineAction
{
    /// <inheritdoc />
    public override int Invoke(ParseResult parseResult)
    {
        var configuration = parseResult.InvocationConfiguration;
        var output = configuration.Output;
        using var text = new StringWriter { NewLine = output.NewLine };
        try
        {
            configuration.Output = text;
            return inner.Invoke(parseResult);
        }
        finally
        {
            configuration.Output = output;
            output.Write(Default().Replace(text.ToString(), match => match.Groups["value"].Length == 0 ? "" : match.Value.ToLowerInvariant()));
        }
    }

    [GeneratedRegex(@" ?\[default: (?<value>\w*)\]")]
    private static partial Regex Default();
}
