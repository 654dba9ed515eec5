using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace RagPlatform.EmbeddingService.Tests.Infrastructure;

/// <summary>OpenAI's API in memory. Each text has a vector of its own, so that a misplaced one is seen.</summary>
internal sealed class ScriptedProvider : HttpMessageHandler
{
    private readonly Lock _lock = new();

    /// <summary>Answers a call in place of the provider; null lets it answer itself.</summary>
    public Func<ProviderCall, HttpResponseMessage?>? Script { get; set; }

    /// <summary>Runs before a call is answered.</summary>
    public Func<ProviderCall, CancellationToken, Task>? Before { get; set; }

    /// <summary>Every call, in the order of arrival.</summary>
    public List<ProviderCall> Calls { get; } = [];

    /// <summary>The vector that a text must have.</summary>
    public static float[] VectorOf(string text, int dimensions)
    {
        var random = new Random(BitConverter.ToInt32(SHA256.HashData(Encoding.UTF8.GetBytes(text))));
        var vector = new float[dimensions];
        var sum = 0.0;
        for (var i = 0; i < dimensions; i++)
        {
            vector[i] = (float)(random.NextDouble() - 0.5);
            sum += vector[i] * vector[i];
        }

        for (var i = 0; i < dimensions; i++)
        {
            vector[i] = (float)(vector[i] / Math.Sqrt(sum));
        }

        return vector;
    }

    /// <summary>A sound answer.</summary>
    public static HttpResponseMessage Answer(IEnumerable<(int Index, float[] Vector)> vectors, long tokens) => new(HttpStatusCode.OK)
    {
        Content = JsonContent.Create(new
        {
            @object = "list",
            data = vectors.Select(v => new { @object = "embedding", index = v.Index, embedding = v.Vector }),
            model = "scripted",
            usage = new { prompt_tokens = tokens, total_tokens = tokens },
        }),
    };

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var body = await request.Content!.ReadAsStringAsync(cancellationToken);
        var json = JsonSerializer.Deserialize<JsonElement>(body);
        var call = new ProviderCall(
            request.RequestUri!,
            json.GetProperty("model").GetString()!,
            [.. json.GetProperty("input").EnumerateArray().Select(text => text.GetString()!)],
            json.TryGetProperty("dimensions", out var dimensions) ? dimensions.GetInt32() : null,
            json.TryGetProperty("encoding_format", out var format) ? format.GetString() : null);
        lock (_lock)
        {
            Calls.Add(call);
        }

        if (Before is { } before)
        {
            await before(call, cancellationToken);
        }

        var wanted = call.Dimensions ?? 1536;
        return Script?.Invoke(call)
            ?? Answer(call.Texts.Select((text, i) => (i, VectorOf(text, wanted))), call.Texts.Sum(text => Math.Max(1, text.Length / 4)));
    }
}

/// <summary>A call that a provider got.</summary>
internal sealed record ProviderCall(Uri Url, string Model, IReadOnlyList<string> Texts, int? Dimensions, string? Format);
