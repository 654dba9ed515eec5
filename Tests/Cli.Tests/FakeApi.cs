using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Tests;

/// <summary>Stands where the network is: answers by method and path, and keeps what was asked.</summary>
internal sealed class FakeApi : HttpMessageHandler
{
    private readonly Dictionary<string, Func<string, HttpResponseMessage>> _answers = new(StringComparer.Ordinal);

    /// <summary>Every request as "METHOD path", with its body.</summary>
    public ConcurrentQueue<(string Request, string Body)> Requests { get; } = new();

    /// <summary>The authorization header of the last request.</summary>
    public string? Authorization { get; private set; }

    /// <summary>Where the embedding service is said to be; null when nobody says.</summary>
    public string? EmbeddingUrl { get; init; }

    /// <summary>What nothing else answers; null is a refused connection.</summary>
    public Func<HttpResponseMessage>? Otherwise { get; init; } = () => new HttpResponseMessage(HttpStatusCode.NotFound);

    public FakeApi On(string request, object answer, HttpStatusCode status = HttpStatusCode.OK) => On(request, _ => Json(answer, status));

    public FakeApi On(string request, Func<string, HttpResponseMessage> answer)
    {
        _answers[request] = answer;
        return this;
    }

    public static HttpResponseMessage Json(object answer, HttpStatusCode status = HttpStatusCode.OK) => new(status)
    {
        Content = new StringContent(JsonSerializer.Serialize(answer, RagJson.Options), Encoding.UTF8, "application/json"),
    };

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var body = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
        var key = $"{request.Method} {request.RequestUri!.PathAndQuery}";
        Requests.Enqueue((key, body));
        Authorization = request.Headers.Authorization?.ToString();
        return _answers.TryGetValue(key, out var answer)
            ? answer(body)
            : Otherwise?.Invoke() ?? throw new HttpRequestException(HttpRequestError.ConnectionError, "Connection refused");
    }
}
