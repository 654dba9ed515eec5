using System.Globalization;
using System.Text.Json;
using RagPlatform.Cli;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Eval;

/// <summary>A query with its judgements.</summary>
/// <param name="Id">The query.</param>
/// <param name="Text">What is searched for.</param>
/// <param name="Grades">Judged documents: at least one has grade 1 or more.</param>
internal sealed record JudgedQuery(string Id, string Text, IReadOnlyDictionary<string, int> Grades);

/// <summary>A test collection in BEIR's layout: <c>corpus.jsonl</c>, <c>queries.jsonl</c>, <c>qrels/test.tsv</c>.</summary>
/// <param name="Name">The folder's name in lower case.</param>
/// <param name="CorpusFile">Its documents.</param>
/// <param name="Queries">Queries with at least one relevant document, in the order of the file.</param>
internal sealed record BeirCollection(string Name, string CorpusFile, IReadOnlyList<JudgedQuery> Queries)
{
    /// <summary>Reads queries and judgements.</summary>
    /// <exception cref="CliException">A file is missing or malformed.</exception>
    public static BeirCollection Load(string folder)
    {
        var corpus = Existing(folder, "corpus.jsonl");
        var queries = Existing(folder, "queries.jsonl");
        var judgements = Existing(folder, Path.Combine("qrels", "test.tsv"));
        using var queryLines = File.OpenText(queries);
        using var judgementLines = File.OpenText(judgements);
        var name = new DirectoryInfo(folder).Name.ToLowerInvariant();
        return new BeirCollection(name, corpus, Judge(ReadQueries(queryLines, queries), ReadJudgements(judgementLines, judgements)));
    }

    /// <summary>Joins queries and judgements; queries without a relevant document are left out.</summary>
    /// <exception cref="UnsoundRunException">A judged query does not exist.</exception>
    public static IReadOnlyList<JudgedQuery> Judge(
        IReadOnlyList<(string Id, string Text)> queries, IReadOnlyDictionary<string, Dictionary<string, int>> judgements)
    {
        var known = queries.Select(q => q.Id).ToHashSet(StringComparer.Ordinal);
        if (judgements.Keys.FirstOrDefault(id => !known.Contains(id)) is { } unknown)
        {
            throw new UnsoundRunException($"query '{unknown}' is judged but not in queries.jsonl");
        }

        return
        [
            .. from query in queries
               where judgements.TryGetValue(query.Id, out var grades) && grades.Values.Any(grade => grade > 0)
               select new JudgedQuery(query.Id, query.Text, judgements[query.Id]),
        ];
    }

    /// <summary>Reads <c>queries.jsonl</c>.</summary>
    public static IReadOnlyList<(string Id, string Text)> ReadQueries(TextReader reader, string file)
    {
        var queries = new List<(string, string)>();
        for (var number = 1; reader.ReadLine() is { } line; number++)
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            try
            {
                using var query = JsonDocument.Parse(line);
                queries.Add((query.RootElement.GetProperty("_id").GetString()!, query.RootElement.GetProperty("text").GetString()!));
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                throw new CliException($"{file}, line {number}: expected {{\"_id\": \"…\", \"text\": \"…\"}}.", e);
            }
        }

        return queries;
    }

    /// <summary>Reads <c>qrels/test.tsv</c>: query, document and grade, separated by tabs; a header is skipped.</summary>
    public static IReadOnlyDictionary<string, Dictionary<string, int>> ReadJudgements(TextReader reader, string file)
    {
        var judgements = new Dictionary<string, Dictionary<string, int>>(StringComparer.Ordinal);
        for (var number = 1; reader.ReadLine() is { } line; number++)
        {
            var cells = line.Split('\t');
            if (string.IsNullOrWhiteSpace(line) || (number == 1 && cells is ["query-id", ..]))
            {
                continue;
            }

            if (cells.Length != 3 || !int.TryParse(cells[2], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var grade))
            {
                throw new CliException($"{file}, line {number}: expected query, document and grade, separated by tabs.");
            }

            if (!judgements.TryGetValue(cells[0], out var grades))
            {
                judgements.Add(cells[0], grades = new Dictionary<string, int>(StringComparer.Ordinal));
            }

            grades[cells[1]] = grade;
        }

        return judgements;
    }

    private static string Existing(string folder, string name)
    {
        var file = Path.Combine(folder, name);
        return File.Exists(file)
            ? file
            : throw new CliException($"{file} does not exist. Expected a BEIR folder: corpus.jsonl, queries.jsonl, qrels/test.tsv.");
    }
}
