using System.CommandLine;
using RagPlatform.Cli.Completion;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Workspaces;

/// <summary>Options that say what a new workspace shall be.</summary>
/// <param name="context">What every verb gets.</param>
internal sealed class WorkspaceOptions(CliContext context)
{
    /// <summary><c>--model</c>.</summary>
    public Option<string?> Model { get; } = new("--model")
    {
        Description = "The embedding model of a new workspace; else the embedding service's default.",
        CompletionSources = { new RemoteCompletion(context).Models },
    };

    /// <summary><c>--language</c>.</summary>
    public Option<string> Language { get; } = new("--language")
    {
        Description = "The language of a new workspace's keyword search: english, german, simple, …",
        DefaultValueFactory = _ => "english",
    };

    /// <summary><c>--chunk-size</c>.</summary>
    public Option<int?> ChunkSize { get; } = new("--chunk-size")
    {
        Description = "Wanted characters of a passage in a new workspace, 200 to 8,000; else 1,200. Without this, --overlap and --strategy: less where the model takes less.",
    };

    /// <summary><c>--overlap</c>.</summary>
    public Option<int?> Overlap { get; } = new("--overlap")
    {
        Description = "Characters that a passage repeats of the one before, 0 to half of --chunk-size; else 200, or that half if it is less.",
    };

    /// <summary><c>--strategy</c>.</summary>
    public Option<ChunkingStrategy> Strategy { get; } =
        EnumOption.Create("--strategy", "Where a new workspace's documents may be cut.", ChunkingStrategy.Markdown);

    /// <summary><c>--workspace</c>, required.</summary>
    public static Option<string> Name(CliContext context)
    {
        var option = new Option<string>("--workspace", "-w") { Description = "The workspace.", HelpName = "NAME", Required = true };
        option.CompletionSources.Add(new RemoteCompletion(context).Workspaces);
        return option;
    }

    /// <summary>What the command line asks for.</summary>
    public WorkspaceCreate ToCreate(ParseResult parse, string name) => new(
        name,
        parse.GetValue(Language) ?? "english",
        parse.GetValue(Model),
        ToChunking(parse.GetValue(Strategy), parse.GetValue(ChunkSize), parse.GetValue(Overlap)));

    // Nothing where nothing is asked for: then the API chooses what fits the model.
    private static ChunkingSettings? ToChunking(ChunkingStrategy strategy, int? size, int? overlap)
    {
        var standard = new ChunkingSettings();
        return strategy == standard.Strategy && size is null && overlap is null
            ? null
            : new(strategy, size ?? standard.TargetLength, overlap ?? Math.Min(standard.Overlap, (size ?? standard.TargetLength) / 2));
    }
}
