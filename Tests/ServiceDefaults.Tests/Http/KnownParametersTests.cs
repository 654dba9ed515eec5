using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using RagPlatform.ServiceDefaults.Http;

namespace RagPlatform.ServiceDefaults.Tests.Http;

public sealed class KnownParametersTests
{
    [Theory]
    [InlineData("/v1/items/7", HttpStatusCode.OK, "")]
    [InlineData("/v1/items/7?limit=3&cursor=a", HttpStatusCode.OK, "")]
    [InlineData("/v1/items/7?LIMIT=3", HttpStatusCode.OK, "")]
    [InlineData("/v1/items/7?filter=x", HttpStatusCode.BadRequest, "There is: cursor, limit.")]
    [InlineData("/v1/items/7?id=x", HttpStatusCode.BadRequest, "no parameter")]
    [InlineData("/v1/items/7?limit=3&limit=4", HttpStatusCode.BadRequest, "twice")]
    [InlineData("/v1/nothing?limit=3", HttpStatusCode.BadRequest, "none at all")]
    [InlineData("/v1/raw?limit=3", HttpStatusCode.OK, "")]
    [InlineData("/v1/other?limit=3", HttpStatusCode.NotFound, "")]
    [InlineData("/page?limit=3", HttpStatusCode.OK, "")]
    public async Task Query_OfAnEndpoint_HasOnlyWhatTheEndpointTakes(string path, HttpStatusCode status, string reason)
    {
        await using var app = await TestApp.StartAsync([], _ => { }, app =>
        {
            app.UseKnownParameters();
            app.MapGet("/v1/items/{id:int}", (int id, TimeProvider time, HttpContext context, string? cursor = null, int limit = 1) => $"{id}");
            app.MapGet("/v1/nothing", () => "");
            app.MapGet("/v1/raw", (RequestDelegate)(context => context.Response.WriteAsync("")));
            app.MapGet("/page", () => "");
        });

        using var response = await app.Client.GetAsync(path, TestContext.Current.CancellationToken);

        Assert.Equal(status, response.StatusCode);
        Assert.Contains(reason, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }
}
