namespace RagPlatform.Dashboard.Shell;

/// <summary>What a control has to carry so that its label, hint and error belong to it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="DescribedBy">The id of its hint or error; null without.</param>
/// <param name="Invalid">"true" when it has an error, else null.</param>
public sealed record FieldContext(string Id, string? DescribedBy, string? Invalid);
