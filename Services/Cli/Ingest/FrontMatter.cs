using System.Globalization;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace RagPlatform.Cli.Ingest;

/// <summary>
/// What a Markdown file says about itself in YAML, between a first line <c>---</c> and the next <c>---</c> or <c>...</c>. A rule at the
/// beginning is no front matter: what follows it is text, and not the members of a YAML mapping.
/// </summary>
/// <param name="Length">Characters of the file that it takes; 0 when there is none.</param>
/// <param name="Title">Its <c>title</c>, else empty.</param>
/// <param name="Members">Its plain members and lists of them, by name.</param>
internal sealed record FrontMatter(int Length, string Title, IReadOnlyDictionary<string, JsonElement> Members)
{
    private static readonly FrontMatter s_none = new(0, "", new Dictionary<string, JsonElement>());

    /// <summary>Reads the beginning of <paramref name="text"/>.</summary>
    public static FrontMatter Read(string text)
    {
        var start = LineEnd(text, 0);
        if (start == text.Length || !text.AsSpan(0, start).TrimEnd().SequenceEqual("---"))
        {
            return s_none;
        }

        for (var line = start; line < text.Length; line = LineEnd(text, line))
        {
            var content = text.AsSpan(line, LineEnd(text, line) - line).TrimEnd();
            if (content is "---" or "...")
            {
                return Parse(text[start..line]) is { } mapping
                    ? new FrontMatter(LineEnd(text, line), FindTitle(mapping), FindMembers(mapping))
                    : s_none;
            }

            // YAML would take it, but people put a blank line after a rule and none into front matter's beginning.
            if (line == start && content.IsEmpty)
            {
                return s_none;
            }
        }

        return s_none;
    }

    private static int LineEnd(string text, int start) => text.IndexOf('\n', start) is var end && end < 0 ? text.Length : end + 1;

    private static YamlMappingNode? Parse(string yaml)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(yaml));
            return stream.Documents.Count == 1 ? stream.Documents[0].RootNode as YamlMappingNode : null;
        }
        catch (YamlException)
        {
            return null;
        }
    }

    private static string FindTitle(YamlMappingNode mapping)
    {
        var title = mapping.Children.FirstOrDefault(member =>
            member.Key is YamlScalarNode { Value: { } name } && name.Equals("title", StringComparison.OrdinalIgnoreCase)).Value as YamlScalarNode;
        return string.Join(' ', (title?.Value ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    private static Dictionary<string, JsonElement> FindMembers(YamlMappingNode mapping)
    {
        var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var (key, value) in mapping.Children)
        {
            if (key is YamlScalarNode { Value: { Length: > 0 } name } && ToValue(value) is { } plain)
            {
                members[name] = JsonSerializer.SerializeToElement(plain);
            }
        }

        return members;
    }

    private static object? ToValue(YamlNode node) => node switch
    {
        YamlScalarNode { Value: { } text } scalar when scalar.Style is ScalarStyle.Plain => ToPlain(text),
        YamlScalarNode { Value: { } text } => text,
        YamlSequenceNode list when list.Children.All(item => item is YamlScalarNode) =>
            list.Children.Select(ToValue).Where(value => value is not null).ToArray(),
        _ => null,
    };

    // YAML's core schema; but a number only when it is written as one is: a version 1.10 and a code 007 stay what they are, as do dates.
    private static object? ToPlain(string text) => text switch
    {
        "" or "~" or "null" or "Null" or "NULL" => null,
        "true" or "True" or "TRUE" => true,
        "false" or "False" or "FALSE" => false,
        _ when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && number.ToString(CultureInfo.InvariantCulture) == text && double.IsFinite(number) => number,
        _ => text,
    };
}
