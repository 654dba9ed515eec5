using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Ingest;

/// <summary>Turns files into documents. What cannot be one becomes a <see cref="Refusal"/>, and the next is read.</summary>
/// <param name="prefix">Put before each id.</param>
/// <param name="identity">What a document says that it comes from.</param>
/// <param name="isKnown">Whether the document of this id and fingerprint is there already: then it is not converted.</param>
internal sealed class SourceReader(string prefix, SourceIdentity identity, Func<string, string, bool> isKnown)
{
    // Raised when the same file becomes another document than before.
    private const string Version = "2";

    /// <summary>What surrounds the text of a source's pages.</summary>
    public PageFurniture Furniture { get; set; } = PageFurniture.None;

    /// <summary>Reads one file.</summary>
    public async IAsyncEnumerable<SourceItem> ReadAsync(SourceFile file, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (file.Kind == SourceKind.Corpus)
        {
            var number = 0;
            var stream = new FileStream(file.FullPath, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, useAsync: true);
            await using (stream)
            {
                await foreach (var line in LineReader.ReadAsync(stream, DocumentLimits.MaxBodyBytes, cancellationToken))
                {
                    number++;
                    if (line.Content is null)
                    {
                        yield return Refused(null, $"{file.RelativePath}, line {number}", "the line is longer than a request may be", line.Bytes);
                    }
                    else if (line.Content.AsSpan().ContainsAnyExcept(" \t\r"u8))
                    {
                        yield return ReadCorpusLine(file, line.Content, number, line.Bytes);
                    }
                }
            }
        }
        else
        {
            yield return await ReadFileAsync(file, cancellationToken);
        }
    }

    /// <summary>Makes a document of a line of <c>corpus.jsonl</c>.</summary>
    internal SourceItem ReadCorpusLine(SourceFile file, byte[] line, int number, long bytes)
    {
        var place = $"{file.RelativePath}, line {number}";
        try
        {
            using var json = JsonDocument.Parse(line);
            if (!json.RootElement.TryGetProperty("_id", out var idElement))
            {
                return Refused(null, place, "the line has no \"_id\"", bytes);
            }

            var id = prefix + (idElement.ValueKind == JsonValueKind.Number ? idElement.GetRawText() : idElement.GetString());
            var fingerprint = Fingerprint(file, line);
            if (isKnown(id, fingerprint))
            {
                return new SourceItem(id, null, null, bytes);
            }

            var text = json.RootElement.TryGetProperty("text", out var textElement) ? textElement.GetString() ?? "" : "";
            var title = json.RootElement.TryGetProperty("title", out var titleElement) ? titleElement.GetString() ?? "" : "";
            return Checked(new SourceDocument(id, title, text, CorpusMetadata(json.RootElement, file.Root), fingerprint), place, bytes);
        }
        catch (JsonException)
        {
            return Refused(null, place, "the line is no JSON", bytes);
        }
        catch (InvalidOperationException)
        {
            // A number where a string belongs, bytes that are no UTF-8, or half of a surrogate pair.
            return Refused(null, place, "expected \"_id\", \"title\" and \"text\" to be strings in UTF-8, and \"metadata\" an object", bytes);
        }
    }

    /// <summary>Makes a document of a file's content.</summary>
    internal SourceItem ReadContent(SourceFile file, byte[] content)
    {
        var id = prefix + file.RelativePath;
        var fingerprint = Fingerprint(file, content);
        if (isKnown(id, fingerprint))
        {
            return new SourceItem(id, null, null, content.Length);
        }

        if (!SourceText.TryDecode(content, file.Kind, out var text, out var reason))
        {
            return Refused(id, id, reason, content.Length);
        }

        var metadata = Metadata(
            ("source", file.Root.Name), ("path", file.RelativePath), ("format", file.Kind.ToString().ToLowerInvariant()), (SourceIdentity.Member, identity.Of(file.Root)));
        var (title, body, leftOut) = ("", text, 0);
        if (file.Kind is SourceKind.Markdown)
        {
            (title, body, var front) = MarkdownText.Read(text);
            foreach (var (name, value) in front.Members.Where(member => !member.Key.Equals("title", StringComparison.OrdinalIgnoreCase)))
            {
                metadata.TryAdd(name, value);
            }
        }
        else if (file.Kind is SourceKind.Html)
        {
            try
            {
                var page = Furniture.Remove(HtmlText.Read(text));
                (title, body, leftOut) = (page.Title, page.Text(), page.LeftOut);
                if (page.IsLinksOnly)
                {
                    return new SourceItem(null, null, null, content.Length) { LeftOut = leftOut, IsLinksOnly = true };
                }
            }
            catch (InsufficientExecutionStackException)
            {
                return Refused(id, id, "its elements are nested too deeply", content.Length);
            }
        }

        if (title.Length == 0)
        {
            title = Path.GetFileNameWithoutExtension(file.RelativePath);
        }

        var document = new SourceDocument(id, Shorten(title), body, JsonSerializer.SerializeToElement(metadata), fingerprint);
        return Checked(document, id, content.Length) with { LeftOut = leftOut, IsEmpty = string.IsNullOrWhiteSpace(body) };
    }

    private async Task<SourceItem> ReadFileAsync(SourceFile file, CancellationToken cancellationToken)
    {
        var id = prefix + file.RelativePath;
        if (file.Length > DocumentLimits.MaxBodyBytes)
        {
            return Refused(id, id, $"it has {file.Length:N0} bytes, at most {DocumentLimits.MaxBodyBytes:N0} are allowed", file.Length);
        }

        try
        {
            return await ReadBytesAsync(file.FullPath, cancellationToken) is { } content
                ? ReadContent(file, content)
                : Refused(id, id, $"it has more than the {DocumentLimits.MaxBodyBytes:N0} bytes that are allowed", file.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Refused(id, id, "it cannot be read: " + e.Message, file.Length);
        }
    }

    private static Dictionary<string, JsonElement> Metadata(params ReadOnlySpan<(string Name, string Value)> members)
    {
        var metadata = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var (name, value) in members)
        {
            metadata.Add(name, JsonSerializer.SerializeToElement(value));
        }

        return metadata;
    }

    // No more than a request may have, however much the file has grown since it was found.
    private static async Task<byte[]?> ReadBytesAsync(string path, CancellationToken cancellationToken)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1, useAsync: true);
        await using (stream)
        {
            using var content = new MemoryStream();
            var buffer = new byte[1 << 16];
            for (int read; (read = await stream.ReadAsync(buffer, cancellationToken)) > 0;)
            {
                content.Write(buffer, 0, read);
                if (content.Length > DocumentLimits.MaxBodyBytes)
                {
                    return null;
                }
            }

            return content.ToArray();
        }
    }

    private static SourceItem Checked(SourceDocument document, string place, long bytes) => DocumentRules.Check(document) is { } reason
        ? Refused(document.Id, document.Id.Length == 0 ? place : document.Id, reason, bytes)
        : new SourceItem(document.Id, document, null, bytes);

    private static SourceItem Refused(string? id, string document, string reason, long bytes) =>
        new(id, null, new Refusal(document, reason), bytes);

    private JsonElement CorpusMetadata(JsonElement line, SourceRoot root)
    {
        var metadata = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (line.TryGetProperty("metadata", out var given) && given.ValueKind != JsonValueKind.Null)
        {
            foreach (var property in given.EnumerateObject())
            {
                metadata[property.Name] = property.Value;
            }
        }

        metadata.TryAdd("source", JsonSerializer.SerializeToElement(root.Name));
        metadata[SourceIdentity.Member] = JsonSerializer.SerializeToElement(identity.Of(root));
        return JsonSerializer.SerializeToElement(metadata);
    }

    private string Fingerprint(SourceFile file, ReadOnlySpan<byte> content)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{Version}\n{file.Kind}\n{file.Root.Name}\n{identity.Of(file.Root)}\n{file.RelativePath}\n"));
        hash.AppendData(content);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // A title that is too long would refuse a good document; its whole is in the text.
    private static string Shorten(string title)
    {
        if (title.Length <= DocumentLimits.MaxTitleLength)
        {
            return title;
        }

        var end = DocumentLimits.MaxTitleLength - 1;
        return string.Concat(title.AsSpan(0, char.IsHighSurrogate(title[end - 1]) ? end - 1 : end), "…");
    }
}
