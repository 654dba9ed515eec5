using Npgsql;
using RagPlatform.IndexingWorker.Chunking;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Drill;

/// <summary>Compares the index with a model of it.</summary>
/// <param name="dataSource">The database.</param>
/// <param name="model">What was put, by document.</param>
/// <param name="chunker">How texts are cut.</param>
internal sealed class DrillVerdict(NpgsqlDataSource dataSource, IReadOnlyDictionary<string, DrillDocument> model, Chunker chunker)
{
    private readonly List<string> _problems = [];

    /// <summary>Counts what is lost, twice, or of nothing, and says where.</summary>
    public async Task<(int Lost, int Duplicates, int Orphans, IReadOnlyList<string> Problems)> ReachAsync(
        string workspace, SpaceRow space, CancellationToken cancellationToken)
    {
        var row = (await new WorkspaceStore(dataSource).FindAsync(workspace, cancellationToken).ConfigureAwait(false))!;
        var letters = await new DeadLetterStore(dataSource).ListAsync(row.WorkspaceId, ("", ""), null, false, 10_000, cancellationToken).ConfigureAwait(false);
        var dead = letters.Select(l => l.DocumentId).ToHashSet(StringComparer.Ordinal);
        var stored = new Dictionary<string, List<ChunkRow>>(StringComparer.Ordinal);
        var store = new ChunkStore(dataSource);
        for (long? after = 0; after is { } key;)
        {
            (var chunks, after) = await store.ListAsync(row.WorkspaceId, space, key, 100, cancellationToken).ConfigureAwait(false);
            foreach (var chunk in chunks)
            {
                (stored.TryGetValue(chunk.DocumentId, out var list) ? list : stored[chunk.DocumentId] = []).Add(chunk);
            }
        }

        var (lost, duplicates, orphans) = (0, 0, 0);
        foreach (var (id, document) in model)
        {
            if (document.IsRefused)
            {
                lost += Problem(!dead.Contains(id), $"{id} cannot be embedded, and does not say so");
                continue;
            }

            lost += Problem(dead.Contains(id), $"{id} is dead-lettered");
            lost += Problem(!Equal(document.Expected(chunker), stored.GetValueOrDefault(id, [])), $"{id} is not as it was put");
        }

        foreach (var (id, chunks) in stored)
        {
            duplicates += Problem(chunks.DistinctBy(c => c.Ordinal).Count() < chunks.Count, $"{id} has two chunks in one place");
            orphans += Problem(!model.ContainsKey(id), $"{id} was deleted, and has {chunks.Count} chunks");
        }

        var spaces = await new SpaceStore(dataSource).ListAsync(cancellationToken).ConfigureAwait(false);
        var diagnosis = await new DoctorStore(dataSource).CheckAsync(row.WorkspaceId, spaces, cancellationToken).ConfigureAwait(false);
        foreach (var fault in diagnosis.Faults)
        {
            Problem(true, $"the doctor says: {fault}");
            _ = fault.Kind switch
            {
                "duplicate" => duplicates++,
                "phantom" or "orphan_chunk" => orphans++,
                _ => lost++,
            };
        }

        return (lost, duplicates, orphans, _problems);
    }

    private static bool Equal(IReadOnlyList<(Passage Passage, float[] Vector, bool Given)> wanted, List<ChunkRow> stored) =>
        wanted.Count == stored.Count && wanted.Zip(stored).All(pair =>
            pair.First.Passage.Text == pair.Second.Text
            && (pair.First.Passage.Start, pair.First.Passage.Overlap, pair.First.Passage.Heading)
                == (pair.Second.Start, pair.Second.Overlap, pair.Second.Heading)
            && pair.First.Passage.Hash.ToBytes().AsSpan().SequenceEqual(pair.Second.Hash)
            && pair.Second.Vector is { } vector
            && vector.AsSpan().SequenceEqual(pair.First.Vector));

    private int Problem(bool there, string what)
    {
        if (there)
        {
            _problems.Add("WRONG: " + what);
        }

        return there ? 1 : 0;
    }
}
