using System.CommandLine;

namespace RagPlatform.Cli;

/// <summary>Makes options whose values are the names of an enumeration, written in lower case as the API writes them.</summary>
internal static class EnumOption
{
    /// <summary>Makes one.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it is for.</param>
    /// <param name="value">What it is when nobody says.</param>
    /// <param name="aliases">Its short names.</param>
    public static Option<T> Create<T>(string name, string description, T value, params string[] aliases)
        where T : struct, Enum
    {
        var names = Enum.GetNames<T>().Select(n => n.ToLowerInvariant()).ToArray();
        var option = new Option<T>(name, aliases)
        {
            Description = description,
            HelpName = string.Join('|', names),
            DefaultValueFactory = _ => value,
            CustomParser = result =>
            {
                var token = result.Tokens[0].Value;
                if (names.Contains(token, StringComparer.OrdinalIgnoreCase))
                {
                    return Enum.Parse<T>(token, ignoreCase: true);
                }

                result.AddError($"'{token}' is not possible for {name}. Expected {string.Join(", ", names[..^1])} or {names[^1]}.");
                return value;
            },
        };
        option.CompletionSources.Clear();
        option.CompletionSources.Add(names);
        return option;
    }
}
