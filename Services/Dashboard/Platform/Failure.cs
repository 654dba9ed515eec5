using System.Net;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Dashboard.Platform;

/// <summary>Why a call of another service gave no answer, in words for the person in front of the page.</summary>
/// <param name="Headline">What happened, in a few words.</param>
/// <param name="Detail">What is known about it, and what to do.</param>
/// <param name="Errors">What is wrong with which field of the request; empty when the request was not at fault.</param>
public sealed record Failure(string Headline, string Detail, IReadOnlyDictionary<string, string[]> Errors)
{
    private static readonly Dictionary<string, string[]> s_none = [];

    /// <summary>The sentences about a field, or about what is inside it: <c>filter</c> and <c>filter.year</c>.</summary>
    public IEnumerable<string> ErrorsOf(string field) => Errors
        .Where(error => Belongs(error.Key, field))
        .SelectMany(error => error.Key == field
            ? error.Value
            : error.Value.Select(sentence => $"{error.Key[(field.Length + 1)..]}: {sentence}"));

    /// <summary>The sentences about fields that a form does not have.</summary>
    /// <param name="fields">The fields that it has.</param>
    public IEnumerable<string> ErrorsBeside(params IEnumerable<string> fields) => Errors
        .Where(error => !fields.Any(field => Belongs(error.Key, field)))
        .SelectMany(error => error.Value.Select(sentence => $"{error.Key}: {sentence}"));

    /// <summary>A failure that is about one field only.</summary>
    public static Failure OfField(string field, string sentence) =>
        new("Please check the form", "", new Dictionary<string, string[]> { [field] = [sentence] });

    /// <summary>The failure that an exception stands for.</summary>
    /// <param name="exception">What the call threw.</param>
    /// <param name="service">The service that was called, as a sentence begins with it.</param>
    /// <param name="address">Its address.</param>
    public static Failure From(Exception exception, string service, Uri address) => exception switch
    {
        RagApiException { Errors.Count: > 0 } api => new("Please check the form", api.Title, api.Errors),
        RagApiException api => new(HeadlineOf(api.Status, service), api.Title, s_none),
        EmbeddingGatewayException { Status: > 0 } gateway =>
            new(HeadlineOf((HttpStatusCode)gateway.Status, service), gateway.Message, s_none),
        HttpRequestException or EmbeddingGatewayException => new(
            $"{service} does not answer", $"There is no connection to {address}. This page tries again by itself.", s_none),
        OperationCanceledException => new($"{service} takes too long", $"No answer came from {address} in time.", s_none),
        JsonException => new($"{service} gave an answer that cannot be read", "It may be of another version than the dashboard.", s_none),
        _ => throw new ArgumentException("Not a failure of a call.", nameof(exception), exception),
    };

    /// <summary>Whether an exception is one that <see cref="From"/> can put into words.</summary>
    public static bool Explains(Exception exception) =>
        exception is RagApiException or EmbeddingGatewayException or HttpRequestException or OperationCanceledException or JsonException;

    private static bool Belongs(string key, string field) =>
        key == field || (key.StartsWith(field, StringComparison.Ordinal) && key[field.Length] is '.' or '[');

    private static string HeadlineOf(HttpStatusCode status, string service) => status switch
    {
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => $"{service} refuses the dashboard’s key",
        HttpStatusCode.NotFound => "Not found",
        HttpStatusCode.Conflict => "That is not possible as things are",
        HttpStatusCode.TooManyRequests => $"{service} is asked too often",
        HttpStatusCode.ServiceUnavailable => $"{service} is not ready",
        >= HttpStatusCode.InternalServerError => $"{service} failed",
        _ => $"{service} refused",
    };
}

/// <summary>What a call gave: a value, or why there is none.</summary>
internal sealed record Answer<T>(T? Value, Failure? Failure)
{
    /// <summary>Whether there was an answer; it may still be null.</summary>
    public bool Succeeded => Failure is null;
}
