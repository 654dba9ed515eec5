using System.Security.Claims;
using RagPlatform.SearchApi.Limits;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.SearchApi.Tests.Limits;

public sealed class KeySlotsTests
{
    private static readonly ClaimsPrincipal s_admin = new(new ClaimsIdentity(
        [new Claim(ClaimTypes.Name, "admin"), new Claim(ClaimTypes.Role, "rag-admin")], "test"));

    private static ClaimsPrincipal Key(string id) => new(new ClaimsIdentity([new Claim(ClaimTypes.Name, id)], "test"));

    [Fact]
    public void TryTake_OneKeyTakesAllItCan_OthersStillHaveSome()
    {
        var slots = new KeySlots(most: 10, mostPerKey: 4);

        Assert.Equal(4, Enumerable.Range(0, 300).Count(_ => slots.TryTake(Key("greedy")) is not null));
        Assert.NotNull(slots.TryTake(Key("modest")));
        Assert.Equal(5, Enumerable.Range(0, 10).Count(_ => slots.TryTake(s_admin) is not null));
        Assert.Null(slots.TryTake(Key("late")));
    }

    [Fact]
    public void Dispose_Twice_GivesBackOneSlot()
    {
        var slots = new KeySlots(most: 10, mostPerKey: 1);
        var slot = slots.TryTake(Key("a"))!;
        Assert.Null(slots.TryTake(Key("a")));

        slot.Dispose();
        slot.Dispose();

        Assert.NotNull(slots.TryTake(Key("a")));
        Assert.Null(slots.TryTake(Key("a")));
    }
}
