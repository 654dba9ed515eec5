namespace RagPlatform.EmbeddingService.Wire;

/// <summary>What becomes of a text that is longer than its model takes.</summary>
internal enum Truncation
{
    /// <summary>It is refused, as OpenAI does.</summary>
    None,

    /// <summary>Its end is left out.</summary>
    End,

    /// <summary>Its beginning is left out.</summary>
    Start,
}

/// <summary>A request in OpenAI's wire format, checked.</summary>
/// <param name="Model">The model or alias.</param>
/// <param name="Texts">1 to <see cref="MaxItems"/> texts, none of them empty. What came as tokens is decoded.</param>
/// <param name="Dimensions">The wanted dimensions; null for the model's own.</param>
/// <param name="Base64">Whether vectors are answered as base64 of little-endian 32-bit floats.</param>
/// <param name="Truncate">What becomes of a text that is too long.</param>
internal sealed record EmbeddingRequest(string Model, IReadOnlyList<string> Texts, int? Dimensions, bool Base64, Truncation Truncate = Truncation.None)
{
    /// <summary>Texts of a request, as OpenAI.</summary>
    public const int MaxItems = 2048;

    /// <summary>Tokens of all texts of a request, as OpenAI.</summary>
    public const int MaxTokens = 300_000;

    /// <summary>Bytes of a body: a token has up to a few characters, and each may be an escape of six bytes.</summary>
    public const int MaxBodyBytes = 8 << 20;
}
