using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using RagPlatform.Contracts;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>
/// Turns what cannot be read of a request into a sentence about a field. The framework's own messages name .NET types, which a caller in another
/// language does not have.
/// </summary>
public static partial class UnreadableRequest
{
    private const string Body = "body";

    /// <summary>What is wrong where; null when the exception does not say that the request could not be read.</summary>
    /// <param name="context">The request.</param>
    /// <param name="exception">What reading it, or the JSON in it, has thrown.</param>
    public static (string Field, string Message)? Describe(HttpContext context, Exception exception) => exception switch
    {
        BadHttpRequestException { InnerException: JsonException json } => Describe(json, FindBodyType(context)),
        BadHttpRequestException { StatusCode: StatusCodes.Status400BadRequest } bad => Describe(bad.Message),
        _ => null,
    };

    /// <summary>What is wrong where, of a body that is no JSON or not of the expected form.</summary>
    /// <param name="json">What the serializer has thrown.</param>
    /// <param name="body">The record that was to be read; null when it is not known.</param>
    public static (string Field, string Message) Describe(JsonException json, Type? body)
    {
        ArgumentNullException.ThrowIfNull(json);
        var path = json.Path is { } p && p.StartsWith("$.", StringComparison.Ordinal) ? p[2..] : "";
        var place = json.LineNumber is { } line
            ? string.Create(CultureInfo.InvariantCulture, $" (line {line + 1}, byte {(json.BytePositionInLine ?? 0) + 1})")
            : "";
        if (json is WireRuleException rule)
        {
            return Bad(path.Length > 0 ? $"{path}.{rule.Member}" : rule.Member, rule.Message);
        }

        return json.Message switch
        {
            var m when UnknownMember().Match(m) is { Success: true } match => Bad(Join(path, match), "There is no member of this name here."),
            var m when Duplicate().Match(m) is { Success: true } match => Bad(path.Length > 0 ? path : match.Groups[1].Value, "The member is there twice."),
            var m when NullMember().Match(m) is { Success: true } match => Bad(Join(path, match), "null is not allowed here."),
            var m when m.Contains("maximum configured depth", StringComparison.Ordinal) => Bad(Name(path), $"The JSON is nested too deeply{place}."),
            var m when json.InnerException is InvalidOperationException { Message: var inner } && NoUnicode().IsMatch(inner) =>
                Bad(Name(path), $"The string is not valid Unicode{place}."),
            var m when m.Contains("could not be converted", StringComparison.Ordinal) =>
                Bad(Name(path), $"Expected {ExpectedValue.At(body, path) ?? "another type of value"}{place}."),
            _ => Bad(Body, $"The body is not valid JSON{place}: {Sentence(json)}"),
        };
    }

    /// <summary>What is wrong with a parameter that could not be bound.</summary>
    internal static (string Field, string Message) Describe(string message)
    {
        if (Parameter().Match(message) is { Success: true } parameter)
        {
            var expected = parameter.Groups[1].Value.TrimEnd('?') switch
            {
                "int" or "long" => "an integer",
                "double" => "a number",
                "bool" => "true or false",
                "DateTimeOffset" => "a date and time in ISO 8601",
                _ => "a value that is known here",
            };
            return Bad(parameter.Groups[2].Value, $"'{parameter.Groups[3].Value}' is not {expected}.");
        }

        return Missing().Match(message) is { Success: true } missing
            ? Bad(missing.Groups[1].Value, "It must not be empty.")
            : Bad(Body, "A JSON body is needed.");
    }

    // The exception handler has cleared the request's endpoint.
    private static Type? FindBodyType(HttpContext context) =>
        (context.Features.Get<IExceptionHandlerFeature>()?.Endpoint ?? context.GetEndpoint())?.Metadata.GetMetadata<IAcceptsMetadata>()?.RequestType;

    private static (string Field, string Message) Bad(string field, string message) => (field, message);

    private static string Name(string path) => path.Length > 0 ? path : Body;

    // Depending on how the object is read, the path ends with the member or with the object that has it.
    private static string Join(string path, Match match)
    {
        var member = match.Groups[1].Value;
        var last = path[(path.LastIndexOf('.') + 1)..];
        return last.Equals(member, StringComparison.OrdinalIgnoreCase) ? path : path.Length > 0 ? $"{path}.{member}" : member;
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

    [GeneratedRegex("(?:parameter|property or field) '(.*?)' on type .* doesn't allow")]
    private static partial Regex NullMember();

    [GeneratedRegex("UTF-(8|16)")]
    private static partial Regex NoUnicode();

    [GeneratedRegex("^Failed to bind parameter \"(\\S+) (\\S+)\" from \"(.*)\"")]
    private static partial Regex Parameter();

    [GeneratedRegex("^Required parameter \"\\S+ (\\S+)\" was not provided from (?!body)")]
    private static partial Regex Missing();
}
