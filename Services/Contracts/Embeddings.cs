using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace RagPlatform.Contracts;

/// <summary>Headers by which callers and the embedding service agree on more than OpenAI's wire format has.</summary>
public static class EmbeddingHeaders
{
    /// <summary>In answers: the space of the vectors. In requests: the space that is demanded; another one is refused with 409.</summary>
    public const string Space = "x-rag-space";

    /// <summary><c>query</c> or <c>document</c> (the default): selects the model's prompt.</summary>
    public const string Input = "x-rag-input";

    /// <summary><c>interactive</c> or <c>bulk</c>.</summary>
    public const string Priority = "x-rag-priority";

    /// <summary>In answers: how many texts were truncated, because the request asked for it.</summary>
    public const string Truncated = "x-rag-truncated";

    /// <summary>The workspace that the cost is for.</summary>
    public const string Workspace = "x-rag-workspace";

    /// <summary>In refusals: when the budget that refused begins anew, as ISO 8601.</summary>
    public const string BudgetReset = "x-rag-budget-reset";
}

/// <summary>
/// What makes two vectors comparable. Two endpoints that serve the same model are one space; the same model at other dimensions,
/// with another prompt or another truncation is another.
/// </summary>
/// <param name="Model">The model's name.</param>
/// <param name="Revision">The model's revision; empty when its provider has none.</param>
/// <param name="Dimensions">Dimensions of the vectors, 1 to 16,000.</param>
/// <param name="Normalized">Whether vectors have unit length.</param>
/// <param name="QueryPrompt">Text that is put before a query.</param>
/// <param name="DocumentPrompt">Text that is put before a passage.</param>
/// <param name="MaxTokens">Tokens after which a text is truncated; 0 when it is refused instead.</param>
/// <param name="Lexical">Whether the vectors compare words rather than meaning. Not part of the identity.</param>
public sealed record EmbeddingSpace(
    string Model,
    string Revision,
    int Dimensions,
    bool Normalized = true,
    string QueryPrompt = "",
    string DocumentPrompt = "",
    int MaxTokens = 0,
    bool Lexical = false)
{
    /// <summary>
    /// The space's id: the model's last name segment, its dimensions and 8 hexadecimal digits of SHA-256 over all that makes it what it is,
    /// for instance <c>hashing_384_1f2e3d4c</c>. At most 54 characters of [a-z0-9_], so that it can be part of a table's name.
    /// </summary>
    [JsonIgnore]
    public string Id
    {
        get
        {
            var identity = string.Join('\n', "space:v1", Model, Revision, Dimensions, Normalized, QueryPrompt, DocumentPrompt, MaxTokens);
            var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)), 0, 4);
            var name = new StringBuilder(32);
            foreach (var c in Model[(Model.LastIndexOf('/') + 1)..])
            {
                if (name.Length == 32)
                {
                    break;
                }

                name.Append(char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '_');
            }

            return string.Create(null, $"{name}_{Dimensions}_{digest}");
        }
    }
}

/// <summary>A model that the embedding service offers, as an entry of <c>/v1/models</c>.</summary>
/// <param name="Id">The name to pass as <c>model</c>.</param>
/// <param name="OwnedBy">The provider.</param>
/// <param name="Space">What its vectors are comparable with.</param>
/// <param name="SpaceId"><see cref="EmbeddingSpace.Id"/> of <paramref name="Space"/>.</param>
/// <param name="Default">Whether it is used when a workspace names no model.</param>
/// <param name="PricePerMillionTokens">In US dollars; 0 when it costs nothing.</param>
/// <param name="Healthy">Whether it can be used now.</param>
/// <param name="Description">What to know about it, in a sentence.</param>
public sealed record EmbeddingModel(
    [property: JsonPropertyName("id")] string Id,
    [property: JsonPropertyName("owned_by")] string OwnedBy,
    [property: JsonPropertyName("space")] EmbeddingSpace Space,
    [property: JsonPropertyName("space_id")] string SpaceId,
    [property: JsonPropertyName("default")] bool Default,
    [property: JsonPropertyName("price_per_million_tokens")] decimal PricePerMillionTokens,
    [property: JsonPropertyName("healthy")] bool Healthy,
    [property: JsonPropertyName("description")] string Description)
{
    /// <summary>OpenAI's type tag.</summary>
    [JsonPropertyName("object")]
    public string Object { get; init; } = "model";

    /// <summary>When it was made, in seconds since 1970.</summary>
    [JsonPropertyName("created")]
    public long Created { get; init; }
}

/// <summary>The answer of <c>/v1/models</c>.</summary>
/// <param name="Data">The models.</param>
public sealed record EmbeddingModelList([property: JsonPropertyName("data")] IReadOnlyList<EmbeddingModel> Data)
{
    /// <summary>OpenAI's type tag.</summary>
    [JsonPropertyName("object")]
    public string Object { get; init; } = "list";
}
