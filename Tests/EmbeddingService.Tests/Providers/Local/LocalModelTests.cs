using System.Numerics.Tensors;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging.Abstractions;
using RagPlatform.EmbeddingService.Providers.Local;
using RagPlatform.EmbeddingService.Tests.Infrastructure;

namespace RagPlatform.EmbeddingService.Tests.Providers.Local;

public sealed class LocalModelTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("mean_tokens")]
    [InlineData("cls_token")]
    [InlineData("lasttoken")]
    [InlineData("max_tokens")]
    public void Embed_EachPooling_IsWhatTheTokenVectorsGive(string pooling)
    {
        using var tiny = new TinyModel(pooling, normalize: false);
        using var session = LocalModelSession.Load(ModelFolder.Open(tiny.Folder));
        float[][] tokens = [TinyModel.WordVector(2), TinyModel.WordVector(4), TinyModel.WordVector(8), TinyModel.WordVector(9), TinyModel.WordVector(3)];

        var (vector, count, lost) = session.Embed("Alpha heated");

        Assert.Equal((5, 0), (count, lost));
        for (var i = 0; i < TinyModel.Dimensions; i++)
        {
            var expected = pooling switch
            {
                "cls_token" => tokens[0][i],
                "lasttoken" => tokens[^1][i],
                "max_tokens" => tokens.Max(token => token[i]),
                _ => tokens.Average(token => token[i]),
            };
            Assert.Equal(expected, vector[i], 1e-4f);
        }
    }

    [Fact]
    public void Embed_MoreTokensThanTheWindow_ReadsTheFirstAndSaysHowManyWereLost()
    {
        using var tiny = new TinyModel(maxTokens: 5);
        using var session = LocalModelSession.Load(ModelFolder.Open(tiny.Folder));

        var (cut, tokens, lost) = session.Embed("alpha beta gamma delta flow");

        Assert.Equal((5, 2), (tokens, lost));
        Assert.Equal(session.Embed("alpha beta gamma").Vector, cut);
    }

    [Theory]
    [InlineData("Alpha\tBÉTA\nGämma", "alpha beta gamma")]
    [InlineData("alpha_beta", "alpha _ beta")]
    [InlineData("al\u200bpha", "alpha")]
    [InlineData("ALPHA=beta", "alpha = beta")]
    public void Tokenize_WhatBertFolds_IsFolded(string text, string plain)
    {
        using var tiny = new TinyModel();
        var tokenizer = new LocalTokenizer(ModelFolder.Open(tiny.Folder));

        Assert.Equal(tokenizer.Tokenize(plain).Windows[0], tokenizer.Tokenize(text).Windows[0]);
    }

    [Fact]
    public void Embed_TextOfSeveralWindows_IsTheirMeanAndLosesNothing()
    {
        var minilm = PackagedModels.All[PackagedModels.MiniLm];
        using var session = LocalModelSession.Load(minilm);
        var (first, second) = (string.Join(' ', Enumerable.Repeat("blood", 254)), string.Join(' ', Enumerable.Repeat("oxygen", 127)));

        var (vector, tokens, lost) = session.Embed(first + " " + second);

        Assert.Equal((256 + 129, 0), (tokens, lost));
        var expected = new float[minilm.Settings.Dimensions];
        TensorPrimitives.MultiplyAdd(session.Embed(first).Vector, 256, expected, expected);
        TensorPrimitives.MultiplyAdd(session.Embed(second).Vector, 129, expected, expected);
        Assert.Equal(1f, TensorPrimitives.CosineSimilarity<float>(expected, vector), 1e-4f);
    }

    [Fact]
    public void Apply_Int8_IsCloseAndSmaller()
    {
        using var tiny = new TinyModel();
        var folder = ModelFolder.Open(tiny.Folder);
        using var exact = LocalModelSession.Load(folder);
        using var int8 = LocalModelSession.Load(ModelFolder.Open(tiny.Folder, int8: true));

        var (a, b) = (exact.Embed("heat flow over a wing").Vector, int8.Embed("heat flow over a wing").Vector);

        Assert.NotEqual(a, b);
        Assert.InRange(TensorPrimitives.CosineSimilarity<float>(a, b), 0.99f, 1.0001f);
        Assert.NotEqual(folder.Settings.Revision, ModelFolder.Open(tiny.Folder, int8: true).Settings.Revision);
    }

    [Fact]
    public async Task EmbedAsync_ManyAtOnce_GivesEachTextItsOwnVector()
    {
        using var tiny = new TinyModel();
        await using var model = Model(ModelFolder.Open(tiny.Folder));
        string[] texts = [.. TinyModel.Words[4..].Where(word => word[0] != '#')];
        var alone = new List<float[]>();
        foreach (var text in texts)
        {
            alone.Add((await model.EmbedAsync([text], interactive: true, Cancel))[0].Vector);
        }

        var together = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => model.EmbedAsync(texts, i % 2 == 0, Cancel)));

        Assert.All(together, vectors => Assert.Equal(alone, vectors.Select(vector => vector.Vector)));
        Assert.Equal(texts.Length, alone.Select(vector => string.Join(' ', vector)).Distinct().Count());
    }

    [Fact]
    public async Task EmbedAsync_IdleForLong_GivesTheMemoryBackAndLoadsAgain()
    {
        using var tiny = new TinyModel();
        var time = new ManualTime();
        await using var model = new LocalModel(
            ModelFolder.Open(tiny.Folder), new LocalOptions { Threads = 1, IdleUnload = TimeSpan.FromMinutes(10) }, time, NullLogger<LocalModel>.Instance);
        var before = await model.EmbedAsync(["alpha"], interactive: true, Cancel);
        time.Advance(TimeSpan.FromMinutes(6));
        model.UnloadIdle();
        Assert.True(model.IsLoaded);

        time.Advance(TimeSpan.FromMinutes(9));
        model.UnloadIdle();

        Assert.False(model.IsLoaded);
        Assert.Equal(before[0].Vector, (await model.EmbedAsync(["alpha"], interactive: true, Cancel))[0].Vector);
    }

    [Fact]
    public async Task EmbedAsync_CallerLeft_ComputesNothingMoreForIt()
    {
        using var tiny = new TinyModel();
        await using var model = Model(ModelFolder.Open(tiny.Folder));
        using var left = new CancellationTokenSource();
        await left.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => model.EmbedAsync(["alpha", "beta"], interactive: false, left.Token));
    }

    [Fact]
    public async Task GenerateAsync_AText_CountsItsTokensAlsoThoseThatWereLost()
    {
        using var tiny = new TinyModel(maxTokens: 5);
        await using var model = Model(ModelFolder.Open(tiny.Folder));
        using var generator = new LocalEmbeddingGenerator(model);

        var answer = await generator.GenerateAsync(["alpha", "alpha beta gamma delta flow"], cancellationToken: Cancel);

        Assert.Equal(3 + 7, answer.Usage!.InputTokenCount);
        Assert.Equal([3, 7], answer.Select(embedding => embedding.AdditionalProperties![LocalEmbeddingGenerator.TokensProperty]));
        Assert.Equal(TinyModel.Dimensions, generator.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelDimensions);
    }

    [Fact]
    public void Load_PackagedModels_PutNearWhatMeansTheSame()
    {
        foreach (var package in PackagedModels.All.Values)
        {
            Assert.True(package.IsInstalled);
            using var session = LocalModelSession.Load(package);
            var query = session.Embed(package.Settings.QueryPrompt + "How do I reset my password?").Vector;

            var right = session.Embed("To choose new login credentials, open the account settings and follow the link that is mailed to you.").Vector;
            var wrong = session.Embed("The bridge was closed for repairs, so the parade took another street.").Vector;

            Assert.Equal(1f, TensorPrimitives.Norm<float>(query), 1e-3f);
            Assert.True(TensorPrimitives.Dot<float>(query, right) > TensorPrimitives.Dot<float>(query, wrong) + 0.15f, package.Settings.Name);
        }
    }

    /// <summary>Small models with random weights and the vectors that the reference implementation has for them, where they are on this machine.</summary>
    [Theory]
    [InlineData("tiny-bert")]
    [InlineData("tiny-mpnet")]
    public void Embed_ReferenceModel_HasItsTokensAndVectors(string name)
    {
        var reference = Path.Combine(Environment.GetEnvironmentVariable("RAG_SHARED") ?? "", "data", "models", name);
        Assert.SkipUnless(Directory.Exists(reference), "RAG_SHARED does not name a folder with data/models.");
        var folder = Directory.CreateTempSubdirectory("rag-reference-");
        try
        {
            CopyFolder(reference, folder.FullName);
            File.WriteAllBytes(Path.Combine(folder.FullName, "model.onnx"), TransformerOnnx.Convert(reference));
            var source = ModelFolder.Open(folder.FullName);
            var tokenizer = new LocalTokenizer(source);
            using var session = LocalModelSession.Load(source);
            foreach (var line in File.ReadLines(Path.Combine(reference, "reference.jsonl")))
            {
                using var row = JsonDocument.Parse(line);
                var text = row.RootElement.GetProperty("text").GetString()!;
                var ids = row.RootElement.GetProperty("input_ids").EnumerateArray().Select(id => id.GetInt64());
                var expected = row.RootElement.GetProperty("embedding").EnumerateArray().Select(value => value.GetSingle()).ToArray();

                Assert.True(ids.SequenceEqual(tokenizer.Tokenize(text).Windows[0]), $"{text}: {string.Join(' ', tokenizer.Tokenize(text).Windows[0])}, expected {string.Join(' ', ids)}");
                Assert.True(TensorPrimitives.CosineSimilarity<float>(expected, session.Embed(text).Vector) >= 0.9999f, text);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static LocalModel Model(ModelSource source) => new(source, new LocalOptions { Threads = 2 }, TimeProvider.System, NullLogger<LocalModel>.Instance);

    private static void CopyFolder(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*.*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.WriteAllBytes(target, File.ReadAllBytes(file));
        }
    }
}
