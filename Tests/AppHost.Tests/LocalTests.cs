using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.LocalServers;

namespace RagPlatform.AppHost.Tests;

/// <summary>The application, started with PostgreSQL and Valkey of this machine.</summary>
public sealed class LocalTests(LocalAppHost host) : IClassFixture<LocalAppHost>
{
    [Fact]
    public async Task Platform_Started_IsHealthyAndFindsWhatWasPut()
    {
        host.SkipUnlessStarted();
        using var timeout = RunningAppHost.Timeout();

        await Journey.EveryServiceIsHealthyAsync(host, timeout.Token);
        await Journey.PutAndSearchInEveryModeAsync(host, "local", timeout.Token);

        // Where it can be reached is in the data folder, as with the single node.
        var state = JsonNode.Parse(await File.ReadAllTextAsync(host.Files.State, timeout.Token));
        Assert.Equal(host.App.GetEndpoint("search-api", "http"), new Uri((string)state!["api"]!));
    }

    [Fact]
    public async Task Search_CacheStoppedByItsResource_GoesOn()
    {
        host.SkipUnlessStarted();
        using var timeout = RunningAppHost.Timeout();
        await Journey.PutAndSearchInEveryModeAsync(host, "without-cache", timeout.Token);

        await Journey.SearchWithoutCacheAsync(host, "without-cache", timeout.Token);
    }

    [Fact]
    public async Task Indexing_WorkerReplicaKilled_EveryDocumentBecomesSearchable()
    {
        host.SkipUnlessStarted();
        using var timeout = RunningAppHost.Timeout();
        using var client = host.CreateApiClient();
        await RunningAppHost.EnsureSuccessAsync(
            await client.PostAsJsonAsync("v1/workspaces", new { name = "killed" }, timeout.Token), timeout.Token);
        var documents = Enumerable.Range(0, 200).Select(i => new { id = $"d{i}", text = $"Document {i} is about river number {i % 7}.\n\nIts marker is m{i}." });
        await RunningAppHost.EnsureSuccessAsync(
            await client.PostAsJsonAsync("v1/workspaces/killed/documents", new { documents }, timeout.Token), timeout.Token);

        var (replica, resourceId) = await FindWorkerAsync(timeout.Token);
        Unix.Send(replica, Unix.Kill);

        var since = Stopwatch.StartNew();
        JsonNode? status;
        do
        {
            await Task.Delay(200, timeout.Token);
            status = await RunningAppHost.EnsureSuccessAsync(await client.GetAsync("v1/workspaces/killed/indexing", timeout.Token), timeout.Token);
        }
        while (((long)status!["queued"]! > 0 || (long)status["retrying"]! > 0) && since.Elapsed < TimeSpan.FromSeconds(60));
        Assert.Equal((0L, 200L), ((long)status["deadLettered"]!, (long)status["documents"]!));
        var answer = await RunningAppHost.EnsureSuccessAsync(
            await client.PostAsJsonAsync("v1/workspaces/killed/search", new { query = "m199", mode = "keyword" }, timeout.Token), timeout.Token);
        Assert.Equal("d199", (string?)answer?["hits"]?[0]?["documentId"]);

        await host.App.ResourceNotifications.WaitForResourceAsync(
            "indexing-worker",
            change => change.ResourceId == resourceId && KnownResourceStates.TerminalStates.Contains(change.Snapshot.State?.Text),
            timeout.Token);
        await Journey.ExecuteAsync(host, resourceId, KnownResourceCommands.StartCommand, timeout.Token);
    }

    [Fact]
    public async Task Search_OfAnUnseenQuery_IsOneTraceOverServicesAndDatabase()
    {
        host.SkipUnlessStarted();
        using var timeout = RunningAppHost.Timeout();
        await Journey.PutAndSearchInEveryModeAsync(host, "traced", timeout.Token);

        var since = Stopwatch.StartNew();
        ILookup<string, ReceivedSpan> traces;
        do
        {
            await Task.Delay(200, timeout.Token);
            traces = host.Telemetry.Spans.ToLookup(span => span.TraceId);
        }
        while (!traces.Any(IsWhole) && since.Elapsed < TimeSpan.FromSeconds(20));

        Assert.True(
            traces.Any(IsWhole),
            "No trace goes from search-api over embedding-service to PostgreSQL; received: "
            + string.Join("; ", host.Telemetry.Spans.Select(span => $"{span.Service}/{span.Scope}/{span.Name}").Distinct().Take(50)));

        static bool IsWhole(IEnumerable<ReceivedSpan> trace) =>
            trace.Any(span => span.Service == "search-api" && span.Scope == "Npgsql")
            && trace.Any(span => span.Service == "embedding-service")
            && trace.Count(span => span.ParentId.Length == 0) <= 1;
    }

    [Fact]
    public async Task Logs_OfEveryResource_HaveNoKeyAndNoText()
    {
        host.SkipUnlessStarted();
        using var timeout = RunningAppHost.Timeout();
        await Journey.PutAndSearchInEveryModeAsync(host, "logged", timeout.Token);
        using var client = host.CreateApiClient();
        // Errors are where contents slip out.
        using (var wrong = new HttpRequestMessage(HttpMethod.Get, "v1/workspaces"))
        {
            wrong.Headers.Authorization = new("Bearer", "wrong-key-of-a-stranger-1234567890");
            using var refused = await client.SendAsync(wrong, timeout.Token);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        }

        using (var bad = await client.PostAsJsonAsync("v1/workspaces/logged/search", new { query = "grey heron", mode = "none" }, timeout.Token))
        {
            Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
        }

        var lines = await ReadLogsAsync(timeout.Token);
        Assert.True(lines.Count > 10, "There is nothing to look at.");
        foreach (var secret in (string[])
            [
                RunningAppHost.AdminKey, "wrong-key-of-a-stranger", host.Files.PostgresPassword, host.Files.RolePassword, host.Files.ValkeyPassword,
                "grey heron", "shallow water",
            ])
        {
            Assert.DoesNotContain(lines, line => line.Contains(secret, StringComparison.OrdinalIgnoreCase));
        }
    }

    [Fact]
    public async Task Commands_OfTheDashboard_DoWhatTheySay()
    {
        host.SkipUnlessStarted();
        using var timeout = RunningAppHost.Timeout();

        await Journey.ExecuteAsync(host, "search-api", "ingest-samples", timeout.Token);
        using var client = host.CreateApiClient();
        var documentation = await RunningAppHost.EnsureSuccessAsync(
            await client.GetAsync("v1/workspaces/docs/documents?limit=100", timeout.Token), timeout.Token);
        Assert.Contains(documentation!["items"]!.AsArray(), document => (string?)document?["id"] == "README.md");

        var flushed = await Journey.ExecuteAsync(host, "cache", "flush", timeout.Token);
        Assert.EndsWith("keys deleted.", flushed.Message, StringComparison.Ordinal);
        var replayed = await Journey.ExecuteAsync(host, "search-api", "replay-dead-letters", timeout.Token);
        Assert.Equal("0 dead letters are queued again.", replayed.Message);
        var reindexed = await Journey.ExecuteAsync(host, "search-api", "reindex-all", timeout.Token);
        Assert.StartsWith("Reindexing", reindexed.Message, StringComparison.Ordinal);
    }

    // A replica's resource is the `dotnet run` that started the service: the service is its child.
    private async Task<(int ProcessId, string ResourceId)> FindWorkerAsync(CancellationToken cancellationToken)
    {
        var state = await Journey.FindInstanceAsync(host, "indexing-worker", cancellationToken);
        var launcher = Convert.ToInt32(
            state.Snapshot.Properties.Single(property => property.Name == "executable.pid").Value, CultureInfo.InvariantCulture);
        var children = (await File.ReadAllTextAsync($"/proc/{launcher}/task/{launcher}/children", cancellationToken))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return (children.Length == 0 ? launcher : int.Parse(children[0], CultureInfo.InvariantCulture), state.ResourceId);
    }

    private async Task<IReadOnlyCollection<string>> ReadLogsAsync(CancellationToken cancellationToken)
    {
        var loggers = host.App.Services.GetRequiredService<ResourceLoggerService>();
        var lines = new ConcurrentBag<string>(host.Telemetry.Logs);
        foreach (var resource in host.App.Services.GetRequiredService<DistributedApplicationModel>().Resources)
        {
            await foreach (var batch in loggers.GetAllAsync(resource).WithCancellation(cancellationToken))
            {
                foreach (var line in batch)
                {
                    lines.Add(line.Content);
                }
            }
        }

        return lines;
    }
}
