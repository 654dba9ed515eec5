using System.Net;
using System.Net.Http.Headers;

namespace RagPlatform.ServiceDefaults.Tests;

/// <summary>A server that answers what it is told, in this order, and then nothing.</summary>
internal sealed class ScriptedHandler(params HttpStatusCode[] answers) : HttpMessageHandler
{
    private readonly Queue<HttpStatusCode> _answers = new(answers);

    /// <summary>The bodies of the requests, in their order.</summary>
    public List<string> Bodies { get; } = [];

    /// <summary>The last request's authorization.</summary>
    public string? Authorization { get; private set; }

    /// <summary>What every answer asks the client to wait.</summary>
    public TimeSpan? RetryAfter { get; set; }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        Authorization = request.Headers.Authorization?.ToString();
        Bodies.Add(request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken));
        if (!_answers.TryDequeue(out var status))
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        var response = new HttpResponseMessage(status) { RequestMessage = request };
        response.Headers.RetryAfter = RetryAfter is { } delta ? new RetryConditionHeaderValue(delta) : null;
        return response;
    }
}
