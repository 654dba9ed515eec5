using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.ServiceDefaults.Tests.Auth;

public sealed class ApiKeyAuthenticationTests
{
    private const string Admin = "admin-key-0123456789";
    private const string Alpha = "workspace-key-of-alpha";

    private readonly KeyStore _store = new();

    [Theory]
    [InlineData(Admin, "/v1/workspaces/alpha", HttpStatusCode.OK)]
    [InlineData(Admin, "/v1/workspaces/beta", HttpStatusCode.OK)]
    [InlineData(Admin, "/admin", HttpStatusCode.OK)]
    [InlineData(Admin, "/any", HttpStatusCode.OK)]
    [InlineData(Admin, "/unmarked", HttpStatusCode.OK)]
    [InlineData(Alpha, "/v1/workspaces/alpha", HttpStatusCode.OK)]
    [InlineData(Alpha, "/v1/workspaces/ALPHA", HttpStatusCode.Forbidden)]
    [InlineData(Alpha, "/v1/workspaces/beta", HttpStatusCode.Forbidden)]
    [InlineData(Alpha, "/workspace-without-route-value", HttpStatusCode.Forbidden)]
    [InlineData(Alpha, "/admin", HttpStatusCode.Forbidden)]
    [InlineData(Alpha, "/any", HttpStatusCode.OK)]
    [InlineData("unknown-key", "/any", HttpStatusCode.Unauthorized)]
    [InlineData("unknown-key", "/open", HttpStatusCode.OK)]
    [InlineData(null, "/v1/workspaces/alpha", HttpStatusCode.Unauthorized)]
    [InlineData(null, "/admin", HttpStatusCode.Unauthorized)]
    [InlineData(null, "/unmarked", HttpStatusCode.Unauthorized)]
    [InlineData(null, "/open", HttpStatusCode.OK)]
    [InlineData(null, "/health", HttpStatusCode.OK)]
    [InlineData(null, "/alive", HttpStatusCode.OK)]
    [InlineData(null, "/metrics", HttpStatusCode.OK)]
    public async Task Request_KeyAndPath_AreAnswered(string? key, string path, HttpStatusCode expected)
    {
        await using var app = await StartAsync();

        using var response = await GetAsync(app, path, key);

        Assert.Equal(expected, response.StatusCode);
    }

    [Theory]
    [InlineData("Authorization", "Bearer " + Admin)]
    [InlineData("Authorization", "bearer  " + Admin + " ")]
    [InlineData("api-key", Admin)]
    [InlineData("x-api-key", Admin)]
    public async Task Request_EachHeader_IsRead(string header, string value)
    {
        await using var app = await StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/admin");
        request.Headers.TryAddWithoutValidation(header, value);

        using var response = await app.Client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory]
    [InlineData(null, "Bearer realm=\"rag\"")]
    [InlineData("unknown-key", "Bearer realm=\"rag\", error=\"invalid_token\"")]
    public async Task Refusal_Unauthorized_IsProblemJsonThatSaysHow(string? key, string challenge)
    {
        await using var app = await StartAsync();

        using var response = await GetAsync(app, "/any", key);

        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal(challenge, response.Headers.WwwAuthenticate.ToString());
        var problem = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(401, (int?)problem?["status"]);
        Assert.Contains("Authorization: Bearer", (string?)problem?["detail"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusal_Forbidden_IsProblemJson()
    {
        await using var app = await StartAsync();

        using var response = await GetAsync(app, "/admin", Alpha);

        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.Empty(response.Headers.WwwAuthenticate);
    }

    [Fact]
    public async Task Refusal_OwnShape_IsWrittenInstead()
    {
        await using var app = await StartAsync(
            configure: options => options.WriteRefusal = (context, problem) => context.Response.WriteAsync($"own {problem.Status}"));

        using var response = await GetAsync(app, "/any", null);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("own 401", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    // "Unknown" and "cannot say" are different things: a client that is told 401 throws its key away.
    [Fact]
    public async Task Request_StoreFails_IsUnavailableAndNotUnauthorized()
    {
        _store.Failure = new InvalidOperationException("Host=db;Password=secret");
        await using var app = await StartAsync();

        using var response = await GetAsync(app, "/any", Alpha);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
        Assert.DoesNotContain(
            "secret", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(app, "/any", Admin)).StatusCode);
    }

    [Fact]
    public async Task Request_RevokedKey_IsRefusedOnceTheCacheIsOver()
    {
        var time = new ManualTime();
        await using var app = await StartAsync(time: time);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(app, "/any", Alpha)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(app, "/any", Alpha)).StatusCode);
        Assert.Equal(1, _store.Lookups);

        _store.Revoked = true;
        time.Advance(TimeSpan.FromSeconds(11));

        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(app, "/any", Alpha)).StatusCode);
        Assert.Equal(2, _store.Lookups);
    }

    [Fact]
    public async Task Request_UnknownKeyAgain_AsksTheStoreOnce()
    {
        await using var app = await StartAsync();

        await GetAsync(app, "/any", "unknown-key");
        await GetAsync(app, "/any", "unknown-key");

        Assert.Equal(1, _store.Lookups);
    }

    [Fact]
    public async Task Request_OverlongKey_IsRefusedWithoutALookup()
    {
        await using var app = await StartAsync();

        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(app, "/any", new string('k', 5_000))).StatusCode);
        Assert.Equal(0, _store.Lookups);
    }

    [Fact]
    public async Task Request_AuthenticationDisabled_IsAdmin()
    {
        await using var app = await StartAsync(new() { ["Auth:Disabled"] = "true" });

        Assert.Equal(HttpStatusCode.OK, (await GetAsync(app, "/admin", null)).StatusCode);
    }

    [Theory]
    [InlineData(Admin, "admin - ")]
    [InlineData(Alpha, "key-1 alpha ")]
    public async Task Caller_Claims_SayWhoItIs(string key, string expected)
    {
        await using var app = await StartAsync();

        using var response = await GetAsync(app, "/any", key);

        Assert.StartsWith(
            expected, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    private Task<TestApp> StartAsync(
        Dictionary<string, string?>? configuration = null, TimeProvider? time = null, Action<ApiKeySchemeOptions>? configure = null) =>
        TestApp.StartAsync(
            configuration ?? new() { ["Auth:AdminKey"] = Admin },
            builder =>
            {
                builder.Services.AddSingleton<IApiKeyStore>(_store);
                builder.Services.AddSingleton(time ?? TimeProvider.System);
                builder.AddApiKeyAuthentication(configure);
            },
            app =>
            {
                app.MapGet("/v1/workspaces/{workspace}", (string workspace) => workspace)
                    .RequireAuthorization(AuthExtensions.WorkspacePolicy);
                app.MapGet("/workspace-without-route-value", () => "x").RequireAuthorization(AuthExtensions.WorkspacePolicy);
                app.MapGet("/admin", () => "x").RequireAuthorization(AuthExtensions.AdminPolicy);
                app.MapGet("/any", (HttpContext context) => $"{context.User.FindKeyId()} {context.User.FindWorkspace() ?? "-"} ")
                    .RequireAuthorization(AuthExtensions.AnyKeyPolicy);
                app.MapGet("/unmarked", () => "x");
                app.MapGet("/open", () => "x").AllowAnonymous();
            });

    private static async Task<HttpResponseMessage> GetAsync(TestApp app, string path, string? key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key);
        return await app.Client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    private sealed class KeyStore : IApiKeyStore
    {
        public int Lookups { get; private set; }

        public bool Revoked { get; set; }

        public Exception? Failure { get; set; }

        public ValueTask<ApiKeyGrant?> FindAsync(ReadOnlyMemory<byte> keyHash, CancellationToken cancellationToken)
        {
            Lookups++;
            if (Failure is not null)
            {
                throw Failure;
            }

            return new(!Revoked && keyHash.Span.SequenceEqual(AdminKey.Hash(Alpha)) ? new ApiKeyGrant("key-1", "alpha") : null);
        }
    }
}
