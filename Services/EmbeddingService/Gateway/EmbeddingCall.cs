using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>Texts to be embedded, with all that decides how.</summary>
/// <param name="Target">Where vectors come from.</param>
/// <param name="Texts">The texts, without prompt.</param>
/// <param name="Input">What they are: selects the prompt.</param>
/// <param name="Interactive">Whether a person waits: such calls go before bulk.</param>
/// <param name="Workspace">Whom the cost is for; empty for nobody.</param>
/// <param name="KeyId">The key that asked; empty for the admin's.</param>
internal sealed record EmbeddingCall(
    ModelSpace Target, IReadOnlyList<string> Texts, EmbeddingInput Input, bool Interactive, string Workspace, string KeyId);

/// <summary>The vectors, in the order of the texts.</summary>
/// <param name="Vectors">One for each text. They are shared: nobody may change them.</param>
/// <param name="Tokens">Tokens of all texts, as the provider counted them when it embedded them.</param>
internal sealed record EmbeddingResult(float[][] Vectors, long Tokens);
