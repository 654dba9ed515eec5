using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>A chunk's keyword score.</summary>
/// <param name="LexicalId">Names the chunk's keyword text.</param>
/// <param name="DocumentKey">The chunk's document.</param>
/// <param name="Score">Its BM25 score, above 0.</param>
internal readonly record struct LexicalScore(long LexicalId, long DocumentKey, double Score);

/// <summary>The best chunks of a query.</summary>
/// <param name="Best">Best first; equal scores by id.</param>
/// <param name="IsAll">Whether there are no others with any of the query's terms.</param>
/// <param name="Decoded">Postings that had to be looked at.</param>
internal sealed record LexicalRanking(IReadOnlyList<LexicalScore> Best, bool IsAll, int Decoded);

/// <summary>
/// Scores a query by BM25. The best k are exactly those of scoring everything: terms are taken in the order of what they can add at most, and once
/// the k best have more than all remaining terms together, chunks without any term so far are not taken in any more (MaxScore: Turtle and Flood 1995).
/// The blocks of the first term are taken by their highest impact, until no further block can matter.
/// </summary>
internal static class Bm25Scorer
{
    // Sums in another order differ in the last digits; pruning must not depend on them.
    private const double Rounding = 1 - 1e-9;

    /// <summary>Finds the best chunks.</summary>
    /// <param name="query">The query's terms with their postings.</param>
    /// <param name="k">How many are wanted, at least 1.</param>
    /// <param name="allowed">If not null, only chunks of these documents count.</param>
    public static LexicalRanking Rank(LexicalQueryRow query, int k, IReadOnlySet<long>? allowed = null)
    {
        var average = query.AverageLength;
        var terms = query.Terms.Where(term => term.Count > 0).Select(term => new WeightedTerm(term, query.Documents, average))
            .OrderByDescending(term => term.Most).ToArray();
        var remaining = new double[terms.Length + 1];
        for (var i = terms.Length - 1; i >= 0; i--)
        {
            remaining[i] = remaining[i + 1] + terms[i].Most;
        }

        var scores = new ScoreTable((int)Math.Min(1 << 16, terms.Sum(term => term.Row.Count)));
        var isAll = true;
        var decoded = 0;
        for (var i = 0; i < terms.Length; i++)
        {
            var threshold = i == 0 ? 0 : scores.KthBest(k);
            var takeNew = threshold * Rounding <= remaining[i];
            isAll &= takeNew;
            foreach (var posting in terms[i].Row.Recent)
            {
                decoded++;
                Add(terms[i].Weight, posting, takeNew);
            }

            var sinceThreshold = 0;
            foreach (var (block, most) in terms[i].Blocks)
            {
                // A threshold from before is still a lower bound; a new one is worth its price after a few thousand postings.
                if (i == 0 && sinceThreshold > 2000)
                {
                    threshold = scores.KthBest(k);
                    sinceThreshold = 0;
                }

                if (i == 0 && most + remaining[1] < threshold * Rounding)
                {
                    isAll = false;
                    break;
                }

                var reader = new LexicalBlock.Reader(block.Postings);
                while (reader.Next(out var posting))
                {
                    Add(terms[i].Weight, posting, takeNew);
                }

                decoded += block.Count;
                sinceThreshold += block.Count;
            }
        }

        return new(scores.Best(k), isAll && scores.Count <= k, decoded);

        void Add(double weight, Posting posting, bool takeNew)
        {
            if (allowed is null || allowed.Contains(posting.DocumentKey))
            {
                scores.Add(posting, weight * Bm25.Impact(posting.Frequency, posting.Length, average), takeNew);
            }
        }
    }

    private readonly struct WeightedTerm
    {
        public WeightedTerm(LexicalTermRow row, long documents, double average)
        {
            Row = row;
            Weight = Bm25.Idf(documents, row.Documents) * row.QueryFrequency;
            var weight = Weight;
            Blocks = [.. row.Blocks
                .Select(block => (block, weight * Bm25.UpperBound(block.HighestImpact, block.AverageLength, average)))
                .OrderByDescending(block => block.Item2)];
            Most = Blocks.Length > 0 ? Blocks[0].Most : 0;
            foreach (var posting in row.Recent)
            {
                Most = Math.Max(Most, weight * Bm25.Impact(posting.Frequency, posting.Length, average));
            }
        }

        public LexicalTermRow Row { get; }

        public double Weight { get; }

        public double Most { get; }

        public (LexicalBlockRow Block, double Most)[] Blocks { get; }
    }
}

/// <summary>Scores by lexical id: a hash table with open addressing, several times faster than a dictionary.</summary>
internal sealed class ScoreTable
{
    private long[] _ids;
    private long[] _documents;
    private double[] _scores;
    private int _mask;

    /// <summary>A table with room for some ids, which grows.</summary>
    public ScoreTable(int capacity)
    {
        var size = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, capacity * 2));
        _ids = new long[size];
        _documents = new long[size];
        _scores = new double[size];
        _mask = size - 1;
    }

    /// <summary>How many ids have a score.</summary>
    public int Count { get; private set; }

    /// <summary>Adds to an id's score.</summary>
    /// <param name="posting">Has the id.</param>
    /// <param name="score">What is added, above 0.</param>
    /// <param name="takeNew">Whether an id without score is taken in.</param>
    public void Add(Posting posting, double score, bool takeNew)
    {
        var id = posting.LexicalId;
        var i = Find(id);
        if (_ids[i] == id)
        {
            _scores[i] += score;
        }
        else if (takeNew)
        {
            _ids[i] = id;
            _documents[i] = posting.DocumentKey;
            _scores[i] = score;
            if (++Count * 4 > _ids.Length * 3)
            {
                Grow();
            }
        }
    }

    /// <summary>The k-th highest score; 0 when there are fewer.</summary>
    public double KthBest(int k)
    {
        if (Count < k)
        {
            return 0;
        }

        var lowest = new PriorityQueue<int, double>(k + 1);
        foreach (var score in _scores)
        {
            if (score > 0 && (lowest.Count < k || (lowest.TryPeek(out _, out var least) && score > least)))
            {
                lowest.Enqueue(0, score);
                if (lowest.Count > k)
                {
                    lowest.Dequeue();
                }
            }
        }

        lowest.TryPeek(out _, out var kth);
        return kth;
    }

    /// <summary>The k highest scores, best first; equal ones by id.</summary>
    public IReadOnlyList<LexicalScore> Best(int k)
    {
        var threshold = KthBest(k);
        var best = new List<LexicalScore>(Math.Min(k, Count) + 16);
        for (var i = 0; i < _ids.Length; i++)
        {
            if (_ids[i] != 0 && _scores[i] >= threshold)
            {
                best.Add(new(_ids[i], _documents[i], _scores[i]));
            }
        }

        best.Sort(static (a, b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.LexicalId.CompareTo(b.LexicalId));
        return best.Count > k ? best.GetRange(0, k) : best;
    }

    private int Find(long id)
    {
        // Fibonacci hashing: ids are given in turn, and their low bits alone would collide with those of other sequences.
        var i = (int)((ulong)id * 0x9E3779B97F4A7C15UL >> 33) & _mask;
        while (_ids[i] != 0 && _ids[i] != id)
        {
            i = (i + 1) & _mask;
        }

        return i;
    }

    private void Grow()
    {
        var (ids, documents, scores) = (_ids, _documents, _scores);
        _ids = new long[ids.Length * 2];
        _documents = new long[ids.Length * 2];
        _scores = new double[ids.Length * 2];
        _mask = _ids.Length - 1;
        for (var i = 0; i < ids.Length; i++)
        {
            if (ids[i] != 0)
            {
                var place = Find(ids[i]);
                _ids[place] = ids[i];
                _documents[place] = documents[i];
                _scores[place] = scores[i];
            }
        }
    }
}
