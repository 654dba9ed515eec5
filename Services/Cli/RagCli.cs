using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Net;
using System.Text.Json;
using RagPlatform.Cli.Asking;
using RagPlatform.Cli.Cache;
using RagPlatform.Cli.Completion;
using RagPlatform.Cli.Connections;
using RagPlatform.Cli.Doctor;
using RagPlatform.Cli.Documents;
using RagPlatform.Cli.Ingest;
using RagPlatform.Cli.Keys;
using RagPlatform.Cli.Mcp;
using RagPlatform.Cli.Queue;
using RagPlatform.Cli.Searching;
using RagPlatform.Cli.Status;
using RagPlatform.Cli.Transfer;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli;

/// <summary>The command line <c>rag</c>.</summary>
internal static class RagCli
{
    /// <summary>The verbs, in the order of the help. A new one is one line here.</summary>
    private static readonly Func<CliContext, Command>[] s_verbs =
    [
        IngestCommand.Create,
        SearchCommand.Create,
        AskCommand.Create,
        DocumentCommand.Create,
        LoadCommand.Create,
        StatusCommand.Create,
        QueueCommand.Create,
        DeadLettersCommand.Create,
        WorkspaceCommand.Create,
        KeyCommand.Create,
        ExportCommand.Create,
        ImportCommand.Create,
        CacheCommand.Create,
        McpCommand.Create,
        DoctorCommand.Create,
        OpenCommand.Create,
        EnvironmentCommand.Create,
        CompletionCommand.Create,
        CompletionCommand.CreateComplete,
    ];

    /// <summary>Runs one command line.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static Task<int> RunAsync(string[] args, CliEnvironment environment, CancellationToken cancellationToken = default) =>
        RunAsync(args, environment, LabVerbs.All, cancellationToken);

    /// <summary>Runs one command line of a program that has further verbs.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(
        string[] args, CliEnvironment environment, IReadOnlyList<Func<CliContext, Command>> further, CancellationToken cancellationToken = default)
    {
        var context = new CliContext(environment);
        var invocation = new InvocationConfiguration
        {
            Output = environment.Output,
            Error = environment.Error,
            EnableDefaultExceptionHandler = false,
            // An ephemeral node takes its servers down and removes its folder after Ctrl-C.
            ProcessTerminationTimeout = TimeSpan.FromSeconds(40),
        };

        var parse = CreateRoot(context, invocation, further).Parse(args);
        if (parse.Action is ParseErrorAction refusal)
        {
            refusal.ShowHelp = false;
            invocation.Output = environment.Error;
            await parse.InvokeAsync(invocation, cancellationToken);
            await environment.Error.WriteLineAsync($"See: {CommandPath(parse)} --help");
            return ExitCode.Usage;
        }

        try
        {
            return await parse.InvokeAsync(invocation, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            await environment.Error.WriteLineAsync("rag: cancelled.");
            return ExitCode.Cancelled;
        }
        catch (Exception e) when (Explain(e, parse, context) is { } explanation)
        {
            await environment.Error.WriteLineAsync("rag: " + explanation);
            if (environment.Variable("RAG_DEBUG") is not null)
            {
                await environment.Error.WriteLineAsync(e.ToString());
            }

            return e is UsageException or RagApiException { Status: HttpStatusCode.BadRequest, Errors.Count: > 0 } ? ExitCode.Usage : ExitCode.Failure;
        }
    }

    private static Command CreateRoot(CliContext context, InvocationConfiguration invocation, IEnumerable<Func<CliContext, Command>> further)
    {
        var help = new HelpOption();
        help.Action = new PlainHelp((SynchronousCommandLineAction)help.Action!);

        // No RootCommand: that one is named after the assembly, and people type "rag".
        var root = new Command("rag", "Documents in, answers out: the command line of the retrieval platform.")
        {
            help,
            new VersionOption(),
            context.Url,
            context.Key,
            context.KeyFile,
        };
        foreach (var create in s_verbs.Concat(further))
        {
            root.Subcommands.Add(create(context));
        }

        root.SetAction((_, token) => root.Parse("--help").InvokeAsync(invocation, token));
        return root;
    }

    private static string CommandPath(ParseResult parse)
    {
        var names = new Stack<string>();
        for (SymbolResult? result = parse.CommandResult; result is CommandResult { Command: var command }; result = result.Parent)
        {
            names.Push(command.Name);
        }

        return string.Join(' ', names);
    }

    // One line that says what to do; null for what nobody foresaw, whose stack trace is the best report.
    private static string? Explain(Exception exception, ParseResult parse, CliContext context) => exception switch
    {
        CliException e => e.Message,
        RagApiException { Status: HttpStatusCode.Unauthorized } =>
            $"{Url(parse, context)} refused the API key. Pass --key or --key-file, or set RAG_API_KEY; "
            + "a local node keeps its admin key in .data/admin.key.",
        RagApiException { Status: HttpStatusCode.Forbidden } e =>
            e.Message.Contains("admin key", StringComparison.OrdinalIgnoreCase) ? e.Message : $"{e.Message} The admin key may do it.",
        RagApiException { Status: HttpStatusCode.NotFound } e => $"{e.Message} 'rag workspace list' shows what there is.",
        // The fields say it all; the title only says that there are some.
        RagApiException { Errors.Count: > 0 } e => string.Join(' ', e.Errors.Select(error => $"{error.Key}: {string.Join(' ', error.Value)}")),
        RagApiException e => e.Message,
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError } =>
            $"nothing answers at {Url(parse, context)}. Start the platform with ./run.sh, or say where it is with --url or RAG_URL.",
        HttpRequestException e => $"{Url(parse, context)} did not answer properly: {e.GetBaseException().Message}",
        JsonException or NotSupportedException { Source: "System.Net.Http.Json" } =>
            $"what answers at {Url(parse, context)} is no search API. Say where it is with --url or RAG_URL.",
        TimeoutException e => e.Message,
        IOException or UnauthorizedAccessException => exception.Message,
        _ => null,
    };

    private static string Url(ParseResult parse, CliContext context)
    {
        try
        {
            return context.Address(parse).Url.ToString().TrimEnd('/');
        }
        catch (CliException)
        {
            return "the API";
        }
    }
}
