using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>
/// Names that stand for models. One may stand for a second model for a share of workspaces: which ones is decided by a hash of their name, so that a
/// workspace keeps its model, and raising the share only ever moves workspaces to the second one.
/// </summary>
internal sealed class ModelAliases(GatewayFeatures features)
{
    /// <summary>Stands for the default model, unless it is set to something else.</summary>
    public const string Default = "default";

    private volatile FrozenDictionary<string, EmbeddingAliasRow> _aliases = FrozenDictionary<string, EmbeddingAliasRow>.Empty;

    /// <summary>The aliases.</summary>
    public IReadOnlyCollection<EmbeddingAliasRow> All => _aliases.Values;

    public void Replace(IEnumerable<EmbeddingAliasRow> aliases) =>
        _aliases = aliases.ToFrozenDictionary(alias => alias.Alias, StringComparer.Ordinal);

    /// <summary>The model that a name means for a workspace.</summary>
    /// <param name="name">A model's name or an alias.</param>
    /// <param name="workspace">The workspace's name; empty for none.</param>
    /// <param name="defaultModel">What <see cref="Default"/> means when nothing is set.</param>
    public string Resolve(string name, string workspace, string defaultModel)
    {
        if (!_aliases.TryGetValue(name, out var alias))
        {
            return name == Default ? defaultModel : name;
        }

        return features.Alias && alias.OtherModel is { } other && Place(alias.Alias, workspace) < alias.OtherShare ? other : alias.Model;
    }

    /// <summary>Where a workspace stands in an alias' order, from 0 to below 1.</summary>
    internal static double Place(string alias, string workspace)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"alias:v1\n{alias}\n{workspace}"));
        return BinaryPrimitives.ReadUInt32LittleEndian(hash) / 4294967296.0;
    }
}
