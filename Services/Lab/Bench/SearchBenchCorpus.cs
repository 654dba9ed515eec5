using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Lab.Bench;

/// <summary>
/// Made-up documents about topics: each mixes words of its topic with words that all use, by Zipf's law, so that both near vectors and rare words
/// mean something. Metadata has a member for each selectivity that is measured.
/// </summary>
/// <param name="seed">Where the randomness starts.</param>
/// <param name="chunks">How many passages in all; each document is one.</param>
internal sealed class SearchBenchCorpus(int seed, int chunks)
{
    /// <summary>The workspace that has half of all.</summary>
    public const string Large = "large";

    /// <summary>A word that is in a quarter of the passages.</summary>
    public const string CommonWord = "commonplace";

    /// <summary>Workspaces beside the large one.</summary>
    public const int SmallWorkspaces = 20;

    private const int Topics = 400;
    private const int TopicWords = 60;
    private const int Vocabulary = 20_000;

    private static readonly string[] s_syllables = ["ba", "ce", "di", "fo", "gu", "ha", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu", "za"];

    /// <summary>The selectivities that are measured, in percent, with the filters that have them.</summary>
    public static IReadOnlyList<(string Name, string? Filter)> Selectivities { get; } =
    [
        ("100", null),
        ("50", """{"half": 1}"""),
        ("10", """{"tenth": 1}"""),
        ("1", """{"hundredth": 1}"""),
        ("0_1", """{"thousandth": 1}"""),
        ("0_01", """{"tenthousandth": 1}"""),
    ];

    /// <summary>The names of the workspaces.</summary>
    public IEnumerable<string> Workspaces => Enumerable.Range(0, SmallWorkspaces).Select(i => $"small-{i}").Prepend(Large);

    /// <summary>How many documents a workspace has.</summary>
    public int CountOf(string workspace) => workspace == Large ? chunks / 2 : chunks / 2 / SmallWorkspaces;

    /// <summary>The documents of a workspace.</summary>
    public IEnumerable<BatchDocument> Documents(string workspace)
    {
        var number = workspace == Large ? 0 : int.Parse(workspace.AsSpan(6), null) + 1;
        var count = CountOf(workspace);
        var random = new Random(seed + number);
        for (var i = 0; i < count; i++)
        {
            var topic = random.Next(Topics);
            var text = new StringBuilder();
            for (var sentence = 0; sentence < 8; sentence++)
            {
                text.Append(Words(random, topic, 10)).Append(i % 4 == 0 && sentence == 3 ? " " + CommonWord : "").Append(". ");
            }

            yield return new($"d{i}", Title: Words(random, topic, 4), Text: text.ToString(), Metadata: JsonSerializer.SerializeToElement(new
            {
                topic,
                half = i % 2,
                tenth = i % 10,
                hundredth = i % 100,
                thousandth = i % 1000,
                tenthousandth = i % 10_000,
            }));
        }
    }

    /// <summary>Queries: some words of a topic each.</summary>
    public IReadOnlyList<(string Text, int Topic)> Queries(int count)
    {
        var random = new Random(seed - 1);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            var topic = random.Next(Topics);
            return (Words(random, topic, 6), topic);
        })];
    }

    /// <summary>A filter that half of the documents meet, but none about the query's topic or those whose words it shares.</summary>
    public static string Against(int topic) => topic < Topics / 2
        ? $$$"""{"topic": {"$gte": {{{Topics / 2}}}}}"""
        : $$$"""{"topic": {"$lt": {{{Topics / 2}}}}}""";

    private static string Words(Random random, int topic, int count) => string.Join(' ', Enumerable.Range(0, count).Select(_ =>
        Word(random.Next(2) == 0
            ? (int)(Vocabulary * Math.Pow(random.NextDouble(), 4))
            : Vocabulary + (topic * TopicWords) + (int)(TopicWords * Math.Pow(random.NextDouble(), 2)))));

    private static string Word(int number)
    {
        var word = new StringBuilder();
        for (var rest = number + 17; rest > 0; rest /= s_syllables.Length)
        {
            word.Append(s_syllables[rest % s_syllables.Length]);
        }

        return word.ToString();
    }
}
