namespace RagPlatform.Contracts;

/// <summary>The form of a document's id: the same rule for who sends it and for who takes it.</summary>
public static class DocumentIds
{
    /// <summary>What is wrong with an id, or null.</summary>
    public static string? Check(string? id)
    {
        if (string.IsNullOrWhiteSpace(id))
        {
            return "An id must not be empty.";
        }

        if (id.Length > DocumentLimits.MaxIdLength)
        {
            return $"An id has at most {DocumentLimits.MaxIdLength} characters; this one has {id.Length}.";
        }

        if (id.Any(char.IsControl))
        {
            return "An id must not contain control characters.";
        }

        if (id.Contains("%2F", StringComparison.OrdinalIgnoreCase))
        {
            return "An id must not contain '%2F': in a path it could not be told from '/'.";
        }

        if (id.Split('/').Any(segment => segment is "." or ".."))
        {
            return "An id must not contain '.' or '..' between slashes: paths are normalised on their way.";
        }

        return WireText.Check(id);
    }
}
