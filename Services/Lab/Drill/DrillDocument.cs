using RagPlatform.Contracts;
using RagPlatform.IndexingWorker.Chunking;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Lab.Drill;

/// <summary>A document as the drill has put it, and what the index has to have of it.</summary>
/// <param name="Text">Its text; null when its chunks are.</param>
/// <param name="Chunks">Its prepared chunks, or null when its text is to be cut.</param>
internal sealed record DrillDocument(string? Text, IReadOnlyList<PreparedChunk>? Chunks = null)
{
    /// <summary>Whether the provider refuses to embed it.</summary>
    public bool IsRefused => Chunks is null
        ? Text!.Contains(DrillTexts.Marker, StringComparison.Ordinal)
        : Expected(null).Any(chunk => !chunk.Given && chunk.Passage.Text.Contains(DrillTexts.Marker, StringComparison.Ordinal));

    /// <summary>What it is, for the trace.</summary>
    public string Description => Chunks is null
        ? $"{Text!.Length} characters"
        : $"{Chunks.Count} prepared chunks, {Chunks.Count(c => c.Vector is not null)} with a vector";

    /// <summary>Its passages with their vectors, in order.</summary>
    /// <param name="chunker">Cuts the text; not needed for prepared chunks.</param>
    public IReadOnlyList<(Passage Passage, float[] Vector, bool Given)> Expected(Chunker? chunker)
    {
        if (Chunks is null)
        {
            return [.. chunker!.Split(Text!).Select(p => (p, Embed(p.Text), false))];
        }

        // The first vector of a text counts for all chunks with it. The document's text is the chunks' texts with empty lines between.
        var given = Chunks.Where(c => c.Vector is not null).DistinctBy(c => c.Text).ToDictionary(c => c.Text, c => c.Vector!.ToArray());
        var passages = new List<(Passage, float[], bool)>(Chunks.Count);
        var start = 0;
        foreach (var chunk in Chunks)
        {
            var passage = new Passage(start, 0, chunk.Heading, chunk.Text);
            passages.Add(given.TryGetValue(chunk.Text, out var vector) ? (passage, vector, true) : (passage, Embed(chunk.Text), false));
            start += chunk.Text.Length + 2;
        }

        return passages;
    }

    private static float[] Embed(string text) => ScriptedEmbeddingServer.Embed(IndexingDrill.Model, text, IndexingDrill.Dimensions);
}
