using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Trace;
using RagPlatform.ServiceDefaults.Telemetry;

namespace RagPlatform.ServiceDefaults.Tests.Telemetry;

public sealed class TracesTests : IAsyncDisposable
{
    // Nobody listens there: what is exported is seen by the processor below.
    private static readonly Dictionary<string, string?> s_exported = new() { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9" };

    private readonly SpanCollector _spans = new();
    private TestApp? _app;

    [Fact]
    public async Task Request_OfAnEndpoint_IsASpanWithItsRoute()
    {
        var app = await StartAsync();

        await app.Client.GetStringAsync("/things/7?q=secret", TestContext.Current.CancellationToken);

        var span = await _spans.NextAsync(app);
        Assert.Equal((ActivityKind.Server, "GET /things/{id}"), (span.Kind, span.DisplayName));
        Assert.DoesNotContain(span.TagObjects, tag => tag.Value is string text && text.Contains("secret", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/health")]
    [InlineData("/alive")]
    [InlineData("/metrics")]
    public async Task Request_OfAProbe_IsNoSpan(string path)
    {
        var app = await StartAsync();

        using var response = await app.Client.GetAsync(path, TestContext.Current.CancellationToken);
        await app.Client.GetStringAsync("/things/7", TestContext.Current.CancellationToken);

        Assert.Equal("GET /things/{id}", (await _spans.NextAsync(app)).DisplayName);
    }

    [Fact]
    public async Task Call_WithinARequest_IsItsChildAndOneOutsideIsNoSpan()
    {
        var app = await StartAsync();
        using var http = new HttpClient();

        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync("http://127.0.0.1:9/outside", TestContext.Current.CancellationToken));
        await app.Client.GetStringAsync("/calls", TestContext.Current.CancellationToken);

        var call = Assert.Single(_spans.All, span => span.Kind == ActivityKind.Client && Address(span)?.EndsWith("side", StringComparison.Ordinal) == true);
        Assert.EndsWith("/inside", Address(call), StringComparison.Ordinal);
        Assert.NotNull(call.ParentId);
    }

    [Theory]
    [InlineData("A, B", "A", "B", "A")]
    [InlineData("A, B, C and 2 more", "A", "B", "C", "D", "E")]
    [InlineData(null)]
    public void NameBatch_Statements_AreNamedInOrder(string? expected, params string[] statements) =>
        Assert.Equal(expected, SqlTracing.NameBatch(statements));

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await _app.DisposeAsync();
        }
    }

    private static string? Address(Activity span) => span.GetTagItem("url.full") as string;

    private async Task<TestApp> StartAsync() => _app = await TestApp.StartAsync(
        s_exported,
        builder =>
        {
            builder.Services.ConfigureOpenTelemetryTracerProvider(tracing => tracing.AddProcessor(_spans));
            builder.Logging.ClearProviders();
        },
        app =>
        {
            app.MapGet("/things/{id}", (string id) => id);
            app.MapGet("/calls", async (CancellationToken cancellationToken) =>
            {
                using var http = new HttpClient();
                await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync("http://127.0.0.1:9/inside", cancellationToken));
                return "called";
            });
        });

    // Activity sources belong to the process: other tests' requests come by as well.
    private sealed class SpanCollector : BaseProcessor<Activity>
    {
        private readonly ConcurrentQueue<Activity> _spans = new();
        private readonly Channel<Activity> _ended = Channel.CreateUnbounded<Activity>();

        public IEnumerable<Activity> All => _spans;

        /// <summary>The next request to the application; its span ends after its answer.</summary>
        public async Task<Activity> NextAsync(TestApp app)
        {
            while (true)
            {
                var span = await _ended.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30));
                if (span.GetTagItem("user_agent.original") as string == app.Name)
                {
                    return span;
                }
            }
        }

        public override void OnEnd(Activity data)
        {
            _spans.Enqueue(data);
            _ended.Writer.TryWrite(data);
        }
    }
}
