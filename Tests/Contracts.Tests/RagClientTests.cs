using System.Net;
using System.Text;

namespace RagPlatform.Contracts.Tests;

public sealed class RagClientTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("a", "v1/workspaces/w/documents/a")]
    [InlineData("docs/über uns.md", "v1/workspaces/w/documents/docs/%C3%BCber%20uns.md")]
    [InlineData("a?b#c", "v1/workspaces/w/documents/a%3Fb%23c")]
    [InlineData("100%", "v1/workspaces/w/documents/100%25")]
    public async Task PutDocument_AnId_IsEscapedButItsSlashesStay(string id, string path)
    {
        var server = new Server(HttpStatusCode.OK, """{"id":"x","revision":7,"state":"queued","changed":true}""");

        var write = await server.Client.PutDocumentAsync("w", id, new DocumentPut("t"), TimeSpan.FromMilliseconds(1500), Cancellation);

        Assert.Equal("http://api.test/" + path, server.Request!.RequestUri!.AbsoluteUri);
        Assert.Equal("wait=2", Assert.Single(server.Request.Headers.GetValues("Prefer")));
        Assert.Equal(new DocumentWrite("x", 7, IndexingState.Queued, true), write);
    }

    [Theory]
    [InlineData("..")]
    [InlineData("x/../..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("a%2Fb")]
    [InlineData("a\nb")]
    public async Task Document_AnIdThatAPathCannotCarry_IsRefusedBeforeAnythingIsSent(string id)
    {
        var server = new Server(HttpStatusCode.NoContent, "");

        foreach (var call in (Func<Task>[])
            [
                () => server.Client.DeleteDocumentAsync("w", id, null, Cancellation),
                () => server.Client.PutDocumentAsync("w", id, new("t"), null, Cancellation),
                () => server.Client.FindDocumentAsync("w", id, Cancellation),
                () => server.Client.FindDocumentIndexingAsync("w", id, Cancellation),
            ])
        {
            var refused = await Assert.ThrowsAsync<RagApiException>(call);
            Assert.Equal(HttpStatusCode.BadRequest, refused.Status);
            Assert.Single(refused.Errors["id"]);
        }

        Assert.Null(server.Request);
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    public async Task Workspace_ANameThatAPathCannotCarry_IsRefusedBeforeAnythingIsSent(string name)
    {
        var server = new Server(HttpStatusCode.NoContent, "");

        await Assert.ThrowsAsync<RagApiException>(() => server.Client.DeleteWorkspaceAsync(name, name, Cancellation));
        await Assert.ThrowsAsync<RagApiException>(() => server.Client.PauseIndexingAsync(name, Cancellation));

        Assert.Null(server.Request);
    }

    [Fact]
    public async Task DeleteWorkspace_WhatWasSaidToConfirmIt_IsSentAsItIs()
    {
        var server = new Server(HttpStatusCode.NoContent, "");

        await server.Client.DeleteWorkspaceAsync("docs", "other&x", Cancellation);

        Assert.Equal("http://api.test/v1/workspaces/docs?confirm=other%26x", server.Request!.RequestUri!.AbsoluteUri);
    }

    [Fact]
    public async Task Search_AProblem_NamesTheField()
    {
        var server = new Server(HttpStatusCode.BadRequest, """{"title":"Not valid.","errors":{"limit":["Too much."]}}""");

        var e = await Assert.ThrowsAsync<RagApiException>(() => server.Client.SearchAsync("w", new SearchRequest("q"), Cancellation));

        Assert.Equal(HttpStatusCode.BadRequest, e.Status);
        Assert.Equal(["Too much."], e.Errors["limit"]);
        Assert.Equal("Not valid. limit: Too much.", e.Message);
    }

    [Fact]
    public async Task Search_AnErrorThatIsNoProblem_StillSaysTheStatus()
    {
        var server = new Server(HttpStatusCode.BadGateway, "<html>");

        var e = await Assert.ThrowsAsync<RagApiException>(() => server.Client.SearchAsync("w", new SearchRequest("q"), Cancellation));

        Assert.Contains("502", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FindDocument_NotFound_IsNull()
    {
        var server = new Server(HttpStatusCode.NotFound, "{}");

        Assert.Null(await server.Client.FindDocumentAsync("w", "x", Cancellation));
        Assert.False(await server.Client.DeleteDocumentAsync("w", "x", null, Cancellation));
    }

    [Fact]
    public async Task Search_ARequest_IsWrittenAsTheApiReadsIt()
    {
        var server = new Server(HttpStatusCode.BadRequest, "{}");

        await Assert.ThrowsAsync<RagApiException>(
            () => server.Client.SearchAsync("w", new SearchRequest("q", SearchMode.Keyword), Cancellation));

        Assert.Contains("\"mode\":\"keyword\"", server.Body, StringComparison.Ordinal);
    }

    private sealed class Server : HttpMessageHandler
    {
        private readonly HttpStatusCode _status;
        private readonly string _answer;

        public Server(HttpStatusCode status, string answer)
        {
            (_status, _answer) = (status, answer);
            Client = new RagClient(new HttpClient(this) { BaseAddress = new Uri("http://api.test/") });
        }

        public RagClient Client { get; }

        public HttpRequestMessage? Request { get; private set; }

        public string Body { get; private set; } = "";

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Request = request;
            Body = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
            return new HttpResponseMessage(_status) { Content = new StringContent(_answer, Encoding.UTF8, "application/json") };
        }
    }
}
