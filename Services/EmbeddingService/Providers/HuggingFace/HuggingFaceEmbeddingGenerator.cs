using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.AI;
using RagPlatform.Contracts;

namespace RagPlatform.EmbeddingService.Providers.HuggingFace;

/// <summary>One model of HuggingFace's Inference API: the feature-extraction pipeline, which answers a vector per text, in order, without usage.</summary>
/// <param name="http">The network.</param>
/// <param name="baseUrl">The API's root; null for HuggingFace itself.</param>
/// <param name="apiKey">The token.</param>
/// <param name="model">The model's name, for instance <c>sentence-transformers/all-MiniLM-L6-v2</c>.</param>
/// <param name="time">The clock, for Retry-After as a date.</param>
internal sealed class HuggingFaceEmbeddingGenerator(ProviderHttp http, Uri? baseUrl, string apiKey, string model, TimeProvider time)
    : IEmbeddingGenerator<string, Embedding<float>>
{
    private const string DefaultBaseUrl = "https://router.huggingface.co/hf-inference";

    private readonly Uri _url = new($"{(baseUrl?.ToString() ?? DefaultBaseUrl).TrimEnd('/')}/models/{model}/pipeline/feature-extraction");

    /// <inheritdoc/>
    /// <exception cref="ProviderException">The call failed, or its answer is malformed.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, _url)
        {
            // Truncation is part of the space's identity (MaxTokens); normalisation is checked by us.
            Content = JsonContent.Create(new { inputs = values, normalize = true, truncate = true }),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        try
        {
            using var response = await http.Client.SendAsync(request, cancellationToken);
            if (!response.IsSuccessStatusCode)
            {
                throw Refused(response);
            }

            var vectors = await response.Content.ReadFromJsonAsync<float?[][]>(cancellationToken);
            return vectors is null
                ? throw new ProviderException(ProviderFailure.Malformed, "The provider answered nothing.")
                : new GeneratedEmbeddings<Embedding<float>>(vectors.Select(vector => new Embedding<float>(vector?.Select(number => number ?? float.NaN).ToArray() ?? [])));
        }
        catch (JsonException e)
        {
            throw new ProviderException(ProviderFailure.Malformed, "The provider's answer is no list of vectors.", e);
        }
        catch (Exception e) when (TransportFailure.Is(e, cancellationToken))
        {
            throw new ProviderException(ProviderFailure.Transient, $"The provider did not answer ({e.GetType().Name}).", e);
        }
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;

    /// <inheritdoc/>
    public void Dispose()
    {
        // The client belongs to all providers.
    }

    private ProviderException Refused(HttpResponseMessage response)
    {
        var status = (int)response.StatusCode;
        return new ProviderException(ProviderException.Classify(status), $"The provider answered {status}.")
        {
            Status = status,
            RetryAfter = RateLimitState.RetryAfter(
                name => response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null, time.GetUtcNow()),
        };
    }
}
