using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace RagPlatform.ServiceDefaults.Tests.Http;

public sealed class RequestExceptionHandlerTests
{
    [Theory]
    [InlineData("""{"count":"x","tags":[]}""", "count")]
    [InlineData("""{"count":1,"tags":["a",2]}""", "tags[1]")]
    [InlineData("[]", "body")]
    [InlineData("{", "body")]
    public async Task Body_ThatCannotBeRead_NamesTheField(string body, string field)
    {
        var (status, problem) = await PostAsync(new StringContent(body, Encoding.UTF8, "application/json"));

        Assert.Equal(HttpStatusCode.BadRequest, status);
        var message = (string?)Assert.Single(problem["errors"]!.AsObject(), error => error.Key == field).Value?[0];
        Assert.DoesNotContain(nameof(Body), message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Body_InvalidUtf8_IsABadRequest()
    {
        var content = new ByteArrayContent([.. """{"count":1,"tags":["""u8, (byte)'"', 0xC3, 0x28, (byte)'"', .. "]}"u8]);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/json");

        var (status, problem) = await PostAsync(content);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.NotNull(problem["errors"]);
    }

    [Fact]
    public async Task Body_WrongMediaType_IsUnsupported()
    {
        var (status, problem) = await PostAsync(new StringContent("x", Encoding.UTF8, "text/plain"));

        Assert.Equal(HttpStatusCode.UnsupportedMediaType, status);
        Assert.Equal(415, (int?)problem["status"]);
    }

    [Fact]
    public async Task Exception_OwnFault_TellsNothing()
    {
        var (status, problem, _) = await GetAsync(() => throw new InvalidOperationException("Password=secret"));

        Assert.Equal(HttpStatusCode.InternalServerError, status);
        Assert.DoesNotContain("secret", problem.ToJsonString(), StringComparison.Ordinal);
        Assert.NotNull(problem["traceId"]);
    }

    [Fact]
    public async Task Exception_DatabaseAway_IsUnavailableWithRetryAfter()
    {
        var (status, problem, response) = await GetAsync(() => throw new NpgsqlException("Host=db", new TimeoutException()));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.NotNull(response.Headers.RetryAfter);
        Assert.DoesNotContain("Host=db", problem.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Path_Unknown_IsProblemJson()
    {
        await using var app = await TestApp.StartAsync([], _ => { });

        using var response = await app.Client.GetAsync("/nothing", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    private static async Task<(HttpStatusCode Status, JsonNode Problem)> PostAsync(HttpContent content)
    {
        await using var app = await TestApp.StartAsync([], _ => { }, app => app.MapPost("/", (Body body) => body));
        using var response = await app.Client.PostAsync("/", content, TestContext.Current.CancellationToken);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!);
    }

    private static async Task<(HttpStatusCode Status, JsonNode Problem, HttpResponseMessage Response)> GetAsync(Func<string> handler)
    {
        await using var app = await TestApp.StartAsync([], _ => { }, app => app.MapGet("/", handler));
        var response = await app.Client.GetAsync("/", TestContext.Current.CancellationToken);
        var problem = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        return (response.StatusCode, problem!, response);
    }

    internal sealed record Body(int Count, string[] Tags);
}
