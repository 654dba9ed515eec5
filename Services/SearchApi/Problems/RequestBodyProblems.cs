using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Diagnostics;
using Npgsql;

namespace RagPlatform.SearchApi.Problems;

/// <summary>
/// Turns what cannot be read of a request into a sentence about a field. The framework's own messages name .NET types, which a caller in another
/// language does not have.
/// </summary>
internal sealed partial class RequestBodyProblems : IExceptionHandler
{
    private const string Body = "body";

    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        var (status, field, message) = exception switch
        {
            BadHttpRequestException { InnerException: JsonException json } => Describe(json),
            BadHttpRequestException { StatusCode: StatusCodes.Status400BadRequest } bad => Describe(bad),
            PostgresException { SqlState: PostgresErrorCodes.ForeignKeyViolation } =>
                (StatusCodes.Status409Conflict, "workspace", "The workspace was deleted meanwhile."),
            _ => default,
        };
        if (status == 0)
        {
            return false;
        }

        await ApiProblems.WriteAsync(httpContext, new HttpValidationProblemDetails(new Dictionary<string, string[]> { [field] = [message] })
        {
            Status = status,
        });
        return true;
    }

    /// <summary>What is wrong where, of a body that is no JSON or not of the expected form.</summary>
    internal static (int Status, string Field, string Message) Describe(JsonException json)
    {
        var path = json.Path is { } p && p.StartsWith("$.", StringComparison.Ordinal) ? p[2..] : "";
        var place = json.LineNumber is { } line
            ? string.Create(CultureInfo.InvariantCulture, $" (line {line + 1}, byte {(json.BytePositionInLine ?? 0) + 1})")
            : "";
        if (UnknownMember().Match(json.Message) is { Success: true } unknown)
        {
            var member = unknown.Groups[1].Value;
            var owner = path.EndsWith(member, StringComparison.Ordinal) ? path[..^member.Length] : path.Length > 0 ? path + "." : "";
            return Bad(owner + member, "There is no member of this name here.");
        }

        if (Duplicate().Match(json.Message) is { Success: true } duplicate)
        {
            return Bad(path.Length > 0 ? path : duplicate.Groups[1].Value, "The member is there twice.");
        }

        if (json.Message.Contains("doesn't allow", StringComparison.Ordinal))
        {
            var member = NullMember().Match(json.Message) is { Success: true } match ? match.Groups[1].Value : "";
            return Bad(path.EndsWith(member, StringComparison.OrdinalIgnoreCase) ? Name(path) : Name(path.Length > 0 ? $"{path}.{member}" : member),
                "null is not allowed here: leave the member out.");
        }

        if (WrongType().Match(json.Message) is { Success: true } type)
        {
            return Bad(Name(path), $"Expected {Expectation(type.Groups[1].Value)}{place}.");
        }

        if (json.Message.Contains("maximum configured depth", StringComparison.Ordinal))
        {
            return Bad(Name(path), $"The JSON is nested too deeply: at most 64 levels{place}.");
        }

        // Malformed JSON, or a string that is no valid UTF-8 or UTF-16: wherever the reader stopped, the text itself is wrong.
        return json.InnerException is InvalidOperationException
            ? Bad(Name(path), $"The string is not valid Unicode{place}.")
            : Bad(Body, $"The body is not valid JSON{place}: {Sentence(json)}");
    }

    private static (int Status, string Field, string Message) Describe(BadHttpRequestException bad)
    {
        if (Parameter().Match(bad.Message) is { Success: true } parameter)
        {
            return Bad(parameter.Groups[2].Value, $"'{parameter.Groups[3].Value}' is not {Expectation(parameter.Groups[1].Value)}.");
        }

        if (Missing().Match(bad.Message) is { Success: true } missing)
        {
            return missing.Groups[2].Value == "body" || bad.Message.Contains("body", StringComparison.OrdinalIgnoreCase)
                ? Bad(Body, "A JSON body is needed.")
                : Bad(missing.Groups[1].Value, "It is needed.");
        }

        return Bad("request", bad.Message);
    }

    private static (int Status, string Field, string Message) Bad(string field, string message) =>
        (StatusCodes.Status400BadRequest, field, message);

    private static string Name(string path) => path.Length > 0 ? path : Body;

    private static string Expectation(string type)
    {
        var name = type[(type.LastIndexOf('.') + 1)..].TrimEnd('?', ']');
        return name switch
        {
            "String" or "string" => "a string",
            "Int32" or "int" or "Int64" or "long" => "an integer",
            "Double" or "double" or "Single" or "float" or "Decimal" => "a number",
            "Boolean" or "bool" => "true or false",
            "DateTimeOffset" or "DateTime" => "a date and time in ISO 8601",
            _ when FindEnum(name) is { } values => "one of " + values,
            _ when type.Contains("List", StringComparison.Ordinal) || type.Contains("[]", StringComparison.Ordinal) => "an array",
            _ => "an object",
        };
    }

    private static string? FindEnum(string name)
    {
        var type = typeof(Contracts.RagJson).Assembly.GetType("RagPlatform.Contracts." + name);
        return type is { IsEnum: true } ? string.Join(", ", Enum.GetNames(type).Select(JsonNamingPolicy.CamelCase.ConvertName)) : null;
    }

    private static string Sentence(JsonException json)
    {
        var end = json.Message.IndexOf(" Path: ", StringComparison.Ordinal);
        var text = end > 0 ? json.Message[..end] : json.Message;
        end = text.IndexOf(" LineNumber: ", StringComparison.Ordinal);
        return end > 0 ? text[..end] : text;
    }

    [GeneratedRegex("^The JSON property '(.*?)' could not be mapped")]
    private static partial Regex UnknownMember();

    [GeneratedRegex("^Duplicate property '(.*?)' encountered")]
    private static partial Regex Duplicate();

    [GeneratedRegex("(?:parameter|property or field) '(.*?)' on type")]
    private static partial Regex NullMember();

    [GeneratedRegex(@"could not be converted to ([^ ]+?)\.(?: |$)")]
    private static partial Regex WrongType();

    [GeneratedRegex("^Failed to bind parameter \"(\\S+) (\\S+)\" from \"(.*)\"")]
    private static partial Regex Parameter();

    [GeneratedRegex("^Required parameter \"\\S+ (\\S+)\" was not provided from (\\S+?)\\.?$")]
    private static partial Regex Missing();
}
