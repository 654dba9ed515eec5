namespace RagPlatform.Contracts.Tests;

public sealed class EmbeddingSpaceTests
{
    // These ids name tables of running installations: a change here orphans their vectors.
    [Theory]
    [InlineData("hashing", "1", 384, "hashing_384_9cd7048b")]
    [InlineData("text-embedding-3-small", "", 1536, "text_embedding_3_small_1536_a4acb5d0")]
    [InlineData("sentence-transformers/all-MiniLM-L6-v2", "", 384, "all_minilm_l6_v2_384_20330983")]
    public void Id_OfAKnownSpace_NeverChanges(string model, string revision, int dimensions, string id) =>
        Assert.Equal(id, new EmbeddingSpace(model, revision, dimensions).Id);

    [Fact]
    public void Id_WhateverMakesVectorsIncomparable_IsAnother()
    {
        var space = new EmbeddingSpace("m", "1", 8);
        EmbeddingSpace[] others =
        [
            space with { Model = "n" },
            space with { Revision = "2" },
            space with { Dimensions = 9 },
            space with { Normalized = false },
            space with { QueryPrompt = "query: " },
            space with { DocumentPrompt = "passage: " },
            space with { MaxTokens = 512 },
        ];

        Assert.Equal(others.Length + 1, others.Append(space).Select(s => s.Id).Distinct().Count());
        Assert.Equal(space.Id, (space with { Lexical = true }).Id);
    }

    [Fact]
    public void Id_OfALongName_IsPartOfATableName()
    {
        var id = new EmbeddingSpace("Org/Ünïcode-Model.With.A.Very-Long-Name-That-Goes-On-And-On", "", 16000).Id;

        Assert.Matches("^[a-z0-9_]{1,54}$", id);
    }
}
