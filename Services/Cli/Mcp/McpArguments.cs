using System.Globalization;
using System.Text.Json;

namespace RagPlatform.Cli.Mcp;

/// <summary>
/// The arguments of a tool's call. A model that got one wrong reads what is wrong with all of them, and what is expected, and can correct
/// itself; what it means beyond doubt (3.0 for 3, an object written as a string) is taken.
/// </summary>
/// <param name="tool">The tool's name.</param>
/// <param name="given">What was passed.</param>
/// <param name="known">The names of the tool's arguments.</param>
internal sealed class McpArguments(string tool, IEnumerable<KeyValuePair<string, JsonElement>>? given, params IReadOnlyList<string> known)
{
    private readonly Dictionary<string, JsonElement> _given = new(given ?? [], StringComparer.Ordinal);
    private readonly List<string> _errors = [];

    /// <summary>What is wrong; null when all is right. To be asked last.</summary>
    public string? Errors()
    {
        var unknown = _given.Keys.Where(name => !known.Contains(name)).Order(StringComparer.Ordinal).ToArray();
        if (unknown.Length > 0)
        {
            _errors.Add($"There is no argument {string.Join(", ", unknown.Select(name => $"'{name}'"))}: {tool} takes {string.Join(", ", known)}.");
        }

        return _errors.Count == 0 ? null : string.Join('\n', _errors);
    }

    /// <summary>A text that must be there.</summary>
    public string Text(string name, string meaning)
    {
        if (Find(name) is not { } value)
        {
            _errors.Add($"{name} is missing: {meaning}, a string.");
            return "";
        }

        if (value.ValueKind == JsonValueKind.String && value.GetString() is { } text && !string.IsNullOrWhiteSpace(text))
        {
            return text;
        }

        _errors.Add($"{name} must be {meaning}, a string that is not empty, and not {Describe(value)}.");
        return "";
    }

    /// <summary>A whole number.</summary>
    public int Number(string name, int least, int most, int otherwise)
    {
        if (Find(name) is not { } value)
        {
            return otherwise;
        }

        var number = value.ValueKind switch
        {
            JsonValueKind.Number => value.GetDouble(),
            JsonValueKind.String when double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var written) => written,
            _ => double.NaN,
        };
        if (number == Math.Floor(number) && number >= least && number <= most)
        {
            return (int)number;
        }

        _errors.Add(string.Create(CultureInfo.InvariantCulture, $"{name} must be a whole number from {least} to {most}, and not {Describe(value)}."));
        return otherwise;
    }

    /// <summary>One of the names of an enumeration.</summary>
    public T Choice<T>(string name, T otherwise)
        where T : struct, Enum
    {
        if (Find(name) is not { } value)
        {
            return otherwise;
        }

        var names = Enum.GetNames<T>();
        if (value.ValueKind == JsonValueKind.String && names.FirstOrDefault(n => n.Equals(value.GetString()?.Trim(), StringComparison.OrdinalIgnoreCase)) is { } found)
        {
            return Enum.Parse<T>(found);
        }

        var choices = names.Select(n => n.ToLowerInvariant()).ToArray();
        _errors.Add($"{name} must be {string.Join(", ", choices[..^1])} or {choices[^1]}, and not {Describe(value)}.");
        return otherwise;
    }

    /// <summary>An object, or one written as a string; null when it is left out or empty.</summary>
    public JsonElement? Object(string name, string example)
    {
        if (Find(name) is not { } value || (value.ValueKind == JsonValueKind.String && string.IsNullOrWhiteSpace(value.GetString())))
        {
            return null;
        }

        try
        {
            var parsed = value.ValueKind == JsonValueKind.String ? JsonElement.Parse(value.GetString()!) : value;
            if (parsed.ValueKind == JsonValueKind.Object)
            {
                return parsed;
            }

            _errors.Add($"{name} must be a JSON object such as {example}, and not {Describe(value)}.");
        }
        catch (JsonException e)
        {
            _errors.Add($"{name} is not valid JSON: {e.Message} Expected an object such as {example}.");
        }

        return null;
    }

    private JsonElement? Find(string name) =>
        _given.TryGetValue(name, out var value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined) ? value : null;

    private static string Describe(JsonElement value)
    {
        const int most = 60;
        var text = value.GetRawText();
        return text.Length > most ? text[..most] + "…" : text;
    }
}
