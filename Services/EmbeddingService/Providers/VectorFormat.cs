namespace RagPlatform.EmbeddingService.Providers;

/// <summary>How vectors are asked for. Not every server of OpenAI's format knows <c>encoding_format</c>, or all of its values.</summary>
internal enum VectorFormat
{
    /// <summary><c>base64</c>: a third of the bytes.</summary>
    Base64,

    /// <summary><c>float</c>.</summary>
    Float,

    /// <summary>Without the member.</summary>
    Unnamed,
}
