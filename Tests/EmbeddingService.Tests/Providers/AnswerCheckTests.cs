using Microsoft.Extensions.AI;
using RagPlatform.EmbeddingService.Providers;

namespace RagPlatform.EmbeddingService.Tests.Providers;

public sealed class AnswerCheckTests
{
    [Fact]
    public void Check_UnitVectors_ArePassedThroughUnchanged()
    {
        float[] vector = [0.6f, 0.8f];

        Assert.Same(vector, AnswerCheck.Check([new(vector)], 1, 2, normalized: true)[0]);
    }

    [Fact]
    public void Check_LongerVectorOfNormalizedSpace_IsScaled() =>
        Assert.Equal([0.6f, 0.8f], AnswerCheck.Check([new(new float[] { 3, 4 })], 1, 2, normalized: true)[0]);

    [Fact]
    public void Check_LongerVectorOfOtherSpace_StaysAsItIs() =>
        Assert.Equal([3f, 4f], AnswerCheck.Check([new(new float[] { 3, 4 })], 1, 2, normalized: false)[0]);

    [Fact]
    public void Check_PartOfAnArray_IsCopied()
    {
        float[] all = [9, 0.6f, 0.8f];

        Assert.Equal([0.6f, 0.8f], AnswerCheck.Check([new(all.AsMemory(1))], 1, 2, normalized: true)[0]);
    }

    [Theory]
    [InlineData(new float[] { 1, float.NaN })]
    [InlineData(new float[] { 1, float.PositiveInfinity })]
    [InlineData(new float[] { float.MaxValue, float.MaxValue })]
    [InlineData(new float[] { 0, 0 })]
    [InlineData(new float[] { 1, 0, 0 })]
    [InlineData(new float[] { 1 })]
    [InlineData(new float[0])]
    public void Check_BadVector_IsAnError(float[] vector) => AssertMalformed([new(new float[] { 1, 0 }), new(vector)], 2);

    [Fact]
    public void Check_OtherCount_IsAnError()
    {
        AssertMalformed([new(new float[] { 1, 0 })], 2);
        AssertMalformed([new(new float[] { 1, 0 }), new(new float[] { 1, 0 })], 1);
        AssertMalformed([], 1);
    }

    private static void AssertMalformed(IReadOnlyList<Embedding<float>> answer, int count) =>
        Assert.Equal(ProviderFailure.Malformed, Assert.Throws<ProviderException>(() => AnswerCheck.Check(answer, count, 2, true)).Failure);
}
