using System.Text;
using RagPlatform.Contracts;

namespace RagPlatform.Lab.Drill;

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

    /// <summary>A document of 1 to 12 prepared chunks: some with vectors, some twice, now and then one that cannot be embedded.</summary>
    public DrillDocument Prepared()
    {
        var chunks = new List<PreparedChunk>();
        for (var i = random.Next(1, 13); i > 0; i--)
        {
            chunks.Add(chunks.Count > 0 && random.Next(6) == 0 ? chunks[random.Next(chunks.Count)] with { Vector = Vector() } : Chunk());
        }

        return new(null, chunks);
    }

    /// <summary>The same prepared document with one difference: a chunk more or less, another text, place, heading or vector.</summary>
    public DrillDocument EditPrepared(DrillDocument document)
    {
        var chunks = document.Chunks!.ToList();
        var i = random.Next(chunks.Count);
        switch (random.Next(7))
        {
            case 0:
                chunks.Insert(i, Chunk());
                break;
            case 1 when chunks.Count > 1:
                chunks.RemoveAt(i);
                break;
            case 2:
                chunks[i] = chunks[i] with { Text = Sentence() };
                break;
            case 3:
                chunks.Reverse();
                break;
            case 4:
                chunks[i] = chunks[i] with { Heading = Word() };
                break;
            default:
                chunks[i] = chunks[i] with { Vector = Vector() };
                break;
        }

        return new(null, chunks);
    }

    /// <summary>A sentence.</summary>
    public string Sentence() =>
        "The " + string.Join(' ', Enumerable.Range(0, random.Next(4, 16)).Select(_ => Word())) + ".";

    private PreparedChunk Chunk() => new(random.Next(40) == 0 ? $"{Marker} {Sentence()}" : Sentence(), Vector(), random.Next(3) == 0 ? Word() : "");

    // Of length 1 exactly, so that bringing it to that length changes nothing; or none.
    private float[]? Vector()
    {
        if (random.Next(2) == 0)
        {
            return null;
        }

        var vector = new float[IndexingDrill.Dimensions];
        vector[random.Next(vector.Length)] = random.Next(2) == 0 ? 1 : -1;
        return vector;
    }

    private string Word() => s_words[random.Next(s_words.Length)] + random.Next(1000);
}
