using System.Text;
using RagPlatform.EmbeddingService.Providers;
using RagPlatform.EmbeddingService.Providers.OpenAi;

namespace RagPlatform.EmbeddingService.Tests.Providers;

public sealed class OpenAiAnswerReaderTests
{
    [Fact]
    public void Read_ShuffledAnswer_IsPutInOrderByIndex()
    {
        var answer = Read(
            """{"object":"list","data":[{"object":"embedding","index":1,"embedding":[3,4]},{"embedding":[1,2.5],"index":0}],"model":"m","usage":{"prompt_tokens":9,"total_tokens":9}}""",
            2);

        Assert.Equal([1f, 2.5f], answer[0].Vector.ToArray());
        Assert.Equal([3f, 4f], answer[1].Vector.ToArray());
        Assert.Equal(9, answer.Usage?.InputTokenCount);
    }

    [Fact]
    public void Read_Base64_IsRead()
    {
        var base64 = Convert.ToBase64String([0, 0, 128, 63, 0, 0, 0, 64]);

        Assert.Equal([1f, 2f], Read($$"""{"data":[{"index":0,"embedding":"{{base64}}"}]}""", 1)[0].Vector.ToArray());
    }

    [Theory]
    [InlineData("""{"data":[{"index":0,"embedding":[1]}]}""")]
    [InlineData("""{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}""")]
    [InlineData("""{"data":[{"index":0,"embedding":[1]},{"index":2,"embedding":[1]}]}""")]
    [InlineData("""{"data":[{"index":0,"embedding":[1]},{"index":-1,"embedding":[1]}]}""")]
    [InlineData("""{"data":[{"embedding":[1]},{"index":1,"embedding":[1]}]}""")]
    [InlineData("""{"data":[{"index":0,"embedding":[1]},{"index":1}]}""")]
    [InlineData("""{"data":[5,6]}""")]
    [InlineData("""{"data":5}""")]
    [InlineData("""{"usage":{"prompt_tokens":1}}""")]
    [InlineData("""{"data":[{"index":0,"emb""")]
    [InlineData("<html>502</html>")]
    [InlineData("")]
    [InlineData("null")]
    public void Read_MalformedAnswer_IsAnError(string body)
    {
        var error = Assert.Throws<ProviderException>(() => Read(body, 2));

        Assert.Equal(ProviderFailure.Malformed, error.Failure);
    }

    [Theory]
    [InlineData("""["x"]""")]
    [InlineData("[null]")]
    [InlineData("[[1],{}]")]
    [InlineData("\"AAA\"")]
    [InlineData("\"AAAA\"")]
    [InlineData("5")]
    [InlineData("null")]
    [InlineData("{}")]
    public void Read_OneVectorIsNone_TheOthersAreRead(string vector)
    {
        var answer = Read($$"""{"data":[{"index":0,"embedding":{{vector}}},{"index":1,"embedding":[7]}]}""", 2);

        Assert.DoesNotContain(answer[0].Vector.ToArray(), float.IsFinite);
        Assert.Equal([7f], answer[1].Vector.ToArray());
    }

    [Theory]
    [InlineData("""{"data":[{"index":0,"embedding":[1]}],"usage":null}""")]
    [InlineData("""{"data":[{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":"many","x":{}}}""")]
    [InlineData("""{"data":[{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":-4}}""")]
    public void Read_NoUsableUsage_IsNone(string body) => Assert.Null(Read(body, 1).Usage);

    private static Microsoft.Extensions.AI.GeneratedEmbeddings<Microsoft.Extensions.AI.Embedding<float>> Read(string body, int count) =>
        OpenAiAnswerReader.Read(Encoding.UTF8.GetBytes(body), count);
}
