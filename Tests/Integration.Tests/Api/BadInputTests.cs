using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>Whatever is wrong with a request is answered by a 4xx of problem+json that names the field.</summary>
public sealed class BadInputTests(ApiFixture api) : IClassFixture<ApiFixture>
{
    private static readonly CancellationToken s_none = CancellationToken.None;

    public static TheoryData<string, string, string> Bodies => new()
    {
        { """{"text":"a""", "body", "line 1" },
        { "", "body", "needed" },
        { "null", "body", "needed" },
        { "[]", "body", "an object" },
        { "{}", "text", "required" },
        { """{"text":1}""", "text", "a string" },
        { """{"text":null}""", "text", "null" },
        { """{"chunks":[{"text":"a","vector":[1]}]}""", "chunks[0].vector", "8 dimensions" },
        { """{"chunks":[{"text":"a"},{"text":"a","vector":[1e39,0,0,0,0,0,0,0]}]}""", "chunks[1].vector[0]", "finite" },
        { """{"chunks":[{"text":"a","vector":[0,0,0,0,0,0,0,0]}]}""", "chunks[0].vector", "zero" },
        { """{"chunks":[{"text":"x""" + new string('x', 8_192) + "\"}]}", "chunks[0].text", "8192" },
        { """{"chunks":[{}]}""", "chunks[0].text", "required" },
        { """{"chunks":[null]}""", "chunks[0]", "null" },
        { """{"text":"a","chunks":[{"text":"b"}]}""", "chunks[0].text", "does not hold" },
        { """{"text":"a","titel":"b"}""", "titel", "no member" },
        { """{"text":"a","text":"b"}""", "text", "twice" },
        { """{"text":"a","priority":"urgent"}""", "priority", "low, normal, high" },
        { """{"text":"a\u0000b"}""", "text", "NUL" },
        { """{"text":"a","title":"\u0000"}""", "title", "NUL" },
        { """{"text":"\ud800"}""", "text", "Unicode" },
        { """{"text":"a","metadata":[]}""", "metadata", "object" },
        { """{"text":"a","metadata":{"a":"\u0000"}}""", "metadata", "NUL" },
        { """{"text":"a","metadata":{"a":"\ud800"}}""", "metadata", "Unicode" },
        { """{"text":"a","metadata":{"a":1e99999}}""", "metadata", "range" },
        { """{"text":"a","metadata":{"a":""" + new string('[', 100), "metadata", "deeply" },
        { """{"text":"a","metadata":{"a":"x""" + new string('x', 70_000) + "\"}}", "metadata", "65536" },
        { """{"text":"a","title":"x""" + new string('x', 1_000) + "\"}", "title", "1000" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task PutDocument_ABodyThatIsWrong_NamesTheField(string body, string field, string reason)
    {
        var response = await SendAsync(HttpMethod.Put, await DocumentsAsync() + "/x", body);

        await ExpectAsync(response, HttpStatusCode.BadRequest, field, reason);
    }

    [Fact]
    public async Task PutDocuments_VectorOfOtherDimensions_NamesDocumentChunkAndVector()
    {
        const string Body = """{"documents":[{"id":"a","text":"a"},{"id":"b","chunks":[{"text":"c"},{"text":"d"},{"text":"e","vector":[1,2]}]}]}""";

        await ExpectAsync(
            await SendAsync(HttpMethod.Post, await DocumentsAsync(), Body), HttpStatusCode.BadRequest, "documents[1].chunks[2].vector", "8 dimensions");
    }

    [Fact]
    public async Task PutDocument_PreparedChunks_AreStoredOnce()
    {
        const string Body = """{"chunks":[{"text":"one","vector":[2,0,0,0,0,0,0,0]},{"text":"two"}]}""";
        var path = await DocumentsAsync() + "/x";

        using var created = await SendAsync(HttpMethod.Put, path, Body);
        using var again = await SendAsync(HttpMethod.Put, path, Body);

        Assert.Equal(HttpStatusCode.Created, created.StatusCode);
        Assert.Contains("\"changed\":false", await again.Content.ReadAsStringAsync(s_none), StringComparison.Ordinal);
        using var read = await api.Http.GetAsync(path, s_none);
        Assert.Contains("\"text\":\"one\\n\\ntwo\"", await read.Content.ReadAsStringAsync(s_none), StringComparison.Ordinal);
    }

    [Fact]
    public async Task PutDocument_InvalidUtf8_NamesTheField()
    {
        var path = await DocumentsAsync() + "/x";

        await ExpectAsync(await SendAsync(HttpMethod.Put, path, [.. "{\"text\":\""u8, 0xFF, .. "\"}"u8]), HttpStatusCode.BadRequest, "text", "Unicode");
        await ExpectAsync(
            await SendAsync(HttpMethod.Put, path, [.. "{\"text\":\"a\",\"metadata\":{\"k\":\""u8, 0xC3, .. "\"}}"u8]),
            HttpStatusCode.BadRequest,
            "metadata",
            "Unicode");
    }

    [Fact]
    public async Task PutDocument_ATextOf5Megabytes_NamesTheLimit()
    {
        var body = JsonSerializer.Serialize(new DocumentPut(new string('a', 5_000_000)), RagJson.Options);

        await ExpectAsync(await SendAsync(HttpMethod.Put, await DocumentsAsync() + "/x", body), HttpStatusCode.BadRequest, "text", "2000000");
    }

    [Fact]
    public async Task PutDocument_ABodyAboveTheLimit_IsTooLarge()
    {
        var body = new byte[DocumentLimits.MaxBodyBytes + 1];
        Array.Fill(body, (byte)' ');

        await ExpectAsync(
            await SendAsync(HttpMethod.Put, await DocumentsAsync() + "/x", body), HttpStatusCode.RequestEntityTooLarge, null, "33554432");
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("%20", "empty")]
    [InlineData("a%0Ab", "control")]
    public async Task PutDocument_AnIdThatIsWrong_NamesIt(string id, string reason) =>
        await ExpectAsync(
            await SendAsync(HttpMethod.Put, await DocumentsAsync() + "/" + id, """{"text":"a"}"""), HttpStatusCode.BadRequest, "id", reason);

    [Fact]
    public async Task PutDocument_AnIdThatIsTooLong_NamesTheLimit() =>
        await ExpectAsync(
            await SendAsync(HttpMethod.Put, await DocumentsAsync() + "/" + new string('a', 513), """{"text":"a"}"""),
            HttpStatusCode.BadRequest,
            "id",
            "512");

    [Theory]
    [InlineData("%FF")]
    [InlineData("%C0%AF")]
    [InlineData("100%")]
    public async Task PutDocument_APathThatIsNoUtf8_IsRefused(string id)
    {
        var answer = await SendRawAsync($"GET {await DocumentsAsync()}/{id} HTTP/1.1");

        Assert.StartsWith("HTTP/1.1 400", answer, StringComparison.Ordinal);
        Assert.Contains("\"path\":[\"The path is not valid UTF-8", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /health HTTP/1.1\nHost: localhost\nConnection: close\n\n", "400")]
    [InlineData("GET /health HTTP/1.1\r\nHost: localhost\nConnection: close\r\n\r\n", "400")]
    [InlineData("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "200")]
    public async Task Request_LinesThatEndWithALineFeedAlone_AreRefused(string request, string status)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(api.Address.Host, api.Address.Port, TestContext.Current.CancellationToken);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream);

        Assert.StartsWith($"HTTP/1.1 {status}", await reader.ReadToEndAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    public static TheoryData<string, string, string> Batches => new()
    {
        { """{"documents":[]}""", "documents", "minimum" },
        { """{"documents":{}}""", "documents", "an array" },
        { """{"documents":[null]}""", "documents[0]", "null" },
        { """{"documents":[{"id":"","text":"a"}]}""", "documents[0].id", "required" },
        { """{"documents":[{"id":"a","text":"a"},{"id":"b"}]}""", "documents[1].text", "required" },
        { """{"documents":[{"id":"a","text":"1"},{"id":"b","text":"2"},{"id":"a","text":"3"}]}""", "documents[2].id", "documents[0]" },
        { """{"documents":[{"id":"a/../b","text":"1"}]}""", "documents[0].id", "'..'" },
        { """{"documents":[{"id":"a%2Fb","text":"1"}]}""", "documents[0].id", "%2F" },
        { """{"documents":[{"id":"a","text":"1","metadata":7}]}""", "documents[0].metadata", "object" },
        { """{"documents":[{"id":"a","text":"1","x":7}]}""", "documents[0].x", "no member" },
    };

    [Theory]
    [MemberData(nameof(Batches))]
    public async Task PutDocuments_ABatchThatIsWrong_NamesTheDocumentAndWritesNothing(string body, string field, string reason)
    {
        var documents = await DocumentsAsync();

        await ExpectAsync(await SendAsync(HttpMethod.Post, documents, body), HttpStatusCode.BadRequest, field, reason);

        var list = await api.Http.GetStringAsync(documents, s_none);
        Assert.StartsWith("{\"items\":[]", list, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PutDocuments_1001Documents_NamesTheLimit()
    {
        var batch = new DocumentBatch([.. Enumerable.Range(0, 1_001).Select(i => new BatchDocument($"d{i}", "text"))]);

        await ExpectAsync(
            await SendAsync(HttpMethod.Post, await DocumentsAsync(), JsonSerializer.Serialize(batch, RagJson.Options)),
            HttpStatusCode.BadRequest,
            "documents",
            "1000");
    }

    [Theory]
    [InlineData("limit=0", "limit", "between 1 and 1000")]
    [InlineData("limit=100000", "limit", "between 1 and 1000")]
    [InlineData("limit=ten", "limit", "integer")]
    [InlineData("limit=99999999999", "limit", "integer")]
    [InlineData("cursor=%FF", "cursor", "UTF-8")]
    [InlineData("cursor=%00", "cursor", "NUL")]
    [InlineData("cursor=abc!", "cursor", "none")]
    [InlineData("cursor=AA", "cursor", "none")]
    public async Task ListDocuments_AParameterThatIsWrong_NamesIt(string query, string field, string reason) =>
        await ExpectAsync(await api.Http.GetAsync($"{await DocumentsAsync()}?{query}", s_none), HttpStatusCode.BadRequest, field, reason);

    [Theory]
    [InlineData("""{"name":"Upper"}""", "name", "lower-case")]
    [InlineData("""{"name":""}""", "name", "required")]
    [InlineData("""{"name":"a","language":"klingon"}""", "language", "english")]
    [InlineData("""{"name":"a","language":"no; drop"}""", "language", "configuration")]
    [InlineData("""{"name":"a","model":"nonexistent"}""", "model", "test-model")]
    [InlineData("""{"name":"a","chunking":{"targetLength":10}}""", "chunking.targetLength", "200")]
    [InlineData("""{"name":"a","chunking":{"targetLength":400,"overlap":300}}""", "chunking.overlap", "half")]
    [InlineData("""{"name":"a","chunking":{"strategy":"magic"}}""", "chunking.strategy", "markdown")]
    public async Task CreateWorkspace_AFieldThatIsWrong_NamesIt(string body, string field, string reason) =>
        await ExpectAsync(await SendAsync(HttpMethod.Post, "/v1/workspaces", body), HttpStatusCode.BadRequest, field, reason);

    [Theory]
    [InlineData("""{"query":"x","boosts":[null]}""", "boosts[0]", "null")]
    [InlineData("""{"query":"x","minScore":-1e400}""", "minScore", "finite")]
    [InlineData("""{"query":"x","boosts":[{"weight":1e999}]}""", "boosts[0].weight", "finite")]
    [InlineData("""{"query":"x","filter":{"a":"\u0000"}}""", "filter", "NUL")]
    [InlineData("""{"query":"x","limit":99999999999999999999}""", "limit", "integer")]
    public async Task Search_AValueThatNothingCanBeDoneWith_NamesIt(string body, string field, string reason) =>
        await ExpectAsync(
            await SendAsync(HttpMethod.Post, $"/v1/workspaces/{await api.CreateWorkspaceAsync()}/search", body), HttpStatusCode.BadRequest, field, reason);

    [Theory]
    [InlineData("documents?filter=x", "filter", "There is: cursor, limit.")]
    [InlineData("documents/a?revision=7", "revision", "none at all")]
    [InlineData("dead-letters?limit=1&limit=2", "limit", "twice")]
    public async Task Get_AParameterThatIsNotThere_IsRefused(string path, string field, string reason) =>
        await ExpectAsync(
            await api.Http.GetAsync($"/v1/workspaces/{await api.CreateWorkspaceAsync()}/{path}", s_none), HttpStatusCode.BadRequest, field, reason);

    [Fact]
    public async Task PutDocument_AByteOrderMark_IsNoPartOfTheBody()
    {
        using var response = await SendAsync(HttpMethod.Put, await DocumentsAsync() + "/x", [0xEF, 0xBB, 0xBF, .. "{\"text\":\"a\"}"u8]);

        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
    }

    [Fact]
    public async Task PutDocument_AnotherContentType_IsNotSupported()
    {
        using var content = new StringContent("text=a", Encoding.UTF8, "text/plain");

        await ExpectAsync(
            await api.Http.PutAsync(await DocumentsAsync() + "/x", content, s_none), HttpStatusCode.UnsupportedMediaType, null, "application/json");
    }

    [Fact]
    public async Task Request_AMethodThatIsNotThere_NamesTheOnesThatAre()
    {
        var response = await SendAsync(HttpMethod.Patch, await DocumentsAsync() + "/x", "{}");

        Assert.Contains("PUT", string.Join(',', response.Content.Headers.Allow), StringComparison.Ordinal);
        await ExpectAsync(response, HttpStatusCode.MethodNotAllowed, null, "GET");
    }

    [Fact]
    public async Task Request_AnUnknownWorkspace_IsNotFoundBeforeTheBodyIsLookedAt()
    {
        await ExpectAsync(await SendAsync(HttpMethod.Put, "/v1/workspaces/nope/documents/x", "not json"), HttpStatusCode.NotFound, null, "'nope'");
        await ExpectAsync(await api.Http.GetAsync("/v1/workspaces/no%20such/documents", s_none), HttpStatusCode.NotFound, null, "no such");
        await ExpectAsync(await api.Http.GetAsync("/v1/nothing", s_none), HttpStatusCode.NotFound, null, "/docs");
    }

    private async Task<string> DocumentsAsync() => $"/v1/workspaces/{await api.CreateWorkspaceAsync()}/documents";

    private Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string body) => SendAsync(method, path, Encoding.UTF8.GetBytes(body));

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, byte[] body)
    {
        using var request = new HttpRequestMessage(method, path) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new("application/json");

        // A server that refuses a large body closes the connection: with this it answers before the body is sent.
        request.Headers.ExpectContinue = body.Length > 1_000_000;
        return await api.Http.SendAsync(request, TestContext.Current.CancellationToken);
    }

    // HttpClient would repair the path.
    private async Task<string> SendRawAsync(string requestLine)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(api.Address.Host, api.Address.Port, TestContext.Current.CancellationToken);
        await using var stream = client.GetStream();
        var request = $"{requestLine}\r\nHost: localhost\r\nAuthorization: Bearer {ApiFixture.AdminKey}\r\nConnection: close\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    private static async Task ExpectAsync(HttpResponseMessage response, HttpStatusCode status, string? field, string reason)
    {
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == status, $"{(int)response.StatusCode}: {body}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(body);
        Assert.Equal((int)status, problem.RootElement.GetProperty("status").GetInt32());
        var sentence = field is null
            ? problem.RootElement.GetProperty("detail").GetString()
            : problem.RootElement.GetProperty("errors").GetProperty(field)[0].GetString();
        Assert.Contains(reason, sentence, StringComparison.Ordinal);
        Assert.DoesNotContain("RagPlatform", body, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", body, StringComparison.Ordinal);
    }
}
