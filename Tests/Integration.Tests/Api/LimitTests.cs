using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>One key cannot take everything.</summary>
public sealed class LimitTests(LimitTests.LimitedApi api) : IClassFixture<LimitTests.LimitedApi>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Requests_MoreThanAKeyMayMake_Are429WithRetryAfterAndTheAdminsAreNot()
    {
        var workspace = await api.CreateWorkspaceAsync();
        var (greedy, modest) = (await CreateKeyAsync("greedy"), await CreateKeyAsync("modest"));
        using var http = api.CreateClient(greedy.Secret);

        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < 12; i++)
        {
            using var response = await http.GetAsync($"/v1/workspaces/{workspace}", Cancellation);
            answers.Add(response.StatusCode);
            if (response.StatusCode == HttpStatusCode.TooManyRequests)
            {
                Assert.NotNull(response.Headers.RetryAfter);
                Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
            }
        }

        Assert.Equal(Enumerable.Repeat(HttpStatusCode.OK, 5), answers.Take(5));
        Assert.Contains(HttpStatusCode.TooManyRequests, answers);
        using var other = api.CreateClient(modest.Secret);
        Assert.Equal(HttpStatusCode.OK, (await other.GetAsync($"/v1/workspaces/{workspace}", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await api.Http.GetAsync($"/v1/workspaces/{workspace}", Cancellation)).StatusCode);

        Task<ApiKey> CreateKeyAsync(string name) => api.Client.CreateApiKeyAsync(workspace, new(name), Cancellation);
    }

    [Fact]
    public async Task PutDocument_NoPlaceToWait_IsAnsweredAtOnceAndSaysThatItDidNotWait()
    {
        // The limit of a key: the admin's has none.
        var workspace = await api.CreateWorkspaceAsync();
        using var http = api.CreateClient((await api.Client.CreateApiKeyAsync(workspace, new("waits"), Cancellation)).Secret);
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/v1/workspaces/{workspace}/documents/a");
        request.Headers.Add("Prefer", "wait=30");
        request.Content = new StringContent("""{"text":"a"}""", System.Text.Encoding.UTF8, "application/json");

        using var response = await http.SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        Assert.False(response.Headers.Contains("Preference-Applied"));
    }

    [Fact]
    public async Task GetDocument_TheDatabaseTakesTooLong_Is503AfterTheTime()
    {
        var workspace = await api.CreateWorkspaceAsync();
        await using var connection = await api.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await connection.BeginTransactionAsync(Cancellation);
        await using (var hold = new NpgsqlCommand("LOCK TABLE documents IN ACCESS EXCLUSIVE MODE", connection))
        {
            await hold.ExecuteNonQueryAsync(Cancellation);
        }

        using var response = await api.Http.GetAsync($"/v1/workspaces/{workspace}/documents/a", Cancellation);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.NotNull(response.Headers.RetryAfter);
        Assert.Contains("took too long", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ListChanges_WaitLongerThanARequestMayTake_IsAnsweredAfterTheWait()
    {
        var workspace = await api.CreateWorkspaceAsync();

        var changes = await api.Client.ListChangesAsync(workspace, "end", cancellationToken: Cancellation);
        changes = await api.Client.ListChangesAsync(workspace, changes.Next, wait: TimeSpan.FromSeconds(3), cancellationToken: Cancellation);

        Assert.Empty(changes.Items);
    }

    [Fact]
    public async Task WatchProgress_NoStreamLeft_Is503()
    {
        var workspace = await api.CreateWorkspaceAsync();
        using var http = api.CreateClient((await api.Client.CreateApiKeyAsync(workspace, new("watches"), Cancellation)).Secret);
        using var response = await http.GetAsync($"/v1/workspaces/{workspace}/progress", Cancellation);
        using var admins = await api.Http.GetAsync($"/v1/workspaces/{workspace}/progress?until=idle", Cancellation);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
        Assert.Equal(HttpStatusCode.OK, admins.StatusCode);
    }

    /// <summary>The API with small limits.</summary>
    public sealed class LimitedApi(Backends backends) : ApiFixture(backends)
    {
        protected override void Configure(WebApplicationBuilder builder) => builder.Configuration.AddInMemoryCollection(
            new Dictionary<string, string?>
            {
                ["Api:RequestsPerSecond"] = "1",
                ["Api:RequestBurst"] = "5",
                ["Api:RequestTimeout"] = "00:00:02",
                ["Api:MaxWaitsPerKey"] = "0",
                ["Api:MaxStreamsPerKey"] = "0",
            });
    }
}
