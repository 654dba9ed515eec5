using System.Text;

namespace RagPlatform.IndexingWorker.Tests.Chunking;

/// <summary>Writes texts that look like documents; the same seed writes the same text.</summary>
internal sealed class SampleText(int seed)
{
    private static readonly string[] s_syllables =
        ["ba", "con", "de", "fer", "gra", "in", "ka", "lo", "mi", "nu", "or", "pre", "qui", "ra", "sto", "ta", "ul", "ver", "xi", "zen"];

    private readonly Random _random = new(seed);

    public string Word()
    {
        var word = new StringBuilder();
        for (var i = _random.Next(1, 5); i > 0; i--)
        {
            word.Append(s_syllables[_random.Next(s_syllables.Length)]);
        }

        return word.ToString();
    }

    public string Sentence()
    {
        var words = string.Join(' ', Enumerable.Range(0, _random.Next(4, 25)).Select(_ => Word()));
        return char.ToUpperInvariant(words[0]) + words[1..] + (_random.Next(10) == 0 ? "?" : ".");
    }

    public string Paragraph() => string.Join(' ', Enumerable.Range(0, _random.Next(1, 9)).Select(_ => Sentence()));

    /// <summary>Paragraphs until the text has at least <paramref name="length"/> characters.</summary>
    public string Plain(int length)
    {
        var text = new StringBuilder();
        while (text.Length < length)
        {
            text.Append(Paragraph()).Append("\n\n");
        }

        return text.ToString();
    }

    /// <summary>The same with headings, lists, code and tables.</summary>
    public string Markdown(int length)
    {
        var text = new StringBuilder("# " + Sentence() + "\n\n");
        while (text.Length < length)
        {
            switch (_random.Next(12))
            {
                case 0:
                    text.Append('#', _random.Next(1, 5)).Append(' ').Append(Word()).Append(' ').Append(Word()).Append("\n\n");
                    break;
                case 1:
                    text.Append("```\n");
                    for (var i = _random.Next(1, 40); i > 0; i--)
                    {
                        text.Append("    ").Append(Word()).Append(" = ").Append(Word()).Append("(); // ").Append(Word()).Append('\n');
                    }

                    text.Append("```\n\n");
                    break;
                case 2:
                    for (var i = _random.Next(2, 20); i > 0; i--)
                    {
                        text.Append("- ").Append(Sentence()).Append('\n');
                    }

                    text.Append('\n');
                    break;
                case 3:
                    text.Append("| a | b |\n|---|---|\n");
                    for (var i = _random.Next(1, 30); i > 0; i--)
                    {
                        text.Append("| ").Append(Word()).Append(" | ").Append(Word()).Append(" |\n");
                    }

                    text.Append('\n');
                    break;
                default:
                    text.Append(Paragraph()).Append("\n\n");
                    break;
            }
        }

        return text.ToString();
    }

    /// <summary>A text of <paramref name="length"/> characters drawn from <paramref name="alphabet"/>.</summary>
    public string Noise(int length, string alphabet)
    {
        var text = new StringBuilder(length);
        while (text.Length < length)
        {
            text.Append(alphabet[_random.Next(alphabet.Length)]);
        }

        return text.ToString();
    }

    /// <summary>Replaces one of the sentences of <paramref name="text"/> by another.</summary>
    public string EditSentence(string text)
    {
        int start;
        do
        {
            start = text.IndexOf(". ", _random.Next(text.Length), StringComparison.Ordinal) + 2;
        }
        while (start < 2 || !char.IsUpper(text[start]));
        var end = text.IndexOfAny(['.', '?', '\n'], start);
        return text[..start] + Sentence().TrimEnd('.', '?') + text[end..];
    }
}
