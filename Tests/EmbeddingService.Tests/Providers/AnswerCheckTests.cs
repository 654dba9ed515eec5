using Microsoft.Extensions.AI;
using RagPlatform.EmbeddingService.Providers;

namespace RagPlatform.EmbeddingService.Tests.Providers;

public sealed class AnswerCheckTests
{
    [Fact]
    public void Check_UnitVectors_ArePassedThroughUnchanged()
    {
        float[] vector = [0.6f, 0.8f];

        Assert.Same(vector, Check(true, vector)[0].Vector);
    }

    [Fact]
    public void Check_LongerVectorOfNormalizedSpace_IsScaled() => Assert.Equal([0.6f, 0.8f], Check(true, [3, 4])[0].Vector!);

    [Fact]
    public void Check_LongerVectorOfOtherSpace_StaysAsItIs() => Assert.Equal([3f, 4f], Check(false, [3, 4])[0].Vector!);

    [Fact]
    public void Check_PartOfAnArray_IsCopied()
    {
        float[] all = [9, 0.6f, 0.8f];

        Assert.Equal([0.6f, 0.8f], AnswerCheck.Check([new(all.AsMemory(1))], 2, true, 1, [1])[0].Vector!);
    }

    [Theory]
    [InlineData(new float[] { 1, float.NaN })]
    [InlineData(new float[] { 1, float.PositiveInfinity })]
    [InlineData(new float[] { float.MaxValue, float.MaxValue })]
    [InlineData(new float[] { 0, 0 })]
    [InlineData(new float[] { 1, 0, 0 })]
    [InlineData(new float[] { 1 })]
    [InlineData(new float[0])]
    public void Check_BadVector_IsAnErrorOfItsTextAlone(float[] vector)
    {
        var items = Check(true, [1, 0], vector, [0, 1]);

        Assert.Equal([1f, 0f], items[0].Vector!);
        Assert.Null(items[1].Vector);
        Assert.Equal(ProviderFailure.Malformed, items[1].Error!.Failure);
        Assert.Equal([0f, 1f], items[2].Vector!);
    }

    [Fact]
    public void Check_NoSoundVector_IsAnErrorOfTheAnswer() =>
        Assert.Equal(ProviderFailure.Malformed, Assert.Throws<ProviderException>(() => Check(true, [0, 0], [float.NaN, 0])).Failure);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(0)]
    public void Check_OtherCount_IsAnErrorOfTheAnswer(int answered)
    {
        var answer = new GeneratedEmbeddings<Embedding<float>>(Enumerable.Range(0, answered).Select(_ => new Embedding<float>(new float[] { 1, 0 })));

        Assert.Equal(ProviderFailure.Malformed, Assert.Throws<ProviderException>(() => AnswerCheck.Check(answer, 2, true, 2, [1, 1])).Failure);
    }

    [Fact]
    public void Check_CountedTokens_AreSharedOutAndAddUp()
    {
        var answer = new GeneratedEmbeddings<Embedding<float>>([new(new float[] { 1, 0 }), new(new float[] { 0, 1 }), new(new float[] { 0, 1 })])
        {
            Usage = new UsageDetails { InputTokenCount = 10 },
        };

        var tokens = AnswerCheck.Check(answer, 2, true, 3, [1, 1, 4]).Select(item => item.Tokens).ToArray();

        Assert.Equal(10, tokens.Sum());
        Assert.True(tokens[2] > tokens[0]);
    }

    private static ProviderItem[] Check(bool normalized, params float[][] vectors) => AnswerCheck.Check(
        new GeneratedEmbeddings<Embedding<float>>(vectors.Select(vector => new Embedding<float>(vector))),
        2,
        normalized,
        vectors.Length,
        [.. vectors.Select(_ => 1)]);
}
