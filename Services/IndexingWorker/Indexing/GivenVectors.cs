using System.Runtime.InteropServices;
using System.Security.Cryptography;
using RagPlatform.IndexingWorker.Chunking;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>
/// The vectors that came with a document's chunks, for one space. The first one counts where a text is there several times. Where the index has
/// a given vector of a text, it stays only as long as the same one is given.
/// </summary>
internal sealed class GivenVectors
{
    private readonly Dictionary<ContentHash, (ContentHash Hash, float[] Vector)> _now = [];
    private readonly Dictionary<ContentHash, ContentHash> _before = [];

    private GivenVectors()
    {
    }

    /// <summary>What was given with the document for the space of its task, and what the index has of it.</summary>
    public static GivenVectors Of(IndexSource source)
    {
        var given = new GivenVectors();
        for (var i = 0; i < source.Given.Length; i += 2 * ContentHash.Length)
        {
            given._before[ContentHash.FromBytes(source.Given.AsSpan(i))] = ContentHash.FromBytes(source.Given.AsSpan(i + ContentHash.Length));
        }

        foreach (var chunk in source.Prepared ?? [])
        {
            if (chunk.Vector is { } vector && chunk.SpaceId == source.Space.SpaceId)
            {
                var hash = ContentHash.FromBytes(SHA256.HashData(MemoryMarshal.AsBytes<float>(vector)));
                given._now.TryAdd(ContentHash.Of(chunk.Text), (hash, vector));
            }
        }

        return given;
    }

    /// <summary>Whether the vector of a text is given.</summary>
    public bool Contains(ContentHash text) => _now.ContainsKey(text);

    /// <summary>Removes from the texts that the index has vectors of those whose vector must become another one.</summary>
    public void Forget(HashSet<ContentHash> known) =>
        known.RemoveWhere(text => _before.TryGetValue(text, out var before)
            ? !_now.TryGetValue(text, out var now) || now.Hash != before
            : _now.ContainsKey(text));

    /// <summary>Text and vector of what is given and not known.</summary>
    public Dictionary<ContentHash, ReadOnlyMemory<float>> Except(HashSet<ContentHash> known) =>
        _now.Where(g => !known.Contains(g.Key)).ToDictionary(g => g.Key, g => (ReadOnlyMemory<float>)g.Value.Vector);

    /// <summary>What is given, as <see cref="IndexDocument.Given"/> has it.</summary>
    public byte[] ToBytes() => [.. _now.SelectMany(g => (byte[])[.. g.Key.ToBytes(), .. g.Value.Hash.ToBytes()])];
}
