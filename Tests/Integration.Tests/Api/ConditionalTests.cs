using System.Net;
using System.Net.Http.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>Conditional requests: nobody's write is lost, and nothing is sent twice.</summary>
public sealed class ConditionalTests(ApiFixture api) : IClassFixture<ApiFixture>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task PutDocument_IfMatchOfTheNewestRevision_IsWrittenAndOfAnOlderOneIsNot()
    {
        var path = await DocumentPathAsync();
        var first = await SendAsync(path, "one", null);
        var second = await SendAsync(path, "two", ("If-Match", first.ETag!));
        var stale = await SendAsync(path, "three", ("If-Match", first.ETag!));
        var same = await SendAsync(path, "two", ("If-Match", second.ETag!));

        Assert.Equal(
            (HttpStatusCode.Created, HttpStatusCode.OK, HttpStatusCode.PreconditionFailed, HttpStatusCode.OK),
            (first.Status, second.Status, stale.Status, same.Status));
        Assert.Equal("two", await TextAsync(path));
    }

    [Fact]
    public async Task PutDocument_IfMatchAndNoDocument_IsNotWritten()
    {
        var path = await DocumentPathAsync();

        Assert.Equal(HttpStatusCode.PreconditionFailed, (await SendAsync(path, "one", ("If-Match", "\"1\""))).Status);
        Assert.Null(await TextAsync(path));
    }

    [Fact]
    public async Task PutDocument_IfNoneMatch_IsWrittenOnlyWhenItIsNew()
    {
        var path = await DocumentPathAsync();

        Assert.Equal(HttpStatusCode.Created, (await SendAsync(path, "one", ("If-None-Match", "*"))).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await SendAsync(path, "two", ("If-None-Match", "*"))).Status);
        Assert.Equal("one", await TextAsync(path));
    }

    [Fact]
    public async Task PutDocument_ManyAtOnceWithTheSameETag_WritesOneOfThem()
    {
        var path = await DocumentPathAsync();
        var tag = (await SendAsync(path, "start", null)).ETag!;

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => SendAsync(path, $"writer {i}", ("If-Match", tag))));

        Assert.Equal(1, answers.Count(a => a.Status == HttpStatusCode.OK));
        Assert.Equal(7, answers.Count(a => a.Status == HttpStatusCode.PreconditionFailed));
    }

    [Theory]
    [InlineData("If-Match", "7")]
    [InlineData("If-Match", "\"7\", *")]
    [InlineData("If-None-Match", "\"7\"")]
    public async Task PutDocument_AConditionOfAnotherForm_IsRefused(string header, string value) =>
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(await DocumentPathAsync(), "one", (header, value))).Status);

    [Fact]
    public async Task PutDocument_IfMatchOfAnyOrOneOfSeveral_IsWrittenOverWhatIsThere()
    {
        var path = await DocumentPathAsync();

        Assert.Equal(HttpStatusCode.PreconditionFailed, (await SendAsync(path, "none", ("If-Match", "*"))).Status);
        var tag = (await SendAsync(path, "one", null)).ETag!;
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(path, "two", ("If-Match", "*"))).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await SendAsync(path, "three", ("If-Match", $"{tag}, \"another\""))).Status);
        tag = (await SendAsync(path, "two", null)).ETag!;
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await SendAsync(path, "three", ("If-Match", "W/" + tag))).Status);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(path, "three", ("If-Match", $"\"another\", {tag}"))).Status);
        Assert.Equal("three", await TextAsync(path));
    }

    [Fact]
    public async Task DeleteDocument_IfMatch_IsDeletedOnlyAsItIsDemanded()
    {
        var path = await DocumentPathAsync();
        var stale = (await SendAsync(path, "one", null)).ETag!;
        var tag = (await SendAsync(path, "two", null)).ETag!;

        Assert.Equal(HttpStatusCode.PreconditionFailed, await DeleteAsync(path, "If-Match", stale));
        Assert.Equal(HttpStatusCode.BadRequest, await DeleteAsync(path, "If-Match", "7"));
        Assert.Equal(HttpStatusCode.BadRequest, await DeleteAsync(path, "If-None-Match", "*"));
        Assert.Equal("two", await TextAsync(path));
        Assert.Equal(HttpStatusCode.NoContent, await DeleteAsync(path, "If-Match", $"{stale}, {tag}"));
        Assert.Null(await TextAsync(path));
        Assert.Equal(HttpStatusCode.PreconditionFailed, await DeleteAsync(path, "If-Match", "*"));
    }

    [Fact]
    public async Task PutDocument_IfMatchAgainstADeletion_NeverBringsItBack()
    {
        var path = await DocumentPathAsync();
        for (var i = 0; i < 50; i++)
        {
            var tag = (await SendAsync(path, "before", null)).ETag!;
            var deleting = DeleteAsync(path, "If-Match", tag);
            var putting = SendAsync(path, "after", ("If-Match", tag));

            var (deleted, put) = (await deleting, (await putting).Status);

            Assert.True(
                (deleted, put) is (HttpStatusCode.NoContent, HttpStatusCode.PreconditionFailed) or (HttpStatusCode.PreconditionFailed, HttpStatusCode.OK),
                $"deletion {deleted}, put {put}");
            Assert.Equal(deleted == HttpStatusCode.NoContent ? null : "after", await TextAsync(path));
        }
    }

    [Fact]
    public async Task GetDocument_IfNoneMatchOfTheNewestRevision_IsNotSentAgain()
    {
        var path = await DocumentPathAsync();
        var tag = (await SendAsync(path, "one", null)).ETag!;

        Assert.Equal(HttpStatusCode.NotModified, await GetAsync(tag));
        Assert.Equal(HttpStatusCode.NotModified, await GetAsync("\"1234567\", W/" + tag));
        Assert.Equal(HttpStatusCode.OK, await GetAsync("\"1234567\""));

        async Task<HttpStatusCode> GetAsync(string known)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.TryAddWithoutValidation("If-None-Match", known);
            using var response = await api.Http.SendAsync(request, Cancellation);
            Assert.Equal(tag, response.Headers.ETag?.Tag);
            return response.StatusCode;
        }
    }

    private async Task<string> DocumentPathAsync() => $"/v1/workspaces/{await api.CreateWorkspaceAsync()}/documents/a";

    private async Task<(HttpStatusCode Status, string? ETag)> SendAsync(string path, string text, (string Header, string Value)? condition)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, path);
        request.Content = JsonContent.Create(new DocumentPut(text), options: RagJson.Options);
        if (condition is var (header, value))
        {
            request.Headers.TryAddWithoutValidation(header, value);
        }

        using var response = await api.Http.SendAsync(request, Cancellation);
        return (response.StatusCode, response.Headers.ETag?.Tag);
    }

    private async Task<HttpStatusCode> DeleteAsync(string path, string header, string value)
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, path);
        request.Headers.TryAddWithoutValidation(header, value);
        using var response = await api.Http.SendAsync(request, Cancellation);
        return response.StatusCode;
    }

    private async Task<string?> TextAsync(string path)
    {
        using var response = await api.Http.GetAsync(path, Cancellation);
        return response.StatusCode == HttpStatusCode.NotFound
            ? null
            : (await response.Content.ReadFromJsonAsync<Document>(RagJson.Options, Cancellation))!.Text;
    }
}
