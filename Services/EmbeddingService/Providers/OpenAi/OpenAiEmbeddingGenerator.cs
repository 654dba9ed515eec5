using System.ClientModel;
using System.ClientModel.Primitives;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OpenAI;
using RagPlatform.Contracts;
using EmbeddingClient = OpenAI.Embeddings.EmbeddingClient;

namespace RagPlatform.EmbeddingService.Providers.OpenAi;

/// <summary>
/// One model of OpenAI, or of a server that speaks its format, through the official client. The protocol method is used because the typed one hides
/// the rate-limit headers and trusts the order of the answer.
/// </summary>
internal sealed class OpenAiEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    /// <summary>Key of <see cref="RateLimitState"/> in the answer's additional properties.</summary>
    public const string RateLimitProperty = "rate-limit";

    /// <summary>Key of a <see cref="VectorFormat"/> in the options' additional properties.</summary>
    public const string FormatProperty = "format";

    private readonly EmbeddingClient _client;
    private readonly string _model;
    private readonly bool _sendDimensions;
    private readonly TimeProvider _time;

    /// <param name="client">The client of the endpoint; its own retries must be off.</param>
    /// <param name="model">The model's name at the provider.</param>
    /// <param name="sendDimensions">Whether the model takes <c>dimensions</c>.</param>
    /// <param name="time">The clock, for Retry-After as a date.</param>
    public OpenAiEmbeddingGenerator(OpenAIClient client, string model, bool sendDimensions, TimeProvider time)
    {
        _client = client.GetEmbeddingClient(model);
        _model = model;
        _sendDimensions = sendDimensions;
        _time = time;
    }

    /// <summary>A client without retries of its own.</summary>
    /// <param name="baseUrl">The API's root, with <c>/v1</c>; null for OpenAI itself.</param>
    /// <param name="apiKey">The key; servers that need none take any.</param>
    /// <param name="timeout">How long one call may take.</param>
    /// <param name="http">The network.</param>
    public static OpenAIClient CreateClient(Uri? baseUrl, string apiKey, TimeSpan timeout, ProviderHttp http)
    {
        var options = new OpenAIClientOptions
        {
            RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
            NetworkTimeout = timeout,
            Transport = new HttpClientPipelineTransport(http.Client),
        };
        if (baseUrl is not null)
        {
            options.Endpoint = baseUrl;
        }

        return new OpenAIClient(new ApiKeyCredential(apiKey), options);
    }

    /// <inheritdoc/>
    /// <exception cref="ProviderException">The call failed, or its answer is malformed.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        var texts = values as IReadOnlyCollection<string> ?? [.. values];
        using var body = BinaryContent.Create(CreateBody(texts, options));
        try
        {
            var result = await _client.GenerateEmbeddingsAsync(body, new RequestOptions { CancellationToken = cancellationToken });
            var response = result.GetRawResponse();
            var embeddings = OpenAiAnswerReader.Read(response.Content.ToMemory().Span, texts.Count);
            if (RateLimitState.Read(name => response.Headers.TryGetValue(name, out var value) ? value : null) is { } limits)
            {
                embeddings.AdditionalProperties = new() { [RateLimitProperty] = limits };
            }

            return embeddings;
        }
        catch (ClientResultException e) when (e.Status > 0)
        {
            throw Translate(e);
        }
        catch (Exception e) when (TransportFailure.Is(e, cancellationToken))
        {
            throw new ProviderException(
                ProviderFailure.Transient, $"The provider did not answer ({(e.InnerException ?? e).GetType().Name}).", e);
        }
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;

    /// <inheritdoc/>
    public void Dispose()
    {
        // The client belongs to the endpoint.
    }

    private BinaryData CreateBody(IReadOnlyCollection<string> texts, EmbeddingGenerationOptions? options)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("model"u8, _model);
            json.WriteStartArray("input"u8);
            foreach (var text in texts)
            {
                json.WriteStringValue(text);
            }

            json.WriteEndArray();
            var format = options?.AdditionalProperties?.GetValueOrDefault(FormatProperty) is VectorFormat chosen ? chosen : VectorFormat.Base64;
            if (format != VectorFormat.Unnamed)
            {
                json.WriteString("encoding_format"u8, format == VectorFormat.Base64 ? "base64"u8 : "float"u8);
            }

            if (_sendDimensions && options?.Dimensions is { } wanted)
            {
                json.WriteNumber("dimensions"u8, wanted);
            }

            json.WriteEndObject();
        }

        return new BinaryData(stream.GetBuffer().AsMemory(0, (int)stream.Length));
    }

    private ProviderException Translate(ClientResultException e)
    {
        var failure = ProviderException.Classify(e.Status);
        var code = ErrorCode(e);
        if (failure == ProviderFailure.RateLimited && code == "insufficient_quota")
        {
            failure = ProviderFailure.Unusable;
        }

        return new ProviderException(
            failure, string.Create(CultureInfo.InvariantCulture, $"The provider answered {e.Status}{(code is null ? "" : $" ({code})")}."), e)
        {
            Status = e.Status,
            RetryAfter = RetryAfter(e),
            IsAboutFormat = e.Status is >= 400 and not 429 && MentionsFormat(e),
        };
    }

    private TimeSpan? RetryAfter(ClientResultException e)
    {
        var headers = e.GetRawResponse()?.Headers;
        return headers is null
            ? null
            : RateLimitState.RetryAfter(name => headers.TryGetValue(name, out var value) ? value : null, _time.GetUtcNow());
    }

    private static bool MentionsFormat(ClientResultException e)
    {
        var body = e.GetRawResponse()?.Content is { } content ? content.ToMemory().Span : default;
        return body.IndexOf("encoding_format"u8) >= 0 || body.IndexOf("base64"u8) >= 0;
    }

    // Only the code: a message may quote the input.
    private static string? ErrorCode(ClientResultException e)
    {
        try
        {
            if (e.GetRawResponse()?.Content is { } content)
            {
                using var document = JsonDocument.Parse(content);
                if (document.RootElement.ValueKind == JsonValueKind.Object
                    && document.RootElement.TryGetProperty("error", out var error)
                    && error.ValueKind == JsonValueKind.Object
                    && error.TryGetProperty("code", out var code)
                    && code.ValueKind == JsonValueKind.String)
                {
                    return code.GetString() is { Length: > 0 and <= 64 } text && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') ? text : null;
                }
            }
        }
        catch (JsonException)
        {
            // Not OpenAI's error shape: the status has to do.
        }

        return null;
    }
}
