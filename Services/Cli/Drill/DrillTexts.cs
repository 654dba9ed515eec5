using System.Text;

namespace RagPlatform.Cli.Drill;

/// <summary>Texts of a drill: the same random numbers write the same text.</summary>
/// <param name="random">Decides.</param>
internal sealed class DrillTexts(Random random)
{
    /// <summary>A text with this is refused by the drill's provider.</summary>
    public const string Marker = "UNEMBEDDABLE";

    private static readonly string[] s_words =
        ["queue", "lease", "passage", "vector", "commit", "worker", "order", "claim", "index", "text", "space", "route", "batch", "retry", "merge"];

    /// <summary>A document of up to about 15,000 characters; some are empty, some short.</summary>
    public string Document()
    {
        var text = new StringBuilder();
        var length = random.Next(3) switch { 0 => random.Next(200), 1 => random.Next(3_000), _ => random.Next(15_000) };
        while (text.Length < length)
        {
            if (random.Next(6) == 0)
            {
                text.Append("## ").Append(Word()).Append(' ').Append(Word()).Append("\n\n");
            }

            for (var i = random.Next(1, 7); i > 0; i--)
            {
                text.Append(Sentence()).Append(' ');
            }

            text.Append("\n\n");
        }

        return text.ToString();
    }

    /// <summary>The same document with a sentence more somewhere.</summary>
    public string Edit(string text)
    {
        var at = text.IndexOf(". ", random.Next(text.Length + 1), StringComparison.Ordinal);
        return at < 0 ? Sentence() + " " + text : text.Insert(at + 2, Sentence() + " ");
    }

    /// <summary>A sentence.</summary>
    public string Sentence() =>
        "The " + string.Join(' ', Enumerable.Range(0, random.Next(4, 16)).Select(_ => Word())) + ".";

    private string Word() => s_words[random.Next(s_words.Length)] + random.Next(1000);
}
