using System.Collections.Concurrent;
using System.Text;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace RagPlatform.Lab.Bench;

/// <summary>One span as it was sent.</summary>
/// <param name="Service">The service's name.</param>
/// <param name="Scope">The library that made it.</param>
/// <param name="Name">Its name.</param>
/// <param name="TraceId">The trace, in hexadecimal.</param>
/// <param name="ParentId">The span above it, in hexadecimal; empty for a root.</param>
internal sealed record ReceivedSpan(string Service, string Scope, string Name, string TraceId, string ParentId);

/// <summary>Receives OTLP over HTTP in its binary form: spans are read, logs are kept as they came.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    public OtlpReceiver()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        _app = builder.Build();
        _app.Urls.Add("http://127.0.0.1:0");
        _app.MapPost("/v1/traces", ReceiveTracesAsync);
        _app.MapPost("/v1/logs", ReceiveLogsAsync);
        _app.MapPost("/v1/metrics", () => Results.Ok());
    }

    /// <summary>Where it listens.</summary>
    public string Address => _app.Urls.First();

    /// <summary>Every span.</summary>
    public ConcurrentQueue<ReceivedSpan> Spans { get; } = new();

    /// <summary>Every log message, as bytes of the export requests read as UTF-8: texts in them can be found, whatever field they are in.</summary>
    public ConcurrentQueue<string> Logs { get; } = new();

    public Task StartAsync() => _app.StartAsync();

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static async Task<byte[]> ReadAsync(HttpRequest request)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        return body.ToArray();
    }

    // ExportTraceServiceRequest: resource_spans = 1 { resource = 1, scope_spans = 2 { scope = 1, spans = 2 } }.
    private async Task<IResult> ReceiveTracesAsync(HttpRequest request)
    {
        foreach (var resourceSpans in Fields(await ReadAsync(request), 1))
        {
            var service = Fields(resourceSpans, 1).SelectMany(resource => Fields(resource, 1)).Select(ReadAttribute)
                .FirstOrDefault(attribute => attribute.Key == "service.name").Value ?? "";
            foreach (var scopeSpans in Fields(resourceSpans, 2))
            {
                var scope = Fields(scopeSpans, 1).Select(bytes => Text(bytes, 1)).FirstOrDefault() ?? "";
                foreach (var span in Fields(scopeSpans, 2))
                {
                    Spans.Enqueue(new ReceivedSpan(service, scope, Text(span, 5), Hex(span, 1), Hex(span, 4)));
                }
            }
        }

        return Results.Ok();
    }

    private async Task<IResult> ReceiveLogsAsync(HttpRequest request)
    {
        Logs.Enqueue(Encoding.UTF8.GetString(await ReadAsync(request)));
        return Results.Ok();
    }

    // KeyValue: key = 1, value = 2 { string_value = 1 }.
    private static KeyValuePair<string, string> ReadAttribute(byte[] attribute) =>
        new(Text(attribute, 1), Fields(attribute, 2).Select(value => Text(value, 1)).FirstOrDefault() ?? "");

    private static string Text(byte[] message, int field) =>
        Fields(message, field).Select(Encoding.UTF8.GetString).FirstOrDefault() ?? "";

    private static string Hex(byte[] message, int field) => Fields(message, field).Select(Convert.ToHexStringLower).FirstOrDefault() ?? "";

    // The values of a field that has a length: messages, strings, bytes.
    private static List<byte[]> Fields(byte[] message, int field)
    {
        var values = new List<byte[]>();
        var input = new CodedInputStream(message);
        for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (WireFormat.GetTagFieldNumber(tag) == field && WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited)
            {
                values.Add(input.ReadBytes().ToByteArray());
            }
            else
            {
                input.SkipLastField();
            }
        }

        return values;
    }
}
