using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using OpenAI;
using OpenAI.Embeddings;

namespace RagPlatform.Contracts;

/// <summary>What the texts of a request are.</summary>
public enum EmbeddingInput
{
    /// <summary>Passages to be stored.</summary>
    Document,

    /// <summary>Something to search for; a person waits.</summary>
    Query,
}

/// <summary>The embedding service could not embed.</summary>
/// <param name="status">The HTTP status; 0 when there was no answer.</param>
/// <param name="message">What happened, without any text that was to be embedded.</param>
/// <param name="inner">The cause.</param>
public sealed class EmbeddingGatewayException(int status, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The HTTP status; 0 when there was no answer.</summary>
    public int Status { get; } = status;

    /// <summary>Whether the same request may succeed later.</summary>
    public bool IsTransient => Status is 0 or 408 or 429 or >= 500;
}

/// <summary>Embedded texts.</summary>
/// <param name="Vectors">One vector of the space's dimensions for each text, in the order of the texts.</param>
/// <param name="Tokens">Tokens of all texts, as their provider counted them; 0 when it is not said.</param>
public sealed record EmbeddedTexts(IReadOnlyList<ReadOnlyMemory<float>> Vectors, long Tokens);

/// <summary>The embedding service, through the official OpenAI client.</summary>
public sealed class EmbeddingGatewayClient : IDisposable
{
    /// <summary>Texts of one request, at most.</summary>
    public const int MaxBatch = 100;

    private readonly HttpClient _http;
    private readonly OpenAIClient _openAi;

    /// <summary>A client for the service at <paramref name="address"/>.</summary>
    /// <param name="address">The service's root, without <c>/v1</c>.</param>
    /// <param name="apiKey">The admin key, or a workspace's.</param>
    /// <param name="handler">For tests; null for the real network.</param>
    public EmbeddingGatewayClient(Uri address, string apiKey, HttpMessageHandler? handler = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        _http = new HttpClient(handler ?? new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
        {
            BaseAddress = address,
            Timeout = TimeSpan.FromSeconds(100),
        };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        _openAi = new OpenAIClient(new ApiKeyCredential(apiKey), new OpenAIClientOptions
        {
            Endpoint = new Uri(address, "v1"),
            Transport = new HttpClientPipelineTransport(_http),
            RetryPolicy = new ClientRetryPolicy(maxRetries: 1),
        });
    }

    /// <summary>Embeds <paramref name="texts"/> in <paramref name="space"/>.</summary>
    /// <param name="space">The space: the service refuses when its model of that name is another space now.</param>
    /// <param name="spaceId"><see cref="EmbeddingSpace.Id"/> of it.</param>
    /// <param name="texts">1 to <see cref="MaxBatch"/> texts.</param>
    /// <param name="input">What they are.</param>
    /// <param name="workspace">Whom the cost is for.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>One vector of the space's dimensions for each text, in the order of the texts.</returns>
    /// <exception cref="EmbeddingGatewayException">The service refused, failed, could not be reached, or answered something else than asked.</exception>
    public async Task<IReadOnlyList<ReadOnlyMemory<float>>> EmbedAsync(
        EmbeddingSpace space,
        string spaceId,
        IReadOnlyList<string> texts,
        EmbeddingInput input,
        string workspace,
        CancellationToken cancellationToken) =>
        (await EmbedCountedAsync(space, spaceId, texts, input, workspace, cancellationToken).ConfigureAwait(false)).Vectors;

    /// <summary>Embeds <paramref name="texts"/> as <see cref="EmbedAsync"/> does, and says how many tokens they have.</summary>
    /// <exception cref="EmbeddingGatewayException">As <see cref="EmbedAsync"/>.</exception>
    public async Task<EmbeddedTexts> EmbedCountedAsync(
        EmbeddingSpace space,
        string spaceId,
        IReadOnlyList<string> texts,
        EmbeddingInput input,
        string workspace,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(texts.Count, MaxBatch);

        var body = BinaryContent.Create(BinaryData.FromObjectAsJson(new
        {
            model = space.Model,
            input = texts,
            encoding_format = "base64",
        }));
        var options = new RequestOptions { CancellationToken = cancellationToken };
        options.SetHeader(EmbeddingHeaders.Space, spaceId);
        options.SetHeader(EmbeddingHeaders.Input, input == EmbeddingInput.Query ? "query" : "document");
        options.SetHeader(EmbeddingHeaders.Priority, input == EmbeddingInput.Query ? "interactive" : "bulk");
        options.SetHeader(EmbeddingHeaders.Workspace, workspace);

        ClientResult result;
        try
        {
            result = await _openAi.GetEmbeddingClient(space.Model).GenerateEmbeddingsAsync(body, options).ConfigureAwait(false);
        }
        catch (ClientResultException e)
        {
            throw new EmbeddingGatewayException(e.Status, $"The embedding service answered {e.Status}: {ErrorMessage(e)}", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new EmbeddingGatewayException(0, "The embedding service did not answer: " + e.Message, e);
        }

        return Read(result, space, spaceId, texts.Count);
    }

    /// <summary>The models that the service offers.</summary>
    /// <exception cref="EmbeddingGatewayException">The service could not be reached.</exception>
    public async Task<IReadOnlyList<EmbeddingModel>> ListModelsAsync(CancellationToken cancellationToken)
    {
        try
        {
            var list = await _http.GetFromJsonAsync<EmbeddingModelList>("v1/models", RagJson.Options, cancellationToken).ConfigureAwait(false);
            return list?.Data ?? [];
        }
        catch (Exception e) when (e is HttpRequestException or JsonException)
        {
            throw new EmbeddingGatewayException(
                (int)((e as HttpRequestException)?.StatusCode ?? 0), "The embedding service did not list its models: " + e.Message, e);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    private static EmbeddedTexts Read(ClientResult result, EmbeddingSpace space, string spaceId, int count)
    {
        var response = result.GetRawResponse();
        if (response.Headers.TryGetValue(EmbeddingHeaders.Space, out var answered) && answered != spaceId)
        {
            throw new EmbeddingGatewayException(409, $"The embedding service answered vectors of space {answered}, not {spaceId}.");
        }

        // The protocol method is the only one that takes headers, and this cast its documented companion.
#pragma warning disable OPENAI001
        var embeddings = (OpenAIEmbeddingCollection)result;
#pragma warning restore OPENAI001
        var vectors = new ReadOnlyMemory<float>[count];
        var filled = 0;
        foreach (var embedding in embeddings)
        {
            var vector = embedding.ToFloats();
            if (embedding.Index < 0 || embedding.Index >= count || !vectors[embedding.Index].IsEmpty || vector.Length != space.Dimensions)
            {
                throw new EmbeddingGatewayException(502, "The embedding service answered a wrong index or dimension.");
            }

            vectors[embedding.Index] = vector;
            filled++;
        }

        return filled == count
            ? new(vectors, embeddings.Usage?.InputTokenCount ?? 0)
            : throw new EmbeddingGatewayException(502, $"The embedding service answered {filled} vectors for {count} texts.");
    }

    private static string ErrorMessage(ClientResultException e)
    {
        try
        {
            if (e.GetRawResponse()?.Content is { } content)
            {
                using var document = JsonDocument.Parse(content);
                if (document.RootElement.TryGetProperty("error", out var error) && error.TryGetProperty("message", out var message))
                {
                    return message.GetString() ?? "";
                }
            }
        }
        catch (JsonException)
        {
            // Not OpenAI's error shape; the status has to do.
        }

        return "no details.";
    }
}
