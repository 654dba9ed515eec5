using System.Text.Json.Nodes;

namespace RagPlatform.AppHost.Tests;

/// <summary>What is deployed: the committed manifest is what this AppHost publishes, and holds no secret.</summary>
public sealed class ManifestTests
{
    private static readonly TimeSpan s_publishTimeout = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Manifest_Committed_IsWhatTheAppHostPublishes()
    {
        var committed = JsonNode.Parse(await File.ReadAllTextAsync(CommittedPath(), TestContext.Current.CancellationToken));

        var published = await PublishAsync();

        Assert.True(
            JsonNode.DeepEquals(committed, published),
            $"aspire-manifest.json is out of date: run eng/manifest.sh. Published:\n{published}");
    }

    [Fact]
    public async Task Manifest_Secrets_HaveNoValues()
    {
        var published = await PublishAsync();

        var text = published.ToJsonString();
        Assert.DoesNotContain("test-admin-key", text, StringComparison.Ordinal);
        Assert.DoesNotContain("test-openai-key", text, StringComparison.Ordinal);
        Assert.DoesNotContain("test-postgres-password", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("embedding-service")]
    [InlineData("indexing-worker")]
    [InlineData("search-api")]
    [InlineData("dashboard")]
    public async Task Manifest_Service_GetsTheAdminKeyByReference(string service)
    {
        var published = await PublishAsync();

        Assert.Equal("{admin-key.value}", (string?)published["resources"]?[service]?["env"]?["Auth__AdminKey"]);
    }

    // The paths in a manifest are relative to it, so it is written to the same folder as the committed one.
    private static async Task<JsonNode> PublishAsync()
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(s_publishTimeout);
        var path = Path.Combine(Path.GetDirectoryName(CommittedPath())!, $"aspire-manifest.{Guid.NewGuid():N}.json");
        try
        {
            var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(
                [.. AppModel.Parameters, "OPENAI_API_KEY=test-openai-key", "--publisher", "manifest", "--output-path", path],
                timeout.Token);
            await using var app = await builder.BuildAsync(timeout.Token);
            await app.RunAsync(timeout.Token);
            return JsonNode.Parse(await File.ReadAllTextAsync(path, timeout.Token))!;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string CommittedPath()
    {
        for (var folder = new DirectoryInfo(Projects.AppHost.ProjectPath); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "aspire-manifest.json");
            if (File.Exists(path))
            {
                return path;
            }
        }

        throw new FileNotFoundException("There is no aspire-manifest.json above the AppHost.");
    }
}
