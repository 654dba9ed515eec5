using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using RagPlatform.EmbeddingService.Limits;

namespace RagPlatform.EmbeddingService.Wire;

/// <summary>Reads a request without intermediate objects: the texts are the only strings that are made.</summary>
internal static class EmbeddingRequestReader
{
    /// <summary>Reads a body.</summary>
    /// <param name="body">The body.</param>
    /// <param name="model">The model when the body names none; null where it must.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="GatewayException">The body is too large, no JSON, or not what OpenAI's API takes.</exception>
    public static async ValueTask<EmbeddingRequest> ReadAsync(PipeReader body, string? model, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await body.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            if (buffer.Length > EmbeddingRequest.MaxBodyBytes)
            {
                body.AdvanceTo(buffer.End);
                throw TooLong();
            }

            if (result.IsCompleted)
            {
                try
                {
                    return Parse(buffer, model);
                }
                finally
                {
                    body.AdvanceTo(buffer.End);
                }
            }

            body.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    internal static EmbeddingRequest Parse(ReadOnlySequence<byte> body, string? model = null)
    {
        var reader = new Utf8JsonReader(WithoutByteOrderMark(body));
        try
        {
            var request = ReadObject(ref reader, model);
            return reader.Read() ? throw NotJson() : request;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string that is no valid UTF-8, or half a surrogate pair.
            throw NotJson();
        }
    }

    // RFC 8259 lets a parser ignore it, and some clients write one.
    private static ReadOnlySequence<byte> WithoutByteOrderMark(ReadOnlySequence<byte> body)
    {
        var mark = Encoding.UTF8.Preamble;
        Span<byte> start = stackalloc byte[mark.Length];
        if (body.Length < mark.Length)
        {
            return body;
        }

        body.Slice(0, mark.Length).CopyTo(start);
        return start.SequenceEqual(mark) ? body.Slice(mark.Length) : body;
    }

    private static EmbeddingRequest ReadObject(ref Utf8JsonReader reader, string? defaultModel)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw GatewayException.Invalid("The request body must be a JSON object.", null);
        }

        string? model = null;
        IReadOnlyList<string>? texts = null;
        int? dimensions = null;
        var base64 = false;
        var truncate = Truncation.None;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("model"u8))
            {
                reader.Read();
                model = ReadString(ref reader, "model");
            }
            else if (reader.ValueTextEquals("input"u8) || reader.ValueTextEquals("inputs"u8))
            {
                reader.Read();
                texts = ReadInput(ref reader);
            }
            else if (reader.ValueTextEquals("dimensions"u8))
            {
                reader.Read();
                dimensions = ReadDimensions(ref reader);
            }
            else if (reader.ValueTextEquals("encoding_format"u8))
            {
                reader.Read();
                base64 = ReadFormat(ref reader);
            }
            else if (reader.ValueTextEquals("truncate"u8))
            {
                reader.Read();
                truncate = ReadTruncate(ref reader);
            }
            else if (reader.ValueTextEquals("user"u8))
            {
                reader.Read();
                ReadString(ref reader, "user");
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        return new EmbeddingRequest(
            model ?? defaultModel ?? throw GatewayException.Invalid("You must provide a model parameter.", "model"),
            texts ?? throw GatewayException.Invalid("You must provide an input parameter.", "input"),
            dimensions,
            base64,
            truncate);
    }

    private static List<string> ReadInput(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            var text = reader.GetString()!;
            return text.Length == 0 ? throw Empty("input") : [text];
        }

        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw GatewayException.Invalid("The input must be a string, an array of strings, an array of tokens, or an array of arrays of tokens.", "input");
        }

        var texts = new List<string>();
        var tokens = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (texts.Count == EmbeddingRequest.MaxItems)
            {
                throw GatewayException.Invalid(
                    $"Invalid 'input': array too long. Expected an array with maximum length {EmbeddingRequest.MaxItems}.", "input", "array_above_max_length");
            }

            switch (reader.TokenType)
            {
                case JsonTokenType.Number when texts.Count == 0:
                    // The array itself is a text: its first token is read already.
                    return [ReadTokens(ref reader, "input", ref tokens)];
                case JsonTokenType.StartArray:
                    reader.Read();
                    texts.Add(ReadTokens(ref reader, $"input[{texts.Count}]", ref tokens));
                    break;
                case JsonTokenType.String:
                    var text = reader.GetString()!;
                    texts.Add(text.Length == 0 ? throw Empty($"input[{texts.Count}]") : text);
                    break;
                default:
                    throw GatewayException.Invalid($"Item {texts.Count} of the input is neither a string nor an array of tokens.", $"input[{texts.Count}]");
            }
        }

        return texts.Count > 0 ? texts : throw GatewayException.Invalid("The input is an empty array.", "input");
    }

    // Clients that cut texts by tokens send those, by the encoding of OpenAI's embedding models.
    private static string ReadTokens(ref Utf8JsonReader reader, string param, ref int total)
    {
        var tokens = new List<int>();
        for (; reader.TokenType != JsonTokenType.EndArray; reader.Read())
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out var token) || !Cl100k.Has(token))
            {
                throw GatewayException.Invalid(
                    $"Invalid 'input': {param}[{tokens.Count}] is no token of cl100k_base, by which arrays of tokens are read. Send the text itself where the model has another encoding.",
                    param, "invalid_token");
            }

            if (++total > EmbeddingRequest.MaxTokens)
            {
                throw InputLimits.TooManyTokens(total);
            }

            tokens.Add(token);
        }

        return tokens.Count == 0 ? throw Empty(param) : Cl100k.Decode(tokens);
    }

    private static Truncation ReadTruncate(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.Null or JsonTokenType.False:
                return Truncation.None;
            case JsonTokenType.True:
                return Truncation.End;
            case JsonTokenType.String when Enum.GetNames<Truncation>().Contains(reader.GetString(), StringComparer.OrdinalIgnoreCase):
                return Enum.Parse<Truncation>(reader.GetString()!, ignoreCase: true);
            default:
                throw GatewayException.Invalid("The field 'truncate' must be true, false, 'NONE', 'END' or 'START'.", "truncate");
        }
    }

    private static string? ReadString(ref Utf8JsonReader reader, string name) => reader.TokenType switch
    {
        JsonTokenType.String => reader.GetString(),
        JsonTokenType.Null => null,
        _ => throw GatewayException.Invalid($"The field '{name}' must be a string.", name),
    };

    private static int? ReadDimensions(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.Null => null,
        JsonTokenType.Number when reader.TryGetInt32(out var value) && value > 0 => value,
        _ => throw GatewayException.Invalid("The field 'dimensions' must be a positive integer.", "dimensions"),
    };

    private static bool ReadFormat(ref Utf8JsonReader reader) => ReadString(ref reader, "encoding_format") switch
    {
        null or "float" => false,
        "base64" => true,
        _ => throw GatewayException.Invalid("The field 'encoding_format' must be 'float' or 'base64'.", "encoding_format"),
    };

    private static GatewayException Empty(string param) => GatewayException.Invalid("The input must not be an empty string.", param);

    private static GatewayException TooLong() => GatewayException.Invalid(
        $"The body of one request must not exceed {EmbeddingRequest.MaxBodyBytes:N0} bytes.", "input", "string_above_max_length");

    private static GatewayException NotJson() =>
        GatewayException.Invalid("We could not parse the JSON body of your request: it must be one JSON object in UTF-8.", null);
}
