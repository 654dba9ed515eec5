using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Chunking;

/// <summary>
/// Cuts a text into passages. The strategies <c>markdown</c>, <c>paragraph</c> and <c>sentence</c> cut where the text itself says so: a place
/// is a cut if no better place is within a window around it, so that an edit moves the cuts near it and no others. <c>fixed</c> counts
/// characters from the beginning: an insertion moves every cut behind it.
/// </summary>
internal sealed class Chunker
{
    /// <summary>The longest passage in characters, whatever the target.</summary>
    public const int HardLimit = 8192;

    // Window of a cut, as a share of the longest passage without overlap. Cuts are two windows apart on average and never closer than one;
    // the smaller the window, the rarer is a stretch that has to be split by force, and the smaller are the passages.
    private const double WindowShare = 1 / 3.6;

    // A header that is longer than this part of the longest passage is not repeated: it would be most of what is found.
    private const int LargestHeaderShare = 4;

    private readonly bool _fixed;
    private readonly bool _markdown;
    private readonly CutKind _blockKind;
    private readonly int _target;
    private readonly int _overlap;
    private readonly int _longest;
    private readonly int _longestStep;
    private readonly int _window;

    /// <summary>A chunker for a workspace.</summary>
    /// <param name="settings">Strategy, target length and overlap.</param>
    /// <exception cref="ArgumentException">The strategy is not known.</exception>
    public Chunker(ChunkingRow settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        (_fixed, _markdown, _blockKind) = settings.Strategy switch
        {
            "markdown" => (false, true, CutKind.Block),
            "paragraph" => (false, false, CutKind.Block),
            "sentence" => (false, false, CutKind.Sentence),
            "fixed" => (true, false, CutKind.Word),
            _ => throw new ArgumentException($"The chunking strategy '{settings.Strategy}' is not known.", nameof(settings)),
        };
        _target = Math.Min(settings.TargetLength, HardLimit);
        _overlap = Math.Min(settings.Overlap, _target / 2);
        _longest = Math.Min(_target + (_target / 2), HardLimit);
        _longestStep = _longest - _overlap;
        _window = Math.Max(1, (int)(_longestStep * WindowShare));
    }

    /// <summary>Cuts <paramref name="text"/>. The same text is always cut the same way.</summary>
    /// <returns>The passages, in order; none when there is nothing but white space.</returns>
    public IReadOnlyList<Passage> Split(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (_fixed)
        {
            return ToPassages(text, FixedCuts(text), []);
        }

        var scanner = new CutScanner(text, _markdown, _blockKind, _longestStep);
        var places = scanner.Scan();
        var cuts = new List<Cut>();
        if (text.AsSpan().Trim().Length > _longest)
        {
            new Splitter(text, _longestStep, _window, scanner.Whole, cuts).Split(places, 0, text.Length, 0);
        }

        return ToPassages(text, cuts, scanner.Headings, places, scanner.Tables);
    }

    private List<Cut> FixedCuts(string text)
    {
        var cuts = new List<Cut>();
        var step = Math.Max(1, _target - _overlap);
        for (var start = 0; text.Length - start > _target;)
        {
            var cut = start + step;
            var reach = Math.Min(_longestStep - step, step / 2);
            var found = -1;
            for (var distance = 0; distance <= reach && found < 0; distance++)
            {
                found = cut - distance > start && Sentences.WordBeginsAt(text, cut - distance) ? cut - distance
                    : cut + distance < text.Length && Sentences.WordBeginsAt(text, cut + distance) ? cut + distance
                    : -1;
            }

            if (found < 0)
            {
                for (found = cut; found > start && !Sentences.CharacterBeginsAt(text, found); found--)
                {
                }

                // One character with more marks on it than a passage may be long.
                found = found > start ? found : Sentences.CodePointBegin(text, cut);
            }

            cuts.Add(new(found, CutKind.Word, 0));
            start = found;
        }

        return cuts;
    }

    private List<Passage> ToPassages(string text, List<Cut> cuts, List<Heading> headings, List<Cut>? places = null, List<Table>? tables = null)
    {
        var passages = new List<Passage>(cuts.Count + 1);
        var path = new List<Heading>();
        var (nextHeading, nextTable) = (0, 0);
        for (var i = 0; i <= cuts.Count; i++)
        {
            var start = i == 0 ? 0 : cuts[i - 1].Offset;
            var end = i == cuts.Count ? text.Length : cuts[i].Offset;
            while (start < end && char.IsWhiteSpace(text[start]))
            {
                start++;
            }

            while (end > start && char.IsWhiteSpace(text[end - 1]))
            {
                end--;
            }

            for (; nextHeading < headings.Count && headings[nextHeading].Offset <= start; nextHeading++)
            {
                path.RemoveAll(h => h.Depth >= headings[nextHeading].Depth);
                path.Add(headings[nextHeading]);
            }

            if (start == end)
            {
                continue;
            }

            for (; tables is not null && nextTable < tables.Count && tables[nextTable].End <= start; nextTable++)
            {
            }

            var from = i == 0 ? start : OverlapStart(text, start, cuts[i - 1].Kind, places);
            if (nextTable < tables?.Count && tables[nextTable] is var table && start >= table.HeaderEnd)
            {
                var header = text[table.Start..table.HeaderEnd].Trim() + "\n";
                if (header.Length <= _longest / LargestHeaderShare && header.Length + end - start <= HardLimit)
                {
                    passages.Add(new(start - header.Length, header.Length, Path(), header + text[start..end]));
                    continue;
                }
            }
            else if (nextTable > 0 && from < tables![nextTable - 1].End)
            {
                // A row without its header says little.
                from = start;
            }

            while (char.IsWhiteSpace(text[from]))
            {
                from++;
            }

            passages.Add(new(from, start - from, Path(), text[from..end]));
        }

        return passages;

        string Path() => string.Join(" › ", path.Select(h => h.Text));
    }

    // The earliest sentence, else word, that begins within the overlap. What comes before a heading says nothing about what follows it.
    private int OverlapStart(string text, int start, CutKind kind, List<Cut>? places)
    {
        if (_overlap == 0 || kind < CutKind.Block)
        {
            return start;
        }

        var from = Math.Max(0, start - _overlap);
        if (places is not null)
        {
            var first = places.BinarySearch(new Cut(from, default, 0), Comparer<Cut>.Create((a, b) => a.Offset.CompareTo(b.Offset)));
            first = first < 0 ? ~first : first;
            if (first < places.Count && places[first].Offset < start)
            {
                return places[first].Offset;
            }
        }

        for (var i = Math.Max(1, from); i < start; i++)
        {
            if (Sentences.WordBeginsAt(text, i))
            {
                return i;
            }
        }

        // No white space at all.
        while (from > 0 && from < start && !Sentences.CharacterBeginsAt(text, from))
        {
            from++;
        }

        return from;
    }
}
