using RagPlatform.SearchApi.Problems;

namespace RagPlatform.SearchApi.Tests.Problems;

public sealed class CursorTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("guides/a b?c&d=é🙂")]
    public void TryDecode_WhatWasEncoded_IsTheKey(string key)
    {
        Assert.True(Cursor.TryDecode(Cursor.Encode(key), out var decoded));
        Assert.Equal(key, decoded);
    }

    [Fact]
    public void TryDecode_None_IsTheBeginning()
    {
        Assert.True(Cursor.TryDecode(null, out var key));
        Assert.Equal("", key);
    }

    [Theory]
    [InlineData("")]
    [InlineData("not base64url!")]
    [InlineData("_w")] // the byte FF
    [InlineData("AA")] // NUL
    [InlineData("a")]
    public void TryDecode_WhatNoListHasGiven_IsRefused(string cursor) => Assert.False(Cursor.TryDecode(cursor, out _));

    [Fact]
    public void TryDecode_ALongerCursorThanAnyKeyGives_IsRefused() => Assert.False(Cursor.TryDecode(new string('a', 4_000), out _));

    [Fact]
    public void Encode_TheLongestId_CanBeDecoded()
    {
        var id = new string('日', 512);

        Assert.True(Cursor.TryDecode(Cursor.Encode(id), out var key));
        Assert.Equal(id, key);
    }

    [Fact]
    public void Page_OneRowMoreThanTheLimit_HasACursorBehindTheLastItem()
    {
        var page = Cursor.Page(["a", "b", "c"], 2, row => row, row => row);

        Assert.Equal(["a", "b"], page.Items);
        Assert.Equal(Cursor.Encode("b"), page.NextCursor);
    }

    [Fact]
    public void Page_NoMoreRowsThanTheLimit_IsTheLast() => Assert.Null(Cursor.Page(["a", "b"], 2, row => row, row => row).NextCursor);
}
