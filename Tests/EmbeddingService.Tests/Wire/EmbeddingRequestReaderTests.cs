using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using RagPlatform.EmbeddingService.Wire;

namespace RagPlatform.EmbeddingService.Tests.Wire;

public sealed class EmbeddingRequestReaderTests
{
    [Fact]
    public void Parse_OneString_OneText()
    {
        var request = Parse("""{"input":"hello","model":"m"}""");

        Assert.Equal(["hello"], request.Texts);
        Assert.Equal("m", request.Model);
        Assert.Null(request.Dimensions);
        Assert.False(request.Base64);
    }

    [Fact]
    public void Parse_Array_KeepsOrderAndDuplicates()
    {
        var request = Parse("""{"model":"m","input":["b","a","b"],"dimensions":64,"encoding_format":"base64","user":"u","extra":{"x":[1]}}""");

        Assert.Equal(["b", "a", "b"], request.Texts);
        Assert.Equal(64, request.Dimensions);
        Assert.True(request.Base64);
    }

    [Theory]
    [InlineData("""{"model":"m","input":[1,2,3]}""", "input", "tokens_not_supported")]
    [InlineData("""{"model":"m","input":[[1,2],[3]]}""", "input", "tokens_not_supported")]
    [InlineData("""{"model":"m","input":[]}""", "input", null)]
    [InlineData("""{"model":"m","input":""}""", "input", null)]
    [InlineData("""{"model":"m","input":["a",""]}""", "input[1]", null)]
    [InlineData("""{"model":"m","input":["a",null]}""", "input", null)]
    [InlineData("""{"model":"m","input":5}""", "input", null)]
    [InlineData("""{"model":"m"}""", "input", null)]
    [InlineData("""{"input":"a"}""", "model", null)]
    [InlineData("""{"model":7,"input":"a"}""", "model", null)]
    [InlineData("""{"model":"m","input":"a","dimensions":0}""", "dimensions", null)]
    [InlineData("""{"model":"m","input":"a","dimensions":1.5}""", "dimensions", null)]
    [InlineData("""{"model":"m","input":"a","encoding_format":"hex"}""", "encoding_format", null)]
    [InlineData("""{"model":"m","input":"a","user":3}""", "user", null)]
    [InlineData("""[1]""", null, null)]
    [InlineData("""{"model":"m","input":"a"} trailing""", null, null)]
    [InlineData("""{"model":"m","input":"a" """, null, null)]
    [InlineData("""{"model":"m","input":"\ud800"}""", null, null)]
    [InlineData("", null, null)]
    public void Parse_BadRequest_NamesTheField(string body, string? param, string? code)
    {
        var error = Assert.Throws<GatewayException>(() => Parse(body));

        Assert.Equal(400, error.Status);
        Assert.Equal("invalid_request_error", error.Type);
        Assert.Equal(param, error.Param);
        Assert.Equal(code, error.Code);
    }

    [Fact]
    public void Parse_InvalidUtf8_IsRefused()
    {
        byte[] body = [.. "{\"model\":\"m\",\"input\":\""u8, 0xC3, 0x28, .. "\"}"u8];

        Assert.Equal(400, Assert.Throws<GatewayException>(() => EmbeddingRequestReader.Parse(new(body))).Status);
    }

    [Fact]
    public void Parse_AByteOrderMark_IsNoPartOfTheBody()
    {
        byte[] body = [0xEF, 0xBB, 0xBF, .. "{\"model\":\"m\",\"input\":\"a\"}"u8];

        Assert.Equal(["a"], EmbeddingRequestReader.Parse(new(body)).Texts);
    }

    [Fact]
    public void Parse_MoreItemsOrCharactersThanAllowed_IsRefused()
    {
        Assert.Equal(2048, Parse(Body(Enumerable.Repeat("a", 2048))).Texts.Count);
        Assert.Throws<GatewayException>(() => Parse(Body(Enumerable.Repeat("a", 2049))));
        Assert.Single(Parse(Body([new string('x', 300_000)])).Texts);
        Assert.Throws<GatewayException>(() => Parse(Body([new string('x', 150_000), new string('y', 150_001)])));
        Assert.Throws<GatewayException>(() => Parse($$"""{"model":"m","input":"{{new string('x', 300_001)}}"}"""));
    }

    [Fact]
    public async Task ReadAsync_BodyInPieces_IsPutTogether()
    {
        var pipe = new Pipe();
        var reading = EmbeddingRequestReader.ReadAsync(pipe.Reader, CancellationToken.None).AsTask();
        foreach (var part in new[] { "{\"model\":\"m\",", "\"input\":[\"ä", "b\"]}" })
        {
            await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(part), CancellationToken.None);
        }

        await pipe.Writer.CompleteAsync();

        Assert.Equal(["äb"], (await reading).Texts);
    }

    [Fact]
    public async Task ReadAsync_BodyBeyondLimit_IsRefusedBeforeItsEnd()
    {
        var body = PipeReader.Create(new ReadOnlySequence<byte>(new byte[EmbeddingRequest.MaxBodyBytes + 1]));

        var error = await Assert.ThrowsAsync<GatewayException>(async () => await EmbeddingRequestReader.ReadAsync(body, CancellationToken.None));

        Assert.Equal("string_above_max_length", error.Code);
    }

    private static string Body(IEnumerable<string> texts) => System.Text.Json.JsonSerializer.Serialize(new { model = "m", input = texts });

    private static EmbeddingRequest Parse(string body) => EmbeddingRequestReader.Parse(new(Encoding.UTF8.GetBytes(body)));
}
