using System.Collections.Concurrent;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>
/// Estimates tokens of texts, calibrated for each space by what its provider counted. Decides how many texts a request carries; never where a
/// document is cut, because a ratio that moves would move the cuts and have unchanged text embedded again.
/// </summary>
internal sealed class TokenCalibration
{
    // What a provider says beyond that is a mistake of one of us.
    private const double LeastFactor = 0.2;
    private const double GreatestFactor = 5;

    private readonly ConcurrentDictionary<int, double> _factors = [];
    private readonly Dictionary<int, TokenRatioRow> _counted = [];
    private readonly Lock _lock = new();

    /// <summary>Tokens of a text, estimated.</summary>
    public int Estimate(int spaceId, string text) => Math.Max(1, (int)Math.Ceiling(Raw(text) * _factors.GetValueOrDefault(spaceId, 1)));

    /// <summary>Takes what was counted for texts of a request.</summary>
    public void Observe(int spaceId, IReadOnlyList<string> texts, long tokens)
    {
        if (tokens <= 0)
        {
            return;
        }

        var (characters, estimated) = (texts.Sum(t => (double)t.Length), texts.Sum(t => (double)Raw(t)));
        lock (_lock)
        {
            var before = _counted.GetValueOrDefault(spaceId) ?? new(spaceId, 0, 0, 0);
            _counted[spaceId] = before with
            {
                Characters = before.Characters + characters, Estimated = before.Estimated + estimated, Counted = before.Counted + tokens,
            };
        }

        // Until the sums of all workers are read again.
        _factors.TryAdd(spaceId, Factor(estimated, tokens));
    }

    /// <summary>Writes what was counted since the last time, and reads what all workers have counted.</summary>
    public async Task SynchronizeAsync(TokenRatioStore store, CancellationToken cancellationToken)
    {
        List<TokenRatioRow> counted;
        lock (_lock)
        {
            counted = [.. _counted.Values];
            _counted.Clear();
        }

        // What a failure loses is made up for by what is counted next.
        foreach (var row in counted)
        {
            await store.AddAsync(row, cancellationToken);
        }

        foreach (var row in await store.ListAsync(cancellationToken))
        {
            _factors[row.SpaceId] = Factor(row.Estimated, row.Counted);
        }
    }

    private static double Factor(double estimated, double counted) =>
        estimated > 0 ? Math.Clamp(counted / estimated, LeastFactor, GreatestFactor) : 1;

    // As the embedding service estimates before a provider has counted: a token for three characters of ASCII, or for one other character.
    private static int Raw(string text)
    {
        var ascii = 0;
        foreach (var c in text)
        {
            if (char.IsAscii(c))
            {
                ascii++;
            }
        }

        return Math.Max(1, ((ascii + 2) / 3) + (text.Length - ascii));
    }
}
