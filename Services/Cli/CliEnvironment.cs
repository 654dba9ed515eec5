using System.Text;
using Spectre.Console;

namespace RagPlatform.Cli;

/// <summary>What surrounds the process: its streams, variables and clock. Tests put their own in its place.</summary>
internal sealed class CliEnvironment
{
    /// <summary>Columns of output that goes to a file or a pipe.</summary>
    private const int PipeWidth = 140;

    private readonly TextWriter _output = TextWriter.Null;
    private readonly TextWriter _error = TextWriter.Null;

    /// <summary>Results: what a script reads. What documents hold cannot steer a terminal from here.</summary>
    public required TextWriter Output
    {
        get => field;
        init => field = new TerminalWriter(_output = value);
    }

    /// <summary>Progress and errors: what a person reads. What documents hold cannot steer a terminal from here.</summary>
    public required TextWriter Error
    {
        get => field;
        init => field = new TerminalWriter(_error = value);
    }

    /// <summary>Whether a person sees <see cref="Output"/>.</summary>
    public bool OutputIsTerminal { get; init; }

    /// <summary>Whether a person sees <see cref="Error"/>.</summary>
    public bool ErrorIsTerminal { get; init; }

    /// <summary>Whether a person can be asked.</summary>
    public bool InputIsTerminal { get; init; }

    /// <summary>Environment variables.</summary>
    public Func<string, string?> Variable { get; init; } = _ => null;

    /// <summary>Relative paths start here.</summary>
    public string WorkingDirectory { get; init; } = Path.GetTempPath();

    /// <summary>The folder of the program.</summary>
    public string ProgramDirectory { get; init; } = Path.GetTempPath();

    /// <summary>The machine's name.</summary>
    public string MachineName { get; init; } = "here";

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>The network.</summary>
    public Func<HttpMessageHandler> CreateHandler { get; init; } = () => new SocketsHttpHandler
    {
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        ConnectTimeout = TimeSpan.FromSeconds(5),
    };

    /// <summary>This process.</summary>
    public static CliEnvironment ForProcess()
    {
        // Document ids and texts are UTF-8 on both sides, whatever the locale says.
        if (!OperatingSystem.IsWindows())
        {
            Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        }

        return new CliEnvironment
        {
            Output = Console.Out,
            Error = Console.Error,
            OutputIsTerminal = !Console.IsOutputRedirected,
            ErrorIsTerminal = !Console.IsErrorRedirected,
            InputIsTerminal = !Console.IsInputRedirected,
            Variable = name => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null,
            WorkingDirectory = Directory.GetCurrentDirectory(),
            ProgramDirectory = AppContext.BaseDirectory,
            MachineName = Environment.MachineName,
            OpenInput = Console.OpenStandardInput,
            OpenAddress = Connections.OpenCommand.OpenOnDesktop,
        };
    }

    /// <summary>Results to the byte, for a file or a program; a terminal gets what <see cref="Output"/> lets pass.</summary>
    public TextWriter Data => OutputIsTerminal ? Output : _output;

    /// <summary>Shows an address in a browser.</summary>
    public Action<Uri> OpenAddress { get; init; } = _ => { };

    /// <summary>What is passed on standard input.</summary>
    public Func<Stream> OpenInput { get; init; } = () => Stream.Null;

    /// <summary>A console for results. It steers the terminal: text of documents goes through <see cref="TerminalText"/> first.</summary>
    public IAnsiConsole OutputConsole() => CreateConsole(_output, OutputIsTerminal);

    /// <summary>A console for progress.</summary>
    public IAnsiConsole ErrorConsole() => CreateConsole(_error, ErrorIsTerminal);

    /// <summary>An absolute path.</summary>
    public string FullPath(string path) => Path.GetFullPath(path, WorkingDirectory);

    private static IAnsiConsole CreateConsole(TextWriter writer, bool isTerminal)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = isTerminal ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (!isTerminal)
        {
            console.Profile.Width = PipeWidth;
        }

        return console;
    }
}
