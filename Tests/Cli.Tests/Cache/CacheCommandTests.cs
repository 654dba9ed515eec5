using System.Net;

namespace RagPlatform.Cli.Tests.Cache;

public sealed class CacheCommandTests
{
    [Fact]
    public async Task Stats_Tiers_AreATable()
    {
        var api = new FakeApi().On("GET /v1/cache", new
        {
            tiers = new object[]
            {
                new { name = "l1", state = "on", entries = 1234, bytes = 5678, hits = 9, misses = 1, errors = 0, corrupt = 0, oldest = (string?)null },
                new { name = "l2", state = "away", entries = (long?)null, bytes = (long?)null, hits = 0, misses = 0, errors = 7, corrupt = 0, oldest = (string?)null },
            },
        });

        var run = await CliRun.RunAsync(api, "cache", "stats", "--embedding-url", "http://embedding.test");

        Assert.Equal(0, run.Exit);
        Assert.Contains("1,234", run.Output, StringComparison.Ordinal);
        Assert.Contains("away", run.Output, StringComparison.Ordinal);
        Assert.Equal("Bearer key-1", api.Authorization);
    }

    [Fact]
    public async Task Invalidate_Texts_AreSent()
    {
        var api = new FakeApi().On("POST /v1/cache/invalidate", new { l1 = 1, l2 = 2, l3 = 3 });

        var run = await CliRun.RunAsync(api, "cache", "invalidate", "--embedding-url", "http://embedding.test", "--text", "a b", "--text", "c");

        Assert.Equal(0, run.Exit);
        Assert.Contains("\"texts\":[\"a b\",\"c\"]", Assert.Single(api.Requests).Body, StringComparison.Ordinal);
        Assert.Contains("Removed 1 from memory, 2 from Valkey, 3 from PostgreSQL.", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Invalidate_Refused_SaysWhy()
    {
        var api = new FakeApi().On("POST /v1/cache/invalidate", new { error = new { message = "Say what to remove." } }, HttpStatusCode.BadRequest);

        var run = await CliRun.RunAsync(api, "cache", "invalidate", "--embedding-url", "http://embedding.test");

        Assert.Equal(1, run.Exit);
        Assert.Contains("Say what to remove.", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Warm_Workspace_AsksForItsFrequentQueries()
    {
        var api = new FakeApi().On("POST /v1/cache/warm", new { requested = 10, l1 = 1, l2 = 2, l3 = 3, source = 0, missing = 4 });

        var run = await CliRun.RunAsync(api, "cache", "warm", "-w", "docs", "--limit", "10", "--embedding-url", "http://embedding.test");

        Assert.Equal(0, run.Exit);
        Assert.Contains("\"workspace\":\"docs\"", Assert.Single(api.Requests).Body, StringComparison.Ordinal);
        Assert.Contains("4 are not cached", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stats_NoAddress_SaysWhatToSet()
    {
        var run = await CliRun.RunAsync(new FakeApi(), "cache", "stats");

        Assert.Equal(1, run.Exit);
        Assert.Contains("RAG_EMBEDDING_URL", run.Error, StringComparison.Ordinal);
    }
}
