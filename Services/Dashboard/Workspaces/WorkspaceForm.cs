using System.Globalization;
using RagPlatform.Contracts;
using RagPlatform.Dashboard.Platform;

namespace RagPlatform.Dashboard.Workspaces;

/// <summary>What is typed into the form of a new workspace.</summary>
internal sealed class WorkspaceForm
{
    public string? Name { get; set; }

    public string? Language { get; set; } = "english";

    /// <summary>Empty for the embedding service's default.</summary>
    public string? Model { get; set; }

    public ChunkingStrategy Strategy { get; set; }

    public string? TargetLength { get; set; } = "1200";

    public string? Overlap { get; set; } = "200";

    /// <summary>The fields that show errors of their own, by their paths in the API's request.</summary>
    public static IReadOnlyList<string> Fields { get; } =
        ["name", "language", "model", "chunking.strategy", "chunking.targetLength", "chunking.overlap"];

    /// <summary>The API's request, or what keeps it from being one; the rest is for the API to judge.</summary>
    public (WorkspaceCreate? Request, Failure? Failure) Read()
    {
        if (!int.TryParse(TargetLength, NumberStyles.Integer, CultureInfo.InvariantCulture, out var length))
        {
            return (null, Failure.OfField("chunking.targetLength", "It must be a whole number."));
        }

        if (!int.TryParse(Overlap, NumberStyles.Integer, CultureInfo.InvariantCulture, out var overlap))
        {
            return (null, Failure.OfField("chunking.overlap", "It must be a whole number."));
        }

        var model = Model is { Length: > 0 } ? Model.Trim() : null;
        return (new(Name?.Trim() ?? "", Language?.Trim() ?? "", model, new(Strategy, length, overlap)), null);
    }
}
