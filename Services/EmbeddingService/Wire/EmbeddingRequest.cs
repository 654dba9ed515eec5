namespace RagPlatform.EmbeddingService.Wire;

/// <summary>A request in OpenAI's wire format, checked.</summary>
/// <param name="Model">The model or alias.</param>
/// <param name="Texts">1 to <see cref="MaxItems"/> texts, none of them empty, together at most <see cref="MaxCharacters"/> characters.</param>
/// <param name="Dimensions">The wanted dimensions; null for the model's own.</param>
/// <param name="Base64">Whether vectors are answered as base64 of little-endian 32-bit floats.</param>
internal sealed record EmbeddingRequest(string Model, IReadOnlyList<string> Texts, int? Dimensions, bool Base64)
{
    /// <summary>Texts of a request, as OpenAI.</summary>
    public const int MaxItems = 2048;

    /// <summary>Characters (UTF-16) of all texts of a request.</summary>
    public const int MaxCharacters = 300_000;

    /// <summary>Bytes of a body: every character may be an escape of six bytes.</summary>
    public const int MaxBodyBytes = (MaxCharacters * 6) + (64 * 1024);
}
