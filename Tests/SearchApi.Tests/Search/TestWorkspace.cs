using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Tests.Search;

/// <summary>A workspace that no database has.</summary>
internal static class TestWorkspace
{
    public static WorkspaceRow Row { get; } = new(
        1, "w", "english", new("markdown", 1200, 200), new(1, "s", "m", "", 3, true, "", "", 0, false), null, 0, 1, DateTimeOffset.UnixEpoch);
}
