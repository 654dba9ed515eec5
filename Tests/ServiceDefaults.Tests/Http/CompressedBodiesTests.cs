using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;

namespace RagPlatform.ServiceDefaults.Tests.Http;

public sealed class CompressedBodiesTests
{
    [Fact]
    public async Task Body_Packed_IsReadAsIfItWereNot()
    {
        var (status, answer) = await PostAsync(Pack("""{"count":7,"tags":["a"]}"""u8.ToArray()), "gzip");

        Assert.Equal((HttpStatusCode.OK, "7"), (status, answer));
    }

    [Fact]
    public async Task Body_LargerThanAllowedOnceUnpacked_Is413()
    {
        var (status, _) = await PostAsync(Pack([.. "{\"count\":7,\"tags\":[\""u8, .. new byte[200_000].Select(_ => (byte)'x'), .. "\"]}"u8]), "gzip");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, status);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task Body_NotWhatItsEncodingSays_IsABadRequest(string encoding)
    {
        var (status, _) = await PostAsync("""{"count":7,"tags":[]}"""u8.ToArray(), encoding);

        Assert.Equal(HttpStatusCode.BadRequest, status);
    }

    [Fact]
    public async Task Body_EncodingThatIsNotKnown_Is415()
    {
        var (status, _) = await PostAsync("{}"u8.ToArray(), "snappy");

        Assert.Equal(HttpStatusCode.UnsupportedMediaType, status);
    }

    private static byte[] Pack(byte[] body)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize))
        {
            gzip.Write(body);
        }

        return packed.ToArray();
    }

    private static async Task<(HttpStatusCode Status, string Answer)> PostAsync(byte[] body, string encoding)
    {
        await using var app = await TestApp.StartAsync(
            new() { ["Limits:MaxRequestBodyBytes"] = "100000" }, _ => { }, app => app.MapPost("/", (RequestExceptionHandlerTests.Body read) => read.Count));
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/json");
        content.Headers.ContentEncoding.Add(encoding);
        using var response = await app.Client.PostAsync("/", content, TestContext.Current.CancellationToken);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }
}
