using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;
using OpenTelemetry;
using OpenTelemetry.Trace;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode;

namespace RagPlatform.Integration.Tests.Telemetry;

/// <summary>What the whole platform exports: traces of what people do, with names that say it, and nothing of what it does by itself.</summary>
public sealed class NodeTracesTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private const string Secret = "zanzibar";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Node_PutAndSearch_AreTracesWithoutTextAndNothingElseIs()
    {
        var spans = new Spans();
        await using var node = await SingleNodeApp.StartAsync(
            new()
            {
                Postgres = database.ConnectionString,
                Valkey = database.CacheConnectionString,
                // Nobody listens there: what is exported is seen by the processor.
                Settings = new Dictionary<string, string?> { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9" },
                Configure = (_, builder) => builder.Services.ConfigureOpenTelemetryTracerProvider(tracing => tracing.AddProcessor(spans)),
            },
            Cancelled);
        // As from another process: a call that belongs to no trace of ours is not recorded, and its traceparent would say so.
        using var outside = new SocketsHttpHandler { ActivityHeadersPropagator = null };
        using var http = new HttpClient(outside) { BaseAddress = node.ApiAddress };
        http.DefaultRequestHeaders.Authorization = new("Bearer", node.AdminKey);
        var client = new RagClient(http);
        await client.CreateWorkspaceAsync(new("traces"), Cancelled);
        await client.PutDocumentAsync("traces", "a", new($"The {Secret} of things."), cancellationToken: Cancelled);
        var index = await spans.WaitForAsync(span => span.OperationName == "index document" && (string?)span.GetTagItem("rag.workspace") == "traces");
        var found = await client.SearchAsync("traces", new(Secret), Cancelled);
        Assert.Single(found.Hits);
        var retrieval = await spans.WaitForAsync(span => span.OperationName == "retrieval traces");

        // The indexing is linked to the request that put the document.
        var put = spans.Single(span => span.Kind == ActivityKind.Server && span.TraceId == index.Links.Single().Context.TraceId);
        Assert.StartsWith("PUT ", put.DisplayName, StringComparison.Ordinal);
        Assert.Contains(spans.All, span => span.DisplayName.Contains("DocumentStore.Put", StringComparison.Ordinal) && span.TraceId == put.TraceId);

        // One trace over the search API, the embedding service and PostgreSQL.
        var trace = spans.All.Where(span => span.TraceId == retrieval.TraceId).Select(span => span.DisplayName).ToList();
        Assert.Superset(
            new HashSet<string> { "retrieval traces", "search plan", "search embed", "search postings", "search vector", "search fuse", "POST /v1/embeddings" },
            trace.ToHashSet());
        Assert.Contains(trace, name => name.StartsWith("embed ", StringComparison.Ordinal));
        Assert.Contains(trace, name => name.StartsWith("LexicalStore.", StringComparison.Ordinal));
        Assert.Equal("retrieval", retrieval.GetTagItem("gen_ai.operation.name"));

        foreach (var span in spans.All)
        {
            var said = string.Join('\n', span.TagObjects.Append(new("name", span.DisplayName)).Concat(span.Events.SelectMany(e => e.Tags)).Select(tag => tag.Value));
            Assert.DoesNotContain(Secret, said, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(node.AdminKey, said, StringComparison.Ordinal);
        }

        // Polling, leases and listening make none. Sources belong to the process: other tests have statements of their own, in other databases.
        var name = new NpgsqlConnectionStringBuilder(database.ConnectionString).Database;
        var statements = spans.All.Where(span => span.TagObjects.Any(tag => tag.Value as string == name)).ToList();
        Assert.NotEmpty(statements);
        Assert.All(statements, span => Assert.NotNull(span.ParentId));
    }

    private sealed class Spans : BaseProcessor<Activity>
    {
        private readonly ConcurrentQueue<Activity> _spans = new();

        public IEnumerable<Activity> All => _spans;

        public Activity Single(Func<Activity, bool> which) => Assert.Single(_spans, span => which(span));

        public async Task<Activity> WaitForAsync(Func<Activity, bool> which)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
            limit.CancelAfter(TimeSpan.FromSeconds(30));
            while (true)
            {
                Assert.False(limit.IsCancellationRequested, string.Join('\n', _spans.Select(span => $"{span.Kind} {span.DisplayName} {span.TraceId} {span.ParentSpanId}")));
                if (_spans.FirstOrDefault(which) is { } span)
                {
                    return span;
                }

                await Task.Delay(20, Cancelled);
            }
        }

        public override void OnEnd(Activity data) => _spans.Enqueue(data);
    }
}
