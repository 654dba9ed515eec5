using System.Security.Claims;
using RagPlatform.SearchApi.Workspaces;

namespace RagPlatform.SearchApi.Tests.Workspaces;

public sealed class WorkspaceKeysTests
{
    [Fact]
    public void CreateSecret_Twice_HasThePrefix32BytesAndDiffers()
    {
        var (first, second) = (WorkspaceKeys.CreateSecret(), WorkspaceKeys.CreateSecret());

        Assert.Matches("^rag_ws_[A-Za-z0-9_-]{43}$", first);
        Assert.NotEqual(first, second);
    }

    [Fact]
    public void FindWorkspaceId_AWorkspacesKey_IsItsWorkspace() =>
        Assert.Equal(12, WorkspaceKeys.FindWorkspaceId(Caller(new Claim(ClaimTypes.Name, "12.345"))));

    [Fact]
    public void FindWorkspaceId_TheAdminsKey_IsNone() =>
        Assert.Null(WorkspaceKeys.FindWorkspaceId(Caller(new(ClaimTypes.Name, "admin"), new(ClaimTypes.Role, "rag-admin"))));

    [Fact]
    public void FindWorkspaceId_NoKey_IsNone() => Assert.Null(WorkspaceKeys.FindWorkspaceId(new ClaimsPrincipal(new ClaimsIdentity())));

    private static ClaimsPrincipal Caller(params Claim[] claims) => new(new ClaimsIdentity(claims, "test"));
}
