using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class PopularQueriesTests
{
    private readonly PopularQueries _popular = new();

    [Fact]
    public void Top_OfSeveral_HasTheMostPopularFirstAndNoneThatWasAskedOnce()
    {
        Ask(1, "often", 5);
        Ask(1, "twice", 2);
        Ask(1, "once", 1);
        Ask(2, "elsewhere", 3);

        Assert.Equal(["often", "elsewhere", "twice"], Texts(null, 10));
        Assert.Equal(["often", "twice"], Texts(1, 10));
        Assert.Equal(["often"], Texts(null, 1));
    }

    [Fact]
    public void Forget_OfAWorkspace_LeavesThoseOfOthers()
    {
        Ask(1, "gone", 3);
        Ask(2, "stays", 3);

        _popular.Forget(1);

        Assert.Equal(["stays"], Texts(null, 10));
        Assert.Equal([2], _popular.Workspaces());
        Assert.Equal("stays", Assert.Single(_popular.TakeNew()).Query.Request.Query);
    }

    [Fact]
    public void Count_WhenNobodyNeedsIt_RemembersNothing()
    {
        var popular = new PopularQueries(isCounting: false);
        Ask(1, "asked", 3, popular: popular);

        Assert.Empty(popular.Workspaces());
    }

    [Fact]
    public void Count_OfFurtherPagesAndVectors_IsIgnored()
    {
        Ask(1, "page", 3, request => request with { Offset = 10 });
        Ask(1, "vector", 3, request => request with { Vector = [1, 2] });

        Assert.Empty(Texts(null, 10));
    }

    [Fact]
    public void Count_OfMoreThanThereIsRoomFor_KeepsThePopular()
    {
        Ask(1, "often", 100);
        for (var i = 0; i < PopularQueries.MaxEntries * 3 / 2; i++)
        {
            Ask(1, "rare " + i, 1);
        }

        Ask(1, "new", 2);

        Assert.Equal(["often", "new"], Texts(null, 10));
    }

    [Fact]
    public void TakeNew_Again_HasOnlyWhatWasAskedSince()
    {
        Ask(1, "a", 3);
        _popular.Restore(new(1, "w", new("restored")), "restored", 7);

        var (query, count) = Assert.Single(_popular.TakeNew());
        Assert.Equal(("a", 3.0), (query.Request.Query, count));
        Assert.Empty(_popular.TakeNew());
        Assert.Equal(["restored", "a"], Texts(null, 10));
    }

    [Fact]
    public void Return_OfWhatCouldNotBeWritten_IsTakenAgainWithWhatCameSince()
    {
        var request = new SearchRequest("a");
        var workspace = Workspace(1);
        Count(2);
        var taken = _popular.TakeNew();
        Count(1);

        _popular.Return(taken);

        Assert.Equal(3.0, Assert.Single(_popular.TakeNew()).Count);
        Assert.Equal(["a"], Texts(null, 10));

        void Count(int times)
        {
            for (var i = 0; i < times; i++)
            {
                _popular.Count(workspace, request, ResultCache.HashOf(request));
            }
        }
    }

    private void Ask(int workspaceId, string text, int times, Func<SearchRequest, SearchRequest>? change = null, PopularQueries? popular = null)
    {
        var request = change is null ? new SearchRequest(text) : change(new(text));
        for (var i = 0; i < times; i++)
        {
            (popular ?? _popular).Count(Workspace(workspaceId), request, text);
        }
    }

    private string[] Texts(int? workspaceId, int limit) => [.. _popular.Top(workspaceId, limit).Select(q => q.Request.Query)];

    private static WorkspaceRow Workspace(int id) => new(
        id, "w", "english", new("markdown", 1200, 200), new(1, "s", "m", "", 3, true, "", "", 0, false), null, 0, 1, DateTimeOffset.UnixEpoch);
}
