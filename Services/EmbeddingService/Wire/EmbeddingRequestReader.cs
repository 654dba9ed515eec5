using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;

namespace RagPlatform.EmbeddingService.Wire;

/// <summary>Reads a request without intermediate objects: the texts are the only strings that are made.</summary>
internal static class EmbeddingRequestReader
{
    /// <exception cref="GatewayException">The body is too large, no JSON, or not what OpenAI's API takes.</exception>
    public static async ValueTask<EmbeddingRequest> ReadAsync(PipeReader body, CancellationToken cancellationToken)
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
                    return Parse(buffer);
                }
                finally
                {
                    body.AdvanceTo(buffer.End);
                }
            }

            body.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    internal static EmbeddingRequest Parse(ReadOnlySequence<byte> body)
    {
        var reader = new Utf8JsonReader(WithoutByteOrderMark(body));
        try
        {
            var request = ReadObject(ref reader);
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

    private static EmbeddingRequest ReadObject(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw GatewayException.Invalid("The request body must be a JSON object.", null);
        }

        string? model = null;
        IReadOnlyList<string>? texts = null;
        int? dimensions = null;
        var base64 = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("model"u8))
            {
                reader.Read();
                model = ReadString(ref reader, "model");
            }
            else if (reader.ValueTextEquals("input"u8))
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
            model ?? throw GatewayException.Invalid("You must provide a model parameter.", "model"),
            texts ?? throw GatewayException.Invalid("You must provide an input parameter.", "input"),
            dimensions,
            base64);
    }

    private static List<string> ReadInput(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            var text = reader.GetString()!;
            return text.Length switch
            {
                0 => throw Empty("input"),
                > EmbeddingRequest.MaxCharacters => throw TooLong(),
                _ => [text],
            };
        }

        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw GatewayException.Invalid("The input must be a string or an array of strings.", "input");
        }

        var texts = new List<string>();
        var characters = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType is JsonTokenType.Number or JsonTokenType.StartArray)
            {
                throw GatewayException.Invalid(
                    "Arrays of tokens are not supported, because tokens of one model mean nothing to another: send the text itself.",
                    "input", "tokens_not_supported");
            }

            if (reader.TokenType != JsonTokenType.String)
            {
                throw GatewayException.Invalid($"Item {texts.Count} of the input is no string.", "input");
            }

            if (texts.Count == EmbeddingRequest.MaxItems)
            {
                throw GatewayException.Invalid($"The input has more than {EmbeddingRequest.MaxItems:N0} items.", "input");
            }

            var text = reader.GetString()!;
            characters += text.Length;
            if (text.Length == 0)
            {
                throw Empty($"input[{texts.Count}]");
            }

            if (characters > EmbeddingRequest.MaxCharacters)
            {
                throw TooLong();
            }

            texts.Add(text);
        }

        return texts.Count > 0 ? texts : throw GatewayException.Invalid("The input is an empty array.", "input");
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
        $"The input of one request must not exceed {EmbeddingRequest.MaxCharacters:N0} characters.", "input", "string_above_max_length");

    private static GatewayException NotJson() =>
        GatewayException.Invalid("We could not parse the JSON body of your request: it must be one JSON object in UTF-8.", null);
}
