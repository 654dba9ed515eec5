using Microsoft.AspNetCore.Http;
using RagPlatform.SearchApi.Documents;

namespace RagPlatform.SearchApi.Tests.Documents;

public sealed class PreferWaitTests
{
    [Theory]
    [InlineData("wait=5", 5)]
    [InlineData("Wait = \"7\"", 7)]
    [InlineData("respond-async, wait=10;foo=bar", 10)]
    [InlineData("wait=100000", 60)]
    public void Read_AWaitThatIsUnderstood_IsFollowed(string prefer, int seconds) =>
        Assert.Equal(seconds, PreferWait.Read(new HeaderDictionary { ["Prefer"] = prefer }));

    [Theory]
    [InlineData("wait")]
    [InlineData("wait=0")]
    [InlineData("wait=-1")]
    [InlineData("wait=soon")]
    [InlineData("wait=1.5")]
    [InlineData("return=minimal")]
    public void Read_WhatIsNotUnderstood_IsIgnored(string prefer) =>
        Assert.Null(PreferWait.Read(new HeaderDictionary { ["Prefer"] = prefer }));

    [Fact]
    public void Read_NoHeader_IsNoWait() => Assert.Null(PreferWait.Read(new HeaderDictionary()));

    [Fact]
    public void Read_SeveralHeaders_AreOneList()
    {
        var headers = new HeaderDictionary { ["Prefer"] = new(["handling=strict", "wait=3"]) };

        Assert.Equal(3, PreferWait.Read(headers));
    }
}
