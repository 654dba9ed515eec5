using System.CommandLine;
using System.Text.Json;

namespace RagPlatform.Cli;

/// <summary>Makes options whose values are JSON objects.</summary>
internal static class JsonOption
{
    /// <summary>A condition on metadata.</summary>
    public static Option<JsonElement?> Filter() => Create("--filter", "A condition on metadata, such as '{\"format\": \"markdown\"}'.");

    /// <summary>Makes one.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it is for.</param>
    public static Option<JsonElement?> Create(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "JSON",
        CustomParser = result =>
        {
            try
            {
                var value = JsonElement.Parse(result.Tokens[0].Value);
                if (value.ValueKind == JsonValueKind.Object)
                {
                    return value;
                }

                result.AddError($"{name} must be a JSON object.");
            }
            catch (JsonException e)
            {
                result.AddError($"{name} is no JSON: {e.Message}");
            }

            return null;
        },
    };

    /// <summary>Makes a whole number with a range.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it is for.</param>
    /// <param name="value">What it is when nobody says.</param>
    /// <param name="least">The least.</param>
    /// <param name="most">The most.</param>
    /// <param name="aliases">Its short names.</param>
    public static Option<int> Number(string name, string description, int value, int least, int most, params string[] aliases)
    {
        var option = new Option<int>(name, aliases) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !result.Errors.Any() && result.GetValueOrDefault<int>() is var given && (given < least || given > most))
            {
                result.AddError(FormattableString.Invariant($"{name} takes {least:N0} to {most:N0}."));
            }
        });
        return option;
    }
}
