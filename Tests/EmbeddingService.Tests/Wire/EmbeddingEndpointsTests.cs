using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Tests.Infrastructure;

namespace RagPlatform.EmbeddingService.Tests.Wire;

public sealed class EmbeddingEndpointsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Post_Hashing_AnswersOneUnitVectorPerTextInOrder()
    {
        await using var gateway = await TestGateway.StartAsync();

        var (status, body, headers) = await gateway.PostAsync(new { model = "hashing", input = new[] { "red house", "blue sky", "red house" } });

        Assert.Equal(200, status);
        Assert.Equal(KnownModels.HashingModel.Space.Id, headers.GetValues(EmbeddingHeaders.Space).Single());
        var vectors = body.GetProperty("data").EnumerateArray()
            .Select(item => item.GetProperty("embedding").EnumerateArray().Select(number => number.GetSingle()).ToArray()).ToList();
        Assert.Equal(3, vectors.Count);
        Assert.All(vectors, vector => Assert.Equal(384, vector.Length));
        Assert.Equal(vectors[0], vectors[2]);
        Assert.NotEqual(vectors[0], vectors[1]);
        Assert.All(vectors, vector => Assert.Equal(1, vector.Sum(value => value * value), 1e-3));
        Assert.True(body.GetProperty("usage").GetProperty("prompt_tokens").GetInt64() > 0);
    }

    [Theory]
    [InlineData("/v1/models/%2500")]
    [InlineData("/v1//models/a%252e%252eb")]
    public async Task Get_AModelWithAnEscapeInItsName_IsDecodedOnce(string path)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var response = await gateway.Client.GetAsync(path, Token);

        Assert.Equal(404, (int)response.StatusCode);
        Assert.Contains(path.Contains("2500", StringComparison.Ordinal) ? "%00" : "a%2e%2eb", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Post_Base64_HasTheSameVectorsAsFloat()
    {
        await using var gateway = await TestGateway.StartAsync();

        var (_, floats, _) = await gateway.PostAsync(new { model = "hashing", input = "a text" });
        var (_, base64, _) = await gateway.PostAsync(new { model = "hashing", input = "a text", encoding_format = "base64" });

        Assert.Equal(
            floats.GetProperty("data")[0].GetProperty("embedding").EnumerateArray().Select(number => number.GetSingle()),
            MemoryMarshal.Cast<byte, float>(base64.GetProperty("data")[0].GetProperty("embedding").GetBytesFromBase64()).ToArray());
    }

    [Fact]
    public async Task Post_OpenAiModel_CallsTheProviderWithDimensions()
    {
        var provider = new ScriptedProvider();
        await using var gateway = await TestGateway.StartAsync(provider);

        var (status, body, headers) = await gateway.PostAsync(new { model = "text-embedding-3-small", input = new[] { "x", "y" }, dimensions = 64, encoding_format = "base64" });

        Assert.Equal(200, status);
        Assert.Equal(64, Assert.Single(provider.Calls).Dimensions);
        Assert.StartsWith("text_embedding_3_small_64_", headers.GetValues(EmbeddingHeaders.Space).Single(), StringComparison.Ordinal);
        Assert.Equal(
            ScriptedProvider.VectorOf("y", 64),
            MemoryMarshal.Cast<byte, float>(body.GetProperty("data")[1].GetProperty("embedding").GetBytesFromBase64()).ToArray());
    }

    [Theory]
    [InlineData("""{"model":"nope","input":"a"}""", 404, "model_not_found")]
    [InlineData("""{"model":"hashing","input":"a","dimensions":100}""", 400, null)]
    [InlineData("""{"model":"text-embedding-3-small","input":"a","dimensions":1537}""", 400, null)]
    [InlineData("""{"model":"hashing","input":[1,-2]}""", 400, "invalid_token")]
    [InlineData("""{""", 400, null)]
    public async Task Post_BadRequest_HasOpenAiErrorShape(string body, int status, string? code)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var response = await gateway.Client.PostAsync("/v1/embeddings", new StringContent(body, Encoding.UTF8, "application/json"), Token);

        Assert.Equal(status, (int)response.StatusCode);
        var error = (await response.Content.ReadFromJsonAsync<JsonElement>(Token)).GetProperty("error");
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
        Assert.Equal(code, error.GetProperty("code").GetString());
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
    }

    [Fact]
    public async Task Post_DemandedSpaceIsAnother_IsRefusedWith409()
    {
        await using var gateway = await TestGateway.StartAsync();
        var own = KnownModels.HashingModel.Space.Id;

        var (right, _, _) = await gateway.PostAsync(new { model = "hashing", input = "a" }, (EmbeddingHeaders.Space, own));
        var (wrong, body, _) = await gateway.PostAsync(new { model = "hashing", input = "a" }, (EmbeddingHeaders.Space, own + "0"));

        Assert.Equal(200, right);
        Assert.Equal(409, wrong);
        Assert.Equal("space_mismatch", body.GetProperty("error").GetProperty("code").GetString());
    }

    [Theory]
    [InlineData(EmbeddingHeaders.Input, "question")]
    [InlineData(EmbeddingHeaders.Priority, "now")]
    public async Task Post_HeaderOfOtherValue_Is400(string name, string value)
    {
        await using var gateway = await TestGateway.StartAsync();

        var (status, body, _) = await gateway.PostAsync(new { model = "hashing", input = "a" }, (name, value));

        Assert.Equal(400, status);
        Assert.Equal(name, body.GetProperty("error").GetProperty("param").GetString());
    }

    [Fact]
    public async Task Post_WithoutKey_Is401InOpenAiShape()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Client.DefaultRequestHeaders.Authorization = null;

        var (status, body, _) = await gateway.PostAsync(new { model = "hashing", input = "a" });

        Assert.Equal(401, status);
        Assert.Equal("invalid_api_key", body.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Get_UnknownUrl_Is404InOpenAiShape()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var response = await gateway.Client.GetAsync("/v1/chat/completions", Token);

        Assert.Equal(404, (int)response.StatusCode);
        Assert.Equal("unknown_url", (await response.Content.ReadFromJsonAsync<JsonElement>(Token)).GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task GetModels_SaysThatHashingIsLexicalAndTheDefault()
    {
        await using var gateway = await TestGateway.StartAsync();

        var models = (await gateway.Client.GetFromJsonAsync<EmbeddingModelList>("/v1/models", RagJson.Options, Token))!.Data;

        var hashing = Assert.Single(models, model => model.Default);
        Assert.Equal("hashing", hashing.Id);
        Assert.True(hashing.Space.Lexical);
        Assert.Contains("Lexical, not semantic", hashing.Description, StringComparison.Ordinal);
        Assert.Equal(hashing.Space.Id, hashing.SpaceId);
        Assert.Contains(models, model => model is { Id: "text-embedding-3-large", Space.Dimensions: 3072, PricePerMillionTokens: 0.13m });
    }

    [Fact]
    public async Task GetModel_KnownOrUnknown_AnswersOneOr404()
    {
        await using var gateway = await TestGateway.StartAsync();

        Assert.Equal("hashing", (await gateway.Client.GetFromJsonAsync<EmbeddingModel>("/v1/models/hashing", RagJson.Options, Token))!.Id);
        using var missing = await gateway.Client.GetAsync("/v1/models/a/b", Token);
        Assert.Equal(404, (int)missing.StatusCode);
    }

    [Theory]
    [InlineData("/v1/embeddings")]
    [InlineData("/v1//embeddings")]
    [InlineData("/embeddings")]
    [InlineData("/openai/v1/embeddings")]
    [InlineData("/openai/v1/embeddings?api-version=preview")]
    [InlineData("/openai/deployments/hashing/embeddings?api-version=2024-10-21")]
    public async Task Post_AsClientsSetTheirBaseUrl_IsServed(string path)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Client.DefaultRequestHeaders.Authorization = null;
        gateway.Client.DefaultRequestHeaders.Add("api-key", TestGateway.AdminKey);

        using var response = await gateway.Client.PostAsJsonAsync(path, new { model = "hashing", input = "a" }, Token);

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("hashing", (await response.Content.ReadFromJsonAsync<JsonElement>(Token)).GetProperty("model").GetString());
    }

    [Fact]
    public async Task Post_AzureDeployment_NeedsNoModelAndIsThatOfThePath()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var without = await gateway.Client.PostAsJsonAsync("/openai/deployments/hashing/embeddings?api-version=1", new { input = "a" }, Token);
        using var other = await gateway.Client.PostAsJsonAsync("/openai/deployments/hashing/embeddings?api-version=1", new { model = "gpt", input = "a" }, Token);
        using var unknown = await gateway.Client.PostAsJsonAsync("/openai/deployments/nope/embeddings?api-version=1", new { input = "a" }, Token);

        Assert.Equal((200, 200, 404), ((int)without.StatusCode, (int)other.StatusCode, (int)unknown.StatusCode));
    }

    [Theory]
    [InlineData("https://app.example.org", "https://app.example.org")]
    [InlineData("https://other.example.org", null)]
    public async Task Preflight_OfAPage_IsAnsweredForConfiguredOriginsOnly(string origin, string? allowed)
    {
        await using var gateway = await TestGateway.StartAsync(null, ("Embedding:AllowedOrigins:0", "https://app.example.org"));
        using var request = new HttpRequestMessage(HttpMethod.Options, "/v1/embeddings");
        request.Headers.Add("Origin", origin);
        request.Headers.Add("Access-Control-Request-Method", "POST");
        request.Headers.Add("Access-Control-Request-Headers", "authorization,content-type");

        using var response = await gateway.Client.SendAsync(request, Token);

        Assert.Equal(204, (int)response.StatusCode);
        Assert.Equal(allowed, response.Headers.TryGetValues("Access-Control-Allow-Origin", out var values) ? values.Single() : null);
    }

    [Fact]
    public async Task Post_Tei_AnswersNothingButVectors()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var response = await gateway.Client.PostAsJsonAsync("/embed", new { inputs = new[] { "a", "b" }, truncate = true, normalize = true }, Token);

        var vectors = await response.Content.ReadFromJsonAsync<float[][]>(Token);
        Assert.Equal([384, 384], vectors!.Select(vector => vector.Length));
    }

    [Fact]
    public async Task Post_BatchOfAThousandPassages_IsTaken()
    {
        await using var gateway = await TestGateway.StartAsync();
        var passage = string.Concat(Enumerable.Repeat("The quick brown fox jumps over the lazy dog, and goes home. ", 20));

        var (status, body, _) = await gateway.PostAsync(new { model = "hashing", input = Enumerable.Range(0, 1_000).Select(i => passage + i) });

        Assert.Equal(200, status);
        Assert.Equal(1_000, body.GetProperty("data").GetArrayLength());
    }

    [Fact]
    public async Task Post_MoreTokensThanOpenAiTakes_IsRefusedAsThere()
    {
        await using var gateway = await TestGateway.StartAsync(new ScriptedProvider());
        var nearly = string.Concat(Enumerable.Repeat(" word", 8_192));

        var (right, _, _) = await gateway.PostAsync(new { model = "text-embedding-3-small", input = nearly });
        var (one, error, _) = await gateway.PostAsync(new { model = "text-embedding-3-small", input = new[] { "a", nearly + " more" } });
        var (all, sum, _) = await gateway.PostAsync(new { model = "text-embedding-3-small", input = Enumerable.Repeat(nearly, 37) });
        var (other, _, _) = await gateway.PostAsync(new { model = "hashing", input = Enumerable.Repeat(nearly, 37) });

        Assert.Equal((200, 400, 400, 400), (right, one, all, other));
        Assert.Equal("input[1]", error.GetProperty("error").GetProperty("param").GetString());
        Assert.StartsWith(
            "This model's maximum context length is 8192 tokens, however you requested 8193 tokens",
            error.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal("Requested 303104 tokens, max 300000 tokens per request", sum.GetProperty("error").GetProperty("message").GetString());
    }

    [Theory]
    [InlineData("END", "first")]
    [InlineData("START", "last")]
    public async Task Post_TooLongWithTruncate_IsCutAndSaysSo(string truncate, string kept)
    {
        var provider = new ScriptedProvider();
        await using var gateway = await TestGateway.StartAsync(provider);
        var text = "first" + string.Concat(Enumerable.Repeat(" word", 9_000)) + " last";

        var (status, _, headers) = await gateway.PostAsync(new { model = "text-embedding-3-small", input = new[] { text, "short" }, truncate });

        Assert.Equal(200, status);
        Assert.Equal("1", headers.GetValues(EmbeddingHeaders.Truncated).Single());
        var sent = Assert.Single(provider.Calls).Texts;
        Assert.Equal(8_192, EmbeddingService.Limits.Cl100k.Count(sent[0]));
        Assert.Contains(kept, sent[0], StringComparison.Ordinal);
        Assert.Equal("short", sent[1]);
    }

    [Theory]
    [InlineData("gzip", 200)]
    [InlineData("br", 200)]
    [InlineData("deflate", 200)]
    [InlineData("zstd", 415)]
    [InlineData("gzip, br", 415)]
    public async Task Post_PackedBody_IsUnpacked(string encoding, int status)
    {
        await using var gateway = await TestGateway.StartAsync();
        using var packed = new MemoryStream();
        await using (Stream packer = encoding switch
        {
            "br" => new System.IO.Compression.BrotliStream(packed, System.IO.Compression.CompressionMode.Compress, leaveOpen: true),
            "deflate" => new System.IO.Compression.ZLibStream(packed, System.IO.Compression.CompressionMode.Compress, leaveOpen: true),
            _ => new System.IO.Compression.GZipStream(packed, System.IO.Compression.CompressionMode.Compress, leaveOpen: true),
        })
        {
            await JsonSerializer.SerializeAsync(packer, new { model = "hashing", input = "a" }, cancellationToken: Token);
        }

        using var content = new ByteArrayContent(packed.ToArray());
        content.Headers.ContentType = new("application/json");
        content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        using var response = await gateway.Client.PostAsync("/v1/embeddings", content, Token);

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task GetModels_AsSdksExpectThem_HaveACreationTimeAndAreReachedByEveryRoot()
    {
        await using var gateway = await TestGateway.StartAsync();
        foreach (var path in new[] { "/v1/models", "/models", "/openai/v1/models", "/openai/models" })
        {
            var models = (await gateway.Client.GetFromJsonAsync<JsonElement>(path, Token)).GetProperty("data").EnumerateArray().ToList();
            Assert.All(models, model => Assert.InRange(model.GetProperty("created").GetInt64(), 1_500_000_000, 2_500_000_000));
        }

        using var head = await gateway.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/v1/models"), Token);
        Assert.Equal(200, (int)head.StatusCode);
    }

    [Theory]
    [InlineData("/v1/models/sentence-transformers/all-MiniLM-L6-v2")]
    [InlineData("/v1/models/sentence-transformers%2Fall-MiniLM-L6-v2")]
    [InlineData("/v1/models/sentence-transformers%2fall-MiniLM-L6-v2")]
    public async Task GetModel_NameWithASlash_IsFoundEscapedOrNot(string path)
    {
        await using var gateway = await TestGateway.StartAsync(null, ("HF_API_KEY", "key"));

        Assert.Equal("sentence-transformers/all-MiniLM-L6-v2", (await gateway.Client.GetFromJsonAsync<EmbeddingModel>(path, RagJson.Options, Token))!.Id);
    }
}
