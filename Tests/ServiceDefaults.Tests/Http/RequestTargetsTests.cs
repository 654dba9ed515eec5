using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using RagPlatform.ServiceDefaults.Http;

namespace RagPlatform.ServiceDefaults.Tests.Http;

public sealed class RequestTargetsTests
{
    [Theory]
    [InlineData("/v1/workspaces/docs")]
    [InlineData("/a%2Fb%20c")]
    [InlineData("/%C3%A9/%F0%9F%99%82")]
    [InlineData("/a.b/..c/d../...")]
    [InlineData("/%252e%252e")] // the text "%2e%2e", which is no dot segment
    [InlineData("/a;b/%5C..%5C")]
    [InlineData("/x?back=/a/../b&rate=100%&name=%C3%A9")]
    [InlineData("http://example.org/x")]
    [InlineData("http://example.org")]
    [InlineData("*")]
    [InlineData("")]
    public void Check_ATargetThatNamesOneThing_IsRight(string target) => Assert.Null(Check(target));

    [Theory]
    [InlineData("/%FF", "UTF-8")]
    [InlineData("/%C3", "UTF-8")]
    [InlineData("/%ED%A0%80", "UTF-8")] // half of a surrogate pair
    [InlineData("/%C0%AF", "UTF-8")] // an overlong slash
    [InlineData("/%zz", "UTF-8")]
    [InlineData("/100%", "UTF-8")]
    [InlineData("/a%00", "NUL")]
    [InlineData("/a/..", "'..'")]
    [InlineData("/a/../b", "'..'")]
    [InlineData("/a/./b", "'.'")]
    [InlineData("/a/%2e%2E", "'..'")]
    [InlineData("/a/.%2e/b", "'..'")]
    [InlineData("/a/x%2F..%2f..", "'..'")]
    [InlineData("/a/..?x=1", "'..'")]
    [InlineData("http://example.org/a/..", "'..'")]
    [InlineData("/a%252Fb", "%252F")]
    [InlineData("/a%252fb", "%252F")]
    [InlineData("/a%25%32%66b", "%252F")]
    [InlineData("/a\\b", "%5C")]
    public void Check_APathThatCouldBeReadInAnotherWay_SaysWhy(string target, string reason)
    {
        var wrong = Check(target);

        Assert.Equal("path", wrong?.Field);
        Assert.Contains(reason, wrong?.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/x?a=1&workspace=%00", "workspace", "NUL")]
    [InlineData("/x?cursor=%FF", "cursor", "UTF-8")]
    public void Check_AQueryThatIsNoText_NamesTheParameter(string target, string field, string reason)
    {
        var wrong = Check(target);

        Assert.Equal(field, wrong?.Field);
        Assert.Contains(reason, wrong?.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task EveryService_AParameterWithNul_IsRefusedWhateverTheServiceDoes()
    {
        await using var app = await TestApp.StartAsync([], _ => { }, app => app.Run(context => context.Response.WriteAsync("reached")));

        using var refused = await app.Client.GetAsync("/x?a=%00", TestContext.Current.CancellationToken);
        using var reached = await app.Client.GetAsync("/x?a=0", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains("\"a\":[\"It must not contain NUL", await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, reached.StatusCode);
    }

    private static (string Field, string Message)? Check(string target)
    {
        var query = target.IndexOf('?', StringComparison.Ordinal);
        return RequestTargets.Check(target, query < 0 ? "" : target[query..]);
    }
}
