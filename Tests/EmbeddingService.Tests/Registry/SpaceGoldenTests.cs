using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Tests.Registry;

/// <summary>A space's id names tables and cache keys: it must be the same in every release.</summary>
public sealed class SpaceGoldenTests
{
    [Theory]
    [InlineData("hashing", "hashing_384_9cd7048b")]
    [InlineData("text-embedding-3-large", "text_embedding_3_large_3072_fcc17d0b")]
    [InlineData("text-embedding-3-small", "text_embedding_3_small_1536_a4acb5d0")]
    [InlineData("text-embedding-ada-002", "text_embedding_ada_002_1536_8f0ee7cd")]
    [InlineData("sentence-transformers/all-MiniLM-L6-v2", "all_minilm_l6_v2_384_322c139f")]
    [InlineData("sentence-transformers/all-mpnet-base-v2", "all_mpnet_base_v2_768_ff937062")]
    public void Id_KnownModel_IsPinned(string model, string id) => Assert.Equal(id, KnownModels.Find(model)!.Space.Id);
}
