using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using RagPlatform.Integration.Tests.Infrastructure;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>Keys are remembered for a while. That must never open another workspace.</summary>
public sealed class RememberedKeyTests(RememberedKeyTests.RememberingApi api) : IClassFixture<RememberedKeyTests.RememberingApi>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Request_AnotherWorkspaceHasGotTheName_TheOldKeyDoesNotOpenIt()
    {
        var name = await api.CreateWorkspaceAsync();
        var key = await api.Client.CreateApiKeyAsync(name, new("old"), Cancellation);
        using var old = api.CreateClient(key.Secret);
        Assert.Equal(HttpStatusCode.OK, await GetAsync());

        await api.Client.DeleteWorkspaceAsync(name, name, Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, await GetAsync());

        await api.Client.CreateWorkspaceAsync(new(name), Cancellation);
        await api.Client.PutDocumentAsync(name, "secret", new("of the new tenant"), cancellationToken: Cancellation);
        Assert.Equal(HttpStatusCode.Forbidden, await GetAsync());
        Assert.Equal(HttpStatusCode.Forbidden, await GetAsync("/documents/secret"));
        Assert.Empty((await new Contracts.RagClient(old).ListWorkspacesAsync(cancellationToken: Cancellation)).Items);

        async Task<HttpStatusCode> GetAsync(string path = "")
        {
            using var response = await old.GetAsync($"/v1/workspaces/{name}{path}", Cancellation);
            return response.StatusCode;
        }
    }

    /// <summary>The API, which remembers keys for longer than the test takes.</summary>
    public sealed class RememberingApi(Backends backends) : ApiFixture(backends)
    {
        protected override void Configure(WebApplicationBuilder builder) =>
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Auth:KeyCacheDuration"] = "00:10:00" });
    }
}
