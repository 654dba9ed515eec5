using System.ClientModel;
using System.ClientModel.Primitives;
using System.Globalization;
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

/// <summary>Embedded texts.</summary>
/// <param name="Vectors">One vector of the space's dimensions for each text, in the order of the texts.</param>
/// <param name="Tokens">Tokens of all texts, as their provider counted them; 0 when it is not said.</param>
public sealed record EmbeddedTexts(IReadOnlyList<ReadOnlyMemory<float>> Vectors, long Tokens);

/// <summary>
/// The embedding service, through the official OpenAI client. One call is one request: nothing is repeated here and no <c>Retry-After</c> waited out,
/// because only the caller knows whether a person waits, and what else it could do. Every call ends within a bound, or when its token says so.
/// </summary>
public sealed class EmbeddingGatewayClient : IDisposable
{
    /// <summary>Texts of one request, at most.</summary>
    public const int MaxBatch = 100;

    private readonly HttpClient _http;
    private readonly OpenAIClient _openAi;
    private readonly TimeProvider _time;

    /// <summary>A client for the service at <paramref name="address"/>.</summary>
    /// <param name="address">The service's root, without <c>/v1</c>.</param>
    /// <param name="apiKey">The admin key, or a workspace's.</param>
    /// <param name="handler">For tests; null for the real network.</param>
    /// <param name="time">The clock of the bounds; null for the system's.</param>
    public EmbeddingGatewayClient(Uri address, string apiKey, HttpMessageHandler? handler = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        _time = time ?? TimeProvider.System;
        _http = new HttpClient(handler ?? new SocketsHttpHandler
        {
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = TimeSpan.FromSeconds(2),
        })
        {
            BaseAddress = address,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        _openAi = new OpenAIClient(new ApiKeyCredential(apiKey), new OpenAIClientOptions
        {
            Endpoint = new Uri(address, "v1"),
            Transport = new HttpClientPipelineTransport(_http),
            RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
            NetworkTimeout = DocumentTimeout + TimeSpan.FromSeconds(10),
        });
    }

    /// <summary>How long a call with <see cref="EmbeddingInput.Document"/> may take: 100 seconds.</summary>
    public static TimeSpan DocumentTimeout { get; } = TimeSpan.FromSeconds(100);

    /// <summary>How long a call with <see cref="EmbeddingInput.Query"/>, or one for the models, may take: 10 seconds. Callers may cancel earlier.</summary>
    public static TimeSpan QueryTimeout { get; } = TimeSpan.FromSeconds(10);

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
        using var limit = new CancellationTokenSource(input == EmbeddingInput.Query ? QueryTimeout : DocumentTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var options = new RequestOptions { CancellationToken = either.Token };
        options.SetHeader(EmbeddingHeaders.Space, spaceId);
        options.SetHeader(EmbeddingHeaders.Input, input == EmbeddingInput.Query ? "query" : "document");
        options.SetHeader(EmbeddingHeaders.Priority, input == EmbeddingInput.Query ? "interactive" : "bulk");
        options.SetHeader(EmbeddingHeaders.Workspace, workspace);

        ClientResult result;
        try
        {
            result = await _openAi.GetEmbeddingClient(space.Model).GenerateEmbeddingsAsync(body, options).ConfigureAwait(false);
        }
        catch (ClientResultException e) when (e.Status > 0)
        {
            throw Refusal(e);
        }
        catch (Exception e) when (TransportFailure.Is(e, cancellationToken))
        {
            throw NoAnswer(e, limit.IsCancellationRequested);
        }

        return Read(result, space, spaceId, texts.Count);
    }

    /// <summary>The models that the service offers.</summary>
    /// <exception cref="EmbeddingGatewayException">The service could not be reached.</exception>
    public async Task<IReadOnlyList<EmbeddingModel>> ListModelsAsync(CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(QueryTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var list = await _http.GetFromJsonAsync<EmbeddingModelList>("v1/models", RagJson.Options, either.Token).ConfigureAwait(false);
            return list?.Data ?? [];
        }
        catch (Exception e) when (e is HttpRequestException or JsonException || TransportFailure.Is(e, cancellationToken))
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

        try
        {
            return Read(result, space, count);
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or ArgumentException or KeyNotFoundException)
        {
            // Half an answer, or the page of something else that answers at this address.
            throw new EmbeddingGatewayException(0, $"The embedding service's answer cannot be read ({e.GetType().Name}).", e);
        }
    }

    private static EmbeddedTexts Read(ClientResult result, EmbeddingSpace space, int count)
    {
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
                throw BadAnswer("The embedding service answered a wrong index or dimension.");
            }

            vectors[embedding.Index] = vector;
            filled++;
        }

        return filled == count
            ? new(vectors, embeddings.Usage?.InputTokenCount ?? 0)
            : throw BadAnswer($"The embedding service answered {filled} vectors for {count} texts.");
    }

    private static EmbeddingGatewayException BadAnswer(string message) =>
        new(502, message) { Code = EmbeddingGatewayException.BadProviderAnswer };

    private static EmbeddingGatewayException NoAnswer(Exception e, bool timedOut)
    {
        var cause = e is AggregateException { InnerExceptions: [.., var last] } ? last : e;
        return new(0, timedOut ? "The embedding service did not answer in time." : "The embedding service did not answer: " + cause.Message, e);
    }

    private EmbeddingGatewayException Refusal(ClientResultException e)
    {
        var (message, code) = ReadError(e);
        var headers = e.GetRawResponse()?.Headers;
        string? Header(string name) => headers is not null && headers.TryGetValue(name, out var value) ? value : null;
        return new(e.Status, $"The embedding service answered {e.Status}: {message}", e)
        {
            Code = code,
            RetryAfter = RetryConditionHeaderValue.TryParse(Header("retry-after"), out var retry) ? retry.Delta ?? (retry.Date - _time.GetUtcNow()) : null,
            ResetsAt = DateTimeOffset.TryParse(
                Header(EmbeddingHeaders.BudgetReset), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var reset) ? reset : null,
        };
    }

    private static (string Message, string? Code) ReadError(ClientResultException e)
    {
        try
        {
            if (e.GetRawResponse()?.Content is { } content)
            {
                using var document = JsonDocument.Parse(content);
                if (document.RootElement.ValueKind == JsonValueKind.Object
                    && document.RootElement.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.Object)
                {
                    return (Text(error, "message") ?? "no details.", Text(error, "code"));
                }
            }
        }
        catch (JsonException)
        {
            // Not OpenAI's error shape; the status has to do.
        }

        return ("no details.", null);

        static string? Text(JsonElement error, string name) =>
            error.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
