using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>What a request addresses is exactly the id that it spells, or it is refused; nothing reaches the workspace above.</summary>
public sealed class AddressTests(ApiFixture api) : IClassFixture<ApiFixture>
{
    private const int Ids = 250;

    private static readonly string[] s_pieces =
    [
        "..", ".", "...", "a", "B", "é", "日本", "🙂", "/", "//", "\\", ";", ";x=1", "%", "%2e", "%2F", "%2f", "%5c", "%00", " ", "+", "?", "#", "&", "=", ":", "@",
        "~", "'", "\"", "<", "[", "w", "documents", "keys", "indexing",
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Document_AnyIdInAnySpelling_IsAddressedExactlyOrRefused()
    {
        var random = new Random(20_261);
        var workspace = await api.CreateWorkspaceAsync();
        await using var connection = new RawConnection(api.Address);
        var (exact, refused) = (0, 0);
        for (var i = 0; i < Ids; i++)
        {
            var id = string.Concat(Enumerable.Range(0, random.Next(1, 6)).Select(_ => s_pieces[random.Next(s_pieces.Length)]));
            var target = $"/v1/workspaces/{workspace}/documents/{Spell(id, random)}";
            var (status, body) = await connection.SendAsync(random.Next(2) == 0 ? "DELETE" : "GET", target);

            Assert.True(status is 400 or 404, $"{target} was answered {status}");
            if (status == 404)
            {
                exact++;
                Assert.Equal($"There is no document '{id}'.", JsonDocument.Parse(body).RootElement.GetProperty("detail").GetString());
            }
            else
            {
                refused++;
                Assert.True(DocumentIds.Check(id) is not null || target.Contains('\\'), $"{target} was refused: {body}");
            }
        }

        Assert.True(exact > 50 && refused > 50, $"{exact} exact, {refused} refused");
        Assert.NotNull(await api.Client.FindWorkspaceAsync(workspace, Cancellation));
    }

    [Theory]
    [InlineData("documents/%2e%2e")]
    [InlineData("documents/..")]
    [InlineData("documents/%2E.")]
    [InlineData("documents/x/../..")]
    [InlineData("documents/x%2F..%2f..")]
    [InlineData("documents/.")]
    [InlineData("keys/..")]
    [InlineData("indexing/%2e%2e")]
    [InlineData("documents/../")]
    [InlineData("documents/..%2F?confirm=NAME")]
    [InlineData(".?confirm=NAME")]
    [InlineData("documents/..?confirm=NAME")]
    public async Task Delete_ADotSegmentInAnySpelling_IsRefused(string path)
    {
        var workspace = await api.CreateWorkspaceAsync();
        await using var connection = new RawConnection(api.Address);

        var (status, body) = await connection.SendAsync(
            "DELETE", $"/v1/workspaces/{workspace}/{path.Replace("NAME", workspace, StringComparison.Ordinal)}");

        Assert.Equal(400, status);
        Assert.Contains("\"path\"", body, StringComparison.Ordinal);
        Assert.NotNull(await api.Client.FindWorkspaceAsync(workspace, Cancellation));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("?confirm=")]
    [InlineData("?confirm=another")]
    [InlineData("?confirm=NAME&confirm=NAME")]
    public async Task DeleteWorkspace_WithoutItsNameOnceMore_IsRefused(string rest)
    {
        var workspace = await api.CreateWorkspaceAsync();

        using var response = await api.Http.DeleteAsync(
            $"/v1/workspaces/{workspace}{rest.Replace("NAME", workspace, StringComparison.Ordinal)}", Cancellation);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("\"confirm\"", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.NotNull(await api.Client.FindWorkspaceAsync(workspace, Cancellation));
    }

    [Fact]
    public async Task Document_TwicePercentEncodedSlash_NeverIsTheDocumentWithTheSlash()
    {
        var workspace = await api.CreateWorkspaceAsync();
        await api.Client.PutDocumentAsync(workspace, "a/b", new("original"), null, Cancellation);
        await using var connection = new RawConnection(api.Address);

        var (status, body) = await connection.SendAsync("PUT", $"/v1/workspaces/{workspace}/documents/a%252Fb", """{"text":"another"}""");

        Assert.True(status == 400 && body.Contains("%252F", StringComparison.Ordinal), body);
        Assert.Equal("original", (await api.Client.FindDocumentAsync(workspace, "a/b", Cancellation))!.Text);
    }

    // Each byte as it is or escaped, in either case, wherever the target stays one of HTTP.
    private static string Spell(string id, Random random)
    {
        var target = new StringBuilder();
        foreach (var b in Encoding.UTF8.GetBytes(id))
        {
            var mustEscape = b is <= 0x20 or >= 0x7F or (byte)'%' or (byte)'?' or (byte)'#';
            target.Append(mustEscape || random.Next(4) == 0
                ? "%" + b.ToString(random.Next(2) == 0 ? "X2" : "x2", CultureInfo.InvariantCulture)
                : ((char)b).ToString());
        }

        return target.ToString();
    }

    /// <summary>Sends targets as they are: HttpClient would repair them.</summary>
    private sealed class RawConnection(Uri address) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        public async Task<(int Status, string Body)> SendAsync(string method, string target, string body = "")
        {
            using var client = new TcpClient();
            await client.ConnectAsync(address.Host, address.Port, Cancellation);
            await using var stream = client.GetStream();
            var request = $"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ApiFixture.AdminKey}\r\nContent-Type: application/json\r\n"
                + $"Content-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}";
            await stream.WriteAsync(Encoding.ASCII.GetBytes(request), Cancellation);
            using var reader = new StreamReader(stream);
            var answer = await reader.ReadToEndAsync(Cancellation);
            var content = answer[(answer.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..];
            var (first, last) = (content.IndexOf('{', StringComparison.Ordinal), content.LastIndexOf('}'));
            return (int.Parse(answer.AsSpan(9, 3), CultureInfo.InvariantCulture), first < 0 ? "" : content[first..(last + 1)]);
        }
    }
}
