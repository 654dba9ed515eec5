namespace RagPlatform.IndexingWorker.Chunking;

/// <summary>
/// Finds the places where a text may be cut without cutting a sentence, and the headings. What it says about a place depends on the
/// lines around it only, except that a fence that is opened lasts until it is closed.
/// </summary>
internal ref struct CutScanner
{
    private readonly ReadOnlySpan<char> _text;
    private readonly bool _markdown;
    private readonly CutKind _blockKind;
    private readonly int _wholeLength;
    private readonly List<(int Offset, CutKind Kind)> _places = [];
    private readonly List<Heading> _headings = [];
    private readonly List<(int Start, int End)> _whole = [];
    private readonly List<Table> _tables = [];
    private bool _afterBlank = true;
    private bool _afterHeading;

    /// <param name="text">The text.</param>
    /// <param name="markdown">Whether headings, fences, tables and lists mean something.</param>
    /// <param name="blockKind">What a blank line is.</param>
    /// <param name="wholeLength">Fenced blocks and tables up to this length stay whole.</param>
    public CutScanner(ReadOnlySpan<char> text, bool markdown, CutKind blockKind, int wholeLength)
    {
        _text = text;
        _markdown = markdown;
        _blockKind = blockKind;
        _wholeLength = wholeLength;
    }

    /// <summary>The headings, in order.</summary>
    public readonly List<Heading> Headings => _headings;

    /// <summary>Ranges that must not be cut, in order.</summary>
    public readonly List<(int Start, int End)> Whole => _whole;

    /// <summary>Tables with a header that may be cut between rows, in order.</summary>
    public readonly List<Table> Tables => _tables;

    /// <summary>Reads the text.</summary>
    /// <returns>The places, in order.</returns>
    public List<Cut> Scan()
    {
        for (var start = 0; start < _text.Length;)
        {
            var end = LineEnd(start);
            var line = _text[start..end].Trim();
            if (line.IsEmpty)
            {
                _afterBlank = true;
                start = end;
                continue;
            }

            start = !_markdown ? ReadLine(start, end, CutKind.Line)
                : FenceMark(line) is var (mark, length) && length > 0 ? ReadBlock(start, FenceEnd(end, mark, length))
                : IsTableRow(line) || HeaderEnd(start, end) > 0 ? ReadTable(start, end)
                : HeadingDepth(start, end, line) is var depth && depth > 0 ? ReadHeading(start, end, line, depth)
                : ReadLine(start, end, IsListItem(line) ? CutKind.Item : CutKind.Line);
        }

        var cuts = new List<Cut>(_places.Count);
        for (var i = 0; i < _places.Count; i++)
        {
            var (offset, kind) = _places[i];
            var next = i + 1 < _places.Count ? _places[i + 1].Offset : _text.Length;
            cuts.Add(new(offset, kind, Cut.HashOf(_text[offset..next])));
        }

        return cuts;
    }

    /// <summary>Adds the places between words or characters of a range to <paramref name="cuts"/>.</summary>
    public static List<Cut> ScanFine(ReadOnlySpan<char> text, int start, int end, bool characters, List<(int Start, int End)> whole)
    {
        var cuts = new List<Cut>();
        var w = 0;
        for (var i = start + 1; i < end; i++)
        {
            while (w < whole.Count && whole[w].End <= i)
            {
                w++;
            }

            if (w < whole.Count && i > whole[w].Start)
            {
                i = whole[w].End - 1;
                continue;
            }

            var kind = Sentences.WordBeginsAt(text, i) ? (FollowsLineBreak(text, i) ? CutKind.Line : CutKind.Word) : CutKind.Character;
            if (kind < CutKind.Character || (characters && Sentences.CharacterBeginsAt(text, i) && !char.IsWhiteSpace(text[i])))
            {
                cuts.Add(new(i, kind, Cut.HashOf(text[i..Math.Min(end, i + 24)])));
            }
        }

        return cuts;
    }

    private static bool FollowsLineBreak(ReadOnlySpan<char> text, int offset)
    {
        for (var i = offset - 1; i >= 0 && char.IsWhiteSpace(text[i]); i--)
        {
            if (text[i] == '\n')
            {
                return true;
            }
        }

        return false;
    }

    private readonly int LineEnd(int start)
    {
        var length = _text[start..].IndexOf('\n');
        return length < 0 ? _text.Length : start + length + 1;
    }

    private void Add(int offset, CutKind kind)
    {
        // A heading stays with what follows it.
        if (!_afterHeading && offset > 0)
        {
            _places.Add((offset, kind));
        }

        _afterHeading = false;
    }

    private int ReadLine(int start, int end, CutKind kind)
    {
        var first = start;
        while (char.IsWhiteSpace(_text[first]))
        {
            first++;
        }

        if (_afterBlank)
        {
            Add(first, _blockKind);
        }
        else if (kind == CutKind.Item)
        {
            Add(first, kind);
        }
        else if (Sentences.BeginsAt(_text, first))
        {
            Add(first, CutKind.Sentence);
        }

        _afterBlank = _afterHeading = false;
        for (var i = first + 1; i < end; i++)
        {
            if (Sentences.BeginsAt(_text, i))
            {
                Add(i, CutKind.Sentence);
            }
        }

        return end;
    }

    private int ReadHeading(int start, int end, ReadOnlySpan<char> line, int depth)
    {
        // Headings in a row are cut before the first one only.
        Add(start, CutKind.Heading + (byte)(depth - 1));
        _headings.Add(new(start, depth, line.TrimStart('#').TrimEnd('#').Trim().ToString()));
        _afterHeading = true;
        _afterBlank = true;
        return line[0] == '#' ? end : LineEnd(end);
    }

    // A header stays with the first row below it, and is repeated where the table is cut.
    private int ReadTable(int start, int lineEnd)
    {
        var header = HeaderEnd(start, lineEnd);
        var end = TableEnd(Math.Max(header, lineEnd), anyBar: header > 0 && !IsTableRow(_text[start..lineEnd].Trim()));
        if (header > 0 && header < end && end - start > _wholeLength)
        {
            _tables.Add(new(start, header, end));
        }

        return ReadBlock(start, end, header);
    }

    private int ReadBlock(int start, int end, int header = 0)
    {
        Add(start, _afterBlank ? CutKind.Block : CutKind.Item);
        if (end - start <= _wholeLength)
        {
            _whole.Add((start, end));
        }
        else
        {
            for (var line = LineEnd(start); line < end; line = LineEnd(line))
            {
                if (line > header && !_text[line..LineEnd(line)].IsWhiteSpace())
                {
                    Add(line, CutKind.Item);
                }
            }
        }

        _afterBlank = true;
        _afterHeading = false;
        return end;
    }

    private static (char Mark, int Length) FenceMark(ReadOnlySpan<char> line)
    {
        if (line[0] is not ('`' or '~'))
        {
            return default;
        }

        var length = line.IndexOfAnyExcept(line[0]) is var i && i < 0 ? line.Length : i;
        return length >= 3 ? (line[0], length) : default;
    }

    private readonly int FenceEnd(int start, char mark, int length)
    {
        while (start < _text.Length)
        {
            var end = LineEnd(start);
            var line = _text[start..end].Trim();
            start = end;
            if (line.Length >= length && line.IndexOfAnyExcept(mark) < 0)
            {
                break;
            }
        }

        return start;
    }

    private static bool IsTableRow(ReadOnlySpan<char> line) => line[0] == '|' && line.Length > 1 && line[1..].Contains('|');

    // Behind the line of dashes below a table's first line; 0 where there is none, and so no header.
    private readonly int HeaderEnd(int start, int end)
    {
        if (end >= _text.Length || !_text[start..end].Contains('|'))
        {
            return 0;
        }

        var under = LineEnd(end);
        var line = _text[end..under].Trim();
        return line.Contains('|') && line.Contains('-') && line.IndexOfAnyExcept("|-: \t") < 0 ? under : 0;
    }

    private readonly int TableEnd(int start, bool anyBar = false)
    {
        while (start < _text.Length)
        {
            var end = LineEnd(start);
            var line = _text[start..end].Trim();
            if (line.IsEmpty || !(anyBar ? line.Contains('|') : IsTableRow(line)))
            {
                break;
            }

            start = end;
        }

        return start;
    }

    private readonly int HeadingDepth(int start, int end, ReadOnlySpan<char> line)
    {
        var depth = line.IndexOfAnyExcept('#') is var i && i < 0 ? line.Length : i;
        if (depth is >= 1 and <= 6)
        {
            return line.Length > depth && line[depth] is ' ' or '\t' && _text[start..].IndexOf('#') <= 3 ? depth : 0;
        }

        // A line above a line of = or -.
        if (depth > 0 || !_afterBlank || end >= _text.Length)
        {
            return 0;
        }

        var under = _text[end..LineEnd(end)].Trim();
        return under.Length < 3 || IsListItem(line) ? 0
            : under.IndexOfAnyExcept('=') < 0 ? 1
            : under.IndexOfAnyExcept('-') < 0 ? 2
            : 0;
    }

    private static bool IsListItem(ReadOnlySpan<char> line)
    {
        if (line.Length > 1 && line[0] is '-' or '*' or '+' && line[1] == ' ')
        {
            return true;
        }

        var digits = line.IndexOfAnyExceptInRange('0', '9');
        return digits is > 0 and < 10 && line.Length > digits + 1 && line[digits] is '.' or ')' && line[digits + 1] == ' ';
    }
}
