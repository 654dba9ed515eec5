using System.Globalization;
using System.Text;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Wire;

/// <summary>How many tokens a request may have, and each of its texts: as OpenAI limits and refuses them.</summary>
internal static class InputLimits
{
    /// <summary>Checks a request's texts, and truncates those that are too long where the request asks for it.</summary>
    /// <returns>The texts, and how many of them were truncated.</returns>
    /// <exception cref="GatewayException">There are too many tokens.</exception>
    public static (IReadOnlyList<string> Texts, int Truncated) Apply(EmbeddingRequest request, ModelDefinition model)
    {
        var (texts, truncated) = (request.Texts, 0);
        if (model is { Encoding: TokenEncoding.Cl100k, MaxInputTokens: > 0 and var most })
        {
            var cut = new string?[texts.Count];
            for (var i = 0; i < cut.Length; i++)
            {
                // A token has at least a byte: most texts need not be counted.
                cut[i] = Encoding.UTF8.GetByteCount(texts[i]) <= most ? texts[i] : Limit(texts[i], i, texts.Count, most, request.Truncate);
                truncated += ReferenceEquals(cut[i], texts[i]) ? 0 : 1;
            }

            texts = truncated > 0 ? cut! : texts;
        }

        CheckAll(texts);
        return (texts, truncated);
    }

    private static string Limit(string text, int place, int count, int most, Truncation truncate)
    {
        if (truncate == Truncation.None)
        {
            return Cl100k.Count(text) is var tokens && tokens <= most ? text : throw GatewayException.Invalid(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"This model's maximum context length is {most} tokens, however you requested {tokens} tokens ({tokens} in your prompt; 0 for the completion). "
                    + $"Please reduce your prompt; or completion length."),
                count > 1 ? string.Create(CultureInfo.InvariantCulture, $"input[{place}]") : "input",
                "context_length_exceeded");
        }

        var cut = truncate == Truncation.End ? Cl100k.CutEnd(text, most) : Cl100k.CutStart(text, most);
        return cut.Length == text.Length ? text : cut;
    }

    // By the encoding of OpenAI's models also where the model has another: the limit is one of the protocol.
    private static void CheckAll(IReadOnlyList<string> texts)
    {
        if (texts.Sum(text => (long)Encoding.UTF8.GetByteCount(text)) <= EmbeddingRequest.MaxTokens)
        {
            return;
        }

        var tokens = texts.Sum(text => (long)Cl100k.Count(text));
        if (tokens > EmbeddingRequest.MaxTokens)
        {
            throw TooManyTokens(tokens);
        }
    }

    /// <summary>As OpenAI refuses it.</summary>
    public static GatewayException TooManyTokens(long tokens) => new(
        StatusCodes.Status400BadRequest, "max_tokens_per_request", "max_tokens_per_request",
        string.Create(CultureInfo.InvariantCulture, $"Requested {tokens} tokens, max {EmbeddingRequest.MaxTokens} tokens per request"), "input");
}
