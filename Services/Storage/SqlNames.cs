using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Reflection;
using System.Text.RegularExpressions;

namespace RagPlatform.Storage;

/// <summary>
/// Names a statement by the store that has it: <c>DocumentStore.Find</c> is the constant <c>FindSql</c> of <c>DocumentStore</c>. A statement that
/// begins with such a constant, or fills in its placeholders, has its name; any other is called by its verb and table.
/// </summary>
public static partial class SqlNames
{
    private const string Suffix = "Sql";

    /// <summary>Statements whose name is remembered. Those with filters of their own are many.</summary>
    private const int MaxRemembered = 2_000;

    /// <summary>Characters of a statement that tell it apart from others: the start of a constant, up to its first placeholder.</summary>
    private const int MinPrefix = 24;

    private static readonly Lazy<(FrozenDictionary<string, string> Whole, IReadOnlyList<(string Start, string Name)> Starts)> s_names = new(Read);
    private static readonly ConcurrentDictionary<string, string> s_remembered = new(StringComparer.Ordinal);

    /// <summary>The name of a statement, without anything that was filled in.</summary>
    /// <param name="sql">The statement.</param>
    public static string Find(string sql)
    {
        ArgumentNullException.ThrowIfNull(sql);
        if (s_remembered.TryGetValue(sql, out var known))
        {
            return known;
        }

        var name = s_names.Value.Whole.GetValueOrDefault(sql)
            ?? s_names.Value.Starts.FirstOrDefault(start => sql.StartsWith(start.Start, StringComparison.Ordinal)).Name
            ?? Describe(sql);
        if (s_remembered.Count < MaxRemembered)
        {
            s_remembered[sql] = name;
        }

        return name;
    }

    // "SELECT documents", "INSERT chunks", "VACUUM".
    private static string Describe(string sql)
    {
        var verb = VerbPattern().Match(sql).Value.ToUpperInvariant();
        var table = TablePattern().Match(sql).Groups["table"].Value;
        return $"{verb} {table}".Trim() is { Length: > 0 } name ? name : "SQL";
    }

    private static (FrozenDictionary<string, string> Whole, IReadOnlyList<(string Start, string Name)> Starts) Read()
    {
        var whole = new Dictionary<string, string>(StringComparer.Ordinal);
        var starts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var type in typeof(SqlNames).Assembly.GetTypes())
        {
            foreach (var field in type.GetFields(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.DeclaredOnly))
            {
                if (field is not { IsLiteral: true } || !field.Name.EndsWith(Suffix, StringComparison.Ordinal)
                    || field.GetRawConstantValue() is not string sql)
                {
                    continue;
                }

                var name = $"{type.Name}.{field.Name[..^Suffix.Length]}";
                if (!whole.TryAdd(sql, name))
                {
                    // Two stores have the same statement: which of them sends it cannot be seen.
                    name = whole[sql] = name[(type.Name.Length + 1)..];
                }

                var placeholder = sql.IndexOf('{', StringComparison.Ordinal);
                var start = placeholder < 0 ? sql : sql[..placeholder];
                if (start.Length >= MinPrefix)
                {
                    starts[start] = starts.TryGetValue(start, out var other) && other != name ? name[(name.IndexOf('.', StringComparison.Ordinal) + 1)..] : name;
                }
            }
        }

        return (whole.ToFrozenDictionary(), [.. starts.OrderByDescending(start => start.Key.Length).Select(start => (start.Key, start.Value))]);
    }

    [GeneratedRegex(@"(?<=^\s*)[A-Za-z]+", RegexOptions.CultureInvariant)]
    private static partial Regex VerbPattern();

    [GeneratedRegex(@"\b(?:FROM|INTO|UPDATE|TABLE|COPY)\s+(?<table>[a-z_][a-z_0-9.]*)", RegexOptions.CultureInvariant)]
    private static partial Regex TablePattern();
}
