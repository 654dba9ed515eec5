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
    [InlineData("""{"data":[{"index":0,"embedding":["x"]},{"index":1,"embedding":[1]}]}""")]
    [InlineData("""{"data":[{"index":0,"embedding":"AAA"},{"index":1,"embedding":[1]}]}""")]
    [InlineData("""{"data":[{"index":0,"embedding":"AAAA"},{"index":1,"embedding":[1]}]}""")]
    [InlineData("""{"data":[{"index":0,"embedding":5},{"index":1,"embedding":[1]}]}""")]
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
    [InlineData("""{"data":[{"index":0,"embedding":[1]}],"usage":null}""")]
    [InlineData("""{"data":[{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":"many","x":{}}}""")]
    [InlineData("""{"data":[{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":-4}}""")]
    public void Read_NoUsableUsage_IsNone(string body) => Assert.Null(Read(body, 1).Usage);

    private static Microsoft.Extensions.AI.GeneratedEmbeddings<Microsoft.Extensions.AI.Embedding<float>> Read(string body, int count) =>
        OpenAiAnswerReader.Read(Encoding.UTF8.GetBytes(body), count);
}
