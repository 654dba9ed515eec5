using RagPlatform.SearchApi.Operations;
using RagPlatform.SearchApi.Problems;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Tests.Operations;

public sealed class ChangeCursorTests
{
    [Fact]
    public void TryDecode_WhatWasEncoded_IsThePlace()
    {
        var position = new ChangePosition(ulong.MaxValue, long.MaxValue);

        Assert.True(ChangeEndpoints.TryDecode(ChangeEndpoints.Encode(position), out var decoded));
        Assert.Equal(position, decoded);
    }

    [Fact]
    public void TryDecode_None_IsTheBeginning()
    {
        Assert.True(ChangeEndpoints.TryDecode(null, out var position));
        Assert.Equal(default, position);
    }

    [Theory]
    [InlineData("5")]
    [InlineData("-5")]
    [InlineData("5-")]
    [InlineData("5--1")]
    [InlineData("99999999999999999999999-1")]
    public void TryDecode_WhatIsNoPlace_IsRefused(string key) => Assert.False(ChangeEndpoints.TryDecode(Cursor.Encode(key), out _));
}
