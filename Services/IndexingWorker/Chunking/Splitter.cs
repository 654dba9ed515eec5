namespace RagPlatform.IndexingWorker.Chunking;

/// <summary>
/// Chooses cuts among places. A place is a cut if its key is the lowest within a window on both sides (local minima: Bjørner, Blass and
/// Gurevich, "Content-dependent chunking for differential compression, the local maximum approach", 2010). Chance leaves a
/// stretch without a minimum now and then; such a stretch is split by force, with what is in it alone.
/// </summary>
/// <param name="text">The text.</param>
/// <param name="longest">The most characters between two cuts.</param>
/// <param name="window">The least characters between two minima.</param>
/// <param name="whole">Ranges that must not be cut.</param>
/// <param name="chosen">Takes the cuts, in order.</param>
internal sealed class Splitter(string text, int longest, int window, List<(int Start, int End)> whole, List<Cut> chosen)
{
    // Sentences, then words, then characters.
    private const int Characters = 2;

    /// <summary>Cuts a range, itself between two cuts.</summary>
    /// <param name="places">Places within the range, in order; may reach beyond it.</param>
    /// <param name="start">Where the range begins.</param>
    /// <param name="end">Where it ends.</param>
    /// <param name="level">How fine the places are: 0 sentences, 1 words, 2 characters.</param>
    public void Split(List<Cut> places, int start, int end, int level)
    {
        if (end - start <= longest)
        {
            return;
        }

        var (first, last) = (FirstAfter(places, start), FirstAfter(places, end - 1));
        var minima = LocalMinima(places, first, last, start, end);
        var from = start;
        foreach (var index in minima)
        {
            Force(places, from, places[index].Offset, level);
            chosen.Add(places[index]);
            from = places[index].Offset;
        }

        Force(places, from, end, level);
    }

    private void Force(List<Cut> places, int start, int end, int level)
    {
        while (end - start > longest)
        {
            var best = Best(places, start, end);
            if (best >= 0)
            {
                chosen.Add(places[best]);
                start = places[best].Offset;
                continue;
            }

            // One character with more marks on it than a passage may be long: nothing is too long to be cut.
            if (level == Characters)
            {
                start = Sentences.CodePointBegin(text, start + longest);
                chosen.Add(new(start, CutKind.Character, 0));
                continue;
            }

            // Nothing fine enough: up to the next place, if there is one, the range is cut more finely.
            var next = FirstAfter(places, start);
            var stop = next < places.Count && places[next].Offset < end ? places[next].Offset : end;
            Split(CutScanner.ScanFine(text, start, stop, characters: level + 1 == Characters, whole), start, stop, level + 1);
            if (stop < end)
            {
                chosen.Add(places[next]);
            }

            start = stop;
        }
    }

    // The best place that leaves a piece of at least half the longest length, and a rest that is no crumb; else the last one that fits.
    private int Best(List<Cut> places, int start, int end)
    {
        var low = start + (longest / 2);
        var high = Math.Min(start + longest, end - (window / 2));
        var best = -1;
        for (var i = FirstAfter(places, start); i < places.Count && places[i].Offset <= Math.Min(start + longest, end - 1); i++)
        {
            var better = best < 0
                || places[best].Offset < low
                || (places[i].Offset <= high && places[i].Key <= places[best].Key);
            best = better ? i : best;
        }

        return best;
    }

    // Indexes of places between first and last whose key is lowest within the window; of equal ones the first. The range's ends are lowest of all.
    private List<int> LocalMinima(List<Cut> places, int first, int last, int start, int end)
    {
        var minima = new List<int>();

        // Indexes of a window with keys that rise: the first is the window's minimum.
        var rising = new int[Math.Max(0, last - first)];
        var (head, tail) = (0, 0);
        var entered = first;
        for (var i = first; i < last; i++)
        {
            for (; entered < last && places[entered].Offset - places[i].Offset <= window; entered++)
            {
                while (tail > head && places[rising[tail - 1]].Key > places[entered].Key)
                {
                    tail--;
                }

                rising[tail++] = entered;
            }

            while (places[i].Offset - places[rising[head]].Offset > window)
            {
                head++;
            }

            if (rising[head] == i && places[i].Offset - start > window && end - places[i].Offset > window)
            {
                minima.Add(i);
            }
        }

        return minima;
    }

    private static int FirstAfter(List<Cut> places, int offset)
    {
        var (low, high) = (0, places.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (places[middle].Offset <= offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
