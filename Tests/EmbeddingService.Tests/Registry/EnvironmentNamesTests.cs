using Microsoft.Extensions.Configuration;
using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Tests.Registry;

public sealed class EnvironmentNamesTests
{
    [Fact]
    public void Translate_Nothing_DefaultsToTheLocalModel() => Assert.Equal("all-MiniLM-L6-v2", Translate()["Embedding:DefaultModel"]);

    [Fact]
    public void Translate_OpenAiKeyOnly_IsUsed()
    {
        var settings = Translate(("OPENAI_API_KEY", "k"));

        Assert.Equal("k", settings["Embedding:Providers:openai:ApiKey"]);
        Assert.Equal("text-embedding-3-small", settings["Embedding:DefaultModel"]);
        Assert.Equal("all-MiniLM-L6-v2", Translate(("OPENAI_API_KEY", "k"), ("EMBEDDINGS_PROVIDER", "local"))["Embedding:DefaultModel"]);
        Assert.Equal("hashing", Translate(("OPENAI_API_KEY", "k"), ("EMBEDDINGS_PROVIDER", "hashing"))["Embedding:DefaultModel"]);
        Assert.Equal("all-MiniLM-L6-v2", Translate(("OPENAI_BASE_URL", "http://localhost:11434/v1"))["Embedding:DefaultModel"]);
    }

    [Theory]
    [InlineData("openai", "text-embedding-3-small")]
    [InlineData("OpenAI", "text-embedding-3-small")]
    [InlineData("huggingface", "sentence-transformers/all-MiniLM-L6-v2")]
    [InlineData("local", "all-MiniLM-L6-v2")]
    [InlineData("hashing", "hashing")]
    public void Translate_Provider_SelectsItsModel(string provider, string model) =>
        Assert.Equal(model, Translate(("EMBEDDINGS_PROVIDER", provider), ("OPENAI_API_KEY", "k"), ("HF_API_KEY", "h"))["Embedding:DefaultModel"]);

    [Fact]
    public void Translate_OpenAiModel_IsTheDefault() => Assert.Equal(
        "text-embedding-3-large",
        Translate(("OPENAI_API_KEY", "k"), ("OPENAI_EMBEDDING_MODEL", "text-embedding-3-large"))["Embedding:DefaultModel"]);

    [Fact]
    public void Translate_UnknownOpenAiModel_IsConfiguredWithItsDimensions()
    {
        var settings = Translate(
            ("OPENAI_BASE_URL", "http://localhost:11434/v1"), ("OPENAI_EMBEDDING_MODEL", "nomic-embed-text"), ("OPENAI_EMBEDDING_DIMENSIONS", "768"));

        Assert.Equal("nomic-embed-text", settings["Embedding:Models:0:Name"]);
        Assert.Equal("768", settings["Embedding:Models:0:Dimensions"]);
        Assert.Equal("nomic-embed-text", settings["Embedding:DefaultModel"]);
    }

    [Theory]
    [InlineData("EMBEDDINGS_PROVIDER", "openai")]
    [InlineData("EMBEDDINGS_PROVIDER", "huggingface")]
    [InlineData("EMBEDDINGS_PROVIDER", "cohere")]
    [InlineData("OPENAI_BASE_URL", "localhost")]
    [InlineData("EMBEDDING_CACHE_ENABLED", "perhaps")]
    [InlineData("EMBEDDING_CACHE_TTL", "long")]
    public void Translate_UnusableValue_NamesTheVariable(string name, string value) =>
        Assert.Contains(name, Assert.Throws<InvalidOperationException>(() => Translate((name, value))).Message, StringComparison.Ordinal);

    [Fact]
    public void Translate_UnknownModelWithoutDimensions_SaysWhatToSet() => Assert.Contains(
        "OPENAI_EMBEDDING_DIMENSIONS",
        Assert.Throws<InvalidOperationException>(() => Translate(("OPENAI_API_KEY", "k"), ("OPENAI_EMBEDDING_MODEL", "own"))).Message,
        StringComparison.Ordinal);

    [Theory]
    [InlineData("604800", "7.00:00:00")]
    [InlineData("7.00:00:00", "7.00:00:00")]
    [InlineData("90", "00:01:30")]
    public void Translate_CacheTtl_IsSecondsOrADuration(string value, string expected) =>
        Assert.Equal(expected, Translate(("EMBEDDING_CACHE_TTL", value))["Embedding:Cache:Ttl"]);

    [Theory]
    [InlineData("false", "false")]
    [InlineData("1", "true")]
    public void Translate_CacheEnabled_IsABoolean(string value, string expected) =>
        Assert.Equal(expected, Translate(("EMBEDDING_CACHE_ENABLED", value))["Embedding:Cache:Enabled"]);

    private static Dictionary<string, string?> Translate(params (string Name, string Value)[] variables) => EnvironmentNames.Translate(
        new ConfigurationBuilder().AddInMemoryCollection(variables.Select(v => KeyValuePair.Create(v.Name, (string?)v.Value))).Build());
}
