using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.Extensions.AI;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Providers.Local;

namespace RagPlatform.EmbeddingService.Providers;

/// <summary>Nothing is cached or answered before it passed this.</summary>
internal static class AnswerCheck
{
    private const float UnitTolerance = 1e-3f;

    /// <summary>What an answer means for each text.</summary>
    /// <param name="answer">What the provider answered, in the order of the texts.</param>
    /// <param name="dimensions">Dimensions of the space.</param>
    /// <param name="normalized">Whether vectors of the space have unit length: others are scaled to it.</param>
    /// <param name="count">Texts that were sent.</param>
    /// <param name="estimates">Estimated tokens of each, by which the counted ones are shared out.</param>
    /// <returns>A vector or an error for each text: one that has other dimensions, a NaN, an infinity or no length does not spoil the others.</returns>
    /// <exception cref="ProviderException">There are more or fewer vectors than texts, or not one of several is sound.</exception>
    public static ProviderItem[] Check(
        GeneratedEmbeddings<Embedding<float>> answer, int dimensions, bool normalized, int count, IReadOnlyList<int> estimates)
    {
        if (answer.Count != count)
        {
            throw Malformed($"The provider answered {answer.Count} vectors for {count} texts.");
        }

        var tokens = answer.Usage?.InputTokenCount is { } counted and >= 0 ? TokenEstimate.Share(counted, estimates) : estimates;
        var items = new ProviderItem[count];
        var sound = 0;
        ProviderException? first = null;
        for (var i = 0; i < count; i++)
        {
            try
            {
                items[i] = new ProviderItem(Check(answer[i].Vector, dimensions, normalized), Counted(answer[i]) ?? tokens[i], null);
                sound++;
            }
            catch (ProviderException e)
            {
                first ??= e;
                items[i] = new ProviderItem(null, tokens[i], e);
            }
        }

        return sound > 0 ? items : throw first!;
    }

    // A model of this process counts the tokens of each text.
    private static int? Counted(Embedding<float> embedding) =>
        embedding.AdditionalProperties?.TryGetValue(LocalEmbeddingGenerator.TokensProperty, out var tokens) == true ? tokens as int? : null;

    private static float[] Check(ReadOnlyMemory<float> answered, int dimensions, bool normalized)
    {
        if (answered.Length != dimensions)
        {
            throw Malformed($"The provider answered a vector of {answered.Length} dimensions where {dimensions} are right.");
        }

        var norm = TensorPrimitives.Norm(answered.Span);
        if (!float.IsFinite(norm))
        {
            throw Malformed("The provider answered a vector that holds a NaN, an infinity, or a number beyond measure.");
        }

        if (norm < 1e-12f)
        {
            throw Malformed("The provider answered a vector without length.");
        }

        // The array itself where it is one: a vector is never changed after it was made.
        var vector = MemoryMarshal.TryGetArray(answered, out var segment) && segment.Count == segment.Array!.Length ? segment.Array : answered.ToArray();
        if (normalized && MathF.Abs(norm - 1) > UnitTolerance)
        {
            var scaled = new float[dimensions];
            TensorPrimitives.Divide(vector, norm, scaled);
            return scaled;
        }

        return vector;
    }

    private static ProviderException Malformed(string message) => new(ProviderFailure.Malformed, message);
}
