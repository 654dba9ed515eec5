using System.ComponentModel.DataAnnotations;

namespace RagPlatform.Contracts;

/// <summary>A page of a list.</summary>
/// <param name="Items">The items, in the list's order.</param>
/// <param name="NextCursor">Pass it as <c>cursor</c> to get the next page; null on the last one.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor);

/// <summary>Where a document may be cut into chunks.</summary>
public enum ChunkingStrategy
{
    /// <summary>At headings first, then paragraphs, then sentences; code blocks and tables stay whole where they fit.</summary>
    Markdown,

    /// <summary>At blank lines first, then sentences.</summary>
    Paragraph,

    /// <summary>At sentence ends.</summary>
    Sentence,

    /// <summary>At white space nearest to the target length.</summary>
    Fixed,
}

/// <summary>How the documents of a workspace are cut into chunks.</summary>
/// <param name="Strategy">Where a cut may be.</param>
/// <param name="TargetLength">Wanted length of a chunk in characters, 200 to 8,000.</param>
/// <param name="Overlap">Characters of the preceding passage that a chunk repeats, 0 to half of <paramref name="TargetLength"/>.</param>
public sealed record ChunkingSettings(
    ChunkingStrategy Strategy = ChunkingStrategy.Markdown,
    [Range(200, 8000)] int TargetLength = 1200,
    [Range(0, 4000)] int Overlap = 200) : IValidatableObject
{
    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Overlap > TargetLength / 2)
        {
            yield return new ValidationResult("The overlap must not exceed half of the target length.", [nameof(Overlap)]);
        }
    }
}

/// <summary>What a new workspace shall be.</summary>
/// <param name="Name">1 to 63 characters: lower-case letters, digits, '-' and '_', beginning with a letter or digit.</param>
/// <param name="Language">A text search configuration of PostgreSQL: <c>english</c>, <c>german</c>, <c>simple</c>, ….</param>
/// <param name="Model">The embedding model, as <c>/v1/models</c> of the embedding service names it; null for its default.</param>
/// <param name="Chunking">How documents are cut; null for the defaults, with shorter chunks where the model would truncate them.</param>
public sealed record WorkspaceCreate(
    [Required, RegularExpression(WorkspaceCreate.NamePattern, ErrorMessage = WorkspaceCreate.NameRule)] string Name,
    [RegularExpression("^[a-z_]{1,63}$", ErrorMessage = "Expected the name of a PostgreSQL text search configuration, such as 'english'.")]
    string Language = "english",
    [StringLength(200, MinimumLength = 1)] string? Model = null,
    ChunkingSettings? Chunking = null)
{
    /// <summary>The form of a workspace's name.</summary>
    public const string NamePattern = "^[a-z0-9][a-z0-9_-]{0,62}$";

    /// <summary>The form of a workspace's name, in words.</summary>
    public const string NameRule = "Expected 1 to 63 lower-case letters, digits, '-' or '_', beginning with a letter or digit.";
}

/// <summary>A tenant: owns documents, keys, and its route to an embedding space.</summary>
/// <param name="Name">Its name, unique in the installation.</param>
/// <param name="Language">The text search configuration of its keyword search.</param>
/// <param name="Model">The embedding model that serves it.</param>
/// <param name="Space">The embedding space that serves it.</param>
/// <param name="Dimensions">Dimensions of that space.</param>
/// <param name="Chunking">How its documents are cut.</param>
/// <param name="Generation">Raised by every visible change.</param>
/// <param name="CreatedAt">When it was created.</param>
public sealed record Workspace(
    string Name,
    string Language,
    string Model,
    string Space,
    int Dimensions,
    ChunkingSettings Chunking,
    long Generation,
    DateTimeOffset CreatedAt);

/// <summary>What a new API key of a workspace shall be.</summary>
/// <param name="Name">For people, to tell keys apart; 1 to 100 characters.</param>
public sealed record ApiKeyCreate([Required, StringLength(100, MinimumLength = 1)] string Name);

/// <summary>An API key of a workspace.</summary>
/// <param name="KeyId">Names the key in calls that list or revoke it.</param>
/// <param name="Name">The name it was given.</param>
/// <param name="Secret">The key itself: only in the answer that creates it, never again.</param>
/// <param name="CreatedAt">When it was created.</param>
public sealed record ApiKey(long KeyId, string Name, string? Secret, DateTimeOffset CreatedAt);
