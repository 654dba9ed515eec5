using RagPlatform.Contracts;

namespace RagPlatform.Cli.Transfer;

/// <summary>A line of an exported file.</summary>
/// <param name="Space">The space of the vectors.</param>
/// <param name="Document">The document, in the form in which it can be put.</param>
internal sealed record ExportedLine(string Space, BatchDocument Document);
