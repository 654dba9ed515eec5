using System.Globalization;

namespace RagPlatform.Cli;

/// <summary>Numbers with their nouns.</summary>
internal static class Quantity
{
    /// <summary>"1 document", "1,400 documents".</summary>
    public static string Of(long count, string noun) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:N0} {noun}{(count == 1 ? "" : "s")}");
}
