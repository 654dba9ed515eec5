using System.Net;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Lab.Bench;

/// <summary>
/// A provider without a network: the gateway's own client gets its answers as bytes, a third of them wrong, in every way there is. So that a million of
/// batches is a matter of minutes.
/// </summary>
/// <param name="dimensions">The length of its vectors.</param>
/// <param name="seed">Where its randomness starts.</param>
internal sealed class FaultyProvider(int dimensions, int seed) : HttpMessageHandler
{
    // Shuffled twice: it is allowed, and the likeliest way to misplace a vector.
    private static readonly ScriptedFault[] s_faults =
    [
        ScriptedFault.TooFew, ScriptedFault.TooMany, ScriptedFault.Shuffled, ScriptedFault.Shuffled, ScriptedFault.DuplicateIndex, ScriptedFault.NotANumber,
        ScriptedFault.ZeroVector, ScriptedFault.WrongDimensions, ScriptedFault.Garbage, ScriptedFault.HalfBody, ScriptedFault.ServerError,
    ];

    private readonly Lock _lock = new();
    private readonly Random _random = new(seed);
    private readonly long[] _answers = new long[Enum.GetValues<ScriptedFault>().Length];

    /// <summary>Whether every fault had its turn.</summary>
    public bool AllHadTheirTurn => s_faults.All(fault => Interlocked.Read(ref _answers[(int)fault]) > 0);

    /// <inheritdoc />
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var (texts, model) = Read(await request.Content!.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false));
        ScriptedFault fault;
        int victim;
        lock (_lock)
        {
            fault = _random.Next(3) == 0 ? s_faults[_random.Next(s_faults.Length)] : ScriptedFault.None;
            victim = _random.Next(texts.Length);
        }

        Interlocked.Increment(ref _answers[(int)fault]);

        // So that answers come in another order than questions, and other callers can join.
        await Task.Yield();
        return fault switch
        {
            ScriptedFault.Garbage => Answer(HttpStatusCode.OK, "<html>It works!</html>"u8.ToArray()),
            ScriptedFault.ServerError => Answer(HttpStatusCode.InternalServerError, """{"error":{"message":"The server had an error."}}"""u8.ToArray()),
            ScriptedFault.HalfBody => Answer(HttpStatusCode.OK, Half(Body(model, texts, fault, victim))),
            _ => Answer(HttpStatusCode.OK, Body(model, texts, fault, victim)),
        };
    }

    private byte[] Body(string model, string[] texts, ScriptedFault fault, int victim)
    {
        var items = texts.Select((text, i) => (Index: i, Vector: ScriptedEmbeddingServer.Embed(model, text, dimensions))).ToList();
        switch (fault)
        {
            case ScriptedFault.TooFew:
                items.RemoveAt(victim);
                break;
            case ScriptedFault.TooMany:
                items.Add((items.Count, items[victim].Vector));
                break;
            case ScriptedFault.Shuffled:
                CollectionsMarshal.AsSpan(items).Reverse();
                break;
            case ScriptedFault.DuplicateIndex:
                // Of one text there is no second index: then it is one that nobody asked for.
                items[victim] = (texts.Length > 1 ? (victim + 1) % texts.Length : 1, items[victim].Vector);
                break;
            case ScriptedFault.NotANumber:
                items[victim].Vector[7] = float.NaN;
                break;
            case ScriptedFault.ZeroVector:
                Array.Clear(items[victim].Vector);
                break;
            case ScriptedFault.WrongDimensions:
                items[victim] = (items[victim].Index, items[victim].Vector[..^1]);
                break;
            default:
                break;
        }

        var body = new StringBuilder("{\"data\":[");
        foreach (var (index, vector) in items)
        {
            body.Append(body.Length > 9 ? "," : "").Append("{\"index\":").Append(index).Append(",\"embedding\":\"")
                .Append(Convert.ToBase64String(MemoryMarshal.AsBytes(vector.AsSpan()))).Append("\"}");
        }

        return Encoding.UTF8.GetBytes(body.Append("],\"usage\":{\"prompt_tokens\":").Append(texts.Length).Append("}}").ToString());
    }

    private static (string[] Texts, string Model) Read(byte[] body)
    {
        using var json = JsonDocument.Parse(body);
        return ([.. json.RootElement.GetProperty("input").EnumerateArray().Select(text => text.GetString()!)], json.RootElement.GetProperty("model").GetString()!);
    }

    private static byte[] Half(byte[] body) => body[..(body.Length / 2)];

    private static HttpResponseMessage Answer(HttpStatusCode status, byte[] body) =>
        new(status) { Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } } };
}
