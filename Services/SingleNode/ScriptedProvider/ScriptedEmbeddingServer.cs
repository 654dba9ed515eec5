using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace RagPlatform.SingleNode.ScriptedProvider;

/// <summary>
/// A real HTTP server that speaks OpenAI's embedding API, on this machine, and answers by a script: late, wrongly, or not at all. For
/// tests, and for benchmarks that must not depend on anybody's network. Vectors depend on the model and the text only, and texts that
/// share words are similar, so that a search over them can be checked.
/// </summary>
public sealed class ScriptedEmbeddingServer : IAsyncDisposable
{
    private static readonly char[] s_separators = [' ', '\n', '\t', '.', ',', ';', ':', '!', '?'];

    private readonly WebApplication _app;
    private readonly ConcurrentQueue<ScriptedAnswer> _next = new();
    private readonly ConcurrentQueue<ScriptedRequest> _requests = new();
    private int _count;
    private int _inFlight;
    private int _mostInFlight;

    private ScriptedEmbeddingServer(WebApplication app, int dimensions)
    {
        _app = app;
        Dimensions = dimensions;
    }

    /// <summary>The base address for a client: it ends with <c>/v1</c>.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>The length of the vectors when the request names none.</summary>
    public int Dimensions { get; }

    /// <summary>Decides about the requests that <see cref="Enqueue"/> says nothing about. The default: right, at once.</summary>
    public Func<ScriptedRequest, ScriptedAnswer> Script { get; set; } = static _ => new ScriptedAnswer();

    /// <summary>A request with a text that contains this is refused with 400, whatever the script says. Null refuses none.</summary>
    public string? FailingMarker { get; set; }

    /// <summary>Only requests with this key are accepted. Null accepts all.</summary>
    public string? ApiKey { get; set; }

    /// <summary>The requests so far, in the order in which they came.</summary>
    public IReadOnlyList<ScriptedRequest> Requests => [.. _requests];

    /// <summary>How many texts were asked for so far.</summary>
    public int TextCount => _requests.Sum(request => request.Inputs.Count);

    /// <summary>How many requests were being answered at the same time, at most.</summary>
    public int MostInFlight => _mostInFlight;

    /// <summary>Starts a server on a free port of the loopback interface.</summary>
    /// <param name="dimensions">The length of the vectors, 1 to 16,000.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    public static async Task<ScriptedEmbeddingServer> StartAsync(int dimensions = 384, CancellationToken cancellationToken = default)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var server = new ScriptedEmbeddingServer(app, dimensions);
        app.MapPost("/v1/embeddings", server.AnswerAsync);
        app.MapGet("/v1/models", () => Results.Json(new { @object = "list", data = new[] { new { id = "scripted", @object = "model" } } }));
        await app.StartAsync(cancellationToken);
        server.Address = new Uri(new Uri(app.Urls.First()), "v1");
        return server;
    }

    /// <summary>The next requests get these answers, one each; then <see cref="Script"/> decides again.</summary>
    public void Enqueue(params ReadOnlySpan<ScriptedAnswer> answers)
    {
        foreach (var answer in answers)
        {
            _next.Enqueue(answer);
        }
    }

    /// <summary>The vector that a right answer has for a text: unit length.</summary>
    /// <param name="model">Another model has other vectors.</param>
    /// <param name="text">The text.</param>
    /// <param name="dimensions">The length of the vector.</param>
    public static float[] Embed(string model, string text, int dimensions)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(text);
        var vector = new float[dimensions];
        // A small constant component, so that a text without words has a direction too.
        vector[Hash(model, "") % (uint)dimensions] = 0.01f;
        foreach (var word in text.ToLowerInvariant().Split(s_separators, StringSplitOptions.RemoveEmptyEntries))
        {
            var hash = Hash(model, word);
            vector[hash % (uint)dimensions] += (hash & 0x8000_0000) == 0 ? 1f : -1f;
        }

        var length = MathF.Sqrt(vector.Sum(component => component * component));
        return length == 0 ? Embed(model, text + " .", dimensions) : [.. vector.Select(component => component / length)];
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    // FNV-1a: the same in every process, unlike string.GetHashCode.
    private static uint Hash(string model, string word)
    {
        var hash = 2166136261;
        foreach (var c in model + "\u0001" + word)
        {
            hash = (hash ^ c) * 16777619;
        }

        return hash;
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var inFlight = Interlocked.Increment(ref _inFlight);
        InterlockedMax(ref _mostInFlight, inFlight);
        try
        {
            var request = await ReadAsync(context);
            _requests.Enqueue(request);
            var answer = _next.TryDequeue(out var next) ? next : Script(request);
            if (answer.Latency > TimeSpan.Zero)
            {
                await Task.Delay(answer.Latency, context.RequestAborted);
            }

            await WriteAsync(context, request, Override(request) ?? answer);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client did not want to wait any longer.
        }
        finally
        {
            Interlocked.Decrement(ref _inFlight);
        }
    }

    private async Task<ScriptedRequest> ReadAsync(HttpContext context)
    {
        var body = (await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted))!;
        IReadOnlyList<string> inputs = body["input"] is JsonArray array
            ? [.. array.Select(text => text!.GetValue<string>())]
            : [body["input"]!.GetValue<string>()];
        var authorization = context.Request.Headers.Authorization.ToString();
        return new ScriptedRequest(
            Interlocked.Increment(ref _count),
            body["model"]!.GetValue<string>(),
            inputs,
            body["dimensions"]?.GetValue<int>(),
            body["encoding_format"]?.GetValue<string>() == "base64",
            authorization.StartsWith("Bearer ", StringComparison.Ordinal) ? authorization["Bearer ".Length..] : null);
    }

    private ScriptedAnswer? Override(ScriptedRequest request)
    {
        if (ApiKey is { } key && request.ApiKey != key)
        {
            return new ScriptedAnswer(ScriptedFault.Unauthorized);
        }

        return FailingMarker is { } marker && request.Inputs.Any(text => text.Contains(marker, StringComparison.Ordinal))
            ? new ScriptedAnswer(ScriptedFault.InvalidInput)
            : null;
    }

    private async Task WriteAsync(HttpContext context, ScriptedRequest request, ScriptedAnswer answer)
    {
        if (answer.RetryAfter is { } retryAfter)
        {
            context.Response.Headers.RetryAfter = Math.Ceiling(retryAfter.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        }

        switch (answer.Fault)
        {
            case ScriptedFault.RateLimited: await WriteErrorAsync(context, 429, "rate_limit_exceeded", "Rate limit reached."); break;
            case ScriptedFault.ServerError: await WriteErrorAsync(context, 500, "server_error", "The server had an error."); break;
            case ScriptedFault.Unavailable: await WriteErrorAsync(context, 503, "server_error", "Overloaded."); break;
            case ScriptedFault.Unauthorized: await WriteErrorAsync(context, 401, "invalid_api_key", "Incorrect API key provided."); break;
            case ScriptedFault.InvalidInput: await WriteErrorAsync(context, 400, "invalid_request_error", "Input not accepted."); break;
            case ScriptedFault.Garbage: await context.Response.WriteAsync("<html>It works!</html>"); break;
            case ScriptedFault.Disconnect: context.Abort(); break;
            case ScriptedFault.HalfBody: await WriteHalfAsync(context, Body(request, answer.Fault)); break;
            default:
                context.Response.ContentType = "application/json";
                await context.Response.Body.WriteAsync(Body(request, answer.Fault), context.RequestAborted);
                break;
        }
    }

    private byte[] Body(ScriptedRequest request, ScriptedFault fault)
    {
        var inputs = fault switch
        {
            ScriptedFault.TooFew => request.Inputs.SkipLast(1),
            ScriptedFault.TooMany => request.Inputs.Append("one more"),
            _ => request.Inputs,
        };
        var data = inputs.Select((text, index) => Item(request, text, index, fault)).ToList();
        if (fault == ScriptedFault.Shuffled)
        {
            data.Reverse();
        }
        else if (fault == ScriptedFault.DuplicateIndex)
        {
            data[^1]["index"] = 0;
        }

        var tokens = request.Inputs.Sum(text => text.Count(char.IsWhiteSpace) + 1);
        return JsonSerializer.SerializeToUtf8Bytes(new JsonObject
        {
            ["object"] = "list",
            ["data"] = new JsonArray([.. data]),
            ["model"] = request.Model,
            ["usage"] = new JsonObject { ["prompt_tokens"] = tokens, ["total_tokens"] = tokens },
        });
    }

    private JsonObject Item(ScriptedRequest request, string text, int index, ScriptedFault fault)
    {
        var vector = Embed(fault == ScriptedFault.OtherModel ? "another than " + request.Model : request.Model, text, request.Dimensions ?? Dimensions);
        if (index == 0)
        {
            switch (fault)
            {
                case ScriptedFault.NotANumber: vector[0] = float.NaN; break;
                case ScriptedFault.ZeroVector: Array.Clear(vector); break;
                case ScriptedFault.WrongDimensions: vector = vector[..^1]; break;
                default: break;
            }
        }

        // JSON has no NaN: as numbers it becomes null.
        JsonNode embedding = request.Base64
            ? Convert.ToBase64String(MemoryMarshal.AsBytes(vector.AsSpan()))
            : new JsonArray([.. vector.Select(component => float.IsNaN(component) ? null : (JsonNode)component)]);
        return new JsonObject { ["object"] = "embedding", ["index"] = index, ["embedding"] = embedding };
    }

    private static async Task WriteErrorAsync(HttpContext context, int status, string code, string message)
    {
        context.Response.StatusCode = status;
        await context.Response.WriteAsJsonAsync(new { error = new { message, type = code, code } }, context.RequestAborted);
    }

    private static async Task WriteHalfAsync(HttpContext context, byte[] body)
    {
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body.AsMemory(0, body.Length / 2), context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        context.Abort();
    }

    private static void InterlockedMax(ref int target, int value)
    {
        for (var seen = Volatile.Read(ref target); value > seen; seen = Volatile.Read(ref target))
        {
            Interlocked.CompareExchange(ref target, value, seen);
        }
    }
}
