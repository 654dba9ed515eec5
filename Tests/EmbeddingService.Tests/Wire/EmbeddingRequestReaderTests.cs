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
    [InlineData("""{"model":"m","input":[1,-2,3]}""", "input", "invalid_token")]
    [InlineData("""{"model":"m","input":[1,2.5]}""", "input", "invalid_token")]
    [InlineData("""{"model":"m","input":[1,"a"]}""", "input", "invalid_token")]
    [InlineData("""{"model":"m","input":[[1,2],[100256]]}""", "input[1]", "invalid_token")]
    [InlineData("""{"model":"m","input":["a",[1,99999999999]]}""", "input[1]", "invalid_token")]
    [InlineData("""{"model":"m","input":[[1],[]]}""", "input[1]", null)]
    [InlineData("""{"model":"m","input":["a",1]}""", "input[1]", null)]
    [InlineData("""{"model":"m","input":"a","truncate":"MIDDLE"}""", "truncate", null)]
    [InlineData("""{"model":"m","input":[]}""", "input", null)]
    [InlineData("""{"model":"m","input":""}""", "input", null)]
    [InlineData("""{"model":"m","input":["a",""]}""", "input[1]", null)]
    [InlineData("""{"model":"m","input":["a",null]}""", "input[1]", null)]
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
    public void Parse_ItemsAndTokens_AreLimitedAsAtOpenAi()
    {
        Assert.Equal(2048, Parse(Body(Enumerable.Repeat("a", 2048))).Texts.Count);
        Assert.Equal("array_above_max_length", Assert.Throws<GatewayException>(() => Parse(Body(Enumerable.Repeat("a", 2049)))).Code);
        Assert.Equal(200, Parse($$"""{"model":"m","input":[{{string.Join(',', Enumerable.Repeat($"[{string.Join(',', Enumerable.Repeat(64, 1_500))}]", 200))}}]}""").Texts.Count);
        Assert.Equal(
            "max_tokens_per_request",
            Assert.Throws<GatewayException>(() => Parse($$"""{"model":"m","input":[{{string.Join(',', Enumerable.Repeat(64, 300_001))}}]}""")).Code);
    }

    [Fact]
    public void Parse_Tokens_AreTheTextThatTheyWereMadeOf()
    {
        var tokenizer = Microsoft.ML.Tokenizers.TiktokenTokenizer.CreateForEncoding("cl100k_base");
        string[] texts =
        [
            "Here is some text", "  leading\n\ttabs\r\n", "naïve café, 日本語のテキスト, 🚀👩‍👩‍👧 e\u0301", "var x = a?.B ?? 12345678;", "Wie viel kostet eine Monatskarte für Studierende?",
        ];

        var request = Parse(System.Text.Json.JsonSerializer.Serialize(new { model = "m", input = texts.Select(text => tokenizer.EncodeToIds(text)) }));
        var one = Parse(System.Text.Json.JsonSerializer.Serialize(new { model = "m", input = tokenizer.EncodeToIds(texts[2]) }));

        Assert.Equal(texts, request.Texts);
        Assert.Equal([texts[2]], one.Texts);
    }

    [Theory]
    [InlineData("true", Truncation.End)]
    [InlineData("false", Truncation.None)]
    [InlineData("null", Truncation.None)]
    [InlineData("\"END\"", Truncation.End)]
    [InlineData("\"start\"", Truncation.Start)]
    [InlineData("\"NONE\"", Truncation.None)]
    internal void Parse_Truncate_IsReadAsTeiAndCohereWriteIt(string json, Truncation truncation) =>
        Assert.Equal(truncation, Parse($$"""{"model":"m","input":"a","truncate":{{json}}}""").Truncate);

    [Fact]
    public async Task ReadAsync_BodyInPieces_IsPutTogether()
    {
        var pipe = new Pipe();
        var reading = EmbeddingRequestReader.ReadAsync(pipe.Reader, null, CancellationToken.None).AsTask();
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

        var error = await Assert.ThrowsAsync<GatewayException>(async () => await EmbeddingRequestReader.ReadAsync(body, null, CancellationToken.None));

        Assert.Equal("string_above_max_length", error.Code);
    }

    private static string Body(IEnumerable<string> texts) => System.Text.Json.JsonSerializer.Serialize(new { model = "m", input = texts });

    private static EmbeddingRequest Parse(string body) => EmbeddingRequestReader.Parse(new(Encoding.UTF8.GetBytes(body)));
}
