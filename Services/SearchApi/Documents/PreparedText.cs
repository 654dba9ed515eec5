using System.Globalization;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Documents;

/// <summary>A document's text, and the chunks that its caller has prepared of it.</summary>
/// <param name="Text">The text.</param>
/// <param name="Chunks">The chunks, or null when the text is to be cut.</param>
internal sealed record PreparedText(string Text, IReadOnlyList<PreparedChunkRow>? Chunks)
{
    private const string Between = "\n\n";
    private const int MaxErrors = 20;

    /// <summary>Checks text and chunks of a document.</summary>
    /// <param name="text">The text, or null.</param>
    /// <param name="chunks">The prepared chunks, or null.</param>
    /// <param name="space">The space that serves the workspace: that of the vectors.</param>
    /// <param name="errors">Gets what is wrong, by path; of a document no more than a few entries.</param>
    /// <param name="prefix">The path of the document, with a dot at its end; may be empty.</param>
    /// <returns>Null when something is wrong with the chunks.</returns>
    public static PreparedText? Read(
        string? text, IReadOnlyList<PreparedChunk>? chunks, SpaceRow space, Dictionary<string, string[]> errors, string prefix)
    {
        if (chunks is null)
        {
            return new(text ?? "", null);
        }

        var before = errors.Count;
        if (chunks.Count > DocumentLimits.MaxChunks)
        {
            errors[prefix + "chunks"] = [Number($"A document has at most {DocumentLimits.MaxChunks} chunks; this one has {chunks.Count}.")];
            return null;
        }

        // An empty text is none: nothing could stand in it.
        var derived = string.IsNullOrEmpty(text);
        if (derived && chunks.Sum(c => (long)(c?.Text?.Length ?? 0) + Between.Length) > DocumentLimits.MaxTextLength)
        {
            errors[prefix + "chunks"] = [Number($"The chunks have more than {DocumentLimits.MaxTextLength} characters together.")];
            return null;
        }

        var rows = new List<PreparedChunkRow>(chunks.Count);
        var (next, length) = (0, 0);
        for (var i = 0; i < chunks.Count && errors.Count - before < MaxErrors; i++)
        {
            var path = Number($"{prefix}chunks[{i}]");
            if (!Check(chunks[i], derived, path, errors) || !TryReadVector(chunks[i].Vector, space, path, errors, out var vector))
            {
                continue;
            }

            var chunk = chunks[i];
            var start = derived ? length : Find(chunk, text!, next);
            if (start < 0)
            {
                // What follows is looked for behind this one.
                errors[chunk.Start is null ? path + ".text" : path + ".start"] = [chunk.Start is null
                    ? "The document's text does not hold it, behind the beginning of the chunk before. Leave out the document's text, or say 'start'."
                    : "The document's text has something else there."];
                break;
            }

            next = start + 1;
            length += chunk.Text.Length + Between.Length;
            rows.Add(new(chunk.Text, start, chunk.Overlap, chunk.Heading, vector is null ? null : space.SpaceId, vector));
        }

        return errors.Count > before ? null : new(derived ? string.Join(Between, rows.Select(r => r.Text)) : text!, rows);
    }

    /// <summary>What is wrong with a vector of a space, or null.</summary>
    internal static string? CheckVector(IReadOnlyList<float> vector, SpaceRow space, out float[] values)
    {
        values = [.. vector];
        if (values.Length != space.Dimensions)
        {
            return Number($"The space '{space.Id}' has {space.Dimensions} dimensions; this vector has {values.Length}.");
        }

        var norm = Math.Sqrt(values.Sum(v => (double)v * v));
        if (!double.IsFinite(norm))
        {
            return "A number is not finite, or too large for 32 bits.";
        }

        // PostgreSQL computes with 32 bits: what is zero or infinite there has no direction.
        var (least, most) = (1e-15, 1e15);
        if (norm < least || norm > most)
        {
            return norm == 0 ? "All numbers are zero: the vector has no direction." : Number($"The vector's length is {norm:g3}: expected {least:g3} to {most:g3}.");
        }

        // What has unit length stays as it is, to the last bit.
        if (space.Normalized && Math.Abs(norm - 1) > 1e-6)
        {
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = (float)(values[i] / norm);
            }
        }

        return null;
    }

    private static bool TryReadVector(
        IReadOnlyList<float>? vector, SpaceRow space, string path, Dictionary<string, string[]> errors, out float[]? values)
    {
        values = null;
        if (vector is null)
        {
            return true;
        }

        if (CheckVector(vector, space, out var read) is { } wrong)
        {
            errors[path + ".vector"] = [wrong];
            return false;
        }

        values = read;
        return true;
    }

    private static bool Check(PreparedChunk? chunk, bool derived, string path, Dictionary<string, string[]> errors)
    {
        if (chunk is null)
        {
            errors[path] = ["Expected an object."];
            return false;
        }

        var (field, message) = string.IsNullOrWhiteSpace(chunk.Text) ? ("text", "A chunk must have a text.")
            : chunk.Text.Length > DocumentLimits.MaxChunkLength
                ? ("text", Number($"A chunk has at most {DocumentLimits.MaxChunkLength} characters; this one has {chunk.Text.Length}."))
            : WireText.Check(chunk.Text) is { } wrongText ? ("text", wrongText)
            : chunk.Heading.Length > DocumentLimits.MaxTitleLength
                ? ("heading", Number($"A heading has at most {DocumentLimits.MaxTitleLength} characters; this one has {chunk.Heading.Length}."))
            : WireText.Check(chunk.Heading) is { } wrongHeading ? ("heading", wrongHeading)
            : chunk.Overlap < 0 || chunk.Overlap >= chunk.Text.Length ? ("overlap", "Expected 0 or more, and fewer than the chunk has characters.")
            : chunk.Start < 0 ? ("start", "Expected 0 or more.")
            : derived && chunk.Start is not null ? ("start", "It says a place in the document's text: put that too, or leave this out.")
            : ("", "");
        if (field.Length > 0)
        {
            errors[path + "." + field] = [message];
        }

        return field.Length == 0;
    }

    // Without a place of its own, a chunk is the next one of its text.
    // What a chunk repeats is not looked at: within a table it is the header, which stands elsewhere.
    private static int Find(PreparedChunk chunk, string text, int from) =>
        chunk.Start is not { } start
            ? from <= text.Length ? text.IndexOf(chunk.Text, from, StringComparison.Ordinal) : -1
            : start + chunk.Overlap <= text.Length
                && text.AsSpan(start + chunk.Overlap).StartsWith(chunk.Text.AsSpan(chunk.Overlap), StringComparison.Ordinal) ? start : -1;

    private static string Number(FormattableString message) => message.ToString(CultureInfo.InvariantCulture);
}
